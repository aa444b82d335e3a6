"""What was told to whom and what they answered, and telling it again."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.orchestration.callback_tables import CallbackChain, CallbackDelivery
from civitas.domains.orchestration.delivering import signing
from civitas.domains.orchestration.delivering.messages import DeliverCallbacks
from civitas.infra.queue.outbox import defer
from civitas.kit import clock, paging
from civitas.kit.errors import Conflict, Invalid, NotFound
from civitas.kit.paging import Page

PAGE: Final = 50
STATES: Final = ("waiting", "delivered", "given_up", "skipped")

# At the end of its chain: what is told again keeps the order of what is told.
_AGAIN = text(
    """
    WITH chain AS (
        UPDATE callback_chains SET last = last + 1, due_at = coalesce(due_at, :now), stopped_at = NULL WHERE id = :chain
        RETURNING id, last
    )
    INSERT INTO callback_deliveries (message_id, chain_id, number, workflow_id, person_id, event, payload, created_at)
    SELECT d.message_id, chain.id, chain.last, d.workflow_id, d.person_id, d.event, d.payload, :now
      FROM callback_deliveries AS d, chain WHERE d.id = :delivery
    RETURNING id
    """
)


@dataclass(frozen=True, slots=True)
class DeliveryFacts:
    """One event for one address. `due_at` is when it is tried next, for those whose turn it is."""

    id: int
    message_id: str
    workflow_id: str
    url: str
    event: str
    number: int
    state: str
    attempts: int
    created_at: datetime
    ended_at: datetime | None
    due_at: datetime | None
    answer: int | None
    took_ms: int | None
    trouble: str | None
    stopped: bool


async def page(
    session: AsyncSession,
    actor: Actor,
    *,
    workflow_id: str | None = None,
    state: str | None = None,
    cursor: str | None = None,
    limit: int = PAGE,
) -> Page[DeliveryFacts]:
    """One's own deliveries, the newest first. Raises Invalid (`bad_cursor`, `bad_state`)."""
    query = _own(actor)
    if workflow_id is not None:
        query = query.where(CallbackDelivery.workflow_id == workflow_id)
    if state is not None:
        if state not in STATES:
            raise Invalid(f"A delivery is {', '.join(STATES)}.", code="bad_state")
        query = query.where(CallbackDelivery.state == state)
    if cursor is not None:
        (before,) = paging.decode(cursor, int)
        query = query.where(CallbackDelivery.id < before)
    rows = (await session.execute(query.order_by(CallbackDelivery.id.desc()).limit(limit + 1))).all()
    items = [_facts(row[0], row[1]) for row in rows[:limit]]
    return Page(items, paging.encode(items[-1].id) if len(rows) > limit else None)


async def one(
    session: AsyncSession, actor: Actor, *, delivery_id: int
) -> tuple[DeliveryFacts, Mapping[str, Any]]:
    """A delivery of one's own, and its body as it is kept. Raises NotFound (`delivery_not_found`)."""
    row = (await session.execute(_own(actor).where(CallbackDelivery.id == delivery_id))).first()
    if row is None:
        raise NotFound(
            "There is no such delivery; the log is kept for a while only.", code="delivery_not_found"
        )
    return _facts(row[0], row[1]), row[0].payload


async def again(session: AsyncSession, actor: Actor, *, delivery_id: int) -> int:
    """Tell an event again, under its own `webhook-id` and after all that waits; the new delivery's id.

    An address that wanted no more (410) is called again from now on. Raises NotFound, Conflict (`delivery_waiting`).
    """
    person = actor.require(Scope.AI_SERVICES_WRITE)
    found = await session.scalar(
        select(CallbackDelivery).where(
            CallbackDelivery.id == delivery_id, CallbackDelivery.person_id == person
        )
    )
    if found is None:
        raise NotFound(
            "There is no such delivery; the log is kept for a while only.", code="delivery_not_found"
        )
    await session.execute(
        select(CallbackChain.id).where(CallbackChain.id == found.chain_id).with_for_update()
    )
    waiting = await session.scalar(
        select(CallbackDelivery.id).where(
            CallbackDelivery.chain_id == found.chain_id,
            CallbackDelivery.message_id == found.message_id,
            CallbackDelivery.state == "waiting",
        )
    )
    if waiting is not None:
        raise Conflict("This event is on its way already.", code="delivery_waiting")
    made: int = (
        await session.execute(_AGAIN, {"chain": found.chain_id, "delivery": delivery_id, "now": clock.now()})
    ).scalar_one()
    await defer(session, DeliverCallbacks(), once="callbacks")
    return made


def _own(actor: Actor) -> Select[CallbackDelivery, CallbackChain]:
    return (
        select(CallbackDelivery, CallbackChain)
        .join(CallbackChain, CallbackChain.id == CallbackDelivery.chain_id)
        .where(CallbackDelivery.person_id == actor.require(Scope.AI_SERVICES_READ))
    )


def _facts(delivery: CallbackDelivery, chain: CallbackChain) -> DeliveryFacts:
    turn = delivery.state == "waiting" and delivery.number == chain.told + 1
    return DeliveryFacts(
        id=delivery.id,
        message_id=signing.message_id(uuid.UUID(str(delivery.message_id))),
        workflow_id=delivery.workflow_id,
        url=chain.url,
        event=delivery.event,
        number=delivery.number,
        state=delivery.state,
        attempts=delivery.attempts,
        created_at=delivery.created_at,
        ended_at=delivery.ended_at,
        due_at=chain.due_at if turn else None,
        answer=delivery.answer,
        took_ms=delivery.took_ms,
        trouble=delivery.trouble,
        stopped=chain.stopped_at is not None,
    )
