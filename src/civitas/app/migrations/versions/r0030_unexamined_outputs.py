"""What agents deliver is shown to nobody before it was examined; what an agent says of its work is kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "orchestration_blobs",
        sa.Column("unexamined", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.add_column("jobs", sa.Column("note", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("jobs", "note")
    op.drop_column("orchestration_blobs", "unexamined")
