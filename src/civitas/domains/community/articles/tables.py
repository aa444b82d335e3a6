"""Mapped classes of articles."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, BigId, CreatedAt

ZERO = text("0")
FALSE = text("false")
LISTED = "status = 'published' AND deleted_at IS NULL"


def _listed(name: str, column: str) -> Index:
    return Index(f"ix_articles_{name}", column, "id", postgresql_where=text(LISTED))


class Article(Base):
    """One article. `title` and `content` are what the public reads; what is being written is the newest revision."""

    __tablename__ = "articles"
    __table_args__ = (
        CheckConstraint(
            "status IN ('draft', 'scheduled', 'published', 'unpublished', 'violation')", name="status"
        ),
        CheckConstraint("nsfw_level IN (1, 2, 4, 8, 16)", name="nsfw_level"),
        CheckConstraint("floor_level IN (1, 2, 4, 8, 16)", name="floor_level"),
        CheckConstraint("(status = 'scheduled') = (scheduled_at IS NOT NULL)", name="scheduled"),
        CheckConstraint("status <> 'published' OR published_at IS NOT NULL", name="published"),
        _listed("newest", "published_at"),
        _listed("reactions", "reaction_count"),
        _listed("comments", "comment_count"),
        _listed("bookmarks", "bookmark_count"),
        _listed("collected", "collected_count"),
        _listed("updated", "updated_at"),
        Index("ix_articles_category", "category", "published_at", "id", postgresql_where=text(LISTED)),
        Index("ix_articles_person_id_id", "person_id", "id"),
        Index(
            "ix_articles_words",
            text("to_tsvector('simple'::regconfig, title)"),
            postgresql_using="gin",
            postgresql_where=text(LISTED),
        ),
        Index("ix_articles_scheduled", "scheduled_at", postgresql_where=text("status = 'scheduled'")),
    )

    id: Mapped[BigId]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    title: Mapped[str] = mapped_column(server_default=text("''"))
    content: Mapped[str] = mapped_column(Text, server_default=text("''"))
    category: Mapped[str | None]
    cover_image_id: Mapped[int | None] = mapped_column(
        ForeignKey("images.id", ondelete="SET NULL"), index=True
    )
    # The post that holds the pictures which were sent in its editor, once there is one.
    album_id: Mapped[int | None] = mapped_column(ForeignKey("posts.id", ondelete="SET NULL"), index=True)
    status: Mapped[str] = mapped_column(server_default=text("'draft'"))
    # What its writer says at least; the level itself is never below that of a picture in it.
    floor_level: Mapped[int] = mapped_column(server_default=text("1"))
    nsfw_level: Mapped[int] = mapped_column(server_default=text("1"))
    reading_minutes: Mapped[int] = mapped_column(server_default=text("1"))
    scheduled_at: Mapped[datetime | None]
    # When it was public for the first time; it keeps its place however often it is taken back.
    published_at: Mapped[datetime | None]
    # When what the public reads changed last.
    updated_at: Mapped[CreatedAt]
    staff_note: Mapped[str | None]
    reaction_count: Mapped[int] = mapped_column(server_default=ZERO)
    comment_count: Mapped[int] = mapped_column(server_default=ZERO)
    bookmark_count: Mapped[int] = mapped_column(server_default=ZERO)
    collected_count: Mapped[int] = mapped_column(server_default=ZERO)
    view_count: Mapped[int] = mapped_column(server_default=ZERO)
    created_at: Mapped[CreatedAt]
    deleted_at: Mapped[datetime | None]


class ArticleRevision(Base):
    """What an article said, or is to say, at one time."""

    __tablename__ = "article_revisions"
    __table_args__ = (
        CheckConstraint("kind IN ('auto', 'saved', 'published', 'restored')", name="kind"),
        Index("ix_article_revisions_article_id_id", "article_id", "id"),
    )

    id: Mapped[BigId]
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id", ondelete="CASCADE"))
    title: Mapped[str]
    content: Mapped[str] = mapped_column(Text)
    kind: Mapped[str]
    saved_at: Mapped[CreatedAt]


class ArticleTag(Base):
    """An article carries a tag."""

    __tablename__ = "article_tags"

    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id", ondelete="CASCADE"), primary_key=True)
    tag_id: Mapped[int] = mapped_column(
        ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class ArticleImage(Base):
    """The public text of an article shows a picture; found again when the picture's level changes."""

    __tablename__ = "article_images"

    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id", ondelete="CASCADE"), primary_key=True)
    image_id: Mapped[int] = mapped_column(
        ForeignKey("images.id", ondelete="CASCADE"), primary_key=True, index=True
    )


class ArticleView(Base):
    """Somebody read an article: once per caller and day. Append only; folded into the count."""

    __tablename__ = "article_views"
    __table_args__ = (
        UniqueConstraint("article_id", "caller", "day"),
        Index("ix_article_views_unfolded", "id", postgresql_where=text("NOT folded")),
        Index("ix_article_views_day", "day"),
    )

    id: Mapped[BigId]
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id", ondelete="CASCADE"))
    # `p:{person id}` or `a:{keyed digest of the address}`, which holds for one day: no address is stored.
    caller: Mapped[str]
    day: Mapped[date]
    folded: Mapped[bool] = mapped_column(server_default=FALSE)


class ArticleFile(Base):
    """A file beside an article. Nobody is given it before its scan was clean."""

    __tablename__ = "article_files"
    __table_args__ = (
        CheckConstraint(
            "scan_status IN ('pending', 'clean', 'suspicious', 'dangerous', 'error')", name="scan_status"
        ),
        CheckConstraint("size > 0", name="size"),
    )

    id: Mapped[BigId]
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id", ondelete="CASCADE"), index=True)
    blob_id: Mapped[int] = mapped_column(ForeignKey("blobs.id", ondelete="RESTRICT"), index=True)
    name: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    scan_status: Mapped[str] = mapped_column(server_default=text("'pending'"))
    scan_message: Mapped[str | None]
    created_at: Mapped[CreatedAt]
