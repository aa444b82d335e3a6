"""Statements, statistics and staff's tools of the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

FUNCTIONS = Path(__file__).with_suffix(".sql")


def upgrade() -> None:
    op.create_table(
        "buzz_daily",
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("movements", sa.BigInteger(), nullable=False),
        sa.Column("came", sa.BigInteger(), nullable=False),
        sa.Column("went", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "day", "type", name=op.f("pk_buzz_daily")),
    )
    op.create_table(
        "buzz_daily_mark",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("done_id", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_id", sa.BigInteger(), nullable=True),
        sa.Column(
            "waits",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.CheckConstraint("id = 1", name=op.f("ck_buzz_daily_mark_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_buzz_daily_mark")),
    )
    op.create_table(
        "buzz_supply",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("accounts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "purpose", "currency", name=op.f("pk_buzz_supply")),
    )
    op.create_table(
        "buzz_adjustments",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("needs_second", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(), server_default=sa.text("'requested'"), nullable=False),
        sa.Column("requested_by", sa.BigInteger(), nullable=False),
        sa.Column("decided_by", sa.BigInteger(), nullable=True),
        sa.Column("decision", sa.String(), nullable=True),
        sa.Column("entry_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status = 'approved') = (entry_id IS NOT NULL)", name=op.f("ck_buzz_adjustments_posted")
        ),
        sa.CheckConstraint(
            "NOT needs_second OR status <> 'approved' OR decided_by IS NOT NULL",
            name=op.f("ck_buzz_adjustments_second"),
        ),
        sa.CheckConstraint(
            "currency IN ('blue', 'green', 'yellow')", name=op.f("ck_buzz_adjustments_currency")
        ),
        sa.CheckConstraint(
            "status IN ('requested', 'approved', 'rejected', 'expired')",
            name=op.f("ck_buzz_adjustments_status"),
        ),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_buzz_adjustments_amount")),
        sa.CheckConstraint(
            "decided_by IS NULL OR decided_by <> requested_by", name=op.f("ck_buzz_adjustments_four_eyes")
        ),
        sa.CheckConstraint(
            "requested_by <> person_id AND decided_by <> person_id",
            name=op.f("ck_buzz_adjustments_not_oneself"),
        ),
        sa.ForeignKeyConstraint(["decided_by"], ["people.id"], name=op.f("fk_buzz_adjustments_decided_by")),
        sa.ForeignKeyConstraint(["entry_id"], ["buzz_entries.id"], name=op.f("fk_buzz_adjustments_entry_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_buzz_adjustments_person_id")),
        sa.ForeignKeyConstraint(
            ["requested_by"], ["people.id"], name=op.f("fk_buzz_adjustments_requested_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_buzz_adjustments")),
        sa.UniqueConstraint("key", name=op.f("uq_buzz_adjustments_key")),
    )
    op.create_index(
        "ix_buzz_adjustments_open",
        "buzz_adjustments",
        ["id"],
        unique=False,
        postgresql_where=sa.text("status = 'requested'"),
    )
    op.create_index(
        "ix_buzz_adjustments_requested_by", "buzz_adjustments", ["requested_by", "created_at"], unique=False
    )
    driver: Any = op.get_bind().connection.driver_connection
    driver.execute(FUNCTIONS.read_text(encoding="utf-8"))


def downgrade() -> None:
    for table in ("buzz_adjustments", "buzz_supply", "buzz_daily_mark", "buzz_daily"):
        op.drop_table(table)
    for function in ("buzz_freeze", "buzz_entry_at"):
        op.execute(f"DROP FUNCTION {function}")
