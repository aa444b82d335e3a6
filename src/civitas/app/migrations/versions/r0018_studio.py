"""The studio: refused prompts, restrictions, cleared phrases, presets and snippets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "prompt_allowances",
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("phrase", sa.String(), nullable=False),
        sa.Column("allowed_by", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_prompt_allowances_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("person_id", "phrase", name=op.f("pk_prompt_allowances")),
    )
    op.create_table(
        "prompt_blocks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column(
            "words",
            postgresql.JSONB(none_as_null=True, astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column("prompt", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_prompt_blocks_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prompt_blocks")),
    )
    op.create_index(
        "ix_prompt_blocks_person_id", "prompt_blocks", ["person_id", "created_at", "id"], unique=False
    )
    op.create_table(
        "snippet_sets",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("entries", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("name ~ '^[a-z][a-z0-9_-]{0,39}$'", name=op.f("ck_snippet_sets_name_form")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_snippet_sets_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snippet_sets")),
        sa.UniqueConstraint("person_id", "name", name="uq_snippet_sets_person_id_name"),
    )
    op.create_table(
        "studio_presets",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), server_default="", nullable=False),
        sa.Column("ecosystem", sa.String(), nullable=True),
        sa.Column("settings", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 100", name=op.f("ck_studio_presets_name_length")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_studio_presets_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_studio_presets")),
        sa.UniqueConstraint("person_id", "name", name="uq_studio_presets_person_id_name"),
    )
    op.create_index("ix_studio_presets_person_id", "studio_presets", ["person_id", "id"], unique=False)
    op.create_table(
        "studio_restrictions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), server_default="pending", nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("decided_by", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.CheckConstraint(
            "(state = 'pending') = (decided_at IS NULL)", name=op.f("ck_studio_restrictions_decided")
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'upheld', 'overturned')", name=op.f("ck_studio_restrictions_state")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_studio_restrictions_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_studio_restrictions")),
    )
    op.create_index("ix_studio_restrictions_state", "studio_restrictions", ["state", "id"], unique=False)
    op.create_index(
        "uq_studio_restrictions_person_id",
        "studio_restrictions",
        ["person_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('pending', 'upheld')"),
    )
