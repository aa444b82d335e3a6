"""`GET /api/live/chat`: what is said in the signed-in person's rooms, as server-sent events.

An event tells that something was said and where; its words are fetched as everything else is. Its id is that of the message:
a browser that comes back with `Last-Event-ID` (or `?after=`) is told what it missed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import timedelta
from typing import Final, cast

import orjson
from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from civitas.domains.accounts.types import Scope
from civitas.domains.community.chat import reading
from civitas.domains.community.chat.reading import Stir
from civitas.faces.http.actors import actor_of
from civitas.faces.http.limits import take
from civitas.faces.http.state import state_of
from civitas.faces.live.following import Following
from civitas.faces.live.streams import HEARTBEAT_S, LONGEST_S, EventStream
from civitas.infra.db.readpool import ReadPool
from civitas.kit import clock
from civitas.kit.ids import row_id

router = APIRouter(include_in_schema=False)

Stirring = tuple[Stir, ...]
# Messages are looked for so far back: what was committed late is seen, too, and nothing twice.
WINDOW: Final = timedelta(seconds=60)


def prepare(app: FastAPI, reads: ReadPool) -> Following[int, Stirring]:
    """Give the app its one look for everybody; the caller closes it when the app ends."""

    async def look(people: Sequence[int]) -> Mapping[int, Stirring]:
        return await reading.stirring(reads, people, clock.now() - WINDOW)

    app.state.talking = Following(look)
    return cast(Following[int, Stirring], app.state.talking)


@router.get("/api/live/chat")
async def chat(request: Request, after: str = "") -> Response:
    """`event: message` with the room and the number of what was said."""
    actor = await actor_of(request)
    person = actor.require(Scope.SOCIAL_WRITE)
    await take(request, "read")
    following = cast(Following[int, Stirring], request.app.state.talking)
    following.admit(person)
    seen = _number(request.headers.get("last-event-id") or after)
    return EventStream(_events(following, state_of(request).reads, person, seen))


async def _events(
    following: Following[int, Stirring], reads: ReadPool, person: int, seen: int
) -> AsyncGenerator[bytes, None]:
    began = clock.now()
    yield b"retry: 2000\n\n"
    told: set[int] = set()
    if seen:
        for stir in await reading.missed(reads, person, seen):
            told.add(stir.message_id)
            yield _event(stir)
    first = True
    async for found in following.follow(person, HEARTBEAT_S):
        if found is None:
            yield b": still here\n\n"
            continue
        for stir in found:
            # Who just came sees what was said on the page; only what is new is told.
            if (
                stir.message_id not in told
                and not (first and stir.message_id <= seen)
                and (seen or not first)
            ):
                yield _event(stir)
        told = {stir.message_id for stir in found}
        first = False
        if (clock.now() - began).total_seconds() > LONGEST_S:
            return


def _event(stir: Stir) -> bytes:
    told = orjson.dumps({"id": stir.message_id, "roomId": stir.room_id})
    return b"id: %d\nevent: message\ndata: %s\n\n" % (stir.message_id, told)


def _number(text: str) -> int:
    return row_id(text) or 0
