"""`/notifications`: what happened that concerns one, and `/account/notifications`: what one wants to hear."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from civitas.domains.accounts.types import Actor
from civitas.domains.community.notifications import digests, push_devices, reading
from civitas.domains.community.notifications.kinds import KINDS, Category, Kind
from civitas.domains.community.notifications.push_devices import Device
from civitas.domains.community.notifications.reading import Line
from civitas.faces.http.portraits import portrait
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading, Unit
from civitas.faces.web import forms
from civitas.faces.web.templating import render, toast_header
from civitas.faces.web.visits import Member, local_path, redirect
from civitas.kit import paging
from civitas.kit.webpush import VapidKey

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

DeviceId = Annotated[int, Path(ge=1, le=2**62)]
HERE: Final = "/notifications"
SETTINGS: Final = "/account/notifications"
TEMPLATE: Final = "notifications/list.html"
LABELS: Final = {
    Category.COMMENT: "Comments",
    Category.UPDATE: "Updates",
    Category.MILESTONE: "Milestones",
    Category.BUZZ: "Buzz",
    Category.CREATOR: "Creator",
    Category.REFERRAL: "Referrals",
    Category.SYSTEM: "System",
    Category.OTHER: "Other",
}
ICONS: Final = {
    "comment": "comment", "update": "bell", "milestone": "star", "buzz": "bolt", "creator": "cube",
    "referral": "users", "system": "shield", "other": "sparkle",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class LineView:
    """A line with the faces of those who did it."""

    line: Line
    icon: str
    faces: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class NotificationsPage:
    """One's own lines."""

    lines: tuple[LineView, ...]
    # Label, address, whether it is shown, how much is unread.
    filters: tuple[tuple[str, str, bool, int | None], ...]
    next_href: str | None
    unread: int
    category: str


@dataclass(frozen=True, slots=True)
class WishesPage:
    """What one wants to hear."""

    # Each kind, whether it is told on the site, and whether it is pushed.
    groups: tuple[tuple[str, tuple[tuple[Kind, bool, bool], ...]], ...]
    digest: bool
    confirmed: bool
    devices: Sequence[Device]
    # What browsers subscribe with; empty where nothing is pushed.
    push_key: str


@router.get(HERE)
async def show(
    request: Request,
    member: Member,
    session: Reading,
    category: Category | None = None,
    cursor: Annotated[str | None, Query(max_length=paging.MAX_CURSOR)] = None,
) -> Response:
    """What happened, the newest first."""
    page = await reading.page(session, member, category=category, cursor=cursor)
    unread = await reading.unread_by_category(session, member)
    chosen = {"category": category.value} if category else {}
    filters = [("All", HERE, category is None, sum(unread.values()) or None)] + [
        (label, f"{HERE}?category={one.value}", category is one, unread.get(one.value) or None)
        for one, label in LABELS.items()
    ]
    context = NotificationsPage(
        lines=tuple(
            LineView(
                one,
                ICONS.get(one.category, "bell"),
                tuple((who.username, portrait(who.avatar_key)) for who in one.actors),
            )
            for one in page.items
        ),
        filters=tuple(filters),
        next_href=f"{HERE}?{urlencode(chosen | {'cursor': page.next_cursor})}" if page.next_cursor else None,
        unread=sum(unread.values()),
        category=category.value if category else "",
    )
    return render(request, TEMPLATE, context, block="lines")


@router.post(f"{HERE}/read")
async def mark_read(request: Request, member: Member, session: Unit) -> Response:
    """Mark all as read, or those of a category."""
    form = await forms.read(request)
    wish = form.get("category")
    category = Category(wish) if wish in {one.value for one in Category} else None
    await reading.mark_read(session, member, category=category)
    return redirect(request, local_path(f"{HERE}?category={wish}" if category else HERE), text="All read.")


@router.post(f"{HERE}/{{notification_id:int}}/open")
async def open_line(
    request: Request, member: Member, session: Unit, notification_id: Annotated[int, Path(ge=1, le=2**62)]
) -> Response:
    """Mark a line as read, and go where it leads."""
    path = await reading.open_line(session, member, notification_id=notification_id)
    return redirect(request, local_path(path, HERE))


@router.get(SETTINGS)
async def wishes(request: Request, member: Member, session: Reading) -> Response:
    """Every kind, on or off."""
    wanted = await reading.wanted(session, member)
    pushed = await push_devices.wanted(session, member)
    groups = tuple(
        (
            label,
            tuple(
                (kind, wanted[kind.name], pushed[kind.name])
                for kind in _offered(member)
                if kind.category is one
            ),
        )
        for one, label in LABELS.items()
    )
    state = state_of(request)
    page = WishesPage(
        tuple(one for one in groups if one[1]),
        await digests.wanted(session, member),
        member.verified,
        await push_devices.mine(session, member),
        VapidKey.derived(state.secret).public if state.settings.push.enabled else "",
    )
    return render(request, "notifications/wishes.html", page)


@router.post(SETTINGS)
async def choose(request: Request, member: Member, session: Unit) -> Response:
    """Choose what one is told."""
    form = await forms.read(request)
    chosen = set(form.all("kind"))
    await reading.want(session, member, kinds={kind.name: kind.name in chosen for kind in _offered(member)})
    await digests.want(session, member, on=form.get("digest") == "true")
    if form.get("pushing") == "true":
        pushed = set(form.all("push"))
        await push_devices.want(
            session, member, kinds={kind.name: kind.name in pushed for kind in _offered(member)}
        )
    if request.headers.get("hx-request") == "true":
        return Response(status_code=204, headers=toast_header("ok", "Saved."))
    return redirect(request, SETTINGS, text="Saved.")


def _offered(member: Actor) -> list[Kind]:
    """The kinds that one may ever be told."""
    return [kind for kind in KINDS if member.is_admin or not kind.staff]


@router.post(f"{SETTINGS}/devices/{{device_id:int}}/rename")
async def rename_device(request: Request, member: Member, session: Unit, device_id: DeviceId) -> Response:
    """Give a device another name."""
    form = await forms.read(request)
    await push_devices.rename(session, member, device_id=device_id, name=form.get("name") or "")
    return redirect(request, f"{SETTINGS}#devices", text="Renamed.")


@router.post(f"{SETTINGS}/devices/{{device_id:int}}/remove")
async def remove_device(request: Request, member: Member, session: Unit, device_id: DeviceId) -> Response:
    """Tell a device no more."""
    await push_devices.revoke(session, member, device_id=device_id)
    return redirect(request, f"{SETTINGS}#devices", text="It is told no more.")


@router.post(f"{SETTINGS}/devices/{{device_id:int}}/try")
async def try_device(request: Request, member: Member, session: Unit, device_id: DeviceId) -> Response:
    """Send a device a few words."""
    await push_devices.try_out(session, member, device_id=device_id)
    return redirect(request, f"{SETTINGS}#devices", text="A trial is on its way; it should show in a moment.")
