"""What the development provider remembers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, CreatedAt


class DevelopmentPayment(Base):
    """A checkout of the development provider, and what was done on its page."""

    __tablename__ = "development_payments"

    reference: Mapped[str] = mapped_column(primary_key=True)
    order_key: Mapped[str] = mapped_column(unique=True)
    terms: Mapped[dict[str, Any]]
    cents: Mapped[int]
    paid_cents: Mapped[int] = mapped_column(server_default=text("0"))
    refunded_cents: Mapped[int] = mapped_column(server_default=text("0"))
    disputed: Mapped[bool] = mapped_column(server_default=text("false"))
    lost: Mapped[bool] = mapped_column(server_default=text("false"))
    failed: Mapped[bool] = mapped_column(server_default=text("false"))
    period_end: Mapped[datetime | None]
    cancels_at_period_end: Mapped[bool] = mapped_column(server_default=text("false"))
    cancelled: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[CreatedAt]
