"""Mapped classes of comments."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, BigId, CreatedAt

ZERO = text("0")
FALSE = text("false")


class CommentThread(Base):
    """All that is said about one thing; made with the first comment, or when somebody locks it."""

    __tablename__ = "comment_threads"
    __table_args__ = (UniqueConstraint("kind", "subject_id"),)

    id: Mapped[BigId]
    kind: Mapped[str]
    subject_id: Mapped[int]
    # Comments that are shown, at every depth.
    comment_count: Mapped[int] = mapped_column(server_default=ZERO)
    locked_at: Mapped[datetime | None]
    locked_by: Mapped[int | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    created_at: Mapped[CreatedAt]


class Comment(Base):
    """One comment. What its writer removed or others hid keeps its place, so that answers keep theirs."""

    __tablename__ = "comments"
    __table_args__ = (
        CheckConstraint("state IN ('shown', 'hidden', 'removed')", name="state"),
        CheckConstraint("(parent_id IS NULL) = (root_id IS NULL)", name="root"),
        CheckConstraint("(parent_id IS NULL) = (depth = 1)", name="depth"),
        Index("ix_comments_thread_id_id", "thread_id", "id"),
        Index("ix_comments_first_level", "thread_id", "id", postgresql_where=text("parent_id IS NULL")),
        Index(
            "ix_comments_by_reactions",
            "thread_id",
            "reaction_count",
            "id",
            postgresql_where=text("parent_id IS NULL"),
        ),
        Index("ix_comments_answers", "root_id", "id", postgresql_where=text("root_id IS NOT NULL")),
        Index("ix_comments_pinned", "thread_id", postgresql_where=text("pinned_at IS NOT NULL")),
        Index("ix_comments_person_id_created_at", "person_id", "created_at"),
        Index("ix_comments_parent_id", "parent_id"),
    )

    id: Mapped[BigId]
    thread_id: Mapped[int] = mapped_column(ForeignKey("comment_threads.id", ondelete="CASCADE"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("comments.id", ondelete="CASCADE"))
    # The comment of the first level that this belongs below.
    root_id: Mapped[int | None] = mapped_column(ForeignKey("comments.id", ondelete="CASCADE"))
    depth: Mapped[int] = mapped_column(server_default=text("1"))
    # Markdown as it was written; empty once its writer removed it.
    content: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(server_default=text("'shown'"))
    hidden_by: Mapped[int | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    pinned_at: Mapped[datetime | None]
    edited_at: Mapped[datetime | None]
    # Of the first level: answers below it that are shown. Of all: reactions.
    reply_count: Mapped[int] = mapped_column(server_default=ZERO)
    reaction_count: Mapped[int] = mapped_column(server_default=ZERO)
    created_at: Mapped[CreatedAt]


class CommentRevision(Base):
    """What a comment said before it was edited or removed; for staff."""

    __tablename__ = "comment_revisions"
    __table_args__ = (Index("ix_comment_revisions_comment_id", "comment_id", "id"),)

    id: Mapped[BigId]
    comment_id: Mapped[int] = mapped_column(ForeignKey("comments.id", ondelete="CASCADE"))
    content: Mapped[str] = mapped_column(Text)
    replaced_at: Mapped[CreatedAt]


class CommentMention(Base):
    """A comment names a person, who is told once."""

    __tablename__ = "comment_mentions"

    comment_id: Mapped[int] = mapped_column(ForeignKey("comments.id", ondelete="CASCADE"), primary_key=True)
    person_id: Mapped[int] = mapped_column(
        ForeignKey("people.id", ondelete="CASCADE"), primary_key=True, index=True
    )
