"""The ledger of Buzz; its own rules are in the SQL beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

RULES = Path(__file__).with_suffix(".sql")


def upgrade() -> None:
    op.create_table(
        "buzz_economy_versions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("rules", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column(
            "changes",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_buzz_economy_versions")),
    )
    op.create_table(
        "buzz_entries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("description", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "details",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("subject_kind", sa.String(), nullable=True),
        sa.Column("subject_id", sa.BigInteger(), nullable=True),
        sa.Column("actor_id", sa.BigInteger(), nullable=True),
        sa.Column("reverses_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "(subject_kind IS NULL) = (subject_id IS NULL)", name=op.f("ck_buzz_entries_subject_pair")
        ),
        sa.CheckConstraint("length(description) <= 100", name=op.f("ck_buzz_entries_description_length")),
        sa.CheckConstraint("length(key) BETWEEN 1 AND 255", name=op.f("ck_buzz_entries_key_length")),
        sa.ForeignKeyConstraint(
            ["reverses_id"], ["buzz_entries.id"], name=op.f("fk_buzz_entries_reverses_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_buzz_entries")),
        sa.UniqueConstraint("key", name=op.f("uq_buzz_entries_key")),
    )
    op.create_index(
        "ix_buzz_entries_created_at", "buzz_entries", ["created_at"], unique=False, postgresql_using="brin"
    )
    op.create_index(
        "ix_buzz_entries_reverses_id",
        "buzz_entries",
        ["reverses_id"],
        unique=False,
        postgresql_where=sa.text("reverses_id IS NOT NULL"),
    )
    op.create_index(
        "ix_buzz_entries_subject",
        "buzz_entries",
        ["subject_kind", "subject_id", "id"],
        unique=False,
        postgresql_where=sa.text("subject_kind IS NOT NULL"),
    )
    op.create_table(
        "buzz_unfolded",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_buzz_unfolded")),
    )
    op.create_index("ix_buzz_unfolded_account_id", "buzz_unfolded", ["account_id"], unique=False)
    op.create_table(
        "buzz_accounts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "person_id", sa.BigInteger(), sa.Computed("NULLIF(owner_id, 0)", persisted=True), nullable=True
        ),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("guarded", sa.Boolean(), nullable=False),
        sa.Column("balance", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("frozen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("NOT guarded OR balance >= 0", name=op.f("ck_buzz_accounts_no_overdraft")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_buzz_accounts_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_buzz_accounts")),
        sa.UniqueConstraint(
            "owner_id", "purpose", "currency", name=op.f("uq_buzz_accounts_owner_id_purpose_currency")
        ),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_table(
        "buzz_holds",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("description", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("subject_kind", sa.String(), nullable=True),
        sa.Column("subject_id", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.String(), server_default=sa.text("'open'"), nullable=False),
        sa.Column("reserved", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("remaining", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('open', 'captured', 'released', 'expired')", name=op.f("ck_buzz_holds_status")
        ),
        sa.CheckConstraint(
            "(subject_kind IS NULL) = (subject_id IS NULL)", name=op.f("ck_buzz_holds_subject_pair")
        ),
        sa.ForeignKeyConstraint(["entry_id"], ["buzz_entries.id"], name=op.f("fk_buzz_holds_entry_id")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_buzz_holds_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_buzz_holds")),
        sa.UniqueConstraint("key", name=op.f("uq_buzz_holds_key")),
    )
    op.create_index(
        "ix_buzz_holds_expires_at",
        "buzz_holds",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("status = 'open'"),
    )
    op.create_index("ix_buzz_holds_person_id", "buzz_holds", ["person_id", "id"], unique=False)
    op.create_table(
        "buzz_postings",
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_buzz_postings_amount")),
        sa.PrimaryKeyConstraint("entry_id", "account_id", name=op.f("pk_buzz_postings")),
    )
    op.create_index(
        "ix_buzz_postings_account_id_entry_id",
        "buzz_postings",
        ["account_id", sa.literal_column("entry_id DESC")],
        unique=False,
    )
    # Past SQLAlchemy and the driver's parameters: the text holds many statements, colons and percent signs.
    driver: Any = op.get_bind().connection.driver_connection
    driver.execute(RULES.read_text(encoding="utf-8"))


def downgrade() -> None:
    # These speak of rows of a table that goes below.
    op.execute("DROP FUNCTION buzz_reserve")
    op.execute("DROP FUNCTION buzz_capture")
    for table in (
        "buzz_economy_versions",
        "buzz_holds",
        "buzz_unfolded",
        "buzz_postings",
        "buzz_entries",
        "buzz_accounts",
    ):
        op.drop_table(table)
    for function in (
        "buzz_guard_account", "buzz_apply_postings", "buzz_guard_unfolded", "buzz_apply_unfolded",
        "buzz_account", "buzz_accounts_of", "buzz_fold", "buzz_post", "buzz_post_batch", "buzz_new_account", "buzz_apply_set",
    ):  # fmt: skip
        op.execute(f"DROP FUNCTION {function}")
