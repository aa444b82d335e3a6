"""Tables beside procrastinate's own: which listener has seen which event, and why tasks failed."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import Index, func
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, CreatedAt


class HeardEvent(Base):
    """A listener has handled an event; kept a week, which is longer than any retry."""

    __tablename__ = "heard_events"
    __table_args__ = (Index("ix_heard_events_heard_at", "heard_at"),)

    event_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    listener: Mapped[str] = mapped_column(primary_key=True)
    heard_at: Mapped[datetime] = mapped_column(server_default=func.now())


class TaskFailure(Base):
    """The last error of a task, shown to staff beside the dead letter; keyed by procrastinate's id."""

    __tablename__ = "task_failures"

    task_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]
    error: Mapped[str]
    attempts: Mapped[int]
    final: Mapped[bool]
    arguments: Mapped[dict[str, Any]]
    failed_at: Mapped[CreatedAt]
