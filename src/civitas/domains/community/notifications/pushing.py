"""Which pushes go out, and what became of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts import subjects
from civitas.contracts.subjects import Subject, SubjectFacts
from civitas.domains.community.notifications import push_letters
from civitas.domains.community.notifications.kinds import names
from civitas.domains.community.notifications.push_devices import Subscription
from civitas.domains.community.notifications.push_letters import PushLetter, Told
from civitas.domains.community.notifications.reading import doers
from civitas.domains.community.notifications.tables import Notification
from civitas.kit import clock
from civitas.kit.sql import statements

# After a crash somebody else sends what was taken; a try ends well before.
LEASE: Final = timedelta(seconds=120)
# What waited longer is not news any more.
OLDEST: Final = timedelta(days=1)
MOST_TRIES: Final = 6
# A service that refuses a device so often in a row does not know it.
MOST_REFUSALS: Final = 5
LONGEST_PAUSE: Final = timedelta(hours=24)
_PAUSES: Final = (30, 120, 600, 1_800, 3_600)
_SQL: Final = statements("civitas.domains.community.notifications", "delivering.sql")
_TAKE, _RECORD, _SWEEP = (text(_SQL[name]) for name in ("take_pushes", "record_pushes", "sweep_pushes"))


@dataclass(frozen=True, slots=True)
class DuePush:
    """A push that was taken to be sent now."""

    id: int
    device_id: int
    attempts: int
    to: Subscription
    letter: PushLetter


@dataclass(frozen=True, slots=True)
class Batch:
    """What was taken together, until when it is ours, and whether there may be more."""

    dues: Sequence[DuePush]
    until: datetime
    more: bool


@dataclass(frozen=True, slots=True)
class PushEnd:
    """What a try means for its push and its device."""

    id: int
    device_id: int
    arrived: bool = False
    gone: bool = False
    refused: bool = False
    due_at: str | None = None
    pause: str | None = None


async def take(session: AsyncSession, *, site: str, limit: int) -> Batch:
    """Take what is due. What was read meanwhile, is old or is not wanted any more is put away unsent."""
    now = clock.now()
    until = now + LEASE
    rows = (
        await session.execute(_TAKE, {"now": now, "until": until, "oldest": now - OLDEST, "limit": limit})
    ).all()
    going = [row for row in rows if row.goes]
    letters, unfit = await _letters(session, going, site)
    if unfit:
        await record(session, [PushEnd(row.id, row.device_id) for row in unfit], until=until)
    dues = [
        DuePush(
            row.id,
            row.device_id,
            row.attempts,
            Subscription(row.endpoint, row.p256dh, row.auth),
            letters[row.id],
        )
        for row in going
        if row.id in letters
    ]
    return Batch(dues, until, len(rows) == limit)


def judged(due: DuePush, status: int | None, patience_s: float = 0) -> PushEnd:
    """What an answer means; `status` is None when there was none. `patience_s` is what Retry-After asked for."""
    now = clock.now()
    if status is not None and 200 <= status < 300:
        return PushEnd(due.id, due.device_id, arrived=True)
    if status in (404, 410):
        return PushEnd(due.id, due.device_id, gone=True)
    again = timedelta(seconds=_PAUSES[min(due.attempts, len(_PAUSES)) - 1])
    waits = min(timedelta(seconds=patience_s), LONGEST_PAUSE)
    asked = status == 429 or (status == 503 and patience_s > 0)
    later = None
    if asked or status is None or status >= 500:
        later = (now + max(again, waits)).isoformat() if due.attempts < MOST_TRIES else None
    pause = (now + max(waits, timedelta(seconds=_PAUSES[0]))).isoformat() if asked else None
    # Other answers would not change; when they go on, the device is not known there, or our key is not the one.
    refused = status is not None and 400 <= status < 500 and status not in (413, 429)
    return PushEnd(due.id, due.device_id, refused=refused, due_at=later, pause=pause)


async def record(session: AsyncSession, ends: Collection[PushEnd], *, until: datetime) -> None:
    """Write down what came of tries that were taken together."""
    if ends:
        await session.execute(
            _RECORD,
            {
                "ends": orjson.dumps([asdict(end) for end in ends]).decode(),
                "now": clock.now(),
                "until": until,
                "most_refusals": MOST_REFUSALS,
            },
        )


async def sweep(session: AsyncSession, *, limit: int) -> int:
    """Forget pushes that went or were given up; how many."""
    done: Any = await session.execute(_SWEEP, {"before": clock.now() - 2 * OLDEST, "limit": limit})
    return int(done.rowcount)


async def _letters(
    session: AsyncSession, rows: Sequence[Any], site: str
) -> tuple[Mapping[int, PushLetter], Sequence[Any]]:
    """A letter for each that may have one, and those that may not: what is mature goes to no device of the safe twin."""
    ids = {row.notification_id for row in rows if row.notification_id is not None}
    lines: dict[int, Notification] = {}
    if ids:
        query = select(Notification).where(Notification.id.in_(ids)).execution_options(populate_existing=True)
        lines = {line.id: line for line in await session.scalars(query)}
    about = {id_: subject for id_, line in lines.items() if (subject := _subject(line)) is not None}
    facts = await subjects.resolve_all(session, list(set(about.values())))
    known = await doers(session, [person for line in lines.values() for person in line.actors[:3]])
    letters: dict[int, PushLetter] = {}
    unfit = []
    for row in rows:
        if row.notification_id is None:
            letters[row.id] = push_letters.trial(row.device_id, row.name, site)
            continue
        line = lines[row.notification_id]
        found = facts.get(about[line.id]) if line.id in about else None
        if row.safe and found is not None and found.mature:
            unfit.append(row)
            continue
        actors = [known[person].username for person in line.actors[:3] if person in known]
        told = Told(
            line.id, line.kind, names(actors, line.actor_count), line.count, dict(line.data), _fit(found)
        )
        letters[row.id] = push_letters.compose(told, site)
    return letters, unfit


def _subject(line: Notification) -> Subject | None:
    if line.subject_kind is None or line.subject_id is None:
        return None
    return Subject(line.subject_kind, line.subject_id)


def _fit(facts: SubjectFacts | None) -> bool:
    return facts is not None and not facts.mature
