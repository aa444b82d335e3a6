"""Purchases of Buzz, payments, codes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "development_payments",
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("order_key", sa.String(), nullable=False),
        sa.Column("terms", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("cents", sa.BigInteger(), nullable=False),
        sa.Column("paid_cents", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("refunded_cents", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("disputed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("lost", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("failed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancels_at_period_end", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("cancelled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("reference", name=op.f("pk_development_payments")),
        sa.UniqueConstraint("order_key", name=op.f("uq_development_payments_order_key")),
    )
    op.create_table(
        "payment_events",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("order_key", sa.String(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("notice", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("processed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_events")),
    )
    op.create_index("ix_payment_events_order_key", "payment_events", ["order_key", "id"], unique=False)
    op.create_index(
        "ix_payment_events_unprocessed",
        "payment_events",
        ["id"],
        unique=False,
        postgresql_where=sa.text("processed_at IS NULL"),
    )
    op.create_index(
        "uq_payment_events_provider_event_id", "payment_events", ["provider", "event_id"], unique=True
    )
    op.create_table(
        "buzz_purchases",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), server_default=sa.text("'buzz'"), nullable=False),
        sa.Column("gift", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("pack", sa.String(), nullable=True),
        sa.Column("colour", sa.String(), nullable=False),
        sa.Column("buzz", sa.BigInteger(), nullable=False),
        sa.Column("bonus", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("blue", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cents", sa.BigInteger(), nullable=False),
        sa.Column("fee_cents", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=True),
        sa.Column("payment_reference", sa.String(), nullable=True),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("paid_cents", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("seen_cents", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("refunded_cents", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("disputed_cents", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("lost_cents", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("dispute_won", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("expired", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("failed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("state", sa.String(), server_default=sa.text("'created'"), nullable=False),
        sa.Column("credited", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("credited_blue", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("banked_cents", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("taken", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("taken_blue", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("returned_cents", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("froze", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("thawed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("refunding_cents", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("refund_reason", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("refunds", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("held", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("held_blue", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("refund_url", sa.String(), nullable=True),
        sa.Column("note", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_look_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("looks", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("(kind = 'gift') = (gift IS NOT NULL)", name=op.f("ck_buzz_purchases_gift")),
        sa.CheckConstraint("colour IN ('green', 'yellow')", name=op.f("ck_buzz_purchases_colour")),
        sa.CheckConstraint("kind IN ('buzz', 'gift')", name=op.f("ck_buzz_purchases_kind")),
        sa.CheckConstraint(
            "state IN ('created', 'pending', 'paid', 'failed', 'expired', 'refunded', 'disputed', 'charged_back')",
            name=op.f("ck_buzz_purchases_state"),
        ),
        sa.CheckConstraint(
            "buzz >= 0 AND bonus >= 0 AND blue >= 0 AND cents > 0 AND fee_cents >= 0",
            name=op.f("ck_buzz_purchases_terms"),
        ),
        sa.CheckConstraint(
            "taken >= 0 AND taken <= credited AND taken_blue <= credited_blue",
            name=op.f("ck_buzz_purchases_taken"),
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_buzz_purchases_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_buzz_purchases")),
        sa.UniqueConstraint("key", name=op.f("uq_buzz_purchases_key")),
    )
    op.create_index(
        "ix_buzz_purchases_next_look_at",
        "buzz_purchases",
        ["next_look_at"],
        unique=False,
        postgresql_where=sa.text("next_look_at IS NOT NULL"),
    )
    op.create_index(
        "ix_buzz_purchases_payment_reference", "buzz_purchases", ["payment_reference"], unique=False
    )
    op.create_index("ix_buzz_purchases_person_id_id", "buzz_purchases", ["person_id", "id"], unique=False)
    op.create_index("ix_buzz_purchases_state_id", "buzz_purchases", ["state", "id"], unique=False)
    op.create_index(
        "uq_buzz_purchases_provider_reference",
        "buzz_purchases",
        ["provider", "reference"],
        unique=True,
        postgresql_where=sa.text("reference IS NOT NULL"),
    )
    op.create_table(
        "redeem_batches",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("issued_by", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["issued_by"], ["people.id"], name=op.f("fk_redeem_batches_issued_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_redeem_batches")),
    )
    op.create_index("ix_redeem_batches_created_at", "redeem_batches", ["created_at", "id"], unique=False)
    op.create_table(
        "buzz_debts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("purchase_id", sa.BigInteger(), nullable=False),
        sa.Column("colour", sa.String(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("remaining", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(), server_default=sa.text("'open'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(status = 'open') = (settled_at IS NULL)", name=op.f("ck_buzz_debts_settled")),
        sa.CheckConstraint(
            "status IN ('open', 'collected', 'written_off')", name=op.f("ck_buzz_debts_status")
        ),
        sa.CheckConstraint(
            "remaining >= 0 AND remaining <= amount AND amount > 0", name=op.f("ck_buzz_debts_remaining")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_buzz_debts_person_id")),
        sa.ForeignKeyConstraint(
            ["purchase_id"], ["buzz_purchases.id"], name=op.f("fk_buzz_debts_purchase_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_buzz_debts")),
    )
    op.create_index(
        "ix_buzz_debts_open", "buzz_debts", ["id"], unique=False, postgresql_where=sa.text("status = 'open'")
    )
    op.create_index("ix_buzz_debts_person_id", "buzz_debts", ["person_id", "id"], unique=False)
    op.create_index(op.f("ix_buzz_debts_purchase_id"), "buzz_debts", ["purchase_id"], unique=False)
    op.create_table(
        "redeem_codes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("hint", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("colour", sa.String(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("tier", sa.String(), nullable=True),
        sa.Column("months", sa.BigInteger(), nullable=True),
        sa.Column("batch_id", sa.BigInteger(), nullable=True),
        sa.Column("purchase_id", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("redeemed_by", sa.BigInteger(), nullable=True),
        sa.Column("redeemed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "CASE kind WHEN 'buzz' THEN amount > 0 AND colour IS NOT NULL AND tier IS NULL AND months IS NULL"
            " WHEN 'membership' THEN months > 0 AND tier IS NOT NULL AND amount IS NULL AND colour IS NULL"
            " ELSE false END",
            name=op.f("ck_redeem_codes_worth"),
        ),
        sa.CheckConstraint("colour IN ('blue', 'green', 'yellow')", name=op.f("ck_redeem_codes_colour")),
        sa.CheckConstraint(
            "(redeemed_by IS NULL) = (redeemed_at IS NULL)", name=op.f("ck_redeem_codes_redeemed")
        ),
        sa.ForeignKeyConstraint(["batch_id"], ["redeem_batches.id"], name=op.f("fk_redeem_codes_batch_id")),
        sa.ForeignKeyConstraint(
            ["purchase_id"], ["buzz_purchases.id"], name=op.f("fk_redeem_codes_purchase_id")
        ),
        sa.ForeignKeyConstraint(["redeemed_by"], ["people.id"], name=op.f("fk_redeem_codes_redeemed_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_redeem_codes")),
        sa.UniqueConstraint("digest", name=op.f("uq_redeem_codes_digest")),
        sa.UniqueConstraint("purchase_id", name=op.f("uq_redeem_codes_purchase_id")),
    )
    op.create_index("ix_redeem_codes_batch_id", "redeem_codes", ["batch_id", "id"], unique=False)
    op.create_index(
        "ix_redeem_codes_redeemed_by", "redeem_codes", ["redeemed_by", "redeemed_at"], unique=False
    )


def downgrade() -> None:
    op.drop_table("redeem_codes")
    op.drop_table("buzz_debts")
    op.drop_table("redeem_batches")
    op.drop_table("buzz_purchases")
    op.drop_table("payment_events")
    op.drop_table("development_payments")
