"""Mapped classes of notifications."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, BigId, CreatedAt


class Notification(Base):
    """One line for one person. What is alike and unread is one line that counts: `ana and 4 others`."""

    __tablename__ = "notifications"
    __table_args__ = (
        # Of what happens once there is one line for ever; of what is grouped, one that is unread.
        Index("uq_notifications_once", "person_id", "key", unique=True, postgresql_where=text("once")),
        Index(
            "uq_notifications_group",
            "person_id",
            "key",
            unique=True,
            postgresql_where=text("NOT once AND read_at IS NULL"),
        ),
        Index("ix_notifications_newest", "person_id", "changed_at", "id"),
        Index("ix_notifications_category", "person_id", "category", "changed_at", "id"),
        Index("ix_notifications_unread", "person_id", postgresql_where=text("read_at IS NULL")),
        Index("ix_notifications_changed_at", "changed_at"),
    )

    id: Mapped[BigId]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    kind: Mapped[str]
    category: Mapped[str]
    key: Mapped[str]
    once: Mapped[bool]
    subject_kind: Mapped[str | None]
    subject_id: Mapped[int | None]
    # The latest who did it, at most twenty; how many they are in all, and how often it happened.
    actors: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), server_default=text("'{}'::bigint[]"))
    actor_count: Mapped[int] = mapped_column(server_default=text("0"))
    count: Mapped[int] = mapped_column(server_default=text("1"))
    # What its sentence needs: title, path, amounts.
    data: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    created_at: Mapped[CreatedAt]
    changed_at: Mapped[CreatedAt]
    read_at: Mapped[datetime | None]


class NotificationDigest(Base):
    """A person wants a mail a day with what they have not read; whoever does not has no row."""

    __tablename__ = "notification_digests"
    __table_args__ = (Index("ix_notification_digests_told_until", "told_until"),)

    person_id: Mapped[int] = mapped_column(
        ForeignKey("people.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    # What changed until then was mailed, or there was nothing.
    told_until: Mapped[datetime]
