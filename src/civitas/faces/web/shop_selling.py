"""Selling in the shop: a creator's own items, and the shelves and reviews of staff."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.shop import creators as creator_shop
from civitas.domains.buzz.shop import reads as shop_reads
from civitas.domains.buzz.shop import sales as shop_sales
from civitas.domains.buzz.shop.creators import Submission
from civitas.domains.buzz.shop.reads import Sale, Shelf
from civitas.domains.buzz.shop.types import PLATES, STATUS_LABELS, TYPE_LABELS, CosmeticType, ItemStatus
from civitas.faces.http import artwork, portraits
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import forms
from civitas.faces.web.forms import Entered
from civitas.faces.web.shop import Card, card
from civitas.faces.web.staff import Staff
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member, redirect
from civitas.kit import money, paging
from civitas.kit.errors import Fault, Invalid

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

SELL: Final = "/shop/sell"
STAFF: Final = "/staff/shop"
ItemId = Annotated[int, Path(ge=1, lt=2**63)]
Cursor = Annotated[str | None, Query(max_length=paging.MAX_CURSOR)]
Do = Callable[[AsyncSession], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class SellPage:
    """What one sells, what was sold last, and the form for more."""

    cards: tuple[Card, ...]
    sales: tuple[Sale, ...]
    types: tuple[tuple[str, str], ...]
    plates: tuple[str, ...]
    labels: dict[ItemStatus, str]
    share: int
    most_featured: int
    next_href: str | None
    form: Entered


@dataclass(frozen=True, slots=True)
class StaffShopPage:
    """What waits for a review, the shelves, and the form for what the house sells."""

    waiting: tuple[Card, ...]
    shelves: tuple[Shelf, ...]
    types: tuple[tuple[str, str], ...]
    plates: tuple[str, ...]
    next_href: str | None
    form: Entered


@router.get(SELL)
async def sell(request: Request, member: Member, cursor: Cursor = None) -> Response:
    """One's own items."""
    return await _sell(request, member, Entered(), cursor)


async def _sell(
    request: Request, member: Actor, form: Entered, cursor: str | None = None, status: int = 200
) -> Response:
    async with state_of(request).database.reading() as session:
        found = await shop_reads.own(session, member, cursor=cursor)
        sold = await shop_reads.sales(session, member)
    rules = economy.current().shop
    page = SellPage(
        cards=tuple(card(one) for one in found.items),
        sales=tuple(sold.items[:10]),
        types=_types(),
        plates=PLATES,
        labels=STATUS_LABELS,
        share=int(rules.creator_share * 100),
        most_featured=rules.most_featured,
        next_href=f"{SELL}?cursor={quote(found.next_cursor)}" if found.next_cursor else None,
        form=form,
    )
    return render(request, "shop/sell.html", page, status=status)


@router.post(SELL)
async def submit(request: Request, member: Member) -> Response:
    """Offer something for review."""
    form = await forms.read(request)
    try:
        submission = await _submission(request, form)
        async with state_of(request).database.unit() as session:
            await creator_shop.submit(session, member, item=submission)
    except Fault as fault:
        return await _sell(request, member, form.failed(fault), status=forms.status_of(fault))
    return redirect(request, SELL, text="Sent. It goes on sale once staff have looked at it.")


@router.post("/shop/sell/{item_id:int}/price")
async def reprice(request: Request, member: Member, item_id: ItemId) -> Response:
    """Another price."""
    form = await forms.read(request)

    async def do(session: AsyncSession) -> None:
        price = money.parse(form.get("price"), name="price")
        await creator_shop.reprice(session, member, item_id=item_id, price=price)

    return await _own_change(request, do, "The price is changed.")


@router.post("/shop/sell/{item_id:int}/feature")
async def feature(request: Request, member: Member, item_id: ItemId) -> Response:
    """Feature it, or no more."""
    featured = (await forms.read(request)).flag("featured")

    async def do(session: AsyncSession) -> None:
        await creator_shop.feature(session, member, item_id=item_id, featured=featured)

    return await _own_change(request, do, "Featured." if featured else "No longer featured.")


@router.post("/shop/sell/{item_id:int}/archive")
async def archive(request: Request, member: Member, item_id: ItemId) -> Response:
    """Take it off sale."""
    return await _own_change(
        request, lambda s: creator_shop.archive(s, member, item_id=item_id), "Taken off sale."
    )


async def _own_change(request: Request, do: Do, text: str, back: str = SELL) -> Response:
    try:
        async with state_of(request).database.unit() as session:
            await do(session)
    except Fault as fault:
        if fault.kind in ("not_found", "forbidden"):
            raise
        return redirect(request, back, kind="danger", text=fault.message)
    return redirect(request, back, text=text)


@router.get(STAFF)
async def staff_shop(request: Request, staff: Staff, session: Reading, cursor: Cursor = None) -> Response:
    """What waits for staff."""
    return await _staff(request, staff, session, Entered(), cursor)


async def _staff(
    request: Request,
    staff: Actor,
    session: AsyncSession,
    form: Entered,
    cursor: str | None = None,
    status: int = 200,
) -> Response:
    found = await shop_reads.waiting(session, staff, cursor=cursor)
    page = StaffShopPage(
        waiting=tuple(card(one) for one in found.items),
        shelves=tuple(await shop_reads.shelves(session, closed=True)),
        types=_types(),
        plates=PLATES,
        next_href=f"{STAFF}?cursor={quote(found.next_cursor)}" if found.next_cursor else None,
        form=form,
    )
    return render(request, "staff/shop.html", page, status=status)


@router.post(STAFF)
async def put_on_sale(request: Request, staff: Staff) -> Response:
    """Sell something of the house."""
    form = await forms.read(request)
    state = state_of(request)
    try:
        submission = await _submission(request, form)
        section = int(form.get("section") or 0) or None
        async with state.database.unit() as session:
            await creator_shop.put_on_sale(session, staff, item=submission, section_id=section)
    except Fault as fault:
        async with state.database.reading() as session:
            failed = form.failed(fault)
            return await _staff(request, staff, session, failed, status=forms.status_of(fault))
    return redirect(request, STAFF, text="On sale.")


@router.post("/staff/shop/sections")
async def add_section(request: Request, staff: Staff) -> Response:
    """Another shelf."""
    form = await forms.read(request)

    async def do(session: AsyncSession) -> None:
        await creator_shop.add_section(
            session,
            staff,
            title=form.get("title"),
            told=form.get("told"),
            position=_number(form.get("position")) or 0,
            starts_at=_moment(form.get("starts_at")),
            ends_at=_moment(form.get("ends_at")),
        )

    return await _own_change(request, do, "The section is there.", STAFF)


@router.post("/staff/shop/sections/{item_id:int}/remove")
async def remove_section(request: Request, staff: Staff, item_id: ItemId) -> Response:
    """Remove a shelf."""
    return await _own_change(
        request, lambda s: creator_shop.remove_section(s, staff, section_id=item_id), "Removed.", STAFF
    )


@router.post("/staff/shop/{item_id:int}/review")
async def review(request: Request, staff: Staff, item_id: ItemId) -> Response:
    """Decide about a creator's item."""
    form = await forms.read(request)

    async def do(session: AsyncSession) -> None:
        if form.get("status") not in set(ItemStatus):
            raise Invalid("Choose a decision.", code="bad_status")
        await creator_shop.review(
            session,
            staff,
            item_id=item_id,
            status=ItemStatus(form.get("status")),
            note=form.get("note"),
            section_id=_number(form.get("section")),
        )

    return await _own_change(request, do, "Decided, and its creator is told.", STAFF)


@router.post("/staff/shop/{item_id:int}/take-down")
async def take_down(request: Request, staff: Staff, item_id: ItemId) -> Response:
    """Take it off for good; everybody is paid back."""
    reason = (await forms.read(request)).get("reason")
    return await _own_change(
        request,
        lambda s: shop_sales.take_down(s, staff, item_id=item_id, reason=reason),
        "Taken down. Everybody who paid is being paid back.",
        STAFF,
    )


async def _submission(request: Request, form: Entered) -> Submission:
    """What a form offers; a picture is decoded here, outside any transaction."""
    kind = form.get("type")
    if kind not in set(CosmeticType):
        raise Invalid("Choose what it is.", code="bad_item", fields={"type": "Choose one."})
    sent = form.files.get("artwork")
    body = await sent.read(portraits.MOST_BYTES + 1) if sent is not None and sent.filename else b""
    plated = kind == CosmeticType.NAME_PLATE
    price = money.parse(form.get("price"), name="price")
    return Submission(
        type=CosmeticType(kind),
        name=form.get("name"),
        told=form.get("told"),
        price=price,
        quantity=_number(form.get("quantity")),
        plate=form.get("plate") or None if plated else None,
        artwork=await artwork.keep(state_of(request), body) if body and not plated else None,
        placement_share=(_number(form.get("placement_share")) or 0) if kind == CosmeticType.STICKER else 0,
        starts_at=_moment(form.get("starts_at")),
        ends_at=_moment(form.get("ends_at")),
    )


def _types() -> tuple[tuple[str, str], ...]:
    return tuple((one.value, label) for one, label in TYPE_LABELS.items())


def _number(given: str) -> int | None:
    return int(given) if given.strip().isascii() and given.strip().isdigit() and len(given) < 12 else None


def _moment(given: str) -> datetime | None:
    if not given.strip():
        return None
    try:
        return datetime.fromisoformat(given.strip()).replace(tzinfo=UTC)
    except ValueError:
        raise Invalid("Give a date and a time, such as 2027-01-31T12:00.", code="bad_moment") from None
