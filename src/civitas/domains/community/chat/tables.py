"""Mapped classes of chat."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, BigId, CreatedAt

ZERO = text("0")
FALSE = text("false")


class ChatRoom(Base):
    """A room. The digest of its sorted members keeps a second one of the same people away."""

    __tablename__ = "chat_rooms"
    __table_args__ = (
        Index("ix_chat_rooms_owner_id_created_at", "owner_id", "created_at"),
        Index("ix_chat_rooms_last_message_at", "last_message_at"),
    )

    id: Mapped[BigId]
    owner_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    member_digest: Mapped[str] = mapped_column(unique=True)
    is_group: Mapped[bool] = mapped_column(server_default=FALSE)
    name: Mapped[str | None]
    last_message_id: Mapped[int] = mapped_column(server_default=ZERO)
    last_message_at: Mapped[CreatedAt]
    created_at: Mapped[CreatedAt]


class ChatMember(Base):
    """Somebody in a room, and how far they have read."""

    __tablename__ = "chat_members"
    __table_args__ = (
        CheckConstraint("state IN ('invited', 'joined', 'ignored', 'left', 'kicked')", name="state"),
        Index("ix_chat_members_person_id_room_id", "person_id", "room_id"),
    )

    room_id: Mapped[int] = mapped_column(ForeignKey("chat_rooms.id", ondelete="CASCADE"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), primary_key=True)
    state: Mapped[str]
    muted: Mapped[bool] = mapped_column(server_default=FALSE)
    read_id: Mapped[int] = mapped_column(server_default=ZERO)
    since: Mapped[CreatedAt]


class ChatMessage(Base):
    """One message: Markdown; empty once its writer took it back."""

    __tablename__ = "chat_messages"
    __table_args__ = (
        Index("ix_chat_messages_room_id_id", "room_id", "id"),
        Index("ix_chat_messages_person_id_created_at", "person_id", "created_at"),
        Index("ix_chat_messages_created_at", "created_at"),
    )

    id: Mapped[BigId]
    room_id: Mapped[int] = mapped_column(ForeignKey("chat_rooms.id", ondelete="CASCADE"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    content: Mapped[str] = mapped_column(Text)
    created_at: Mapped[CreatedAt]
    removed_at: Mapped[datetime | None]


class ChatReport(Base):
    """Somebody asks staff to look at a message; with it staff may read around it."""

    __tablename__ = "chat_reports"
    __table_args__ = (
        UniqueConstraint("message_id", "person_id"),
        CheckConstraint("(settled_at IS NULL) = (settled_by IS NULL)", name="settled"),
        Index("ix_chat_reports_open", "id", postgresql_where=text("settled_at IS NULL")),
        Index("ix_chat_reports_person_id", "person_id"),
    )

    id: Mapped[BigId]
    message_id: Mapped[int] = mapped_column(ForeignKey("chat_messages.id", ondelete="CASCADE"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    reason: Mapped[str]
    # As it was when it was reported, whatever its writer does later.
    content: Mapped[str] = mapped_column(Text)
    created_at: Mapped[CreatedAt]
    settled_at: Mapped[datetime | None]
    settled_by: Mapped[int | None]
