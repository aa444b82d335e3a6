"""`GET /api/live/notices`: how much the signed-in person has not read, as server-sent events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from civitas.domains.accounts.types import Scope
from civitas.domains.community.notifications import reading
from civitas.faces.http.actors import actor_of
from civitas.faces.http.limits import take
from civitas.faces.live.following import Following
from civitas.faces.live.streams import EventStream, newest
from civitas.infra.db.readpool import ReadPool

router = APIRouter(include_in_schema=False)


def prepare(app: FastAPI, reads: ReadPool) -> Following[int, int]:
    """Give the app its one look for everybody; the caller closes it when the app ends."""

    async def look(people: Sequence[int]) -> Mapping[int, int]:
        return await reading.unread(reads, people)

    app.state.notices = Following(look)
    return cast(Following[int, int], app.state.notices)


@router.get("/api/live/notices")
async def notices(request: Request) -> Response:
    """`event: notices` with what is unread, at once and on every change."""
    actor = await actor_of(request)
    person = actor.require(Scope.NOTIFICATIONS_READ)
    await take(request, "read")
    following = cast(Following[int, int], request.app.state.notices)
    following.admit(person)
    return EventStream(newest(following, person, "notices", _told, retry_ms=5000))


def _told(found: int) -> dict[str, object]:
    return {"unread": found, "shown": "99+" if found >= reading.MOST_COUNTED else str(found)}
