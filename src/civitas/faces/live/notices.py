"""`GET /api/live/notices`: what the signed-in person has not read, lines and rooms, as server-sent events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response

from civitas.domains.accounts.types import Scope
from civitas.domains.community.chat import reading as talk
from civitas.domains.community.notifications import reading
from civitas.faces.http.actors import actor_of
from civitas.faces.http.limits import take
from civitas.faces.live.following import Following
from civitas.faces.live.streams import EventStream, newest
from civitas.infra.db.readpool import ReadPool

router = APIRouter(include_in_schema=False)


# Unread lines, and rooms in which something is unread.
Unread = tuple[int, int]


def prepare(app: FastAPI, reads: ReadPool) -> Following[int, Unread]:
    """Give the app its one look for everybody; the caller closes it when the app ends."""

    async def look(people: Sequence[int]) -> Mapping[int, Unread]:
        lines = await reading.unread(reads, people)
        rooms = await talk.unread_of(reads, people)
        return {person: (lines.get(person, 0), rooms.get(person, 0)) for person in people}

    app.state.notices = Following(look)
    return cast(Following[int, Unread], app.state.notices)


@router.get("/api/live/notices")
async def notices(request: Request) -> Response:
    """`event: notices` with what is unread under the bell and in chat, at once and on every change."""
    actor = await actor_of(request)
    person = actor.require(Scope.NOTIFICATIONS_READ)
    await take(request, "read")
    following = cast(Following[int, Unread], request.app.state.notices)
    following.admit(person)
    return EventStream(newest(following, person, "notices", _told, retry_ms=5000))


def _told(found: Unread) -> dict[str, object]:
    lines, rooms = found
    return {"unread": lines, "shown": _shown(lines), "chats": rooms, "chatsShown": _shown(rooms)}


def _shown(count: int) -> str:
    return "99+" if count >= reading.MOST_COUNTED else str(count)
