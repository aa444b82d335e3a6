"""The creator programme: banking, pools, cash, withdrawals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "programme_months",
        sa.Column("month", sa.String(), nullable=False),
        sa.Column("status", sa.String(), server_default=sa.text("'open'"), nullable=False),
        sa.Column("taxes", sa.Numeric(precision=7, scale=6), nullable=True),
        sa.Column("portion", sa.Numeric(precision=7, scale=6), nullable=True),
        sa.Column("override_cents", sa.BigInteger(), nullable=True),
        sa.Column("income", sa.BigInteger(), nullable=True),
        sa.Column("banked", sa.BigInteger(), nullable=True),
        sa.Column("people", sa.BigInteger(), nullable=True),
        sa.Column("pool_cents", sa.BigInteger(), nullable=True),
        sa.Column("shared_cents", sa.BigInteger(), nullable=True),
        sa.Column("planned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("distributed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(status = 'open') = (pool_cents IS NULL)", name=op.f("ck_programme_months_planned")
        ),
        sa.CheckConstraint(
            "month ~ '^[0-9]{4}(0[1-9]|1[0-2])$'", name=op.f("ck_programme_months_month_form")
        ),
        sa.CheckConstraint(
            "status IN ('open', 'planned', 'distributed', 'settled')", name=op.f("ck_programme_months_status")
        ),
        sa.CheckConstraint("override_cents >= 0", name=op.f("ck_programme_months_override_cents")),
        sa.CheckConstraint(
            "taxes BETWEEN 0 AND 1 AND portion BETWEEN 0 AND 1", name=op.f("ck_programme_months_parts")
        ),
        sa.PrimaryKeyConstraint("month", name=op.f("pk_programme_months")),
    )
    op.create_index(
        "ix_programme_months_unfinished",
        "programme_months",
        ["month"],
        unique=False,
        postgresql_where=sa.text("status <> 'settled'"),
    )
    op.create_table(
        "cash_withdrawals",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("token", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("hint", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("provider_account", sa.String(), nullable=True),
        sa.Column("amount_cents", sa.BigInteger(), nullable=False),
        sa.Column("fee_cents", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(), server_default=sa.text("'Submitted'"), nullable=False),
        sa.Column("reference", sa.String(), nullable=True),
        sa.Column("note", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "history",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('Submitted', 'Scheduled', 'Deferred', 'DeferredInternal', 'FraudReview', "
            "'PendingPayerFunds', 'InternalValue', 'Paid', 'Cleared', 'Rejected', 'Canceled', 'FailedFee', "
            "'Reclaimed')",
            name=op.f("ck_cash_withdrawals_status"),
        ),
        sa.CheckConstraint(
            "amount_cents > 0 AND fee_cents BETWEEN 0 AND amount_cents",
            name=op.f("ck_cash_withdrawals_cents"),
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_cash_withdrawals_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cash_withdrawals")),
        sa.UniqueConstraint("key", name=op.f("uq_cash_withdrawals_key")),
        sa.UniqueConstraint("token", name=op.f("uq_cash_withdrawals_token")),
    )
    op.create_index(
        "ix_cash_withdrawals_paid",
        "cash_withdrawals",
        ["paid_at"],
        unique=False,
        postgresql_where=sa.text("status = 'Paid'"),
    )
    op.create_index("ix_cash_withdrawals_person_id", "cash_withdrawals", ["person_id", "id"], unique=False)
    op.create_index("ix_cash_withdrawals_status", "cash_withdrawals", ["status", "id"], unique=False)
    op.create_table(
        "payout_methods",
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("hint", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("provider_account", sa.String(), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('pending', 'ready')", name=op.f("ck_payout_methods_state")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_payout_methods_person_id")),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_payout_methods")),
        sa.UniqueConstraint("provider_account", name=op.f("uq_payout_methods_provider_account")),
    )
    op.create_table(
        "programme_notices",
        sa.Column("month", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "month ~ '^[0-9]{4}(0[1-9]|1[0-2])$'", name=op.f("ck_programme_notices_month_form")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_programme_notices_person_id")),
        sa.PrimaryKeyConstraint("month", "kind", "person_id", name=op.f("pk_programme_notices")),
    )
    op.create_table(
        "programme_participants",
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("status", sa.String(), server_default=sa.text("'active'"), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("terms_accepted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ban_reason", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "status IN ('active', 'left', 'banned')", name=op.f("ck_programme_participants_status")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_programme_participants_person_id")
        ),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_programme_participants")),
    )
    op.create_index(
        "ix_programme_participants_status", "programme_participants", ["status", "person_id"], unique=False
    )
    op.create_table(
        "programme_shares",
        sa.Column("month", sa.String(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("green", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("yellow", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cents", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(), server_default=sa.text("'planned'"), nullable=False),
        sa.CheckConstraint(
            "month ~ '^[0-9]{4}(0[1-9]|1[0-2])$'", name=op.f("ck_programme_shares_month_form")
        ),
        sa.CheckConstraint(
            "status IN ('planned', 'paid', 'settled', 'carried')", name=op.f("ck_programme_shares_status")
        ),
        sa.CheckConstraint(
            "green >= 0 AND yellow >= 0 AND green + yellow > 0 AND cents >= 0",
            name=op.f("ck_programme_shares_amounts"),
        ),
        sa.ForeignKeyConstraint(
            ["month"], ["programme_months.month"], name=op.f("fk_programme_shares_month")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_programme_shares_person_id")),
        sa.PrimaryKeyConstraint("month", "person_id", name=op.f("pk_programme_shares")),
    )
    op.create_index(
        "ix_programme_shares_due", "programme_shares", ["month", "status", "person_id"], unique=False
    )
    op.create_index("ix_programme_shares_person_id", "programme_shares", ["person_id", "month"], unique=False)
    op.create_index(
        "ix_buzz_accounts_bank",
        "buzz_accounts",
        ["purpose"],
        unique=False,
        postgresql_where=sa.text("purpose LIKE 'bank:%'"),
    )
    op.create_index(
        "ix_buzz_entries_income",
        "buzz_entries",
        ["created_at"],
        unique=False,
        postgresql_where=sa.text("type IN ('purchase', 'redeemable', 'chargeBack', 'refund')"),
    )


def downgrade() -> None:
    op.drop_index("ix_buzz_accounts_bank", table_name="buzz_accounts")
    op.drop_index(
        "ix_buzz_entries_income",
        table_name="buzz_entries",
        postgresql_where=sa.text("type IN ('purchase', 'redeemable', 'chargeBack', 'refund')"),
    )
    op.drop_index("ix_programme_shares_person_id", table_name="programme_shares")
    op.drop_index("ix_programme_shares_due", table_name="programme_shares")
    op.drop_table("programme_shares")
    op.drop_index("ix_programme_participants_status", table_name="programme_participants")
    op.drop_table("programme_participants")
    op.drop_table("programme_notices")
    op.drop_table("payout_methods")
    op.drop_index("ix_cash_withdrawals_status", table_name="cash_withdrawals")
    op.drop_index("ix_cash_withdrawals_person_id", table_name="cash_withdrawals")
    op.drop_index(
        "ix_cash_withdrawals_paid", table_name="cash_withdrawals", postgresql_where=sa.text("status = 'Paid'")
    )
    op.drop_table("cash_withdrawals")
    op.drop_index(
        "ix_programme_months_unfinished",
        table_name="programme_months",
        postgresql_where=sa.text("status <> 'settled'"),
    )
    op.drop_table("programme_months")
