"""The shared buckets."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base


class RateBucket(Base):
    """When a caller's bucket will be empty again. Unlogged: losing it in a crash only forgives."""

    __tablename__ = "rate_buckets"
    __table_args__ = {"prefixes": ["UNLOGGED"]}  # noqa: RUF012 (SQLAlchemy's own shape)

    key: Mapped[str] = mapped_column(primary_key=True)
    full_at: Mapped[datetime]
