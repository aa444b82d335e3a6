"""Memberships: what runs, what was paid, the Buzz of each month, what waits, orders, why people left."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "memberships",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("colour", sa.String(), nullable=False),
        sa.Column("tier", sa.String(), nullable=False),
        sa.Column("billing", sa.String(), nullable=False),
        sa.Column("status", sa.String(), server_default="active", nullable=False),
        sa.Column("provider", sa.String(), nullable=True),
        sa.Column("subscription", sa.String(), nullable=True),
        sa.Column("anchor_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("anchor_months", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("period_cents", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cancel_at_end", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("next_tier", sa.String(), nullable=True),
        sa.Column("next_billing", sa.String(), nullable=True),
        sa.Column("reminded_for", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(ended_at IS NULL) = (status IN ('active', 'past_due'))", name=op.f("ck_memberships_ended")
        ),
        sa.CheckConstraint(
            "billing IN ('monthly', 'annual', 'prepaid', 'perks', 'granted')",
            name=op.f("ck_memberships_billing"),
        ),
        sa.CheckConstraint("colour IN ('green', 'yellow')", name=op.f("ck_memberships_colour")),
        sa.CheckConstraint("next_billing IN ('monthly', 'annual')", name=op.f("ck_memberships_next_billing")),
        sa.CheckConstraint(
            "status IN ('active', 'past_due', 'lapsed', 'cancelled')", name=op.f("ck_memberships_status")
        ),
        sa.CheckConstraint("period_end > period_start", name=op.f("ck_memberships_period")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_memberships_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memberships")),
    )
    op.create_index(
        "ix_memberships_period_end",
        "memberships",
        ["period_end"],
        unique=False,
        postgresql_where=sa.text("status IN ('active', 'past_due')"),
    )
    op.create_index("ix_memberships_person_id", "memberships", ["person_id", "id"], unique=False)
    op.create_index(
        "uq_memberships_person_id_colour",
        "memberships",
        ["person_id", "colour"],
        unique=True,
        postgresql_where=sa.text("status IN ('active', 'past_due')"),
    )
    op.create_index(
        "uq_memberships_provider_subscription",
        "memberships",
        ["provider", "subscription"],
        unique=True,
        postgresql_where=sa.text("subscription IS NOT NULL AND status IN ('active', 'past_due')"),
    )
    op.create_table(
        "membership_orders",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("recipient_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("tier", sa.String(), nullable=False),
        sa.Column("billing", sa.String(), nullable=False),
        sa.Column("colour", sa.String(), nullable=False),
        sa.Column("months", sa.BigInteger(), nullable=False),
        sa.Column("cents", sa.BigInteger(), nullable=False),
        sa.Column("credit_cents", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=True),
        sa.Column("note", sa.String(), server_default="", nullable=False),
        sa.Column("membership_id", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.String(), server_default="open", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("colour IN ('green', 'yellow')", name=op.f("ck_membership_orders_colour")),
        sa.CheckConstraint(
            "kind IN ('subscribe', 'upgrade', 'prepaid', 'gift')", name=op.f("ck_membership_orders_kind")
        ),
        sa.CheckConstraint("status IN ('open', 'paid', 'expired')", name=op.f("ck_membership_orders_status")),
        sa.CheckConstraint("cents >= 0 AND credit_cents >= 0", name=op.f("ck_membership_orders_cents")),
        sa.ForeignKeyConstraint(
            ["membership_id"], ["memberships.id"], name=op.f("fk_membership_orders_membership_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_membership_orders_person_id")),
        sa.ForeignKeyConstraint(
            ["recipient_id"], ["people.id"], name=op.f("fk_membership_orders_recipient_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_membership_orders")),
    )
    op.create_index(
        "ix_membership_orders_expires_at",
        "membership_orders",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("status = 'open'"),
    )
    op.create_index("ix_membership_orders_person_id", "membership_orders", ["person_id", "id"], unique=False)
    op.create_index(
        "ix_membership_orders_reference",
        "membership_orders",
        ["reference"],
        unique=False,
        postgresql_where=sa.text("reference IS NOT NULL"),
    )
    op.create_table(
        "membership_payments",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("membership_id", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("tier", sa.String(), nullable=False),
        sa.Column("billing", sa.String(), nullable=False),
        sa.Column("colour", sa.String(), nullable=False),
        sa.Column("months", sa.BigInteger(), nullable=False),
        sa.Column("cents", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(), server_default="paid", nullable=False),
        sa.Column("period_start", sa.DateTime(timezone=True), nullable=True),
        sa.Column("period_end", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("status IN ('paid', 'refunded')", name=op.f("ck_membership_payments_status")),
        sa.CheckConstraint("cents >= 0", name=op.f("ck_membership_payments_cents")),
        sa.CheckConstraint("months > 0", name=op.f("ck_membership_payments_months")),
        sa.ForeignKeyConstraint(
            ["membership_id"], ["memberships.id"], name=op.f("fk_membership_payments_membership_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_membership_payments_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_membership_payments")),
    )
    op.create_index(
        "ix_membership_payments_membership_id", "membership_payments", ["membership_id"], unique=False
    )
    op.create_index(
        "ix_membership_payments_person_id", "membership_payments", ["person_id", "id"], unique=False
    )
    op.create_index(
        "uq_membership_payments_provider_reference",
        "membership_payments",
        ["provider", "reference"],
        unique=True,
    )
    op.create_table(
        "membership_surveys",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("membership_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("comment", sa.String(), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["membership_id"], ["memberships.id"], name=op.f("fk_membership_surveys_membership_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_membership_surveys_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_membership_surveys")),
    )
    op.create_index(
        "ix_membership_surveys_created_at", "membership_surveys", ["created_at", "id"], unique=False
    )
    op.create_table(
        "membership_grants",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("colour", sa.String(), nullable=False),
        sa.Column("tier", sa.String(), nullable=False),
        sa.Column("billing", sa.String(), nullable=False),
        sa.Column("months", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("days", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("source_key", sa.String(), nullable=False),
        sa.Column("giver_id", sa.BigInteger(), nullable=True),
        sa.Column("note", sa.String(), server_default="", nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=True),
        sa.Column("membership_id", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.String(), server_default="queued", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status = 'started') = (membership_id IS NOT NULL)", name=op.f("ck_membership_grants_started")
        ),
        sa.CheckConstraint(
            "billing IN ('prepaid', 'perks', 'granted')", name=op.f("ck_membership_grants_billing")
        ),
        sa.CheckConstraint("colour IN ('green', 'yellow')", name=op.f("ck_membership_grants_colour")),
        sa.CheckConstraint(
            "status IN ('queued', 'started', 'revoked')", name=op.f("ck_membership_grants_status")
        ),
        sa.CheckConstraint(
            "months >= 0 AND days >= 0 AND months + days > 0", name=op.f("ck_membership_grants_length")
        ),
        sa.ForeignKeyConstraint(["giver_id"], ["people.id"], name=op.f("fk_membership_grants_giver_id")),
        sa.ForeignKeyConstraint(
            ["membership_id"], ["memberships.id"], name=op.f("fk_membership_grants_membership_id")
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["membership_payments.id"], name=op.f("fk_membership_grants_payment_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_membership_grants_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_membership_grants")),
    )
    op.create_index(
        "ix_membership_grants_giver_id",
        "membership_grants",
        ["giver_id", "id"],
        unique=False,
        postgresql_where=sa.text("giver_id IS NOT NULL"),
    )
    op.create_index("ix_membership_grants_person_id", "membership_grants", ["person_id", "id"], unique=False)
    op.create_index(
        "ix_membership_grants_queued",
        "membership_grants",
        ["person_id", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'queued'"),
    )
    op.create_index(
        "uq_membership_grants_source_source_key", "membership_grants", ["source", "source_key"], unique=True
    )
    op.create_table(
        "membership_months",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("membership_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("colour", sa.String(), nullable=False),
        sa.Column("quarters", sa.BigInteger(), nullable=False),
        sa.Column("worth", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivered", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(), server_default="locked", nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('locked', 'unlocked', 'claimed', 'withdrawn')",
            name=op.f("ck_membership_months_status"),
        ),
        sa.CheckConstraint("quarters >= 0", name=op.f("ck_membership_months_quarters")),
        sa.ForeignKeyConstraint(
            ["membership_id"], ["memberships.id"], name=op.f("fk_membership_months_membership_id")
        ),
        sa.ForeignKeyConstraint(
            ["payment_id"], ["membership_payments.id"], name=op.f("fk_membership_months_payment_id")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_membership_months_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_membership_months")),
    )
    op.create_index(
        "ix_membership_months_due_at",
        "membership_months",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("status = 'locked'"),
    )
    op.create_index(
        "ix_membership_months_person_id", "membership_months", ["person_id", "due_at"], unique=False
    )
    op.create_index(
        "uq_membership_months_membership_id_number",
        "membership_months",
        ["membership_id", "number"],
        unique=True,
    )
    op.add_column("people", sa.Column("badge", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("people", "badge")
    op.drop_table("membership_months")
    op.drop_table("membership_grants")
    op.drop_table("membership_surveys")
    op.drop_table("membership_payments")
    op.drop_table("membership_orders")
    op.drop_table("memberships")
