"""Mapped classes of reactions, counts and feeds. The feed is derived from facts and can be rebuilt at any time."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, Integer, SmallInteger, text
from sqlalchemy.dialects.postgresql import BIT
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, BigId, CreatedAt

ZERO = text("0")
# What conditions look at, kept in the orders themselves: a walk reads nothing else.
_BESIDE: Final = ["published_at", "person_id", "level", "terms"]
# Ranks that few pictures reach. What is rare but not very rare is looked for among these first.
TIERS: Final = (("reactions", 30), ("reactions", 8), ("comments", 1), ("collected", 1))


def _terms(table: str, column: str | None = None, least: int = 0) -> Index:
    return Index(
        f"ix_{table}_terms_{column}_{least}" if column else f"ix_{table}_terms",
        "terms",
        postgresql_using="gin",
        # A list of what is yet to be sorted in would make the reader sort it.
        postgresql_with={"fastupdate": "off"},
        postgresql_where=text(f"{column} >= {least}") if column else None,
    )


class Reaction(Base):
    """A person reacts to a thing of any kind, with each reaction at most once (FEATURES C8)."""

    __tablename__ = "reactions"
    __table_args__ = (
        CheckConstraint("reaction IN ('like', 'heart', 'laugh', 'cry', 'dislike')", name="reaction"),
        Index("ix_reactions_person_id_created_at", "person_id", "created_at"),
    )

    kind: Mapped[str] = mapped_column(primary_key=True)
    subject_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    person_id: Mapped[int] = mapped_column(
        ForeignKey("people.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    reaction: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[CreatedAt]


class EngagementChange(Base):
    """One more or less of something about a subject, until it is folded into its counts. Only ever appended to."""

    __tablename__ = "engagement_changes"

    id: Mapped[BigId]
    kind: Mapped[str]
    subject_id: Mapped[int]
    # A reaction, 'comment' or 'collect'.
    what: Mapped[str]
    step: Mapped[int] = mapped_column(SmallInteger)


class SubjectCounts(Base):
    """How often a subject was reacted to, commented on and collected, as it was last folded."""

    __tablename__ = "subject_counts"

    kind: Mapped[str] = mapped_column(primary_key=True)
    subject_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    likes: Mapped[int] = mapped_column(Integer, server_default=ZERO)
    hearts: Mapped[int] = mapped_column(Integer, server_default=ZERO)
    laughs: Mapped[int] = mapped_column(Integer, server_default=ZERO)
    cries: Mapped[int] = mapped_column(Integer, server_default=ZERO)
    dislikes: Mapped[int] = mapped_column(Integer, server_default=ZERO)
    comments: Mapped[int] = mapped_column(Integer, server_default=ZERO)
    collected: Mapped[int] = mapped_column(Integer, server_default=ZERO)


class FeedImage(Base):
    """A picture that everybody may be shown, as narrow as filters and orders allow (decision 0014).

    `reactions`, `comments` and `collected` are ranks of counts (ranks), `week` counts weeks since 1970.
    """

    __tablename__ = "feed_images"
    __table_args__ = (
        Index("ix_feed_images_published_at", "published_at", "image_id"),
        *(
            Index(f"ix_feed_images_{column}", column, "image_id", postgresql_include=_BESIDE)
            for column in ("reactions", "comments", "collected", "shuffle")
        ),
        *(
            Index(
                f"ix_feed_images_week_{column}",
                "week",
                column,
                "image_id",
                postgresql_include=_BESIDE,
                postgresql_where=text("fresh"),
            )
            for column in ("reactions", "comments", "collected")
        ),
        Index("ix_feed_images_person_id", "person_id", "published_at", "image_id"),
        Index("ix_feed_images_post_id", "post_id"),
        Index("ix_feed_images_fresh", "published_at", postgresql_where=text("fresh")),
        _terms("feed_images"),
        *(_terms("feed_images", column, least) for column, least in TIERS),
    )

    image_id: Mapped[int] = mapped_column(
        ForeignKey("images.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    post_id: Mapped[int]
    person_id: Mapped[int]
    published_at: Mapped[datetime]
    reactions: Mapped[int] = mapped_column(Integer, server_default=ZERO)
    comments: Mapped[int] = mapped_column(Integer, server_default=ZERO)
    collected: Mapped[int] = mapped_column(Integer, server_default=ZERO)
    shuffle: Mapped[int] = mapped_column(Integer)
    week: Mapped[int] = mapped_column(SmallInteger)
    # Of the last weeks: only these are in the orders by week.
    fresh: Mapped[bool]
    level: Mapped[int] = mapped_column(SmallInteger)
    # What it can be found by, as numbers (terms).
    terms: Mapped[list[int]] = mapped_column(ARRAY(Integer))


class FeedPost(Base):
    """A post that everybody may be shown, with the levels of its pictures and the sums of their counts."""

    __tablename__ = "feed_posts"
    __table_args__ = (
        Index("ix_feed_posts_published_at", "published_at", "post_id"),
        Index("ix_feed_posts_reactions", "reactions", "post_id"),
        Index("ix_feed_posts_comments", "comments", "post_id"),
        Index("ix_feed_posts_collected", "collected", "post_id"),
        Index("ix_feed_posts_person_id", "person_id", "published_at", "post_id"),
        _terms("feed_posts"),
    )

    post_id: Mapped[int] = mapped_column(
        ForeignKey("posts.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    person_id: Mapped[int]
    published_at: Mapped[datetime]
    reactions: Mapped[int] = mapped_column(Integer, server_default=ZERO)
    comments: Mapped[int] = mapped_column(Integer, server_default=ZERO)
    collected: Mapped[int] = mapped_column(Integer, server_default=ZERO)
    level: Mapped[int] = mapped_column(SmallInteger)
    terms: Mapped[list[int]] = mapped_column(ARRAY(Integer))


class FeedTerm(Base):
    """How many pictures of the feed carry a term, as it was last counted: what plans are made by."""

    __tablename__ = "feed_terms"

    term: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    images: Mapped[int]


class HiddenImage(Base):
    """A picture that a person does not want to be shown; people, models and tags are hidden elsewhere."""

    __tablename__ = "hidden_images"

    person_id: Mapped[int] = mapped_column(
        ForeignKey("people.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    image_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    created_at: Mapped[CreatedAt]


class SeenImages(Base):
    """Which pictures a person has seen: a bit for each, 4096 ids a row."""

    __tablename__ = "seen_images"

    person_id: Mapped[int] = mapped_column(
        ForeignKey("people.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    chunk: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    bits: Mapped[str] = mapped_column(BIT(4096))
    seen_at: Mapped[CreatedAt]
