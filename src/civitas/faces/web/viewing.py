"""How a visitor wants to see what is mature."""

from __future__ import annotations

from starlette.requests import Request

from civitas.domains.accounts import preferences
from civitas.domains.accounts.types import SAFE_MASK, Actor
from civitas.faces.http.state import state_of
from civitas.faces.web.pictures import Eyes


async def eyes_of(request: Request, actor: Actor) -> Eyes:
    """The visitor's levels, and whether they want mature pictures blurred; asks only where there can be any."""
    if actor.id is None or actor.mask & ~SAFE_MASK == 0:
        return Eyes(actor.mask)
    async with state_of(request).database.reading() as session:
        found = await preferences.browsing(session, actor.id)
    return Eyes(actor.mask, found.blur_mature)
