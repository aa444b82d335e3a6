"""`GET /api/live/generations`: what the signed-in person is making, as server-sent events.

Each event says which generation moved, where it stands and how far it is. Its id grows with every change: a browser that
comes back with `Last-Event-ID` (or `?after=`) is told what changed meanwhile, and nothing twice.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, cast

import orjson
from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from civitas.domains.accounts.types import Scope
from civitas.domains.studio import made
from civitas.domains.studio.made import Stir
from civitas.faces.http.actors import actor_of
from civitas.faces.http.limits import take
from civitas.faces.live.following import Following
from civitas.faces.live.streams import HEARTBEAT_S, LONGEST_S, EventStream
from civitas.infra.db.readpool import ReadPool
from civitas.kit import clock

router = APIRouter(include_in_schema=False)

Stirring = tuple[Stir, ...]
# How long what has ended is still told to those who were away.
KEPT: Final = timedelta(minutes=10)


def prepare(app: FastAPI, reads: ReadPool) -> Following[int, Stirring]:
    """Give the app its one look for everybody; the caller closes it when the app ends."""

    async def look(people: Sequence[int]) -> Mapping[int, Stirring]:
        found: dict[int, list[Stir]] = {person: [] for person in people}
        for stir in await made.stirring(reads, people, clock.now() - KEPT):
            found[stir.person_id].append(stir)
        return {person: tuple(stirs) for person, stirs in found.items()}

    app.state.making = Following(look)
    return cast(Following[int, Stirring], app.state.making)


@router.get("/api/live/generations")
async def generations(request: Request, after: str = "") -> Response:
    """`event: generation` for everything under way, at once and whenever it moves."""
    actor = await actor_of(request)
    person = actor.require(Scope.AI_SERVICES_READ)
    await take(request, "read")
    following = cast(Following[int, Stirring], request.app.state.making)
    following.admit(person)
    seen = _stamp(request.headers.get("last-event-id") or after)
    return EventStream(_events(following, person, seen))


async def _events(following: Following[int, Stirring], person: int, seen: int) -> AsyncGenerator[bytes, None]:
    began = clock.now()
    yield b"retry: 2000\n\n"
    sent: dict[str, Stir] = {}
    first = True
    async for found in following.follow(person, HEARTBEAT_S):
        if found is None:
            yield b": still here\n\n"
            continue
        for stir in sorted(found, key=lambda one: one.stamp):
            old = stir.status.final and (stir.stamp <= seen or (first and not seen))
            if sent.get(stir.workflow_id) != stir and not (old and first):
                seen = max(seen, stir.stamp)
                yield _event(stir, seen)
            sent[stir.workflow_id] = stir
        first = False
        if (clock.now() - began).total_seconds() > LONGEST_S:
            return


def _event(stir: Stir, stamp: int) -> bytes:
    told = {
        "id": stir.workflow_id,
        "status": stir.status,
        "progress": None if stir.progress is None else round(float(stir.progress), 3),
        "final": stir.status.final,
    }
    return b"id: %d\nevent: generation\ndata: %s\n\n" % (stamp, orjson.dumps(told))


def _stamp(text: str) -> int:
    """Microseconds since 1970 as an event's id says them; 0 for anything that is none."""
    stamp = int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else 0
    latest = int((clock.now() - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000_000)
    return min(stamp, latest)
