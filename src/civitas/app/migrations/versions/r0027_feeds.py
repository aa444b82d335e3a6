"""Gallery: reactions, counts, the rows of the feeds, what people hide and have seen."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "engagement_changes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("step", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_engagement_changes")),
    )
    op.create_table(
        "feed_terms",
        sa.Column("term", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("images", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("term", name=op.f("pk_feed_terms")),
    )
    op.create_table(
        "subject_counts",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("likes", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("hearts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("laughs", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("cries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("dislikes", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("comments", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("collected", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("kind", "subject_id", name=op.f("pk_subject_counts")),
    )
    op.create_table(
        "hidden_things",
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('image', 'tag')", name=op.f("ck_hidden_things_kind")),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_hidden_things_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("person_id", "kind", "subject_id", name=op.f("pk_hidden_things")),
    )
    op.create_table(
        "reactions",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reaction", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "reaction IN ('like', 'heart', 'laugh', 'cry', 'dislike')", name=op.f("ck_reactions_reaction")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_reactions_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("kind", "subject_id", "person_id", "reaction", name=op.f("pk_reactions")),
    )
    op.create_index(
        "ix_reactions_person_id_created_at", "reactions", ["person_id", "created_at"], unique=False
    )
    op.create_table(
        "seen_images",
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("chunk", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("bits", postgresql.BIT(length=4096), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_seen_images_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("person_id", "chunk", name=op.f("pk_seen_images")),
    )
    op.create_table(
        "feed_posts",
        sa.Column("post_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reactions", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("comments", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("collected", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("terms", sa.ARRAY(sa.Integer()), nullable=False),
        sa.ForeignKeyConstraint(
            ["post_id"], ["posts.id"], name=op.f("fk_feed_posts_post_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("post_id", name=op.f("pk_feed_posts")),
    )
    op.create_index("ix_feed_posts_collected", "feed_posts", ["collected", "post_id"], unique=False)
    op.create_index("ix_feed_posts_comments", "feed_posts", ["comments", "post_id"], unique=False)
    op.create_index(
        "ix_feed_posts_person_id", "feed_posts", ["person_id", "published_at", "post_id"], unique=False
    )
    op.create_index("ix_feed_posts_published_at", "feed_posts", ["published_at", "post_id"], unique=False)
    op.create_index("ix_feed_posts_reactions", "feed_posts", ["reactions", "post_id"], unique=False)
    op.create_index(
        "ix_feed_posts_terms",
        "feed_posts",
        ["terms"],
        unique=False,
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
    )
    op.create_table(
        "feed_images",
        sa.Column("image_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("post_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reactions", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("comments", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("collected", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("shuffle", sa.Integer(), nullable=False),
        sa.Column("week", sa.SmallInteger(), nullable=False),
        sa.Column("fresh", sa.Boolean(), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("terms", sa.ARRAY(sa.Integer()), nullable=False),
        sa.ForeignKeyConstraint(
            ["image_id"], ["images.id"], name=op.f("fk_feed_images_image_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("image_id", name=op.f("pk_feed_images")),
    )
    op.create_index(
        "ix_feed_images_collected",
        "feed_images",
        ["collected", "image_id"],
        unique=False,
        postgresql_include=["published_at", "person_id", "level", "terms"],
    )
    op.create_index(
        "ix_feed_images_comments",
        "feed_images",
        ["comments", "image_id"],
        unique=False,
        postgresql_include=["published_at", "person_id", "level", "terms"],
    )
    op.create_index(
        "ix_feed_images_fresh",
        "feed_images",
        ["published_at"],
        unique=False,
        postgresql_where=sa.text("fresh"),
    )
    op.create_index(
        "ix_feed_images_person_id", "feed_images", ["person_id", "published_at", "image_id"], unique=False
    )
    op.create_index("ix_feed_images_post_id", "feed_images", ["post_id"], unique=False)
    op.create_index("ix_feed_images_published_at", "feed_images", ["published_at", "image_id"], unique=False)
    op.create_index(
        "ix_feed_images_reactions",
        "feed_images",
        ["reactions", "image_id"],
        unique=False,
        postgresql_include=["published_at", "person_id", "level", "terms"],
    )
    op.create_index(
        "ix_feed_images_shuffle",
        "feed_images",
        ["shuffle", "image_id"],
        unique=False,
        postgresql_include=["published_at", "person_id", "level", "terms"],
    )
    op.create_index(
        "ix_feed_images_terms",
        "feed_images",
        ["terms"],
        unique=False,
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
    )
    op.create_index(
        "ix_feed_images_terms_collected_1",
        "feed_images",
        ["terms"],
        unique=False,
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
        postgresql_where=sa.text("collected >= 1"),
    )
    op.create_index(
        "ix_feed_images_terms_comments_1",
        "feed_images",
        ["terms"],
        unique=False,
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
        postgresql_where=sa.text("comments >= 1"),
    )
    op.create_index(
        "ix_feed_images_terms_reactions_30",
        "feed_images",
        ["terms"],
        unique=False,
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
        postgresql_where=sa.text("reactions >= 30"),
    )
    op.create_index(
        "ix_feed_images_terms_reactions_8",
        "feed_images",
        ["terms"],
        unique=False,
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
        postgresql_where=sa.text("reactions >= 8"),
    )
    op.create_index(
        "ix_feed_images_week_collected",
        "feed_images",
        ["week", "collected", "image_id"],
        unique=False,
        postgresql_include=["published_at", "person_id", "level", "terms"],
        postgresql_where=sa.text("fresh"),
    )
    op.create_index(
        "ix_feed_images_week_comments",
        "feed_images",
        ["week", "comments", "image_id"],
        unique=False,
        postgresql_include=["published_at", "person_id", "level", "terms"],
        postgresql_where=sa.text("fresh"),
    )
    op.create_index(
        "ix_feed_images_week_reactions",
        "feed_images",
        ["week", "reactions", "image_id"],
        unique=False,
        postgresql_include=["published_at", "person_id", "level", "terms"],
        postgresql_where=sa.text("fresh"),
    )


def downgrade() -> None:
    op.drop_table("feed_images")
    op.drop_table("feed_posts")
    op.drop_table("seen_images")
    op.drop_table("reactions")
    op.drop_table("hidden_things")
    op.drop_table("subject_counts")
    op.drop_table("feed_terms")
    op.drop_table("engagement_changes")
