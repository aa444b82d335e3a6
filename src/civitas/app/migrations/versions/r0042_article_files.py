"""Articles: pictures that were sent in their editor, and files beside them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("posts", sa.Column("album", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("articles", sa.Column("album_id", sa.BigInteger(), nullable=True))
    op.create_foreign_key(
        op.f("fk_articles_album_id_posts"), "articles", "posts", ["album_id"], ["id"], ondelete="SET NULL"
    )
    op.create_index(op.f("ix_articles_album_id"), "articles", ["album_id"])
    op.create_table(
        "article_files",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("article_id", sa.BigInteger(), nullable=False),
        sa.Column("blob_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("scan_status", sa.String(), server_default=sa.text("'pending'"), nullable=False),
        sa.Column("scan_message", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "scan_status IN ('pending', 'clean', 'suspicious', 'dangerous', 'error')",
            name=op.f("ck_article_files_scan_status"),
        ),
        sa.CheckConstraint("size > 0", name=op.f("ck_article_files_size")),
        sa.ForeignKeyConstraint(
            ["article_id"],
            ["articles.id"],
            name=op.f("fk_article_files_article_id_articles"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["blob_id"], ["blobs.id"], name=op.f("fk_article_files_blob_id_blobs"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_article_files")),
    )
    op.create_index(op.f("ix_article_files_article_id"), "article_files", ["article_id"])
    op.create_index(op.f("ix_article_files_blob_id"), "article_files", ["blob_id"])


def downgrade() -> None:
    op.drop_table("article_files")
    op.drop_index(op.f("ix_articles_album_id"), table_name="articles")
    op.drop_constraint(op.f("fk_articles_album_id_posts"), "articles", type_="foreignkey")
    op.drop_column("articles", "album_id")
    op.drop_column("posts", "album")
