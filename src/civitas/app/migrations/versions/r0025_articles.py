"""Community: articles, their revisions, tags, pictures and views."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "articles",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.String(), server_default=sa.text("''"), nullable=False),
        sa.Column("content", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("category", sa.String(), nullable=True),
        sa.Column("cover_image_id", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.String(), server_default=sa.text("'draft'"), nullable=False),
        sa.Column("floor_level", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("nsfw_level", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("reading_minutes", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("scheduled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("staff_note", sa.String(), nullable=True),
        sa.Column("reaction_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("comment_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("bookmark_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("collected_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("view_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status = 'scheduled') = (scheduled_at IS NOT NULL)", name=op.f("ck_articles_scheduled")
        ),
        sa.CheckConstraint(
            "status <> 'published' OR published_at IS NOT NULL", name=op.f("ck_articles_published")
        ),
        sa.CheckConstraint(
            "status IN ('draft', 'scheduled', 'published', 'unpublished', 'violation')",
            name=op.f("ck_articles_status"),
        ),
        sa.CheckConstraint("floor_level IN (1, 2, 4, 8, 16)", name=op.f("ck_articles_floor_level")),
        sa.CheckConstraint("nsfw_level IN (1, 2, 4, 8, 16)", name=op.f("ck_articles_nsfw_level")),
        sa.ForeignKeyConstraint(
            ["cover_image_id"], ["images.id"], name=op.f("fk_articles_cover_image_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_articles_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_articles")),
    )
    op.create_index(
        "ix_articles_bookmarks",
        "articles",
        ["bookmark_count", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'published' AND deleted_at IS NULL"),
    )
    op.create_index(
        "ix_articles_category",
        "articles",
        ["category", "published_at", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'published' AND deleted_at IS NULL"),
    )
    op.create_index(
        "ix_articles_collected",
        "articles",
        ["collected_count", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'published' AND deleted_at IS NULL"),
    )
    op.create_index(
        "ix_articles_comments",
        "articles",
        ["comment_count", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'published' AND deleted_at IS NULL"),
    )
    op.create_index(op.f("ix_articles_cover_image_id"), "articles", ["cover_image_id"], unique=False)
    op.create_index(
        "ix_articles_newest",
        "articles",
        ["published_at", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'published' AND deleted_at IS NULL"),
    )
    op.create_index("ix_articles_person_id_id", "articles", ["person_id", "id"], unique=False)
    op.create_index(
        "ix_articles_reactions",
        "articles",
        ["reaction_count", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'published' AND deleted_at IS NULL"),
    )
    op.create_index(
        "ix_articles_scheduled",
        "articles",
        ["scheduled_at"],
        unique=False,
        postgresql_where=sa.text("status = 'scheduled'"),
    )
    op.create_index(
        "ix_articles_updated",
        "articles",
        ["updated_at", "id"],
        unique=False,
        postgresql_where=sa.text("status = 'published' AND deleted_at IS NULL"),
    )
    op.create_table(
        "article_images",
        sa.Column("article_id", sa.BigInteger(), nullable=False),
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["article_id"], ["articles.id"], name=op.f("fk_article_images_article_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["image_id"], ["images.id"], name=op.f("fk_article_images_image_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("article_id", "image_id", name=op.f("pk_article_images")),
    )
    op.create_index(op.f("ix_article_images_image_id"), "article_images", ["image_id"], unique=False)
    op.create_table(
        "article_revisions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("article_id", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "kind IN ('auto', 'saved', 'published', 'restored')", name=op.f("ck_article_revisions_kind")
        ),
        sa.ForeignKeyConstraint(
            ["article_id"], ["articles.id"], name=op.f("fk_article_revisions_article_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_article_revisions")),
    )
    op.create_index(
        "ix_article_revisions_article_id_id", "article_revisions", ["article_id", "id"], unique=False
    )
    op.create_table(
        "article_tags",
        sa.Column("article_id", sa.BigInteger(), nullable=False),
        sa.Column("tag_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["article_id"], ["articles.id"], name=op.f("fk_article_tags_article_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tag_id"], ["tags.id"], name=op.f("fk_article_tags_tag_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("article_id", "tag_id", name=op.f("pk_article_tags")),
    )
    op.create_index(op.f("ix_article_tags_tag_id"), "article_tags", ["tag_id"], unique=False)
    op.create_table(
        "article_views",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("article_id", sa.BigInteger(), nullable=False),
        sa.Column("caller", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("folded", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(
            ["article_id"], ["articles.id"], name=op.f("fk_article_views_article_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_article_views")),
        sa.UniqueConstraint(
            "article_id", "caller", "day", name=op.f("uq_article_views_article_id_caller_day")
        ),
    )
    op.create_index("ix_article_views_day", "article_views", ["day"], unique=False)
    op.create_index(
        "ix_article_views_unfolded",
        "article_views",
        ["id"],
        unique=False,
        postgresql_where=sa.text("NOT folded"),
    )


def downgrade() -> None:
    op.drop_index(
        "ix_article_views_unfolded", table_name="article_views", postgresql_where=sa.text("NOT folded")
    )
    op.drop_index("ix_article_views_day", table_name="article_views")
    op.drop_table("article_views")
    op.drop_index(op.f("ix_article_tags_tag_id"), table_name="article_tags")
    op.drop_table("article_tags")
    op.drop_index("ix_article_revisions_article_id_id", table_name="article_revisions")
    op.drop_table("article_revisions")
    op.drop_index(op.f("ix_article_images_image_id"), table_name="article_images")
    op.drop_table("article_images")
    op.drop_index(
        "ix_articles_updated",
        table_name="articles",
        postgresql_where=sa.text("status = 'published' AND deleted_at IS NULL"),
    )
    op.drop_index(
        "ix_articles_scheduled", table_name="articles", postgresql_where=sa.text("status = 'scheduled'")
    )
    op.drop_index(
        "ix_articles_reactions",
        table_name="articles",
        postgresql_where=sa.text("status = 'published' AND deleted_at IS NULL"),
    )
    op.drop_index("ix_articles_person_id_id", table_name="articles")
    op.drop_index(
        "ix_articles_newest",
        table_name="articles",
        postgresql_where=sa.text("status = 'published' AND deleted_at IS NULL"),
    )
    op.drop_index(op.f("ix_articles_cover_image_id"), table_name="articles")
    op.drop_index(
        "ix_articles_comments",
        table_name="articles",
        postgresql_where=sa.text("status = 'published' AND deleted_at IS NULL"),
    )
    op.drop_index(
        "ix_articles_collected",
        table_name="articles",
        postgresql_where=sa.text("status = 'published' AND deleted_at IS NULL"),
    )
    op.drop_index(
        "ix_articles_category",
        table_name="articles",
        postgresql_where=sa.text("status = 'published' AND deleted_at IS NULL"),
    )
    op.drop_index(
        "ix_articles_bookmarks",
        table_name="articles",
        postgresql_where=sa.text("status = 'published' AND deleted_at IS NULL"),
    )
    op.drop_table("articles")
