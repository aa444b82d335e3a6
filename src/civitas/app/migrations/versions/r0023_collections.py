"""Gallery: collections with their items, people, followers and contests; blocks of the home page."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "collections",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("mode", sa.String(), server_default=sa.text("'standard'"), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("read_by", sa.String(), server_default=sa.text("'private'"), nullable=False),
        sa.Column("write_by", sa.String(), server_default=sa.text("'private'"), nullable=False),
        sa.Column("order_by", sa.String(), server_default=sa.text("'newest'"), nullable=False),
        sa.Column("level", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "counts",
            postgresql.JSONB(none_as_null=True),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("waiting", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("follower_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("filled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('model', 'image', 'post', 'article')", name=op.f("ck_collections_kind")),
        sa.CheckConstraint("mode IN ('standard', 'bookmark', 'contest')", name=op.f("ck_collections_mode")),
        sa.CheckConstraint(
            "read_by IN ('private', 'public', 'unlisted')", name=op.f("ck_collections_read_by")
        ),
        sa.CheckConstraint(
            "write_by IN ('private', 'public', 'review')", name=op.f("ck_collections_write_by")
        ),
        sa.CheckConstraint("char_length(description) <= 300", name=op.f("ck_collections_description_length")),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 30", name=op.f("ck_collections_name_length")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_collections_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collections")),
    )
    op.create_index(
        "ix_collections_newest",
        "collections",
        ["id"],
        unique=False,
        postgresql_where=sa.text("read_by = 'public' AND deleted_at IS NULL"),
    )
    op.create_index("ix_collections_person_id_id", "collections", ["person_id", "id"], unique=False)
    op.create_index(
        "ix_collections_popular",
        "collections",
        ["follower_count", "id"],
        unique=False,
        postgresql_where=sa.text("read_by = 'public' AND deleted_at IS NULL"),
    )
    op.create_index(
        "uq_collections_bookmark",
        "collections",
        ["person_id", "kind"],
        unique=True,
        postgresql_where=sa.text("mode = 'bookmark' AND deleted_at IS NULL"),
    )
    op.create_table(
        "home_blocks",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("title", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column(
            "settings",
            postgresql.JSONB(none_as_null=True),
            server_default=sa.text("'{}'::jsonb"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("char_length(title) <= 60", name=op.f("ck_home_blocks_title_length")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_home_blocks_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_home_blocks")),
    )
    op.create_index(
        "ix_home_blocks_person_id_position", "home_blocks", ["person_id", "position"], unique=False
    )
    op.create_table(
        "collection_contests",
        sa.Column("collection_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("most_each", sa.BigInteger(), nullable=True),
        sa.Column("existing", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("level", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("rules_url", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("judging", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("voting", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("votes_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("votes_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("level BETWEEN 0 AND 31", name=op.f("ck_collection_contests_level")),
        sa.CheckConstraint(
            "most_each IS NULL OR most_each BETWEEN 1 AND 200", name=op.f("ck_collection_contests_most_each")
        ),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_collection_contests_collection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("collection_id", name=op.f("pk_collection_contests")),
    )
    op.create_index(
        "ix_collection_contests_ends_at",
        "collection_contests",
        ["ends_at"],
        unique=False,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "collection_contributors",
        sa.Column("collection_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("permissions", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_collection_contributors_collection_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["person_id"],
            ["people.id"],
            name=op.f("fk_collection_contributors_person_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("collection_id", "person_id", name=op.f("pk_collection_contributors")),
    )
    op.create_index(
        op.f("ix_collection_contributors_person_id"), "collection_contributors", ["person_id"], unique=False
    )
    op.create_table(
        "collection_follows",
        sa.Column("collection_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_collection_follows_collection_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_collection_follows_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("collection_id", "person_id", name=op.f("pk_collection_follows")),
    )
    op.create_index(
        "ix_collection_follows_person_id_created_at",
        "collection_follows",
        ["person_id", "created_at"],
        unique=False,
    )
    op.create_table(
        "collection_tags",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("collection_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 30", name=op.f("ck_collection_tags_name_length")),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_collection_tags_collection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collection_tags")),
    )
    op.create_index(
        "uq_collection_tags_name",
        "collection_tags",
        ["collection_id", sa.literal_column("lower(name)")],
        unique=True,
    )
    op.create_table(
        "collection_items",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("collection_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), server_default=sa.text("'accepted'"), nullable=False),
        sa.Column("note", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("is_cover", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("owner_id", sa.BigInteger(), nullable=True),
        sa.Column("level", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("shown", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("tag_id", sa.BigInteger(), nullable=True),
        sa.Column("score", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("votes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=True),
        sa.Column("reviewed_by", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "state IN ('accepted', 'review', 'rejected')", name=op.f("ck_collection_items_state")
        ),
        sa.ForeignKeyConstraint(
            ["collection_id"],
            ["collections.id"],
            name=op.f("fk_collection_items_collection_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_collection_items_person_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["reviewed_by"], ["people.id"], name=op.f("fk_collection_items_reviewed_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["tag_id"], ["collection_tags.id"], name=op.f("fk_collection_items_tag_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_collection_items")),
    )
    op.create_index(
        "ix_collection_items_collection_id_state_id",
        "collection_items",
        ["collection_id", "state", "id"],
        unique=False,
    )
    op.create_index(
        "ix_collection_items_kind_subject_id", "collection_items", ["kind", "subject_id"], unique=False
    )
    op.create_index(
        "ix_collection_items_person_id_kind_subject_id",
        "collection_items",
        ["person_id", "kind", "subject_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_collection_items_reviewed_by"), "collection_items", ["reviewed_by"], unique=False
    )
    op.create_index(op.f("ix_collection_items_tag_id"), "collection_items", ["tag_id"], unique=False)
    op.create_index(
        "uq_collection_items_cover",
        "collection_items",
        ["collection_id"],
        unique=True,
        postgresql_where=sa.text("is_cover"),
    )
    op.create_index(
        "uq_collection_items_subject",
        "collection_items",
        ["collection_id", "kind", "subject_id"],
        unique=True,
    )
    op.create_table(
        "collection_scores",
        sa.Column("item_id", sa.BigInteger(), nullable=False),
        sa.Column("judge_id", sa.BigInteger(), nullable=False),
        sa.Column("score", sa.BigInteger(), nullable=False),
        sa.Column("scored_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("score BETWEEN 1 AND 10", name=op.f("ck_collection_scores_score")),
        sa.ForeignKeyConstraint(
            ["item_id"],
            ["collection_items.id"],
            name=op.f("fk_collection_scores_item_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["judge_id"], ["people.id"], name=op.f("fk_collection_scores_judge_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("item_id", "judge_id", name=op.f("pk_collection_scores")),
    )
    op.create_index(op.f("ix_collection_scores_judge_id"), "collection_scores", ["judge_id"], unique=False)
    op.create_table(
        "collection_votes",
        sa.Column("item_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["item_id"], ["collection_items.id"], name=op.f("fk_collection_votes_item_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_collection_votes_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("item_id", "person_id", name=op.f("pk_collection_votes")),
    )
    op.create_index(op.f("ix_collection_votes_person_id"), "collection_votes", ["person_id"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_collection_votes_person_id"), table_name="collection_votes")
    op.drop_table("collection_votes")
    op.drop_index(op.f("ix_collection_scores_judge_id"), table_name="collection_scores")
    op.drop_table("collection_scores")
    op.drop_index("uq_collection_items_subject", table_name="collection_items")
    op.drop_index(
        "uq_collection_items_cover", table_name="collection_items", postgresql_where=sa.text("is_cover")
    )
    op.drop_index(op.f("ix_collection_items_tag_id"), table_name="collection_items")
    op.drop_index(op.f("ix_collection_items_reviewed_by"), table_name="collection_items")
    op.drop_index("ix_collection_items_person_id_kind_subject_id", table_name="collection_items")
    op.drop_index("ix_collection_items_kind_subject_id", table_name="collection_items")
    op.drop_index("ix_collection_items_collection_id_state_id", table_name="collection_items")
    op.drop_table("collection_items")
    op.drop_index("uq_collection_tags_name", table_name="collection_tags")
    op.drop_table("collection_tags")
    op.drop_index("ix_collection_follows_person_id_created_at", table_name="collection_follows")
    op.drop_table("collection_follows")
    op.drop_index(op.f("ix_collection_contributors_person_id"), table_name="collection_contributors")
    op.drop_table("collection_contributors")
    op.drop_index(
        "ix_collection_contests_ends_at",
        table_name="collection_contests",
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.drop_table("collection_contests")
    op.drop_index("ix_home_blocks_person_id_position", table_name="home_blocks")
    op.drop_table("home_blocks")
    op.drop_index(
        "uq_collections_bookmark",
        table_name="collections",
        postgresql_where=sa.text("mode = 'bookmark' AND deleted_at IS NULL"),
    )
    op.drop_index(
        "ix_collections_popular",
        table_name="collections",
        postgresql_where=sa.text("read_by = 'public' AND deleted_at IS NULL"),
    )
    op.drop_index("ix_collections_person_id_id", table_name="collections")
    op.drop_index(
        "ix_collections_newest",
        table_name="collections",
        postgresql_where=sa.text("read_by = 'public' AND deleted_at IS NULL"),
    )
    op.drop_table("collections")
