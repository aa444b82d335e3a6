"""The shop: shelves, an item, what one has, and what staff decide."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.ledger import wallets
from civitas.domains.buzz.shop import cosmetics, sales
from civitas.domains.buzz.shop import reads as shop_reads
from civitas.domains.buzz.shop.cosmetics import Adornment
from civitas.domains.buzz.shop.reads import Offer, Sale, Shelf
from civitas.domains.buzz.shop.types import TYPE_LABELS
from civitas.domains.buzz.types import Currency
from civitas.faces.http.portraits import portrait
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import forms
from civitas.faces.web.forms import Entered
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member, Visitor, redirect
from civitas.kit import money, paging
from civitas.kit.errors import Fault, NotFound
from civitas.kit.ids import new_uuid

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

MINE: Final = "/shop/mine"
ItemId = Annotated[int, Path(ge=1, lt=2**63)]
Cursor = Annotated[str | None, Query(max_length=paging.MAX_CURSOR)]
Section = Annotated[int | None, Query(ge=1, lt=2**63)]


@dataclass(frozen=True, slots=True)
class Piece:
    """A cosmetic as a page draws it: a plate by its class, everything else by its picture."""

    id: int
    label: str
    name: str
    told: str
    image: str | None
    plate: str | None
    worn: bool


@dataclass(frozen=True, slots=True)
class Card:
    """An item on a shelf."""

    offer: Offer
    piece: Piece
    href: str


@dataclass(frozen=True, slots=True)
class ShopPage:
    """The shelves and one page of what is on them."""

    shelves: tuple[Shelf, ...]
    section: int | None
    cards: tuple[Card, ...]
    gifts: tuple[Piece, ...]
    next_href: str | None


@dataclass(frozen=True, slots=True)
class ItemPage:
    """One item: what it costs, which purses pay, what is left after."""

    card: Card
    own: bool
    parts: Mapping[Currency, int]
    missing: int
    left: int
    key: str
    form: Entered


@dataclass(frozen=True, slots=True)
class MinePage:
    """What one has."""

    pieces: tuple[Piece, ...]
    next_href: str | None


@dataclass(frozen=True, slots=True)
class SalesPage:
    """What one bought."""

    rows: tuple[Sale, ...]
    next_href: str | None


def piece(one: Adornment) -> Piece:
    """A cosmetic for a page."""
    return Piece(
        one.id, TYPE_LABELS[one.type], one.name, one.told, portrait(one.artwork_key, 320), one.plate, one.worn
    )


def card(offer: Offer) -> Card:
    """An item for a page."""
    return Card(offer, piece(offer.adornment), f"/shop/{offer.id}")


@router.get("/shop")
async def index(
    request: Request, actor: Visitor, session: Reading, section: Section = None, cursor: Cursor = None
) -> Response:
    """What is on sale, a shelf at a time or all of it."""
    found = await shop_reads.offers(session, actor, section_id=section, cursor=cursor)
    here = f"/shop?{f'section={section}&' if section else ''}cursor="
    page = ShopPage(
        shelves=tuple(await shop_reads.shelves(session)),
        section=section,
        cards=tuple(card(one) for one in found.items),
        gifts=tuple(piece(one) for one in await cosmetics.claimable(session, actor.id)) if not cursor else (),
        next_href=here + quote(found.next_cursor) if found.next_cursor else None,
    )
    return render(request, "shop/index.html", page, block="shop_list")


@router.get(MINE)
async def mine(request: Request, member: Member, session: Reading, cursor: Cursor = None) -> Response:
    """What one has, to put on and to take off."""
    found = await cosmetics.owned(session, member.require(), cursor=cursor)
    next_href = f"{MINE}?cursor={quote(found.next_cursor)}" if found.next_cursor else None
    page = MinePage(tuple(piece(one) for one in found.items), next_href)
    return render(request, "shop/mine.html", page, block="mine_list")


@router.get("/shop/purchases")
async def purchases(request: Request, member: Member, session: Reading, cursor: Cursor = None) -> Response:
    """What one bought."""
    found = await shop_reads.sales(session, member, bought=True, cursor=cursor)
    next_href = f"/shop/purchases?cursor={quote(found.next_cursor)}" if found.next_cursor else None
    return render(
        request, "shop/purchases.html", SalesPage(tuple(found.items), next_href), block="sales_list"
    )


@router.get("/shop/{item_id:int}")
async def item(request: Request, actor: Visitor, item_id: ItemId) -> Response:
    """One item."""
    return await _item(request, actor, item_id, Entered())


async def _item(request: Request, actor: Actor, item_id: int, form: Entered, status: int = 200) -> Response:
    async with state_of(request).database.reading() as session:
        offer = await shop_reads.offer(session, actor, item_id=item_id)
        parts, missing, left = await _preview(session, actor, offer.price)
    page = ItemPage(
        card=card(offer),
        own=actor.id is not None and actor.id == offer.seller_id,
        parts=parts,
        missing=missing,
        left=left,
        key=form.get("key") or str(new_uuid()),
        form=form,
    )
    return render(request, "shop/item.html", page, status=status)


async def _preview(session: AsyncSession, actor: Actor, price: int) -> tuple[dict[Currency, int], int, int]:
    """What each purse would pay, what lacks, and what is left in the purses that may pay."""
    if actor.id is None:
        return {}, 0, 0
    told = wallets.preview(
        await wallets.of(session, actor.id), total=price, activity="cosmetics", domain=actor.domain
    )
    left = sum(told.after[colour] for colour in told.colours) if told.enough else 0
    return dict(told.parts), told.missing, left


@router.post("/shop/{item_id:int}/buy")
async def buy(request: Request, actor: Member, item_id: ItemId) -> Response:
    """Buy it, or give it to the person who is named."""
    form = await forms.read(request)
    name = form.get("recipient").strip().removeprefix("@")

    async def do(session: AsyncSession) -> str:
        recipient = await _person(session, name) if name else None
        bought = await sales.buy(
            session,
            actor,
            item_id=item_id,
            key=form.get("key") or str(new_uuid()),
            price=money.parse(form.get("price"), name="price"),
            recipient_id=recipient,
            message=form.get("message"),
        )
        return f"{name} has it now." if bought.recipient_id != actor.id else "It is yours. Put it on below."

    try:
        async with state_of(request).database.unit() as session:
            text = await do(session)
    except Fault as fault:
        if fault.kind == "not_found" and fault.code != "no_such_person":
            raise
        return await _item(request, actor, item_id, form.failed(fault), forms.status_of(fault))
    return redirect(request, f"/shop/{item_id}" if name else MINE, text=text)


async def _person(session: AsyncSession, name: str) -> int:
    found = await session.scalar(
        select(Person.id).where(Person.username_folded == name.casefold(), Person.status == "active")
    )
    if found is None:
        raise NotFound(f"There is nobody called {name}. Nothing was charged.", code="no_such_person")
    return found


@router.post("/shop/cosmetics/{cosmetic_id:int}/wear")
async def wear(request: Request, member: Member, cosmetic_id: ItemId) -> Response:
    """Put it on."""
    return await _change(
        request, lambda s: cosmetics.wear(s, member, cosmetic_id=cosmetic_id), "You wear it now."
    )


@router.post("/shop/cosmetics/{cosmetic_id:int}/take-off")
async def take_off(request: Request, member: Member, cosmetic_id: ItemId) -> Response:
    """Take it off."""
    return await _change(
        request, lambda s: cosmetics.take_off(s, member, cosmetic_id=cosmetic_id), "Taken off."
    )


@router.post("/shop/cosmetics/{cosmetic_id:int}/claim")
async def claim(request: Request, member: Member, cosmetic_id: ItemId) -> Response:
    """Take what is given away."""
    return await _change(
        request, lambda s: cosmetics.claim(s, member, cosmetic_id=cosmetic_id), "It is yours."
    )


async def _change(request: Request, do: Callable[[AsyncSession], Awaitable[Any]], text: str) -> Response:
    async with state_of(request).database.unit() as session:
        await do(session)
    return redirect(request, MINE, text=text)
