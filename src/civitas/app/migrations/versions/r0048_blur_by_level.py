"""Each level is shown, blurred or hidden by itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0048"
down_revision = "0047"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("people", sa.Column("blur_level", sa.BigInteger(), server_default="28", nullable=False))
    op.create_check_constraint(op.f("ck_people_blur_level"), "people", "(blur_level & 30) = blur_level")
    op.execute("UPDATE people SET blur_level = 0 WHERE NOT blur_mature")
    op.drop_column("people", "blur_mature")


def downgrade() -> None:
    op.add_column(
        "people", sa.Column("blur_mature", sa.Boolean(), server_default=sa.text("true"), nullable=False)
    )
    op.execute("UPDATE people SET blur_mature = (blur_level & 28) > 0")
    op.drop_column("people", "blur_level")
