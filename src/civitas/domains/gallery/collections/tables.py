"""Mapped classes of collections."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, BigId, CreatedAt

FALSE = text("false")
ZERO = text("0")
LIVE_PUBLIC = text("read_by = 'public' AND deleted_at IS NULL")


class Collection(Base):
    """Things of one kind that somebody put together."""

    __tablename__ = "collections"
    __table_args__ = (
        CheckConstraint("kind IN ('model', 'image', 'post', 'article')", name="kind"),
        CheckConstraint("mode IN ('standard', 'bookmark', 'contest')", name="mode"),
        CheckConstraint("read_by IN ('private', 'public', 'unlisted')", name="read_by"),
        CheckConstraint("write_by IN ('private', 'public', 'review')", name="write_by"),
        CheckConstraint("char_length(name) BETWEEN 1 AND 30", name="name_length"),
        CheckConstraint("char_length(description) <= 300", name="description_length"),
        Index("ix_collections_person_id_id", "person_id", "id"),
        Index(
            "ix_collections_words",
            text("to_tsvector('simple'::regconfig, name)"),
            postgresql_using="gin",
            postgresql_where=LIVE_PUBLIC,
        ),
        Index("ix_collections_newest", "id", postgresql_where=LIVE_PUBLIC),
        Index("ix_collections_popular", "follower_count", "id", postgresql_where=LIVE_PUBLIC),
        Index(
            "uq_collections_bookmark",
            "person_id",
            "kind",
            unique=True,
            postgresql_where=text("mode = 'bookmark' AND deleted_at IS NULL"),
        ),
    )

    id: Mapped[BigId]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    kind: Mapped[str]
    mode: Mapped[str] = mapped_column(server_default=text("'standard'"))
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default=text("''"))
    read_by: Mapped[str] = mapped_column(server_default=text("'private'"))
    write_by: Mapped[str] = mapped_column(server_default=text("'private'"))
    order_by: Mapped[str] = mapped_column(server_default=text("'newest'"))
    # Bitwise or of the levels of what it shows, and how many of each there are: {"1": 12, "4": 3}. Each viewer is
    # told the sum of what they may see.
    level: Mapped[int] = mapped_column(server_default=ZERO)
    counts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    waiting: Mapped[int] = mapped_column(server_default=ZERO)
    follower_count: Mapped[int] = mapped_column(server_default=ZERO)
    created_at: Mapped[CreatedAt]
    # When something was last accepted.
    filled_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]


class CollectionItem(Base):
    """One thing in a collection. `owner_id`, `level` and `shown` are copies of its facts, kept by listeners."""

    __tablename__ = "collection_items"
    __table_args__ = (
        CheckConstraint("state IN ('accepted', 'review', 'rejected')", name="state"),
        Index("uq_collection_items_subject", "collection_id", "kind", "subject_id", unique=True),
        Index("ix_collection_items_collection_id_state_id", "collection_id", "state", "id"),
        Index("ix_collection_items_kind_subject_id", "kind", "subject_id"),
        Index("ix_collection_items_person_id_kind_subject_id", "person_id", "kind", "subject_id"),
        Index("uq_collection_items_cover", "collection_id", unique=True, postgresql_where=text("is_cover")),
    )

    id: Mapped[BigId]
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    kind: Mapped[str]
    subject_id: Mapped[int]
    # Who added it.
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(server_default=text("'accepted'"))
    note: Mapped[str] = mapped_column(server_default=text("''"))
    is_cover: Mapped[bool] = mapped_column(server_default=FALSE)
    owner_id: Mapped[int | None]
    level: Mapped[int] = mapped_column(server_default=ZERO)
    shown: Mapped[bool] = mapped_column(server_default=FALSE)
    # Of contests: the tag it was entered under, hundredths of the judges' mean score, and votes.
    tag_id: Mapped[int | None] = mapped_column(
        ForeignKey("collection_tags.id", ondelete="SET NULL"), index=True
    )
    score: Mapped[int] = mapped_column(server_default=ZERO)
    votes: Mapped[int] = mapped_column(server_default=ZERO)
    # The place it won, from 1, once the contest is over.
    place: Mapped[int | None]
    reviewed_by: Mapped[int | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[CreatedAt]


class CollectionContributor(Base):
    """Somebody who may do more in a collection than others: bits of `types.Permission`."""

    __tablename__ = "collection_contributors"

    collection_id: Mapped[int] = mapped_column(
        ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True
    )
    person_id: Mapped[int] = mapped_column(
        ForeignKey("people.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    permissions: Mapped[int]
    created_at: Mapped[CreatedAt]


class CollectionBoard(Base):
    """A collection that gives Buzz for what is accepted (FEATURES C17); staff made it one."""

    __tablename__ = "collection_boards"

    collection_id: Mapped[int] = mapped_column(
        ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    set_by: Mapped[int | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[CreatedAt]


class BoardGift(Base):
    """What a board gave for one thing, or why not; one row for a thing, whatever becomes of its entry."""

    __tablename__ = "board_gifts"
    __table_args__ = (
        CheckConstraint("status IN ('given', 'refused', 'short')", name="status"),
        Index("uq_board_gifts_subject", "collection_id", "kind", "subject_id", unique=True),
        Index("ix_board_gifts_collection_id_id", "collection_id", "id"),
        Index("ix_board_gifts_short", "id", postgresql_where=text("status = 'short'")),
    )

    id: Mapped[BigId]
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    kind: Mapped[str]
    subject_id: Mapped[int]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    status: Mapped[str]
    # Why nothing was given.
    reason: Mapped[str] = mapped_column(server_default=text("''"))
    # In quarters.
    amount: Mapped[int]
    colour: Mapped[str]
    accepted_at: Mapped[datetime] = mapped_column(server_default=func.now())
    given_at: Mapped[datetime | None]


class CollectionFollow(Base):
    """Somebody wants to see what comes into a collection."""

    __tablename__ = "collection_follows"
    __table_args__ = (Index("ix_collection_follows_person_id_created_at", "person_id", "created_at"),)

    collection_id: Mapped[int] = mapped_column(
        ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True
    )
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), primary_key=True)
    created_at: Mapped[CreatedAt]


class CollectionContest(Base):
    """The rules of a collection that is a contest (FEATURES C16)."""

    __tablename__ = "collection_contests"
    __table_args__ = (
        CheckConstraint("most_each IS NULL OR most_each BETWEEN 1 AND 200", name="most_each"),
        CheckConstraint("level BETWEEN 0 AND 31", name="level"),
        Index("ix_collection_contests_ends_at", "ends_at", postgresql_where=text("ended_at IS NULL")),
    )

    collection_id: Mapped[int] = mapped_column(
        ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    most_each: Mapped[int | None]
    existing: Mapped[bool] = mapped_column(server_default=text("true"))
    level: Mapped[int] = mapped_column(server_default=ZERO)
    rules_url: Mapped[str] = mapped_column(server_default=text("''"))
    judging: Mapped[bool] = mapped_column(server_default=FALSE)
    voting: Mapped[bool] = mapped_column(server_default=FALSE)
    votes_from: Mapped[datetime | None]
    votes_until: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class CollectionTag(Base):
    """What a contest is entered under; some close earlier than the contest."""

    __tablename__ = "collection_tags"
    __table_args__ = (
        CheckConstraint("char_length(name) BETWEEN 1 AND 30", name="name_length"),
        Index("uq_collection_tags_name", "collection_id", text("lower(name)"), unique=True),
    )

    id: Mapped[BigId]
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    name: Mapped[str]
    ends_at: Mapped[datetime | None]


class CollectionScore(Base):
    """What one judge thinks of an entry, from 1 to 10."""

    __tablename__ = "collection_scores"
    __table_args__ = (CheckConstraint("score BETWEEN 1 AND 10", name="score"),)

    item_id: Mapped[int] = mapped_column(
        ForeignKey("collection_items.id", ondelete="CASCADE"), primary_key=True
    )
    judge_id: Mapped[int] = mapped_column(
        ForeignKey("people.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    score: Mapped[int]
    scored_at: Mapped[datetime] = mapped_column(server_default=func.now())


class CollectionVote(Base):
    """Somebody likes an entry."""

    __tablename__ = "collection_votes"

    item_id: Mapped[int] = mapped_column(
        ForeignKey("collection_items.id", ondelete="CASCADE"), primary_key=True
    )
    person_id: Mapped[int] = mapped_column(
        ForeignKey("people.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    created_at: Mapped[CreatedAt]
