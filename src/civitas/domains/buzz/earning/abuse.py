"""Rewards are turned off for accounts that share an address with too many and earned too much (FEATURES I31)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.buzz import RewardsStopped
from civitas.domains.buzz.earning.tables import RewardStop
from civitas.domains.buzz.economy import economy, rules
from civitas.infra.queue.outbox import publish
from civitas.kit import clock

LISTED = 100


@dataclass(frozen=True, slots=True)
class Stop:
    """Why one account's rewards were turned off; `awarded` in quarters."""

    person_id: int
    address: str
    people: int
    awarded: int
    day: date


_STOP = text(
    """
    WITH seen AS (
        SELECT DISTINCT s.address, s.person_id
          FROM person_sessions s
         WHERE s.last_seen_at >= :start AND s.address <> '' AND s.person_id > 0
    ), earned AS (
        SELECT a.person_id, sum(a.amount) AS amount
          FROM reward_awards a WHERE a.day = :day AND a.amount > 0 GROUP BY a.person_id
    ), crowded AS (
        SELECT s.address, count(*) AS people, coalesce(sum(e.amount), 0) AS awarded
          FROM seen s LEFT JOIN earned e ON e.person_id = s.person_id
         GROUP BY s.address
        HAVING count(*) > :people AND coalesce(sum(e.amount), 0) >= :awarded
    ), worst AS (
        SELECT DISTINCT ON (s.person_id) s.person_id, c.address, c.people, c.awarded
          FROM seen s JOIN crowded c ON c.address = s.address
         ORDER BY s.person_id, c.awarded DESC, c.address
    ), locked AS (
        SELECT p.id FROM people p JOIN worst w ON w.person_id = p.id
         WHERE p.rewards_eligibility = 'eligible' ORDER BY p.id FOR NO KEY UPDATE OF p
    ), stopped AS (
        UPDATE people p SET rewards_eligibility = 'ineligible'
          FROM locked l WHERE p.id = l.id RETURNING p.id
    )
    INSERT INTO reward_stops (person_id, address, people, awarded, day, created_at)
    SELECT w.person_id, w.address, w.people, w.awarded, :day, :now
      FROM stopped t JOIN worst w ON w.person_id = t.id ORDER BY w.person_id
    RETURNING person_id
    """
)


async def stop_crowded(session: AsyncSession) -> list[int]:
    """Turn rewards off where today's awards of one address are beyond the rules; whom it met. Protected people and
    those who are off already stay as they are."""
    limits, now = economy.current().abuse, clock.now()
    found = await session.scalars(
        _STOP,
        {
            "start": datetime.combine(now.date(), time(), UTC),
            "day": now.date(),
            "now": now,
            "people": limits.people_per_address,
            "awarded": rules.quarters(limits.awarded_per_address),
        },
    )
    stopped = list(found)
    await publish(session, *(RewardsStopped(person, now.date().isoformat()) for person in stopped))
    return stopped


async def stops(session: AsyncSession) -> list[Stop]:
    """The last accounts that it met, for staff."""
    rows = await session.scalars(select(RewardStop).order_by(RewardStop.id.desc()).limit(LISTED))
    return [Stop(row.person_id, row.address, row.people, row.awarded, row.day) for row in rows]
