"""`GET /api/live/comments/{kind}/{id}`: how much others said since one looked, as server-sent events.

`?after=` is the newest comment that the page shows. An event's id is that of the newest comment that it counts: a browser
that comes back with `Last-Event-ID` is told nothing twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Annotated, Final, cast

import orjson
from fastapi import APIRouter, FastAPI, Path, Query, Request
from starlette.responses import Response

from civitas.contracts.subjects import Subject
from civitas.domains.accounts.types import Scope
from civitas.domains.community.comments import policy, stirring
from civitas.faces.http.actors import actor_of
from civitas.faces.http.limits import take
from civitas.faces.http.state import state_of
from civitas.faces.live.following import MOST_STREAMS, Following
from civitas.faces.live.streams import HEARTBEAT_S, LONGEST_S, EventStream
from civitas.infra.db.readpool import ReadPool
from civitas.kit import clock
from civitas.kit.errors import Limited
from civitas.kit.ids import row_id

router = APIRouter(include_in_schema=False)

MOST_ON_ONE: Final = 2_000
MAX_ID: Final = 2**63 - 1


@dataclass
class Commenting:
    """The things whose discussion somebody looks at in this process, and how many each person has open."""

    following: Following[Subject, int]
    open: Counter[int] = field(default_factory=Counter)

    def admit(self, person: int, subject: Subject) -> None:
        """Raise Limited when this person, or everybody on this thing, follows as much as they may."""
        if self.open[person] >= MOST_STREAMS:
            raise Limited(
                "There are too many open streams; close one and try again.",
                retry_after=30,
                code="too_many_streams",
            )
        self.following.admit(subject)


def prepare(app: FastAPI, reads: ReadPool) -> Following[Subject, int]:
    """Give the app its one look for everybody; the caller closes it when the app ends."""

    async def look(things: Sequence[Subject]) -> Mapping[Subject, int]:
        return await stirring.newest(reads, things)

    app.state.commenting = Commenting(Following(look, most_each=MOST_ON_ONE))
    return cast(Commenting, app.state.commenting).following


@router.get("/api/live/comments/{kind}/{subject_id}")
async def comments(
    request: Request,
    kind: Annotated[str, Path(pattern=r"^[a-z_]{1,40}$")],
    subject_id: Annotated[int, Path(ge=1, le=MAX_ID)],
    after: Annotated[int, Query(ge=0, le=MAX_ID)] = 0,
) -> Response:
    """`event: comments` with how many are new, whenever there is another."""
    actor = await actor_of(request)
    person = actor.require(Scope.SOCIAL_WRITE)
    await take(request, "read")
    subject = Subject(kind, subject_id)
    async with state_of(request).database.reading() as session:
        await policy.place(session, actor, subject)
    commenting = cast(Commenting, request.app.state.commenting)
    commenting.admit(person, subject)
    told = _number(request.headers.get("last-event-id") or "")
    return EventStream(events(commenting, state_of(request).reads, person, subject, after=after, told=told))


async def events(
    commenting: Commenting, reads: ReadPool, person: int, subject: Subject, *, after: int, told: int
) -> AsyncGenerator[bytes, None]:
    """What one stream says; `told` is the newest comment that was counted before."""
    began = clock.now()
    commenting.open[person] += 1
    try:
        yield b"retry: 5000\n\n"
        told = max(told, after)
        async with aclosing(commenting.following.follow(subject, HEARTBEAT_S)) as changes:
            async for newest in changes:
                if newest is None:
                    yield b": still here\n\n"
                elif newest > told:
                    told = newest
                    count = await stirring.new_for(reads, person, subject, after=after)
                    if count:
                        yield _event(count, newest)
                if (clock.now() - began).total_seconds() > LONGEST_S:
                    return
    finally:
        commenting.open[person] -= 1
        if not commenting.open[person]:
            del commenting.open[person]


def _event(count: int, newest: int) -> bytes:
    told = {"new": count, "shown": f"{count}+" if count >= stirring.MOST_NEW else str(count)}
    return b"id: %d\nevent: comments\ndata: %s\n\n" % (newest, orjson.dumps(told))


def _number(text: str) -> int:
    return row_id(text) or 0
