"""Purchases: what of a refund the payer's bank sent back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "buzz_purchases",
        sa.Column("unreturned_cents", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )


def downgrade() -> None:
    op.drop_column("buzz_purchases", "unreturned_cents")
