"""What providers tell: recorded first, as it came, then given to whoever the order belongs to.

Several things are paid for. Each says which orders are its own:

    @concerns("membership")
    async def heard(session, provider, notice): ...
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.payments import Notice
from civitas.domains.buzz.payments.messages import ProcessPaymentEvent
from civitas.domains.buzz.payments.tables import PaymentEvent
from civitas.infra.queue.outbox import defer
from civitas.kit import clock

# A session, the provider's name, the notice; what came of it in a few words, None when it is not theirs.
Consumer = Callable[[AsyncSession, str, Notice], Awaitable[str | None]]
_NOTICE: TypeAdapter[Notice] = TypeAdapter(Notice)
_CONSUMERS: dict[str, Consumer] = {}


@dataclass(frozen=True, slots=True)
class Told:
    """A recorded notice that waits to be processed."""

    id: int
    provider: str
    notice: Notice


def concerns(kind: str) -> Callable[[Consumer], Consumer]:
    """Give notices about orders whose key begins with `kind:` to this function, and those that name no order.

    It runs in the transaction that marks the notice as processed; the same fact may come by several notices.
    """

    def register(consumer: Consumer) -> Consumer:
        if kind in _CONSUMERS:
            raise ValueError(f"payments for {kind} are heard twice")
        _CONSUMERS[kind] = consumer
        return consumer

    return register


async def record(session: AsyncSession, *, provider: str, notice: Notice, body: bytes) -> bool:
    """Keep a notice whose signature holds, and have it processed after the commit; False for a repetition."""
    made = await session.scalar(
        insert(PaymentEvent)
        .values(
            provider=provider,
            event_id=notice.event_id,
            kind=notice.kind,
            order_key=notice.order,
            body=body,
            notice=_NOTICE.dump_python(notice, mode="json"),
            received_at=clock.now(),
        )
        .on_conflict_do_nothing(index_elements=["provider", "event_id"])
        .returning(PaymentEvent.id)
    )
    if made is None:
        return False
    await defer(session, ProcessPaymentEvent(made))
    return True


async def waiting(session: AsyncSession, event_id: int) -> Told | None:
    """A notice that was not processed yet."""
    row = await session.scalar(
        select(PaymentEvent).where(PaymentEvent.id == event_id, PaymentEvent.processed_at.is_(None))
    )
    return Told(row.id, row.provider, _NOTICE.validate_python(row.notice)) if row is not None else None


async def process(session: AsyncSession, told: Told) -> str | None:
    """Act on a notice, and mark it; None when another hand did it first."""
    row = await session.scalar(
        select(PaymentEvent)
        .where(PaymentEvent.id == told.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if row is None or row.processed_at is not None:
        return None
    outcome: str | None = None
    for kind in _chosen(told.notice):
        outcome = await _CONSUMERS[kind](session, told.provider, told.notice)
        if outcome is not None:
            break
    row.outcome = outcome or "nothing of ours"
    row.order_key = row.order_key or told.notice.order
    row.processed_at = clock.now()
    await session.flush()
    return row.outcome


def _chosen(notice: Notice) -> list[str]:
    if notice.order is not None:
        kind = notice.order.partition(":")[0]
        return [kind] if kind in _CONSUMERS else []
    return list(_CONSUMERS) if notice.reference else []


async def events_of(session: AsyncSession, order: str, *, limit: int = 50) -> list[dict[str, Any]]:
    """What was told of one order, the newest first, for staff."""
    rows = await session.execute(
        select(
            PaymentEvent.id,
            PaymentEvent.kind,
            PaymentEvent.event_id,
            PaymentEvent.outcome,
            PaymentEvent.received_at,
            PaymentEvent.processed_at,
        )
        .where(PaymentEvent.order_key == order)
        .order_by(PaymentEvent.id.desc())
        .limit(limit)
    )
    return [dict(row._mapping) for row in rows]
