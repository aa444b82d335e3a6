"""The announcements in the frame of a page."""

from __future__ import annotations

import time
from typing import Final

from fastapi import Request

from civitas.domains.accounts.types import Actor
from civitas.domains.community.announcements import showing
from civitas.domains.community.announcements.showing import Shown
from civitas.faces.http.links import is_safe_site
from civitas.faces.http.state import state_of
from civitas.kit.ids import row_ids

# A stranger's browser remembers what was put away.
COOKIE: Final = "announcements"
# Everybody's pages ask for the same few rows; a process looks again after so many seconds.
FRESH_S: Final = 15.0


async def for_page(request: Request, actor: Actor) -> tuple[Shown, ...]:
    """What this visitor is shown in the frame of a page."""
    if request.headers.get("hx-request") == "true" and "hx-boosted" not in request.headers:
        return ()
    reads = state_of(request).reads
    kept: tuple[float, tuple[Shown, ...]] | None = getattr(request.app.state, "announcements", None)
    now = time.monotonic()
    if kept is None or now - kept[0] > FRESH_S:
        kept = (now, await showing.in_force(reads))
        request.app.state.announcements = kept
    if not kept[1]:
        return ()
    return await showing.for_visitor(
        reads, actor, kept[1], safe_site=is_safe_site(request), put_away=remembered(request)
    )


def remembered(request: Request) -> list[int]:
    """What this browser put away."""
    given = request.cookies.get(COOKIE, "")[:600]
    return row_ids(given.split("."))
