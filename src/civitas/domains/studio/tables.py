"""Mapped classes of the studio: what was refused, who may not generate, presets and snippets."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, BigId, CreatedAt

STANDING = "state IN ('pending', 'upheld')"


class PromptBlock(Base):
    """A prompt that was refused and counts against whoever wrote it, for thirty days (FEATURES M9)."""

    __tablename__ = "prompt_blocks"
    __table_args__ = (Index("ix_prompt_blocks_person_id", "person_id", "created_at", "id"),)

    id: Mapped[BigId]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    created_at: Mapped[CreatedAt]
    category: Mapped[str]
    words: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"))
    # What was written, so that staff can judge a restriction; goes after thirty days.
    prompt: Mapped[str]


class StudioRestriction(Base):
    """Somebody may not generate: by the rule of counted blocks until staff has looked, or by staff's own word."""

    __tablename__ = "studio_restrictions"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'upheld', 'overturned')", name="state"),
        CheckConstraint("(state = 'pending') = (decided_at IS NULL)", name="decided"),
        Index("uq_studio_restrictions_person_id", "person_id", unique=True, postgresql_where=text(STANDING)),
        Index("ix_studio_restrictions_state", "state", "id"),
    )

    id: Mapped[BigId]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(server_default="pending")
    reason: Mapped[str]
    created_at: Mapped[CreatedAt]
    decided_by: Mapped[int | None]
    decided_at: Mapped[datetime | None]
    note: Mapped[str | None]


class PromptAllowance(Base):
    """A phrase that staff cleared for one person: an artist's own name, a title."""

    __tablename__ = "prompt_allowances"

    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), primary_key=True)
    phrase: Mapped[str] = mapped_column(primary_key=True)
    allowed_by: Mapped[int]
    created_at: Mapped[CreatedAt]


class Preset(Base):
    """Settings of the generator under a name (FEATURES G12)."""

    __tablename__ = "studio_presets"
    __table_args__ = (
        UniqueConstraint("person_id", "name", name="uq_studio_presets_person_id_name"),
        CheckConstraint("length(name) BETWEEN 1 AND 100", name="name_length"),
        Index("ix_studio_presets_person_id", "person_id", "id"),
    )

    id: Mapped[BigId]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    name: Mapped[str]
    description: Mapped[str] = mapped_column(server_default="")
    ecosystem: Mapped[str | None]
    settings: Mapped[dict[str, Any]]
    created_at: Mapped[CreatedAt]
    changed_at: Mapped[CreatedAt]


class SnippetSet(Base):
    """Pieces of prompts that stand for `#name` (FEATURES G13). Those of the system account are everybody's."""

    __tablename__ = "snippet_sets"
    __table_args__ = (
        UniqueConstraint("person_id", "name", name="uq_snippet_sets_person_id_name"),
        CheckConstraint("name ~ '^[a-z][a-z0-9_-]{0,39}$'", name="name_form"),
    )

    id: Mapped[BigId]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    name: Mapped[str]
    entries: Mapped[list[Any]]
    created_at: Mapped[CreatedAt]
    changed_at: Mapped[CreatedAt]
