"""Mapped class of the home page's blocks."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, BigId, CreatedAt


class HomeBlock(Base):
    """One block of the home page: the site's, or one person's own when `person_id` is set."""

    __tablename__ = "home_blocks"
    __table_args__ = (
        CheckConstraint("char_length(title) <= 60", name="title_length"),
        Index("ix_home_blocks_person_id_position", "person_id", "position"),
    )

    id: Mapped[BigId]
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    position: Mapped[int]
    kind: Mapped[str]
    title: Mapped[str] = mapped_column(server_default=text("''"))
    # What the kind needs: {"collection": 7}, {"models": [1, 2]}, {"text": "..."}, {"board": "models"}.
    settings: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    created_at: Mapped[CreatedAt]
