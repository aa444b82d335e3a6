"""Memberships: what went back of a payment, and what a provider refused."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "membership_payments",
        sa.Column("returned_cents", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )
    op.drop_constraint(op.f("ck_membership_payments_cents"), "membership_payments")
    op.create_check_constraint(
        op.f("ck_membership_payments_cents"),
        "membership_payments",
        "cents >= 0 AND returned_cents BETWEEN 0 AND cents",
    )
    op.add_column("memberships", sa.Column("refused", sa.String(), nullable=True))
    op.add_column("memberships", sa.Column("refused_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_memberships_refused_at",
        "memberships",
        ["refused_at"],
        unique=False,
        postgresql_where=sa.text("refused_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_memberships_refused_at", "memberships")
    op.drop_column("memberships", "refused_at")
    op.drop_column("memberships", "refused")
    op.drop_constraint(op.f("ck_membership_payments_cents"), "membership_payments")
    op.create_check_constraint(op.f("ck_membership_payments_cents"), "membership_payments", "cents >= 0")
    op.drop_column("membership_payments", "returned_cents")
