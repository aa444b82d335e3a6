"""Mapped classes of reviews."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, BigId, CreatedAt

ZERO = text("0")


class Review(Base):
    """What one person thinks of one version."""

    __tablename__ = "reviews"
    __table_args__ = (
        UniqueConstraint("version_id", "person_id"),
        Index("ix_reviews_model_id_id", "model_id", "id"),
        Index("ix_reviews_version_id_id", "version_id", "id"),
        Index("ix_reviews_person_id_id", "person_id", "id"),
    )

    id: Mapped[BigId]
    version_id: Mapped[int] = mapped_column(ForeignKey("model_versions.id", ondelete="CASCADE"))
    model_id: Mapped[int] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    recommended: Mapped[bool]
    # Markdown; may be empty.
    content: Mapped[str] = mapped_column(Text, server_default=text("''"))
    # A post of the reviewer with what they made.
    post_id: Mapped[int | None] = mapped_column(ForeignKey("posts.id", ondelete="SET NULL"), index=True)
    # Left out of the counts by the model's owner or a moderator; it stays to be read.
    excluded_at: Mapped[datetime | None]
    excluded_by: Mapped[int | None] = mapped_column(ForeignKey("people.id", ondelete="SET NULL"))
    reaction_count: Mapped[int] = mapped_column(server_default=ZERO)
    created_at: Mapped[CreatedAt]
    edited_at: Mapped[datetime | None]
