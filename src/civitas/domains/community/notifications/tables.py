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


class PushDevice(Base):
    """A browser that is told of notifications while the site is closed (RFC 8030). It goes with its session."""

    __tablename__ = "push_devices"
    __table_args__ = (
        Index("uq_push_devices_endpoint", text("md5(endpoint)"), unique=True),
        Index("ix_push_devices_person_id", "person_id"),
        Index("ix_push_devices_session_id", "session_id", postgresql_where=text("session_id IS NOT NULL")),
    )

    id: Mapped[BigId]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    # Null where a program registered it with a key.
    session_id: Mapped[int | None] = mapped_column(ForeignKey("person_sessions.id", ondelete="CASCADE"))
    name: Mapped[str]
    endpoint: Mapped[str]
    p256dh: Mapped[str]
    auth: Mapped[str]
    # Whether it was registered on the safe twin, where nothing mature is told of.
    safe: Mapped[bool]
    created_at: Mapped[CreatedAt]
    last_sent_at: Mapped[datetime | None]
    # Refusals one after another; what its push service asked us to wait for.
    failures: Mapped[int] = mapped_column(server_default=text("0"))
    paused_until: Mapped[datetime | None]


class PushMessage(Base):
    """A line on its way to a device, or one that went; without a line it is a trial."""

    __tablename__ = "push_messages"
    __table_args__ = (
        Index("uq_push_messages_line", "device_id", "notification_id", unique=True),
        Index("ix_push_messages_notification_id", "notification_id"),
        Index("ix_push_messages_due_at", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("ix_push_messages_created_at", "created_at"),
    )

    id: Mapped[BigId]
    device_id: Mapped[int] = mapped_column(ForeignKey("push_devices.id", ondelete="CASCADE"))
    notification_id: Mapped[int | None] = mapped_column(ForeignKey("notifications.id", ondelete="CASCADE"))
    created_at: Mapped[CreatedAt]
    # When it is to be sent, or when somebody else may take it up again; null when nothing is left to do.
    due_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    sent_at: Mapped[datetime | None]
