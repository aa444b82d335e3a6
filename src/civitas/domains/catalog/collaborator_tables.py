"""Mapped class of those who work on a model with its owner."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, CreatedAt

IDS: Final = ARRAY(BigInteger)


class ModelCollaborator(Base):
    """Somebody who works on a model with its owner, or was asked to."""

    __tablename__ = "model_collaborators"
    __table_args__ = (
        CheckConstraint("status IN ('pending', 'accepted', 'declined')", name="status"),
        Index("ix_model_collaborators_person_id", "person_id"),
    )

    model_id: Mapped[int] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), primary_key=True)
    status: Mapped[str] = mapped_column(server_default=text("'pending'"))
    invited_by: Mapped[int | None]
    created_at: Mapped[CreatedAt]
    answered_at: Mapped[datetime | None]
