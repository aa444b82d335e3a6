"""`/placements`: what was offered to one, what one offered, and answering; and the settings of spaces."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.economy import economy
from civitas.domains.gallery.placements import answering, ending, reading, spaces
from civitas.domains.gallery.placements.reading import Offer, Way
from civitas.domains.gallery.placements.spaces import Setting, Settings, Space
from civitas.domains.gallery.placements.types import (
    STATUS_LABELS,
    SURFACE_LABELS,
    Openness,
    SpaceKind,
    Status,
    Surface,
)
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import forms, placed
from civitas.faces.web.forms import Entered
from civitas.faces.web.placed import Laid
from civitas.faces.web.props import Picture
from civitas.faces.web.templating import render
from civitas.faces.web.viewing import eyes_of
from civitas.faces.web.visits import Member, local_path, redirect
from civitas.kit import clock, money, paging
from civitas.kit.errors import Fault, Invalid

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

DESK: Final = "/placements"
MODES: Final = (
    ("off", "Nothing", "Nobody can place anything"),
    ("review", "After I agree", "Offers wait for your answer"),
    ("auto", "At once", "Whoever pays the price is shown"),
)
Number = Annotated[int, Path(ge=1, lt=2**62)]
Do = Callable[[AsyncSession], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Line:
    """An offer in the list, with its picture and where its sticker would be."""

    offer: Offer
    picture: Picture | None
    laid: Laid | None
    remix: Picture | None
    earns: int
    open: bool


@dataclass(frozen=True, slots=True)
class DeskPage:
    """One side of the offers."""

    way: Way
    status: Status | None
    lines: tuple[Line, ...]
    waiting: int
    next_href: str | None
    labels: dict[Status, str]


@dataclass(frozen=True, slots=True)
class SpaceForm:
    """One surface of a space."""

    surface: Surface
    label: str
    chosen: str
    price: str
    inherited: Space
    asked: int


@dataclass(frozen=True, slots=True)
class SpacePage:
    """What may be placed, and for how much."""

    action: str
    heading: str
    lead: str
    options: tuple[tuple[str, str, str], ...]
    surfaces: tuple[SpaceForm, ...]
    cap: int
    back: str | None
    form: Entered
    whole: bool
    platform: int
    decline: int
    settle_hours: int
    expire_hours: int


@router.get(DESK)
async def desk(
    request: Request,
    member: Member,
    session: Reading,
    way: Way = "received",
    status: Status | None = None,
    cursor: Annotated[str | None, Query(max_length=paging.MAX_CURSOR)] = None,
) -> Response:
    """Offers to one, or by one, the newest first."""
    found = await reading.listed(session, member, way=way, status=status, cursor=cursor)
    eyes = eyes_of(member)
    lines = []
    for one in found.items:
        image, row = one.image, one.row
        sticks = image is not None and row.remix_id is None
        source = placed.source_of(row.sticker, one.artwork_key)
        lines.append(
            Line(
                offer=one,
                picture=placed.small(image, eyes, alt=f"Picture by {one.owner}") if image else None,
                laid=placed.at(reading.spot_of(row), image, source, one.name) if sticks and image else None,
                remix=placed.small(one.remix, eyes, alt=f"A remix by {one.placer}") if one.remix else None,
                earns=row.price - row.platform_part - row.seller_part,
                open=row.status == Status.PENDING and row.expires_at > clock.now(),
            )
        )
    kept = {"way": way} | ({"status": status.value} if status else {})
    more = f"{DESK}?{urlencode(kept | {'cursor': found.next_cursor})}" if found.next_cursor else None
    waiting = await reading.waiting(session, member)
    page = DeskPage(way, status, tuple(lines), waiting, more, STATUS_LABELS)
    return render(request, "placements/desk.html", page, block="placements_list")


@router.post("/placements/{placement_id:int}/approve")
async def approve(request: Request, member: Member, placement_id: Number) -> Response:
    """Take what is offered."""
    return await _answer(
        request,
        lambda session: answering.approve(session, member, placement_id=placement_id),
        "It is on the picture now. Your part is paid once the time to take it away is over.",
    )


@router.post("/placements/{placement_id:int}/decline")
async def decline(request: Request, member: Member, placement_id: Number) -> Response:
    """Turn it down."""
    return await _answer(
        request, lambda session: answering.decline(session, member, placement_id=placement_id), "Declined."
    )


@router.post("/placements/{placement_id:int}/remove")
async def remove(request: Request, member: Member, placement_id: Number) -> Response:
    """Take it away."""
    reason = (await forms.read(request)).get("reason")
    return await _answer(
        request,
        lambda session: ending.remove(session, member, placement_id=placement_id, reason=reason),
        "It is taken away.",
    )


async def _answer(request: Request, do: Do, text: str) -> Response:
    back = local_path((await forms.read(request)).get("back"), DESK)
    try:
        async with state_of(request).database.unit() as session:
            await do(session)
    except Fault as fault:
        if fault.kind not in ("conflict", "invalid"):
            raise
        return redirect(request, back, kind="danger", text=fault.message)
    return redirect(request, back, text=text)


@router.get("/account/placements")
async def account(request: Request, member: Member, session: Reading) -> Response:
    """What may be placed on all of one's pictures."""
    return await _space(request, session, member, SpaceKind.USER, member.require())


@router.post("/account/placements")
async def arrange_account(request: Request, member: Member) -> Response:
    """Set it."""
    return await _arrange(request, member, SpaceKind.USER, member.require())


@router.get("/posts/{post_id:int}/placements")
async def post(request: Request, member: Member, session: Reading, post_id: Number) -> Response:
    """What may be placed on the pictures of a post."""
    return await _space(request, session, member, SpaceKind.POST, post_id)


@router.post("/posts/{post_id:int}/placements")
async def arrange_post(request: Request, member: Member, post_id: Number) -> Response:
    """Set it."""
    return await _arrange(request, member, SpaceKind.POST, post_id)


@router.get("/images/{image_id:int}/placements")
async def image(request: Request, member: Member, session: Reading, image_id: Number) -> Response:
    """What may be placed on one picture."""
    return await _space(request, session, member, SpaceKind.IMAGE, image_id)


@router.post("/images/{image_id:int}/placements")
async def arrange_image(request: Request, member: Member, image_id: Number) -> Response:
    """Set it."""
    return await _arrange(request, member, SpaceKind.IMAGE, image_id)


async def _arrange(request: Request, member: Actor, kind: SpaceKind, number: int) -> Response:
    form = await forms.read(request)
    database = state_of(request).database
    try:
        wanted = {surface: _setting(form, surface) for surface in Surface}
        async with database.unit() as session:
            await spaces.arrange(session, member, kind=kind, subject_id=number, wanted=wanted)
    except Invalid as fault:
        async with database.reading() as session:
            return await _space(
                request, session, member, kind, number, form.failed(fault), forms.status_of(fault)
            )
    return redirect(request, _action(kind, number), text="Saved.")


def _setting(form: Entered, surface: Surface) -> Setting:
    mode = form.get(f"{surface.value}_mode")
    words = form.get(f"{surface.value}_price").strip()
    name = f"{surface.value}_price"
    return Setting(
        Openness(mode) if mode in set(Openness) else None, money.parse(words, name=name) if words else None
    )


def _action(kind: SpaceKind, number: int) -> str:
    if kind is SpaceKind.USER:
        return "/account/placements"
    return f"/{'posts' if kind is SpaceKind.POST else 'images'}/{number}/placements"


_HEADS: Final = {
    SpaceKind.USER: (
        "Stickers and remixes",
        "What others may place on your pictures, for Buzz. A post or a picture may have its own.",
    ),
    SpaceKind.POST: (
        "Stickers and remixes on this post",
        "For all pictures of this post, later ones too. A picture may have its own.",
    ),
    SpaceKind.IMAGE: ("Stickers and remixes on this picture", "For this picture alone."),
}


async def _space(
    request: Request,
    session: AsyncSession,
    member: Actor,
    kind: SpaceKind,
    number: int,
    form: Entered | None = None,
    status: int = 200,
) -> Response:
    found = await spaces.settings(session, member, kind=kind, subject_id=number)
    heading, lead = _HEADS[kind]
    entered, rules = form or Entered(), economy.current().placements
    page = SpacePage(
        action=_action(kind, number),
        heading=heading,
        lead=lead,
        options=_options(kind),
        surfaces=tuple(_surface(found, surface, entered) for surface in Surface),
        cap=found.cap,
        back=None if kind is SpaceKind.USER else _action(kind, number).removesuffix("/placements"),
        form=entered,
        whole=kind is SpaceKind.USER,
        platform=int(rules.platform_share * 100),
        decline=int(rules.decline_share * 100),
        settle_hours=rules.settle_hours,
        expire_hours=rules.expire_hours,
    )
    return render(request, "placements/space.html", page, status=status)


def _options(kind: SpaceKind) -> tuple[tuple[str, str, str], ...]:
    if kind is SpaceKind.USER:
        return MODES
    wider = "your settings" if kind is SpaceKind.POST else "its post, or your settings"
    return (("", "As elsewhere", f"What {wider} say"), *MODES)


def _surface(found: Settings, surface: Surface, form: Entered) -> SpaceForm:
    own, inherited = found.own[surface], found.inherited[surface]
    usual = "off" if found.kind is SpaceKind.USER else ""
    price = money.shown(own.price).replace(",", "") if own.price is not None else ""
    holds = Space(own.mode or inherited.mode, own.price if own.price is not None else inherited.price)
    return SpaceForm(
        surface=surface,
        label=SURFACE_LABELS[surface],
        chosen=form.get(f"{surface.value}_mode", own.mode.value if own.mode else usual),
        price=form.get(f"{surface.value}_price", price),
        inherited=inherited,
        asked=spaces.asked(holds, found.cap),
    )
