"""The tables that lists, search and the public API read from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

AWARE = sa.DateTime(timezone=True)
BYTEWISE = sa.String(collation="C")
ZERO = sa.text("0")
SORTS = ("last_version_at", "rating", "downloads", "thumbs_up", "comments", "collected", "images")


def upgrade() -> None:
    _documents()
    _listings()
    _words()


def _documents() -> None:
    op.create_table(
        "model_documents",
        sa.Column("model_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("safe", sa.Text(), nullable=False),
        sa.Column("full", sa.Text(), nullable=True),
        sa.Column("stats", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "version_ids", sa.ARRAY(sa.BigInteger()), server_default=sa.text("'{}'::bigint[]"), nullable=False
        ),
        sa.CheckConstraint("state IN ('public', 'tombstone')", name="ck_model_documents_state"),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name="fk_model_documents_model_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("model_id", name="pk_model_documents"),
    )
    op.create_table(
        "version_documents",
        sa.Column("version_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("model_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("safe", sa.Text(), nullable=False),
        sa.Column("full", sa.Text(), nullable=True),
        sa.Column("stats", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.CheckConstraint("state IN ('public', 'tombstone')", name="ck_version_documents_state"),
        sa.ForeignKeyConstraint(
            ["version_id"], ["model_versions.id"], name="fk_version_documents_version_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("version_id", name="pk_version_documents"),
    )
    op.create_index("ix_version_documents_model_id", "version_documents", ["model_id"])
    op.create_index("ix_version_documents_lookup", "version_documents", ["version_id", "state", "model_id"])


def _listings() -> None:
    op.create_table(
        "model_listings",
        sa.Column("model_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("name", BYTEWISE, nullable=False),
        sa.Column("level", sa.BigInteger(), nullable=False),
        sa.Column("facets", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("terms", TSVECTOR(), nullable=False),
        sa.Column("early_access_until", AWARE, nullable=True),
        sa.Column("last_version_at", AWARE, nullable=False),
        sa.Column("rating", sa.Float(), server_default=ZERO, nullable=False),
        sa.Column("stars", sa.Float(), server_default=ZERO, nullable=False),
        sa.Column("downloads", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.Column("thumbs_up", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.Column("comments", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.Column("collected", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.Column("images", sa.BigInteger(), server_default=ZERO, nullable=False),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name="fk_model_listings_model_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("model_id", name="pk_model_listings"),
    )
    op.create_index(
        "ix_model_listings_facets_terms",
        "model_listings",
        ["facets", "terms"],
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
    )
    op.create_index("ix_model_listings_person_id", "model_listings", ["person_id", "model_id"])
    op.create_index("ix_model_listings_name", "model_listings", ["name", "model_id"])
    op.create_index(
        "ix_model_listings_early_access_until",
        "model_listings",
        ["early_access_until"],
        postgresql_where=sa.text("early_access_until IS NOT NULL"),
    )
    for column in SORTS:
        op.create_index(f"ix_model_listings_{column}", "model_listings", [column, "model_id"])
    # The planner chooses between walking a sort and intersecting facets by how common these are.
    for column in ("facets", "terms"):
        op.execute(f"ALTER TABLE model_listings ALTER COLUMN {column} SET STATISTICS 200")


def _words() -> None:
    op.create_table(
        "search_words",
        sa.Column("word", BYTEWISE, nullable=False),
        sa.Column("models", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("word", name="pk_search_words"),
    )
    op.create_table(
        "search_forms",
        sa.Column("form", BYTEWISE, nullable=False),
        sa.Column("word", BYTEWISE, nullable=False),
        sa.ForeignKeyConstraint(
            ["word"], ["search_words.word"], name="fk_search_forms_word", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("form", "word", name="pk_search_forms"),
    )
    op.create_index("ix_search_forms_word", "search_forms", ["word"])
    op.create_table(
        "count_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key", BYTEWISE, nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("kind IN ('word', 'tag', 'safe tag', 'person')", name="ck_count_changes_kind"),
        sa.PrimaryKeyConstraint("id", name="pk_count_changes"),
    )


def downgrade() -> None:
    for table in (
        "count_changes", "search_forms", "search_words", "model_listings", "version_documents", "model_documents",
    ):  # fmt: skip
        op.drop_table(table)
