"""Announcements over the API: those for the caller, putting one away, and what staff do."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field

from civitas.domains.community.announcements import keeping, showing
from civitas.domains.community.announcements.keeping import Notice
from civitas.faces.http.actors import Viewer
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.links import is_safe_site
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.shapes import Answer, Body
from civitas.faces.rest.writing import Owner, Writer
from civitas.kit import paging

router = APIRouter(tags=["Announcements"], dependencies=[CheckedForm])


class AnnouncementAction(Body):
    """A button: a path of this site, or an https address."""

    label: str = Field(max_length=200)
    href: str = Field(max_length=500)


class AnnouncementForm(Body):
    """What it says, to whom and when. `domain`: green is the safe-for-work twin, blue the main site."""

    title: str = Field(max_length=1_000)
    content: str = ""
    tone: str = Field(default="info", max_length=20)
    audience: str = Field(default="all", max_length=20)
    domain: str = Field(default="all", max_length=20)
    actions: list[AnnouncementAction] = Field(default_factory=list, max_length=2)
    starts_at: datetime | None = None
    ends_at: datetime | None = None


class AnnouncementActionShown(Answer):
    """A button."""

    label: str
    href: str


class AnnouncementShown(Answer):
    """An announcement."""

    id: int
    title: str
    content: str
    tone: str
    audience: str
    domain: str
    actions: list[AnnouncementActionShown]
    starts_at: datetime
    ends_at: datetime | None


class AnnouncementPage(Answer):
    """A page of announcements."""

    items: list[AnnouncementShown]
    next_cursor: str | None


@router.get("/announcements", operation_id="listAnnouncements", summary="List Announcements For You")
async def list_current(request: Request, actor: Viewer) -> list[AnnouncementShown]:
    """What is in force, concerns the caller, and was not put away."""
    reads = state_of(request).reads
    known = await showing.in_force(reads)
    found = await showing.for_visitor(reads, actor, known, safe_site=is_safe_site(request))
    return [AnnouncementShown.model_validate(one) for one in found]


@router.post(
    "/announcements/{announcement_id}/dismiss",
    operation_id="dismissAnnouncement",
    summary="Put An Announcement Away",
    status_code=204,
)
async def dismiss(announcement_id: int, writer: Writer, session: Unit) -> None:
    """For good."""
    await showing.dismiss(session, writer, announcement_id=announcement_id)


@router.get("/staff/announcements", operation_id="listAllAnnouncements", summary="List All Announcements")
async def list_all(
    staff: Owner,
    session: Reading,
    cursor: Annotated[str | None, Query(max_length=paging.MAX_CURSOR)] = None,
) -> AnnouncementPage:
    """Staff only: the newest first."""
    found = await keeping.every_one(session, staff, cursor=cursor)
    items = [AnnouncementShown.model_validate(one) for one in found.items]
    return AnnouncementPage(items=items, next_cursor=found.next_cursor)


@router.post(
    "/staff/announcements",
    operation_id="putUpAnnouncement",
    summary="Put Up An Announcement",
    status_code=201,
)
async def put_up(body: AnnouncementForm, staff: Writer, session: Unit) -> AnnouncementShown:
    """Staff only."""
    made = await keeping.put_up(session, staff, notice=_notice(body))
    return AnnouncementShown.model_validate(made)


@router.put(
    "/staff/announcements/{announcement_id}",
    operation_id="changeAnnouncement",
    summary="Change An Announcement",
)
async def change(
    announcement_id: int, body: AnnouncementForm, staff: Writer, session: Unit
) -> AnnouncementShown:
    """Staff only."""
    made = await keeping.change(session, staff, announcement_id=announcement_id, notice=_notice(body))
    return AnnouncementShown.model_validate(made)


@router.delete(
    "/staff/announcements/{announcement_id}",
    operation_id="endAnnouncement",
    summary="End An Announcement",
    status_code=204,
)
async def end(announcement_id: int, staff: Writer, session: Unit) -> None:
    """Staff only: it is shown no more."""
    await keeping.end(session, staff, announcement_id=announcement_id)


def _notice(body: AnnouncementForm) -> Notice:
    return Notice(
        title=body.title,
        content=body.content,
        tone=body.tone,
        audience=body.audience,
        domain=body.domain,
        actions=[(one.label, one.href) for one in body.actions],
        starts_at=body.starts_at,
        ends_at=body.ends_at,
    )
