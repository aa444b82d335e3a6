"""Mapped classes of announcements."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, BigId, CreatedAt


class Announcement(Base):
    """One announcement. `actions` are up to two of label and address."""

    __tablename__ = "announcements"
    __table_args__ = (
        CheckConstraint("tone IN ('info', 'ok', 'warn')", name="tone"),
        CheckConstraint("audience IN ('all', 'members', 'strangers')", name="audience"),
        CheckConstraint("domain IN ('all', 'green', 'blue')", name="domain"),
        CheckConstraint("ends_at IS NULL OR ends_at > starts_at", name="ends_after_start"),
        Index("ix_announcements_starts_at", "starts_at"),
    )

    id: Mapped[BigId]
    title: Mapped[str]
    content: Mapped[str] = mapped_column(server_default=text("''"))
    tone: Mapped[str] = mapped_column(server_default=text("'info'"))
    actions: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"))
    audience: Mapped[str] = mapped_column(server_default=text("'all'"))
    # 'green' is the safe-for-work twin, 'blue' the main site.
    domain: Mapped[str] = mapped_column(server_default=text("'all'"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"), index=True)
    created_at: Mapped[CreatedAt]


class AnnouncementDismissal(Base):
    """Somebody put an announcement away."""

    __tablename__ = "announcement_dismissals"

    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), primary_key=True)
    announcement_id: Mapped[int] = mapped_column(
        ForeignKey("announcements.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    created_at: Mapped[CreatedAt]
