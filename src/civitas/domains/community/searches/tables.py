"""Mapped classes of saved searches."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, BigId, CreatedAt


class SavedSearch(Base):
    """The filters of a list, as they stand in its address, under a name."""

    __tablename__ = "saved_searches"
    __table_args__ = (
        CheckConstraint("place IN ('models', 'images', 'videos', 'posts')", name="place"),
        Index("uq_saved_searches_name", "person_id", text("lower(name)"), unique=True),
        Index(
            "ix_saved_searches_looked_at", "looked_at", "id", postgresql_where=text("looked_at IS NOT NULL")
        ),
    )

    id: Mapped[BigId]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    name: Mapped[str]
    place: Mapped[str]
    # Names and values, in the order in which addresses have them.
    pairs: Mapped[list[list[str]]] = mapped_column(JSONB)
    created_at: Mapped[CreatedAt]
    notify: Mapped[bool] = mapped_column(server_default=text("false"))
    webhook_url: Mapped[str | None]
    # Which of its secret links is the one that works; null while there is none.
    feed_number: Mapped[int | None]
    # Since when new matches are told, and until when there was a look; null while nobody is told.
    subscribed_at: Mapped[datetime | None]
    looked_at: Mapped[datetime | None]


class SavedSearchHit(Base):
    """What a search was told of, so that it is not told again."""

    __tablename__ = "saved_search_hits"
    __table_args__ = (Index("ix_saved_search_hits_found_at", "found_at"),)

    search_id: Mapped[int] = mapped_column(
        ForeignKey("saved_searches.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    subject_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    found_at: Mapped[CreatedAt]
