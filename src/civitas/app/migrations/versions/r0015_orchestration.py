"""Workflows, steps, jobs, claims and agents; final states that never change."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

FINAL = "'succeeded', 'failed', 'expired', 'canceled'"
STATEFUL = ("workflows", "workflow_steps", "jobs")


def upgrade() -> None:
    op.create_table(
        "agents",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("token_prefix", sa.String(), nullable=False),
        sa.Column("made_by", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "capabilities",
            postgresql.ARRAY(sa.Text()),
            server_default=sa.text("'{}'::text[]"),
            nullable=False,
        ),
        sa.Column("slots", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("software", sa.String(), server_default="", nullable=False),
        sa.Column(
            "hardware",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("wish", sa.String(), server_default="work", nullable=False),
        sa.CheckConstraint("wish IN ('work', 'pause', 'drain')", name=op.f("ck_agents_wish")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agents")),
    )
    op.create_index("uq_agents_token_hash", "agents", ["token_hash"], unique=True)
    op.create_table(
        "workflows",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("key_id", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.String(), server_default="unassigned", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "tags", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False
        ),
        sa.Column(
            "metadata",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "arguments",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "callbacks",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "tips",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "cost",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "currencies", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False
        ),
        sa.Column("nsfw_level", sa.String(), nullable=True),
        sa.Column("experimental", sa.Boolean(), nullable=True),
        sa.Column("allow_mature", sa.Boolean(), nullable=True),
        sa.Column("upgrade_mode", sa.String(), server_default="manual", nullable=False),
        sa.Column("ephemeral", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("external_id", sa.String(), nullable=True),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("domain", sa.String(), server_default="main", nullable=False),
        sa.Column("reserved", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("captured", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "holds",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "transactions",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column("withheld", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("forget_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(completed_at IS NULL) = (status IN ('unassigned', 'preparing', 'scheduled', 'processing'))",
            name=op.f("ck_workflows_completed"),
        ),
        sa.CheckConstraint(
            "nsfw_level IN ('pg', 'pg13', 'r', 'x', 'xxx', 'na')", name=op.f("ck_workflows_nsfw_level")
        ),
        sa.CheckConstraint(
            "status IN ('unassigned', 'preparing', 'scheduled', 'processing', 'succeeded', 'failed', 'expired', 'canceled')",
            name=op.f("ck_workflows_status"),
        ),
        sa.CheckConstraint("upgrade_mode IN ('manual', 'automatic')", name=op.f("ck_workflows_upgrade_mode")),
        sa.CheckConstraint("cardinality(tags) <= 10", name=op.f("ck_workflows_tags")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_workflows_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workflows")),
    )
    op.create_index(
        "ix_workflows_forget_at",
        "workflows",
        ["forget_at"],
        unique=False,
        postgresql_where=sa.text("forget_at IS NOT NULL"),
    )
    op.create_index(
        "ix_workflows_open",
        "workflows",
        ["person_id"],
        unique=False,
        postgresql_where=sa.text("status IN ('unassigned', 'preparing', 'scheduled', 'processing')"),
    )
    op.create_index("ix_workflows_person_id", "workflows", ["person_id", "created_at", "id"], unique=False)
    op.create_index("ix_workflows_tags", "workflows", ["tags"], unique=False, postgresql_using="gin")
    op.create_index(
        "ix_workflows_twin", "workflows", ["person_id", "fingerprint", "created_at"], unique=False
    )
    op.create_index(
        "uq_workflows_person_id_external_id",
        "workflows",
        ["person_id", "external_id"],
        unique=True,
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_table(
        "workflow_steps",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("workflow_id", sa.Text(collation="C"), nullable=False),
        sa.Column("parent_id", sa.BigInteger(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("status", sa.String(), server_default="unassigned", nullable=False),
        sa.Column("input", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("resolved", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("output", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column(
            "metadata",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("priority", sa.String(), server_default="normal", nullable=False),
        sa.Column("timeout_s", sa.BigInteger(), nullable=True),
        sa.Column("retries", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "needs", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False
        ),
        sa.Column("price", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("delivered", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "terms",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "warnings",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("blocked_reason", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(completed_at IS NULL) = (status IN ('unassigned', 'preparing', 'scheduled', 'processing'))",
            name=op.f("ck_workflow_steps_completed"),
        ),
        sa.CheckConstraint("priority IN ('high', 'normal', 'low')", name=op.f("ck_workflow_steps_priority")),
        sa.CheckConstraint(
            "status IN ('unassigned', 'preparing', 'scheduled', 'processing', 'succeeded', 'failed', 'expired', 'canceled')",
            name=op.f("ck_workflow_steps_status"),
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["workflow_steps.id"], name=op.f("fk_workflow_steps_parent_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workflow_id"], ["workflows.id"], name=op.f("fk_workflow_steps_workflow_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workflow_steps")),
        sa.UniqueConstraint("workflow_id", "name", name="uq_workflow_steps_workflow_id_name"),
    )
    op.create_index(
        "ix_workflow_steps_expires_at",
        "workflow_steps",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text(
            "expires_at IS NOT NULL AND status IN ('unassigned', 'preparing', 'scheduled', 'processing')"
        ),
    )
    op.create_index(
        "ix_workflow_steps_parent_id",
        "workflow_steps",
        ["parent_id"],
        unique=False,
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )
    op.create_index("ix_workflow_steps_position", "workflow_steps", ["workflow_id", "position"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("workflow_id", sa.Text(collation="C"), nullable=False),
        sa.Column("step_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("attempt", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("status", sa.String(), server_default="unassigned", nullable=False),
        sa.Column("step_type", sa.String(), nullable=False),
        sa.Column("capability", sa.String(), nullable=False),
        sa.Column("input", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column(
            "media",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "resources",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column(
            "digests", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False
        ),
        sa.Column(
            "slots", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'::text[]"), nullable=False
        ),
        sa.Column("allow_mature", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("complexity", sa.Double(), server_default=sa.text("1"), nullable=False),
        sa.Column("worth", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("place", sa.Double(), nullable=False),
        sa.Column("racers", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("unserved_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "refused_by",
            postgresql.ARRAY(sa.BigInteger()),
            server_default=sa.text("'{}'::bigint[]"),
            nullable=False,
        ),
        sa.Column("progress", sa.Double(), nullable=True),
        sa.Column("preview", sa.String(), nullable=True),
        sa.Column("output", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("agent_id", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("blocked_reason", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(completed_at IS NULL) = (status IN ('unassigned', 'preparing', 'scheduled', 'processing'))",
            name=op.f("ck_jobs_completed"),
        ),
        sa.CheckConstraint(
            "status IN ('unassigned', 'preparing', 'scheduled', 'processing', 'succeeded', 'failed', 'expired', 'canceled')",
            name=op.f("ck_jobs_status"),
        ),
        sa.ForeignKeyConstraint(
            ["step_id"], ["workflow_steps.id"], name=op.f("fk_jobs_step_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workflow_id"], ["workflows.id"], name=op.f("fk_jobs_workflow_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index(
        "ix_jobs_person_id",
        "jobs",
        ["person_id"],
        unique=False,
        postgresql_where=sa.text("status IN ('unassigned', 'preparing', 'scheduled', 'processing')"),
    )
    op.create_index(
        "ix_jobs_racing",
        "jobs",
        ["capability", "place", "id"],
        unique=False,
        postgresql_where=sa.text("racers > 1 AND status IN ('preparing', 'scheduled', 'processing')"),
    )
    op.create_index(
        "ix_jobs_running",
        "jobs",
        ["capability", "started_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('preparing', 'scheduled', 'processing')"),
    )
    op.create_index(
        "ix_jobs_waiting",
        "jobs",
        ["capability", "place", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'unassigned'"),
    )
    op.create_index("ix_jobs_workflow_id", "jobs", ["workflow_id", "step_id", "number"], unique=False)
    op.create_table(
        "job_claims",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("job_id", sa.Text(collation="C"), nullable=False),
        sa.Column("agent_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), server_default="open", nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("claimed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('open', 'won', 'lost', 'failed', 'rejected', 'expired')",
            name=op.f("ck_job_claims_state"),
        ),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_job_claims_agent_id")),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name=op.f("fk_job_claims_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_claims")),
    )
    op.create_index("ix_job_claims_agent_id", "job_claims", ["agent_id", "id"], unique=False)
    op.create_index("ix_job_claims_job_id", "job_claims", ["job_id"], unique=False)
    op.create_index(
        "ix_job_claims_leased_until",
        "job_claims",
        ["leased_until"],
        unique=False,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index(
        "ix_job_claims_open",
        "job_claims",
        ["agent_id"],
        unique=False,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index(
        "uq_job_claims_won", "job_claims", ["job_id"], unique=True, postgresql_where=sa.text("state = 'won'")
    )
    op.execute(
        """
        CREATE FUNCTION refuse_leaving_final_state() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          RAISE EXCEPTION '% % has ended as % and cannot become %', TG_TABLE_NAME, OLD.id, OLD.status, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'final_states_stay';
        END $$
        """
    )
    # Rows of the queue change their state some times and are looked for where they were: clean up soon.
    for table in ("jobs", "job_claims"):
        op.execute(
            f"ALTER TABLE {table} SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, "
            "autovacuum_vacuum_threshold = 2000)"
        )
    for table in STATEFUL:
        op.execute(
            f"""
            CREATE TRIGGER {table}_final_states_stay BEFORE UPDATE OF status ON {table} FOR EACH ROW
            WHEN (OLD.status IN ({FINAL}) AND NEW.status IS DISTINCT FROM OLD.status)
            EXECUTE FUNCTION refuse_leaving_final_state()
            """
        )
