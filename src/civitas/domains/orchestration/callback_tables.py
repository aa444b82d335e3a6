"""Mapped classes of callbacks: what is to be told, to whom, in which order, and what came of it."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from civitas.infra.db.base import Base, BigId, CreatedAt


class CallbackChain(Base):
    """One address of one workflow, and how far it was told. The lock of its deliveries.

    It outlives its workflow, which may be forgotten as soon as it has ended: what it had to tell is told all the same.
    """

    __tablename__ = "callback_chains"
    __table_args__ = (
        UniqueConstraint("workflow_id", "url", name="uq_callback_chains_workflow_id_url"),
        Index("ix_callback_chains_due_at", "due_at", "id", postgresql_where=text("due_at IS NOT NULL")),
        Index("ix_callback_chains_created_at", "created_at"),
    )

    id: Mapped[BigId]
    workflow_id: Mapped[str] = mapped_column(Text(collation="C"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    url: Mapped[str]
    # Part of the address, so that one slow receiver takes no more than its share of what is sent at once.
    host: Mapped[str]
    # The number of the newest event, and of the newest that was delivered or given up.
    last: Mapped[int] = mapped_column(server_default=text("0"))
    told: Mapped[int] = mapped_column(server_default=text("0"))
    # When the oldest waiting event is to be sent; in the near future while somebody sends it; null with nothing to do.
    due_at: Mapped[datetime | None]
    # Who took it last: what is said under an older number does not count.
    lease: Mapped[int] = mapped_column(server_default=text("0"))
    # The receiver answered 410: nothing is sent there any more for this workflow.
    stopped_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]


class CallbackDelivery(Base):
    """One event for one address. The next of its chain goes out when it has arrived or was given up."""

    __tablename__ = "callback_deliveries"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'delivered', 'given_up', 'skipped')", name="state"),
        UniqueConstraint("chain_id", "number", name="uq_callback_deliveries_chain_id_number"),
        Index(
            "ix_callback_deliveries_waiting", "chain_id", "number", postgresql_where=text("state = 'waiting'")
        ),
        Index("ix_callback_deliveries_person_id", "person_id", "id"),
        Index("ix_callback_deliveries_workflow_id", "workflow_id", "id"),
        Index("ix_callback_deliveries_ended_at", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
    )

    id: Mapped[BigId]
    # The `webhook-id` of Standard Webhooks: the same on every try, so that a receiver can drop repetitions.
    message_id: Mapped[uuid.UUID] = mapped_column(server_default=text("gen_random_uuid()"))
    chain_id: Mapped[int] = mapped_column(ForeignKey("callback_chains.id", ondelete="CASCADE"))
    number: Mapped[int]
    workflow_id: Mapped[str] = mapped_column(Text(collation="C"))
    person_id: Mapped[int]
    # `workflow:succeeded`, and the body with blobs as `{"$blob": id}`: links are made when it is sent.
    event: Mapped[str]
    payload: Mapped[dict[str, Any]]
    state: Mapped[str] = mapped_column(server_default="waiting")
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[CreatedAt]
    ended_at: Mapped[datetime | None]
    # The answer of the last try, how long it took, and what was wrong with it.
    answer: Mapped[int | None]
    took_ms: Mapped[int | None]
    trouble: Mapped[str | None]


class CallbackSecret(Base):
    """What a person's callbacks are signed with. While one is being replaced both sign (Standard Webhooks)."""

    __tablename__ = "callback_secrets"
    __table_args__ = (Index("ix_callback_secrets_person_id", "person_id", "id"),)

    id: Mapped[BigId]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    # Sealed with the instance's own key (`kit.sealing`): signing needs the secret itself.
    sealed: Mapped[bytes]
    # Its last characters, to tell secrets apart.
    hint: Mapped[str]
    created_at: Mapped[CreatedAt]
    # Set when another one replaces it.
    expires_at: Mapped[datetime | None]
