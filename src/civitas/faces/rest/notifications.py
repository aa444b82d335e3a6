"""Notifications over the API: one's own lines, what is unread, and what one wants to hear."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field

from civitas.domains.community.notifications import digests, push_devices, reading
from civitas.domains.community.notifications.kinds import KINDS, Category
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.limits import take
from civitas.faces.http.links import base_url, with_query
from civitas.faces.http.portraits import portrait
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.shapes import Answer, Body
from civitas.faces.rest.writing import Owner, Writer
from civitas.kit import paging

router = APIRouter(prefix="/notifications", tags=["Notifications"], dependencies=[CheckedForm])


class Who(Answer):
    """One of those who did it."""

    id: int
    username: str
    image: str | None


class NotificationShown(Answer):
    """A line. What is alike and unread is one line: `actorCount` people did it `count` times."""

    id: int
    kind: str
    category: Category
    text: str
    url: str
    subject_kind: str | None
    subject_id: int | None
    actors: list[Who]
    actor_count: int
    count: int
    changed_at: datetime
    read: bool


class Notifications(Answer):
    """A page of lines."""

    items: list[NotificationShown]
    metadata: dict[str, Any]


class Unread(Answer):
    """How much is unread, in all and by category."""

    total: int
    categories: dict[str, int]


class Marking(Body):
    """Which lines were read: these, those of a category, or, without either, all."""

    ids: list[int] | None = Field(default=None, max_length=1000)
    category: Category | None = None


class KindShown(Answer):
    """A kind of notification, whether one gets it, and whether it is pushed to one's devices."""

    name: str
    category: Category
    label: str
    on: bool
    push: bool


class Wishes(Body):
    """Which kinds to turn on or off, by name, and which to push; those that are not named stay."""

    kinds: dict[str, bool] = Field(default_factory=dict, max_length=100)
    push: dict[str, bool] = Field(default_factory=dict, max_length=100)


class DailyMail(Body):
    """Whether you are mailed, once a day at most, what you have not read."""

    on: bool


@router.get("", operation_id="listNotifications", summary="List Notifications")
async def list_notifications(
    request: Request,
    owner: Owner,
    session: Reading,
    category: Category | None = None,
    unread: bool = False,
    cursor: Annotated[str | None, Query(max_length=paging.MAX_CURSOR)] = None,
    limit: Annotated[int, Query(ge=1, le=reading.MOST)] = reading.PAGE,
) -> Notifications:
    """One's own lines, the newest first."""
    await take(request, "read")
    page = await reading.page(session, owner, category=category, unread=unread, cursor=cursor, limit=limit)
    following, base = page.next_cursor, base_url(request)
    return Notifications(
        items=[
            NotificationShown(
                id=one.id,
                kind=one.kind,
                category=Category(one.category),
                text=one.text,
                url=base + one.path,
                subject_kind=one.subject_kind,
                subject_id=one.subject_id,
                actors=[
                    Who(
                        id=who.id,
                        username=who.username,
                        image=base + path if (path := portrait(who.avatar_key)) else None,
                    )
                    for who in one.actors
                ],
                actor_count=one.actor_count,
                count=one.count,
                changed_at=one.changed_at,
                read=one.read,
            )
            for one in page.items
        ],
        metadata={
            "nextCursor": following,
            "nextPage": with_query(request, cursor=following) if following else None,
        },
    )


@router.get("/unread", operation_id="countUnread", summary="Count What Is Unread")
async def count_unread(request: Request, owner: Owner, session: Reading) -> Unread:
    """How much is unread."""
    await take(request, "read")
    found = await reading.unread_by_category(session, owner)
    return Unread(total=sum(found.values()), categories=found)


@router.post("/read", operation_id="markNotificationsRead", summary="Mark As Read", status_code=204)
async def mark_read(writer: Writer, session: Unit, body: Marking | None = None) -> None:
    """Mark lines as read."""
    body = body or Marking()
    await reading.mark_read(session, writer, ids=body.ids, category=body.category)


@router.get("/kinds", operation_id="listNotificationKinds", summary="List What One Can Be Told")
async def kinds(request: Request, owner: Owner, session: Reading) -> list[KindShown]:
    """Every kind of notification, and whether one gets it."""
    await take(request, "read")
    return _kinds(await reading.wanted(session, owner), await push_devices.wanted(session, owner))


@router.patch("/kinds", operation_id="chooseNotificationKinds", summary="Choose What One Is Told")
async def choose(body: Wishes, writer: Writer, session: Unit) -> list[KindShown]:
    """Turn kinds of notifications on or off, on the site and for pushing."""
    on = await reading.want(session, writer, kinds=body.kinds)
    if body.push:
        return _kinds(on, await push_devices.want(session, writer, kinds=body.push))
    return _kinds(on, await push_devices.wanted(session, writer))


@router.get("/daily-mail", operation_id="getDailyMail", summary="Get Whether One Is Mailed Daily")
async def daily_mail(request: Request, owner: Owner, session: Reading) -> DailyMail:
    """Whether you are mailed what you have not read."""
    await take(request, "read")
    return DailyMail(on=await digests.wanted(session, owner))


@router.put("/daily-mail", operation_id="setDailyMail", summary="Choose Whether One Is Mailed Daily")
async def set_daily_mail(body: DailyMail, writer: Writer, session: Unit) -> DailyMail:
    """Ask for a mail a day with what you have not read, or do without it. It needs a confirmed address."""
    await digests.want(session, writer, on=body.on)
    return body


def _kinds(wanted: dict[str, bool], pushed: dict[str, bool]) -> list[KindShown]:
    return [
        KindShown(
            name=kind.name,
            category=kind.category,
            label=kind.label,
            on=wanted[kind.name],
            push=pushed[kind.name],
        )
        for kind in KINDS
    ]
