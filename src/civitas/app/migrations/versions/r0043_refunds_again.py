"""Buzz: a refund that came back can be made once more, so each knows what sum it leads to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "buzz_purchases",
        sa.Column("refund_goal_cents", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )
    # One that is under way as this runs.
    op.execute(
        "UPDATE buzz_purchases SET refund_goal_cents = refunded_cents + refunding_cents WHERE refunding_cents > 0"
    )


def downgrade() -> None:
    op.drop_column("buzz_purchases", "refund_goal_cents")
