"""Which event goes out next, and what became of it. Only a chain's newest taker has a say."""

from __future__ import annotations

import random
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.kit import clock

# A try ends well before, whatever the receiver does; after a crash somebody else goes on then.
LEASE: Final = timedelta(seconds=90)
_JITTER: Final = 0.2
# A receiver may ask to be left alone for no longer.
_MOST_PATIENCE_S: Final = 3_600.0
_LONGEST_TROUBLE: Final = 300

_TAKE: Final = text(
    """
    WITH near AS (
        SELECT id, host, due_at FROM callback_chains
         WHERE due_at <= :now AND host <> ALL(:full)
         ORDER BY due_at, id LIMIT :look
           FOR UPDATE SKIP LOCKED
    ), placed AS (
        SELECT id, host, due_at, row_number() OVER (PARTITION BY host ORDER BY due_at, id) AS place FROM near
    ), chosen AS (
        SELECT id FROM placed
         WHERE place <= :most_per_host - coalesce((CAST(:flying AS jsonb) ->> host)::int, 0)
         ORDER BY place, due_at LIMIT :most
    ), taken AS (
        UPDATE callback_chains AS c SET due_at = :until, lease = c.lease + 1
          FROM chosen WHERE c.id = chosen.id
        RETURNING c.id, c.lease, c.url, c.host
    )
    SELECT t.id AS chain_id, t.lease, t.url, t.host, d.id AS delivery_id, d.number, d.message_id, d.workflow_id,
           d.person_id, d.payload, d.attempts, d.created_at
      FROM taken AS t
      LEFT JOIN LATERAL (
           SELECT * FROM callback_deliveries AS w WHERE w.chain_id = t.id AND w.state = 'waiting'
            ORDER BY w.number LIMIT 1
      ) AS d ON true
    """
)
_REST = text(
    "UPDATE callback_chains SET due_at = CASE WHEN last > told THEN :now END WHERE id = :id AND lease = :lease"
)
# In the order in which `callbacks.note` locks the chains of a workflow.
_HOLD = text(
    """
    SELECT c.id FROM callback_chains AS c
      JOIN jsonb_to_recordset(CAST(:ends AS jsonb)) AS e(chain_id bigint, lease bigint)
        ON c.id = e.chain_id AND c.lease = e.lease
     ORDER BY c.workflow_id, c.url FOR UPDATE OF c
    """
)
_END = text(
    """
    WITH ends AS (
        SELECT * FROM jsonb_to_recordset(CAST(:ends AS jsonb)) AS e(chain_id bigint, delivery_id bigint, number bigint,
               state text, answer bigint, took_ms bigint, trouble text, due_at timestamptz, stop boolean)
    ), ended AS (
        UPDATE callback_deliveries AS d
           SET state = e.state, attempts = d.attempts + 1, answer = e.answer, took_ms = e.took_ms, trouble = e.trouble,
               ended_at = CASE WHEN e.state <> 'waiting' THEN CAST(:now AS timestamptz) END
          FROM ends AS e WHERE d.id = e.delivery_id AND d.state = 'waiting'
    ), skipped AS (
        UPDATE callback_deliveries AS d
           SET state = 'skipped', ended_at = :now, trouble = 'The receiver wants no more of this workflow.'
          FROM ends AS e
         WHERE e.stop AND d.chain_id = e.chain_id AND d.id <> e.delivery_id AND d.state = 'waiting'
    )
    UPDATE callback_chains AS c
       SET told = CASE WHEN e.stop THEN c.last WHEN e.state <> 'waiting' THEN e.number ELSE c.told END,
           due_at = CASE WHEN e.stop THEN NULL
                         WHEN e.state = 'waiting' THEN e.due_at
                         WHEN c.last > e.number THEN CAST(:now AS timestamptz) END,
           stopped_at = CASE WHEN e.stop THEN CAST(:now AS timestamptz) ELSE c.stopped_at END
      FROM ends AS e WHERE c.id = e.chain_id
    """
)
_NEXT = text("SELECT min(due_at) FROM callback_chains WHERE due_at > :now")
_ANY = text("SELECT EXISTS (SELECT FROM callback_chains WHERE due_at <= :now)")
_FORGET = text(
    """
    DELETE FROM callback_deliveries WHERE id IN (
        SELECT id FROM callback_deliveries WHERE ended_at < :before ORDER BY ended_at LIMIT :most FOR UPDATE SKIP LOCKED
    )
    """
)
_FORGET_CHAINS = text(
    """
    DELETE FROM callback_chains WHERE id IN (
        SELECT c.id FROM callback_chains AS c
         WHERE c.created_at < :before AND c.due_at IS NULL
           AND NOT EXISTS (SELECT FROM callback_deliveries AS d WHERE d.chain_id = c.id)
         ORDER BY c.created_at LIMIT :most FOR UPDATE SKIP LOCKED
    )
    """
)


@dataclass(frozen=True, slots=True)
class Due:
    """The oldest waiting event of a chain, taken to be sent under `lease`."""

    chain_id: int
    lease: int
    url: str
    host: str
    delivery_id: int
    number: int
    message_id: uuid.UUID
    workflow_id: str
    person_id: int
    payload: dict[str, Any]
    attempts: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of a try: the status answered, or None and what went wrong."""

    answer: int | None
    took_ms: int
    trouble: str | None = None
    # Seconds that the receiver asked to be left alone.
    patience_s: float = 0

    @property
    def arrived(self) -> bool:
        """Whether the receiver has it."""
        return self.answer is not None and 200 <= self.answer < 300


@dataclass(frozen=True, slots=True)
class End:
    """What a try means for its delivery and chain."""

    chain_id: int
    lease: int
    delivery_id: int
    number: int
    state: str
    answer: int | None
    took_ms: int
    trouble: str | None
    due_at: str | None
    stop: bool


async def take(
    session: AsyncSession, *, most: int, most_per_host: int, flying: Mapping[str, int]
) -> Sequence[Due]:
    """Take what is due, the longest due first and no host more than its share; `flying` is what is on its way."""
    now = clock.now()
    rows = await session.execute(
        _TAKE,
        {
            "now": now,
            "until": now + LEASE,
            "full": [host for host, count in flying.items() if count >= most_per_host],
            "flying": orjson.dumps(dict(flying)).decode(),
            "most_per_host": most_per_host,
            "most": most,
            "look": most * 8,
        },
    )
    found: list[Due] = []
    for row in rows:
        if row.delivery_id is None:
            await session.execute(_REST, {"id": row.chain_id, "lease": row.lease, "now": now})
        else:
            found.append(Due(**row._mapping))
    return found


def end_of(due: Due, heard: Heard, *, give_up: timedelta, pauses_s: Sequence[float]) -> End:
    """What a try means: delivered, to be tried again, given up, or (410) the end of the whole chain.

    `pauses_s` are the seconds until the next try after the first, second ... failure; the last one repeats.
    """
    now = clock.now()
    stop = heard.answer == 410
    again = not heard.arrived and not stop and now < due.created_at + give_up
    state = "delivered" if heard.arrived else "waiting" if again else "given_up"
    return End(
        chain_id=due.chain_id,
        lease=due.lease,
        delivery_id=due.delivery_id,
        number=due.number,
        state=state,
        answer=heard.answer,
        took_ms=heard.took_ms,
        trouble=heard.trouble[:_LONGEST_TROUBLE] if heard.trouble else None,
        due_at=(now + pause(due.attempts, pauses_s, heard.patience_s)).isoformat() if again else None,
        stop=stop,
    )


def pause(attempts: int, pauses_s: Sequence[float], at_least_s: float = 0) -> timedelta:
    """How long to wait after so many tries, a fifth more or less so that many do not come back at one moment."""
    seconds = pauses_s[min(attempts, len(pauses_s) - 1)] * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311
    return timedelta(seconds=max(seconds, min(at_least_s, _MOST_PATIENCE_S)))


async def record(session: AsyncSession, ends: Collection[End]) -> int:
    """Record what came of tries, all in two statements; how many of them still counted.

    A chain that somebody else has taken meanwhile is left to them: the event goes out again under its own id.
    """
    if not ends:
        return 0
    held = set(await session.scalars(_HOLD, {"ends": _json(ends)}))
    counted = [end for end in ends if end.chain_id in held]
    if counted:
        await session.execute(_END, {"ends": _json(counted), "now": clock.now()})
    return len(counted)


async def next_due(session: AsyncSession) -> datetime | None:
    """When something is to be sent that is not due yet."""
    found: datetime | None = await session.scalar(_NEXT, {"now": clock.now()})
    return found


async def any_due(session: AsyncSession) -> bool:
    """Whether something is to be sent now."""
    return bool(await session.scalar(_ANY, {"now": clock.now()}))


async def forget(session: AsyncSession, *, before: datetime, most: int) -> int:
    """Remove a batch of deliveries that ended long ago, and of chains that are empty; how many rows that were."""
    values = {"before": before, "most": most}
    gone = await session.execute(_FORGET, values)
    empty = await session.execute(_FORGET_CHAINS, values)
    return int(getattr(gone, "rowcount", 0)) + int(getattr(empty, "rowcount", 0))


def _json(ends: Collection[End]) -> str:
    return orjson.dumps([asdict(end) for end in ends]).decode()
