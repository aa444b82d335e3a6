"""Early and paid access to versions, donation goals, licence fees."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _entity_access()
    _access_payments()
    _generation_trials()
    _version_access()


def _entity_access() -> None:
    op.create_table(
        "entity_access",
        sa.Column("subject_kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("accessor_kind", sa.String(), server_default=sa.text("'user'"), nullable=False),
        sa.Column("accessor_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bought", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("given", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "permissions", sa.SmallInteger(), sa.Computed("bought | given", persisted=True), nullable=False
        ),
        sa.Column("given_by", sa.BigInteger(), nullable=True),
        sa.Column(
            "meta",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("accessor_kind IN ('user')", name=op.f("ck_entity_access_accessor_kind")),
        sa.CheckConstraint(
            "bought BETWEEN 0 AND 3 AND given BETWEEN 0 AND 3", name=op.f("ck_entity_access_bits")
        ),
        sa.ForeignKeyConstraint(
            ["accessor_id"], ["people.id"], name=op.f("fk_entity_access_accessor_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(
            "subject_kind", "subject_id", "accessor_kind", "accessor_id", name=op.f("pk_entity_access")
        ),
    )
    op.create_index(
        "ix_entity_access_accessor",
        "entity_access",
        ["accessor_kind", "accessor_id", "subject_kind", "subject_id"],
        unique=False,
    )


def _access_payments() -> None:
    op.create_table(
        "access_payments",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("seller_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("permissions", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("counted", sa.BigInteger(), nullable=False),
        sa.Column("parts", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(), server_default=sa.text("'kept'"), nullable=False),
        sa.Column("release_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(kind = 'purchase') = (permissions > 0)", name=op.f("ck_access_payments_permissions")
        ),
        sa.CheckConstraint("kind IN ('purchase', 'donation')", name=op.f("ck_access_payments_kind")),
        sa.CheckConstraint(
            "status IN ('kept', 'paid', 'returning', 'returned')", name=op.f("ck_access_payments_status")
        ),
        sa.CheckConstraint(
            "amount > 0 AND counted BETWEEN 0 AND amount", name=op.f("ck_access_payments_amount")
        ),
        sa.ForeignKeyConstraint(["entry_id"], ["buzz_entries.id"], name=op.f("fk_access_payments_entry_id")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_access_payments_person_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["seller_id"], ["people.id"], name=op.f("fk_access_payments_seller_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["model_versions.id"],
            name=op.f("fk_access_payments_version_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_access_payments")),
        sa.UniqueConstraint("key", name=op.f("uq_access_payments_key")),
    )
    op.create_index("ix_access_payments_person_id", "access_payments", ["person_id", "id"], unique=False)
    op.create_index(
        "ix_access_payments_release_at",
        "access_payments",
        ["release_at"],
        unique=False,
        postgresql_where=sa.text("status = 'kept' AND release_at IS NOT NULL"),
    )
    op.create_index(
        "ix_access_payments_returning",
        "access_payments",
        ["id"],
        unique=False,
        postgresql_where=sa.text("status = 'returning'"),
    )
    op.create_index("ix_access_payments_seller_id", "access_payments", ["seller_id", "id"], unique=False)
    op.create_index(
        "ix_access_payments_version_id", "access_payments", ["version_id", "status", "id"], unique=False
    )


def _generation_trials() -> None:
    op.create_table(
        "generation_trials",
        sa.Column("version_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_generation_trials_person_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["model_versions.id"],
            name=op.f("fk_generation_trials_version_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("version_id", "person_id", name=op.f("pk_generation_trials")),
    )


def _version_access() -> None:
    op.create_table(
        "version_access",
        sa.Column("version_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("gate", sa.String(), server_default=sa.text("'none'"), nullable=False),
        sa.Column("state", sa.String(), server_default=sa.text("'draft'"), nullable=False),
        sa.Column("days", sa.BigInteger(), nullable=True),
        sa.Column("download_price", sa.BigInteger(), nullable=True),
        sa.Column("generation_price", sa.BigInteger(), nullable=True),
        sa.Column("trial_generations", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("accepts_blue", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("goal", sa.BigInteger(), nullable=True),
        sa.Column("goal_hidden", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("raised", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("goal_reached_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("licence_fee", sa.BigInteger(), nullable=True),
        sa.Column("licence_fee_images", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("licensing_source_version_id", sa.BigInteger(), nullable=True),
        sa.Column("rights_hash", sa.LargeBinary(), nullable=True),
        sa.Column("rights_affirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rights_affirmed_by", sa.BigInteger(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("end_reason", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "end_reason IN ('time', 'goal', 'creator', 'withdrawn')",
            name=op.f("ck_version_access_end_reason"),
        ),
        sa.CheckConstraint("gate <> 'timed' OR days > 0", name=op.f("ck_version_access_days")),
        sa.CheckConstraint(
            "gate = 'none' OR state = 'ended' OR download_price > 0 OR generation_price > 0",
            name=op.f("ck_version_access_price"),
        ),
        sa.CheckConstraint("gate IN ('none', 'timed', 'permanent')", name=op.f("ck_version_access_gate")),
        sa.CheckConstraint(
            "state <> 'open' OR gate <> 'timed' OR ends_at IS NOT NULL", name=op.f("ck_version_access_window")
        ),
        sa.CheckConstraint("state IN ('draft', 'open', 'ended')", name=op.f("ck_version_access_state")),
        sa.CheckConstraint(
            "(licence_fee IS NULL) OR (licence_fee > 0 AND rights_hash IS NOT NULL)",
            name=op.f("ck_version_access_licence_fee"),
        ),
        sa.CheckConstraint(
            "licensing_source_version_id <> version_id", name=op.f("ck_version_access_licensing_source")
        ),
        sa.ForeignKeyConstraint(
            ["licensing_source_version_id"],
            ["model_versions.id"],
            name=op.f("fk_version_access_licensing_source_version_id"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["model_versions.id"],
            name=op.f("fk_version_access_version_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("version_id", name=op.f("pk_version_access")),
    )
    op.create_index(
        "ix_version_access_ends_at",
        "version_access",
        ["ends_at"],
        unique=False,
        postgresql_where=sa.text("gate = 'timed' AND state = 'open'"),
    )
    op.create_index(
        "ix_version_access_licensing_source_version_id",
        "version_access",
        ["licensing_source_version_id"],
        unique=False,
        postgresql_where=sa.text("licensing_source_version_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_table("version_access")
    op.drop_table("generation_trials")
    op.drop_table("access_payments")
    op.drop_table("entity_access")
