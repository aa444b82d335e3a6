"""What people wish of models and tags: to be told of them, to find them again, or never to meet them."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, CreatedAt


class ModelEngagement(Base):
    """A person's standing wish about a model."""

    __tablename__ = "model_engagements"
    __table_args__ = (
        CheckConstraint("kind IN ('favourite', 'hide', 'notify', 'mute')", name="kind"),
        Index("ix_model_engagements_model_id_kind", "model_id", "kind"),
    )

    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), primary_key=True)
    model_id: Mapped[int] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[CreatedAt]


class HiddenTag(Base):
    """A tag that a person does not want to meet."""

    __tablename__ = "hidden_tags"

    person_id: Mapped[int] = mapped_column(
        ForeignKey("people.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    tag_id: Mapped[int] = mapped_column(
        ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True, autoincrement=False, index=True
    )
    created_at: Mapped[CreatedAt]
