"""Putting an announcement away, and where staff write them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import Response

from civitas.domains.community.announcements import keeping, showing
from civitas.domains.community.announcements.keeping import AUDIENCES, DOMAINS, TONES, Notice
from civitas.domains.community.announcements.tables import Announcement
from civitas.faces.http import sessions
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import forms, visits
from civitas.faces.web.form_values import local_moment
from civitas.faces.web.forms import Entered
from civitas.faces.web.frame_notices import COOKIE, remembered
from civitas.faces.web.staff import Cursor, Staff
from civitas.faces.web.templating import render
from civitas.kit.errors import Fault

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

PLACE: Final = "/staff/announcements"
MOST_REMEMBERED: Final = 30


@dataclass(frozen=True, slots=True)
class AnnouncementsPage:
    """What staff put up, and the form for more."""

    found: tuple[Announcement, ...]
    next_href: str | None
    form: Entered
    tones: tuple[tuple[str, str], ...] = tuple((one, one.capitalize()) for one in TONES)
    audiences: tuple[tuple[str, str], ...] = tuple((one, one.capitalize()) for one in AUDIENCES)
    domains: tuple[tuple[str, str], ...] = (
        (DOMAINS[0], "Both sites"),
        (DOMAINS[1], "The safe-for-work site"),
        (DOMAINS[2], "The main site"),
    )


@router.post("/announcements/{announcement_id:int}/dismiss")
async def dismiss(request: Request, actor: visits.Visitor, announcement_id: int) -> Response:
    """Put one away: for a member in their books, for a stranger in their browser."""
    form = await forms.read(request)
    if actor.id is not None:
        async with state_of(request).database.unit() as session:
            await showing.dismiss(session, actor, announcement_id=announcement_id)
    answer: Response
    if request.headers.get("hx-request") == "true":
        answer = Response("", media_type="text/html")
    else:
        answer = visits.redirect(request, visits.local_path(form.get("back")))
    if actor.id is None:
        ids = [*remembered(request), announcement_id][-MOST_REMEMBERED:]
        answer.set_cookie(
            COOKIE,
            ".".join(str(one) for one in ids),
            max_age=90 * 86_400,
            path="/",
            httponly=True,
            samesite="lax",
            secure=sessions.is_secure(request),
        )
    return answer


@router.get(PLACE)
async def show(request: Request, staff: Staff, session: Reading, cursor: Cursor = None) -> Response:
    """All of them, the newest first."""
    found = await keeping.every_one(session, staff, cursor=cursor)
    next_href = f"{PLACE}?cursor={quote(found.next_cursor)}" if found.next_cursor else None
    page = AnnouncementsPage(tuple(found.items), next_href, Entered())
    return render(request, "staff/announcements.html", page)


@router.post(PLACE)
async def put_up(request: Request, staff: Staff) -> Response:
    """Put one up."""
    form = await forms.read(request)
    try:
        notice = Notice(
            title=form.get("title"),
            content=form.get("content"),
            tone=form.get("tone", "info"),
            audience=form.get("audience", "all"),
            domain=form.get("domain", "all"),
            actions=[(form.get("label"), form.get("href"))],
            starts_at=local_moment(form.get("starts_at"), form.get("zone")),
            ends_at=local_moment(form.get("ends_at"), form.get("zone")),
        )
        async with state_of(request).database.unit() as session:
            await keeping.put_up(session, staff, notice=notice)
    except Fault as fault:
        async with state_of(request).database.reading() as session:
            found = await keeping.every_one(session, staff)
        page = AnnouncementsPage(tuple(found.items), None, form.failed(fault, at="starts_at"))
        return render(request, "staff/announcements.html", page, status=forms.status_of(fault))
    request.app.state.announcements = None
    return visits.redirect(request, PLACE, text="It is up.")


@router.post(PLACE + "/{announcement_id:int}/end")
async def end(request: Request, staff: Staff, announcement_id: int) -> Response:
    """Show one no more."""
    async with state_of(request).database.unit() as session:
        await keeping.end(session, staff, announcement_id=announcement_id)
    request.app.state.announcements = None
    return visits.redirect(request, PLACE, text="It is shown no more.")
