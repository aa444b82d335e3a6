"""Comments: threads, what is said in them, what it said before, and whom it names."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "comment_threads",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=False),
        sa.Column("comment_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("locked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("locked_by", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["locked_by"], ["people.id"], name=op.f("fk_comment_threads_locked_by"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comment_threads")),
        sa.UniqueConstraint("kind", "subject_id", name=op.f("uq_comment_threads_kind_subject_id")),
    )
    op.create_table(
        "comments",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("thread_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("parent_id", sa.BigInteger(), nullable=True),
        sa.Column("root_id", sa.BigInteger(), nullable=True),
        sa.Column("depth", sa.BigInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), server_default=sa.text("'shown'"), nullable=False),
        sa.Column("hidden_by", sa.BigInteger(), nullable=True),
        sa.Column("pinned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reply_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("reaction_count", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('shown', 'hidden', 'removed')", name=op.f("ck_comments_state")),
        sa.CheckConstraint("(parent_id IS NULL) = (depth = 1)", name=op.f("ck_comments_depth")),
        sa.CheckConstraint("(parent_id IS NULL) = (root_id IS NULL)", name=op.f("ck_comments_root")),
        sa.ForeignKeyConstraint(
            ["hidden_by"], ["people.id"], name=op.f("fk_comments_hidden_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["comments.id"], name=op.f("fk_comments_parent_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_comments_person_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["root_id"], ["comments.id"], name=op.f("fk_comments_root_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["thread_id"], ["comment_threads.id"], name=op.f("fk_comments_thread_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comments")),
    )
    op.create_index(
        "ix_comments_answers",
        "comments",
        ["root_id", "id"],
        unique=False,
        postgresql_where=sa.text("root_id IS NOT NULL"),
    )
    op.create_index(
        "ix_comments_by_reactions",
        "comments",
        ["thread_id", "reaction_count", "id"],
        unique=False,
        postgresql_where=sa.text("parent_id IS NULL"),
    )
    op.create_index(
        "ix_comments_first_level",
        "comments",
        ["thread_id", "id"],
        unique=False,
        postgresql_where=sa.text("parent_id IS NULL"),
    )
    op.create_index("ix_comments_parent_id", "comments", ["parent_id"], unique=False)
    op.create_index("ix_comments_person_id_created_at", "comments", ["person_id", "created_at"], unique=False)
    op.create_index(
        "ix_comments_pinned",
        "comments",
        ["thread_id"],
        unique=False,
        postgresql_where=sa.text("pinned_at IS NOT NULL"),
    )
    op.create_index("ix_comments_thread_id_id", "comments", ["thread_id", "id"], unique=False)
    op.create_table(
        "comment_mentions",
        sa.Column("comment_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["comment_id"], ["comments.id"], name=op.f("fk_comment_mentions_comment_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["people.id"], name=op.f("fk_comment_mentions_person_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("comment_id", "person_id", name=op.f("pk_comment_mentions")),
    )
    op.create_index(op.f("ix_comment_mentions_person_id"), "comment_mentions", ["person_id"], unique=False)
    op.create_table(
        "comment_revisions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("comment_id", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("replaced_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["comment_id"], ["comments.id"], name=op.f("fk_comment_revisions_comment_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comment_revisions")),
    )
    op.create_index(
        "ix_comment_revisions_comment_id", "comment_revisions", ["comment_id", "id"], unique=False
    )


def downgrade() -> None:

    op.drop_index("ix_comment_revisions_comment_id", table_name="comment_revisions")
    op.drop_table("comment_revisions")
    op.drop_index(op.f("ix_comment_mentions_person_id"), table_name="comment_mentions")
    op.drop_table("comment_mentions")
    op.drop_index("ix_comments_thread_id_id", table_name="comments")
    op.drop_index(
        "ix_comments_pinned", table_name="comments", postgresql_where=sa.text("pinned_at IS NOT NULL")
    )
    op.drop_index("ix_comments_person_id_created_at", table_name="comments")
    op.drop_index("ix_comments_parent_id", table_name="comments")
    op.drop_index(
        "ix_comments_first_level", table_name="comments", postgresql_where=sa.text("parent_id IS NULL")
    )
    op.drop_index(
        "ix_comments_by_reactions", table_name="comments", postgresql_where=sa.text("parent_id IS NULL")
    )
    op.drop_index(
        "ix_comments_answers", table_name="comments", postgresql_where=sa.text("root_id IS NOT NULL")
    )
    op.drop_table("comments")
    op.drop_table("comment_threads")
