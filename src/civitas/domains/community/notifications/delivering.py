"""Putting lines before people: one statement for a fact, one for each batch of an audience."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.subjects import Subject
from civitas.domains.community.notifications.kinds import BY_NAME, switch
from civitas.domains.community.notifications.messages import FanOut, SendPushes
from civitas.infra.queue.outbox import defer
from civitas.kit import clock
from civitas.kit.sql import statements

BATCH: Final = 10_000
KEPT: Final = timedelta(days=180)
# A line that grows is pushed again after so long at the earliest.
QUIET: Final = timedelta(minutes=10)
_SQL = statements("civitas.domains.community.notifications", "delivering.sql")


@dataclass(frozen=True, slots=True)
class Note:
    """Something to tell some people. `once` is told a person one time only; the rest is grouped while unread."""

    kind: str
    people: Sequence[int]
    key: str
    subject: Subject | None = None
    actor_id: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    once: bool = False


def _made(name: str, *, once: bool) -> TextClause:
    made = _SQL[name].replace("${conflict}", _SQL["once" if once else "grouped"])
    for part in ("columns", "values", "wanted", "pushed"):
        # The first lines of a part are its comment.
        lines = [line for line in _SQL[part].splitlines() if not line.startswith("--")]
        made = made.replace(f"${{{part}}}", "\n".join(lines))
    return text(made)


_TELL = {once: _made("tell", once=once) for once in (True, False)}
_FAN = {audience: _made(f"fan_{audience}", once=True) for audience in ("followers", "waiting", "everybody")}


async def tell(session: AsyncSession, *notes: Note) -> None:
    """Tell these people, except whoever did it, is apart from them by a block, or turned the kind off."""
    for note in notes:
        people = sorted({person for person in note.people if person > 0})
        if people:
            subject = note.subject
            params = _params(
                note.kind, note.key, note.actor_id,
                subject.kind if subject else None, subject.id if subject else None, note.data,
            )  # fmt: skip
            pushed = await session.scalar(_TELL[note.once], params | {"once": note.once, "people": people})
            if pushed:
                await defer(session, SendPushes(), once="pushes")


async def tell_many(session: AsyncSession, wish: FanOut) -> None:
    """Tell a whole audience in the background, in batches."""
    await defer(session, wish, once=f"fan:{wish.audience}:{wish.kind}:{wish.key}")


async def tell_batch(
    session: AsyncSession, wish: FanOut, place: tuple[datetime, int] | None, *, limit: int = BATCH
) -> tuple[datetime, int] | None:
    """Tell the next people of an audience in one statement; where it goes on, None at the end."""
    at, after = place or (datetime(1970, 1, 1, tzinfo=UTC), 0)
    params = _params(
        wish.kind, wish.key, wish.actor_id, wish.subject_kind, wish.subject_id, wish.data, mature=wish.mature
    )
    row = (
        await session.execute(
            _FAN[wish.audience],
            params | {"once": True, "of": wish.of_id, "at": at, "after": after, "limit": limit},
        )
    ).first()
    if row is not None and row[3]:
        await defer(session, SendPushes(), once="pushes")
    return (row[0], row[1]) if row is not None and row[2] == limit else None


async def sweep(session: AsyncSession, *, limit: int = BATCH) -> int:
    """Let go of lines that are older than `KEPT`; how many went."""
    done: Any = await session.execute(text(_SQL["sweep"]), {"before": clock.now() - KEPT, "limit": limit})
    return int(done.rowcount)


def _params(
    kind: str,
    key: str,
    actor_id: int | None,
    subject_kind: str | None,
    subject_id: int | None,
    data: Mapping[str, Any],
    *,
    mature: bool = False,
) -> dict[str, Any]:
    found = BY_NAME[kind]
    return {
        "kind": kind,
        "category": found.category.value,
        "key": f"{kind}:{key}"[:300],
        "actor": actor_id,
        "subject_kind": subject_kind,
        "subject_id": subject_id,
        "data": orjson.dumps(dict(data)).decode(),
        "switch": switch(kind),
        "on": found.on,
        "mature": mature,
        "quiet": QUIET,
        "model": data.get("modelId") or (subject_id if subject_kind == "model" else None),
    }
