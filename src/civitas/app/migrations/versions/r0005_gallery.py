"""Posts and images."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "posts",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=True),
        sa.Column("showcase", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("title", sa.String(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_posts_person_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["model_versions.id"], name=op.f("fk_posts_version_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_posts")),
    )
    op.create_index(
        "uq_posts_showcase",
        "posts",
        ["version_id"],
        unique=True,
        postgresql_where=sa.text("showcase AND deleted_at IS NULL"),
    )
    op.create_index("ix_posts_person_id_id", "posts", ["person_id", "id"], unique=False)
    op.create_index(op.f("ix_posts_version_id"), "posts", ["version_id"], unique=False)
    op.create_table(
        "images",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("post_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("blob_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("kind", sa.String(), server_default=sa.text("'image'"), nullable=False),
        sa.Column("status", sa.String(), server_default=sa.text("'pending'"), nullable=False),
        sa.Column("failure", sa.String(), nullable=True),
        sa.Column("width", sa.BigInteger(), nullable=True),
        sa.Column("height", sa.BigInteger(), nullable=True),
        sa.Column("content_type", sa.String(), nullable=True),
        sa.Column(
            "variants",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'[]'::jsonb"),
            nullable=False,
        ),
        sa.Column("blurhash", sa.String(), nullable=True),
        sa.Column("colour", sa.String(), nullable=True),
        sa.Column("original", sa.String(), nullable=True),
        sa.Column("perceptual_hash", sa.BigInteger(), nullable=True),
        sa.Column("nsfw_level", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("nsfw_level_locked", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("hide_meta", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("meta", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("raw_metadata", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("original IN ('as_is', 'stripped')", name=op.f("ck_images_original")),
        sa.CheckConstraint(
            "status IN ('pending', 'ready', 'failed', 'blocked')", name=op.f("ck_images_status")
        ),
        sa.ForeignKeyConstraint(
            ["blob_id"], ["blobs.id"], name=op.f("fk_images_blob_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_images_person_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["post_id"], ["posts.id"], name=op.f("fk_images_post_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_images")),
        sa.UniqueConstraint("key", name=op.f("uq_images_key")),
    )
    op.create_index(op.f("ix_images_blob_id"), "images", ["blob_id"], unique=False)
    op.create_index(
        "ix_images_pending", "images", ["id"], unique=False, postgresql_where=sa.text("status = 'pending'")
    )
    op.create_index("ix_images_person_id_id", "images", ["person_id", "id"], unique=False)
    op.create_index("ix_images_post_id_position", "images", ["post_id", "position"], unique=False)


def downgrade() -> None:
    op.drop_table("images")
    op.drop_table("posts")
