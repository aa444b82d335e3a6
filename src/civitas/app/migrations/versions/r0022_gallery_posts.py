"""Gallery: posts and pictures of everybody, with what they were made with, tags and tools."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_table(
        "tools",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("homepage", sa.String(), nullable=True),
        sa.CheckConstraint("kind IN ('tool', 'technique')", name=op.f("ck_tools_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tools")),
    )
    op.create_index("uq_tools_kind_name", "tools", ["kind", sa.literal_column("lower(name)")], unique=True)
    op.create_table(
        "post_tags",
        sa.Column("post_id", sa.BigInteger(), nullable=False),
        sa.Column("tag_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["post_id"], ["posts.id"], name=op.f("fk_post_tags_post_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tag_id"], ["tags.id"], name=op.f("fk_post_tags_tag_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("post_id", "tag_id", name=op.f("pk_post_tags")),
    )
    op.create_index(op.f("ix_post_tags_tag_id"), "post_tags", ["tag_id"], unique=False)
    op.create_table(
        "image_resources",
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.Column("version_id", sa.BigInteger(), nullable=False),
        sa.Column("strength", sa.BigInteger(), nullable=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.CheckConstraint(
            "source IN ('civitai', 'hash', 'name', 'post', 'person')", name=op.f("ck_image_resources_source")
        ),
        sa.ForeignKeyConstraint(
            ["image_id"], ["images.id"], name=op.f("fk_image_resources_image_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["model_versions.id"],
            name=op.f("fk_image_resources_version_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("image_id", "version_id", name=op.f("pk_image_resources")),
    )
    op.create_index(
        "ix_image_resources_version_id_image_id", "image_resources", ["version_id", "image_id"], unique=False
    )
    op.create_table(
        "image_tag_votes",
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.Column("tag_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("vote", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("vote IN (-1, 1)", name=op.f("ck_image_tag_votes_vote")),
        sa.ForeignKeyConstraint(
            ["image_id"], ["images.id"], name=op.f("fk_image_tag_votes_image_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_image_tag_votes_person_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tag_id"], ["tags.id"], name=op.f("fk_image_tag_votes_tag_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("image_id", "tag_id", "person_id", name=op.f("pk_image_tag_votes")),
    )
    op.create_index(op.f("ix_image_tag_votes_person_id"), "image_tag_votes", ["person_id"], unique=False)
    op.create_index(op.f("ix_image_tag_votes_tag_id"), "image_tag_votes", ["tag_id"], unique=False)
    op.create_table(
        "image_tags",
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.Column("tag_id", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("confidence", sa.BigInteger(), nullable=True),
        sa.Column("score", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("hidden", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint("source IN ('person', 'machine', 'votes')", name=op.f("ck_image_tags_source")),
        sa.ForeignKeyConstraint(
            ["image_id"], ["images.id"], name=op.f("fk_image_tags_image_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tag_id"], ["tags.id"], name=op.f("fk_image_tags_tag_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("image_id", "tag_id", name=op.f("pk_image_tags")),
    )
    op.create_index("ix_image_tags_tag_id_image_id", "image_tags", ["tag_id", "image_id"], unique=False)
    op.create_table(
        "image_tools",
        sa.Column("image_id", sa.BigInteger(), nullable=False),
        sa.Column("tool_id", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["image_id"], ["images.id"], name=op.f("fk_image_tools_image_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tool_id"], ["tools.id"], name=op.f("fk_image_tools_tool_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("image_id", "tool_id", name=op.f("pk_image_tools")),
    )
    op.create_index(op.f("ix_image_tools_tool_id"), "image_tools", ["tool_id"], unique=False)
    op.add_column("images", sa.Column("duration_ms", sa.BigInteger(), nullable=True))
    op.add_column(
        "images", sa.Column("has_sound", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("images", sa.Column("note", sa.Text(), nullable=True))
    op.add_column("images", sa.Column("workflow_id", sa.String(), nullable=True))
    op.add_column("images", sa.Column("remix_of_id", sa.BigInteger(), nullable=True))
    op.add_column("images", sa.Column("meta_format", sa.String(), nullable=True))
    op.add_column(
        "images",
        sa.Column("meta_faults", postgresql.JSONB(none_as_null=True), nullable=True),
    )
    op.create_index(op.f("ix_images_remix_of_id"), "images", ["remix_of_id"], unique=False)
    op.create_foreign_key(
        op.f("fk_images_remix_of_id"), "images", "images", ["remix_of_id"], ["id"], ondelete="SET NULL"
    )
    op.add_column(
        "posts", sa.Column("nsfw_level", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column(
        "posts", sa.Column("availability", sa.String(), server_default=sa.text("'public'"), nullable=False)
    )
    op.create_check_constraint(op.f("ck_images_kind"), "images", "kind IN ('image', 'video', 'audio')")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_images_kind"), "images")
    op.drop_column("posts", "availability")
    op.drop_column("posts", "nsfw_level")
    op.drop_constraint(op.f("fk_images_remix_of_id"), "images", type_="foreignkey")
    op.drop_index(op.f("ix_images_remix_of_id"), table_name="images")
    op.drop_column("images", "meta_faults")
    op.drop_column("images", "meta_format")
    op.drop_column("images", "remix_of_id")
    op.drop_column("images", "workflow_id")
    op.drop_column("images", "note")
    op.drop_column("images", "has_sound")
    op.drop_column("images", "duration_ms")
    op.drop_index(op.f("ix_image_tools_tool_id"), table_name="image_tools")
    op.drop_table("image_tools")
    op.drop_index("ix_image_tags_tag_id_image_id", table_name="image_tags")
    op.drop_table("image_tags")
    op.drop_index(op.f("ix_image_tag_votes_tag_id"), table_name="image_tag_votes")
    op.drop_index(op.f("ix_image_tag_votes_person_id"), table_name="image_tag_votes")
    op.drop_table("image_tag_votes")
    op.drop_index("ix_image_resources_version_id_image_id", table_name="image_resources")
    op.drop_table("image_resources")
    op.drop_index(op.f("ix_post_tags_tag_id"), table_name="post_tags")
    op.drop_table("post_tags")
    op.drop_index("uq_tools_kind_name", table_name="tools")
    op.drop_table("tools")
