"""Mapped classes of agents and of how fast they are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, BigId, CreatedAt


class Agent(Base):
    """A machine that runs jobs, known by its token. Revoked ones stay, for the history of jobs."""

    __tablename__ = "agents"
    __table_args__ = (
        CheckConstraint("wish IN ('work', 'pause', 'drain')", name="wish"),
        # Of few rows, written at every heartbeat: no more indexes than a token needs.
        Index("uq_agents_token_hash", "token_hash", unique=True),
    )

    id: Mapped[BigId]
    name: Mapped[str]
    # SHA-256 of the token; its first characters are kept to tell tokens apart.
    token_hash: Mapped[bytes]
    token_prefix: Mapped[str]
    made_by: Mapped[int | None]
    created_at: Mapped[CreatedAt]
    revoked_at: Mapped[datetime | None]
    registered_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None]
    capabilities: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'::text[]"))
    slots: Mapped[int] = mapped_column(server_default=text("1"))
    software: Mapped[str] = mapped_column(server_default="")
    hardware: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    # What the operator wants of it.
    wish: Mapped[str] = mapped_column(server_default="work")


class AgentResource(Base):
    """A model file that lies ready on an agent's machine."""

    __tablename__ = "agent_resources"
    __table_args__ = (Index("ix_agent_resources_agent_id", "agent_id"),)

    # SHA-256 in upper case, as files of the catalogue are known.
    digest: Mapped[str] = mapped_column(Text(collation="C"), primary_key=True)
    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True)


class ClaimUpload(Base):
    """Bytes that came into a slot under a claim, until the claim's result makes them the job's blob.

    The row is there before the bytes are. No foreign key: bytes are swept after everything else was forgotten.
    """

    __tablename__ = "claim_uploads"
    __table_args__ = (Index("ix_claim_uploads_created_at", "created_at"),)

    claim_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    slot: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    storage_key: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[CreatedAt]
    # Set once everything has arrived.
    size: Mapped[int | None]
    sha256: Mapped[bytes | None]


class AgentRate(Base):
    """What an agent did of one capability: moving averages that dispatch and estimates use."""

    __tablename__ = "agent_rates"

    agent_id: Mapped[int] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True)
    capability: Mapped[str] = mapped_column(primary_key=True)
    # Complexity a second, and the share of failures, both weighed towards the newest.
    speed: Mapped[float | None]
    failure: Mapped[float] = mapped_column(server_default=text("0"))
    succeeded: Mapped[int] = mapped_column(server_default=text("0"))
    failed: Mapped[int] = mapped_column(server_default=text("0"))
    changed_at: Mapped[CreatedAt]
