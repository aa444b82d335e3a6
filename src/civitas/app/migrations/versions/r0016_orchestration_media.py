"""Turns in the queue, how fast agents are, blobs, results that are kept, and callbacks: what is told, to whom, signed how."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "queue_turns",
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("turn", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_queue_turns")),
    )
    op.create_index("ix_queue_turns_turn", "queue_turns", ["turn"], unique=False)
    op.create_table(
        "agent_resources",
        sa.Column("digest", sa.Text(collation="C"), nullable=False),
        sa.Column("agent_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_agent_resources_agent_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("digest", "agent_id", name=op.f("pk_agent_resources")),
    )
    op.create_index("ix_agent_resources_agent_id", "agent_resources", ["agent_id"], unique=False)
    op.create_table(
        "claim_uploads",
        sa.Column("claim_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("slot", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("storage_key", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("claim_id", "slot", "storage_key", name=op.f("pk_claim_uploads")),
    )
    op.create_index("ix_claim_uploads_created_at", "claim_uploads", ["created_at"], unique=False)
    op.create_table(
        "agent_rates",
        sa.Column("agent_id", sa.BigInteger(), nullable=False),
        sa.Column("capability", sa.String(), nullable=False),
        sa.Column("speed", sa.Double(), nullable=True),
        sa.Column("failure", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("succeeded", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("failed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_agent_rates_agent_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("agent_id", "capability", name=op.f("pk_agent_rates")),
    )
    op.create_table(
        "callback_secrets",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("hint", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_callback_secrets_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_callback_secrets")),
    )
    op.create_index("ix_callback_secrets_person_id", "callback_secrets", ["person_id", "id"], unique=False)
    op.create_table(
        "callback_chains",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", sa.Text(collation="C"), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("last", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("told", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_callback_chains_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_callback_chains")),
        sa.UniqueConstraint("workflow_id", "url", name="uq_callback_chains_workflow_id_url"),
    )
    op.create_index(
        "ix_callback_chains_due_at",
        "callback_chains",
        ["due_at", "id"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.create_index("ix_callback_chains_created_at", "callback_chains", ["created_at"], unique=False)
    op.create_table(
        "callback_deliveries",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("message_id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("chain_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("workflow_id", sa.Text(collation="C"), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("payload", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.String(), server_default="waiting", nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answer", sa.BigInteger(), nullable=True),
        sa.Column("took_ms", sa.BigInteger(), nullable=True),
        sa.Column("trouble", sa.String(), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'delivered', 'given_up', 'skipped')",
            name=op.f("ck_callback_deliveries_state"),
        ),
        sa.ForeignKeyConstraint(
            ["chain_id"],
            ["callback_chains.id"],
            name=op.f("fk_callback_deliveries_chain_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_callback_deliveries")),
        sa.UniqueConstraint("chain_id", "number", name="uq_callback_deliveries_chain_id_number"),
    )
    op.create_index(
        "ix_callback_deliveries_waiting",
        "callback_deliveries",
        ["chain_id", "number"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index(
        "ix_callback_deliveries_person_id", "callback_deliveries", ["person_id", "id"], unique=False
    )
    op.create_index(
        "ix_callback_deliveries_workflow_id", "callback_deliveries", ["workflow_id", "id"], unique=False
    )
    op.create_index(
        "ix_callback_deliveries_ended_at",
        "callback_deliveries",
        ["ended_at"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NOT NULL"),
    )
    op.create_table(
        "orchestration_blobs",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("workflow_id", sa.Text(collation="C"), nullable=True),
        sa.Column("job_id", sa.Text(collation="C"), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=True),
        sa.Column("storage_key", sa.String(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("width", sa.BigInteger(), nullable=True),
        sa.Column("height", sa.BigInteger(), nullable=True),
        sa.Column("duration_s", sa.Double(), nullable=True),
        sa.Column("phash", sa.BigInteger(), nullable=True),
        sa.Column("nsfw_level", sa.String(), server_default="na", nullable=False),
        sa.Column("blocked_reason", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("available_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind IN ('image', 'video', 'audio', 'model3d', 'file')", name=op.f("ck_orchestration_blobs_kind")
        ),
        sa.CheckConstraint(
            "nsfw_level IN ('pg', 'pg13', 'r', 'x', 'xxx', 'na')",
            name=op.f("ck_orchestration_blobs_nsfw_level"),
        ),
        sa.CheckConstraint(
            "(available_at IS NULL) = (size IS NULL)", name=op.f("ck_orchestration_blobs_available")
        ),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_orchestration_blobs_person_id")),
        sa.ForeignKeyConstraint(
            ["workflow_id"],
            ["workflows.id"],
            name=op.f("fk_orchestration_blobs_workflow_id"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orchestration_blobs")),
    )
    op.create_index(
        "ix_orchestration_blobs_expires_at",
        "orchestration_blobs",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    op.create_index(
        "ix_orchestration_blobs_person_id",
        "orchestration_blobs",
        ["person_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_orchestration_blobs_sha256",
        "orchestration_blobs",
        ["sha256"],
        unique=False,
        postgresql_where=sa.text("sha256 IS NOT NULL"),
    )
    op.create_index(
        "ix_orchestration_blobs_workflow_id",
        "orchestration_blobs",
        ["workflow_id"],
        unique=False,
        postgresql_where=sa.text("workflow_id IS NOT NULL"),
    )
    op.create_index(
        "ix_orchestration_blobs_brought",
        "orchestration_blobs",
        ["person_id", "created_at"],
        unique=False,
        postgresql_include=["size", "workflow_id"],
        postgresql_where=sa.text("job_id IS NULL AND size IS NOT NULL"),
    )
    op.create_index(
        "uq_orchestration_blobs_storage_key",
        "orchestration_blobs",
        ["storage_key"],
        unique=True,
        postgresql_where=sa.text("storage_key IS NOT NULL"),
    )
    op.create_table(
        "blocked_media",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("phash", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("added_by", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("num_nonnulls(sha256, phash) = 1", name=op.f("ck_blocked_media_one_hash")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blocked_media")),
    )
    op.create_index(
        "uq_blocked_media_sha256",
        "blocked_media",
        ["sha256"],
        unique=True,
        postgresql_where=sa.text("sha256 IS NOT NULL"),
    )
    op.create_index(
        "uq_blocked_media_phash",
        "blocked_media",
        ["phash"],
        unique=True,
        postgresql_where=sa.text("phash IS NOT NULL"),
    )
    op.create_table(
        "media_fetches",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", sa.Text(collation="C"), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("blob_id", sa.Text(collation="C"), nullable=True),
        sa.Column("trouble", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["workflow_id"],
            ["workflows.id"],
            name=op.f("fk_media_fetches_workflow_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_media_fetches")),
        sa.UniqueConstraint("workflow_id", "digest", name="uq_media_fetches_workflow_id_digest"),
    )
    op.create_table(
        "blob_archives",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("format", sa.String(), nullable=False),
        sa.Column("entries", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("format IN ('zip', 'tar')", name=op.f("ck_blob_archives_format")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_blob_archives_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blob_archives")),
    )
    op.create_index("ix_blob_archives_expires_at", "blob_archives", ["expires_at"], unique=False)
    op.create_table(
        "step_results",
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("output", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", "person_id", name=op.f("pk_step_results")),
    )
    op.create_index("ix_step_results_expires_at", "step_results", ["expires_at"], unique=False)
