"""Mapped classes of what payment providers tell."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, BigId, CreatedAt


class PaymentEvent(Base):
    """What a provider told, kept as it came before anything is done about it."""

    __tablename__ = "payment_events"
    __table_args__ = (
        Index("uq_payment_events_provider_event_id", "provider", "event_id", unique=True),
        Index("ix_payment_events_order_key", "order_key", "id"),
        Index("ix_payment_events_unprocessed", "id", postgresql_where=text("processed_at IS NULL")),
    )

    id: Mapped[BigId]
    provider: Mapped[str]
    event_id: Mapped[str]
    kind: Mapped[str]
    order_key: Mapped[str | None]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    notice: Mapped[dict[str, Any]]
    outcome: Mapped[str | None]
    received_at: Mapped[CreatedAt]
    processed_at: Mapped[datetime | None]
