"""Mapped classes of the economy's rules."""

from __future__ import annotations

from typing import Any

from sqlalchemy import LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, BigId, CreatedAt


class EconomyVersion(Base):
    """The rules of the economy as they were from a moment on, and what changed with them."""

    __tablename__ = "buzz_economy_versions"

    id: Mapped[BigId]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    rules: Mapped[dict[str, Any]]
    changes: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"))
    created_at: Mapped[CreatedAt]
