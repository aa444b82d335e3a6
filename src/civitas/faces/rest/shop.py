"""The shop and cosmetics over the API: looking, buying, giving, wearing, selling, reviewing."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request

from civitas.domains.accounts.types import Scope
from civitas.domains.buzz.shop import cosmetics
from civitas.domains.buzz.shop import creators as creator_shop
from civitas.domains.buzz.shop import reads as shop_reads
from civitas.domains.buzz.shop import sales as shop_sales
from civitas.domains.buzz.shop.cosmetics import Adornment
from civitas.domains.buzz.shop.creators import Submission
from civitas.domains.buzz.shop.types import CosmeticType, ItemStatus
from civitas.faces.http.actors import Viewer
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.links import base_url
from civitas.faces.http.portraits import portrait
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.shapes import Answer, Body
from civitas.faces.rest.writing import Owner, Writer
from civitas.kit import money, paging
from civitas.kit.ids import new_uuid

router = APIRouter(tags=["Shop"], dependencies=[CheckedForm])

Amount = int | float
Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=200)]
Cursor = Annotated[str | None, Query(max_length=paging.MAX_CURSOR)]


class CosmeticShown(Answer):
    """A cosmetic: a picture, or the name of a plate that the site draws."""

    id: int
    type: str
    name: str
    description: str
    image: str | None
    plate: str | None
    worn: bool = False
    obtained_at: datetime | None = None


class ShopOffer(Answer):
    """An item of the shop. Price in Buzz; `left` is null without a limit."""

    id: int
    cosmetic: CosmeticShown
    status: str
    price: Amount
    left: int | None
    sold: int
    seller: str | None
    section_id: int | None
    featured: bool
    owned: bool
    on_sale: bool
    ends_at: datetime | None
    review_note: str


class Offers(Answer):
    """A page of items."""

    items: list[ShopOffer]
    next_cursor: str | None


class ShopSectionShown(Answer):
    """A shelf of the shop."""

    id: int
    title: str
    description: str
    starts_at: datetime | None
    ends_at: datetime | None


class ShopBuy(Body):
    """A purchase; a price other than the one that stands refuses it."""

    price: Amount | None = None
    recipient_id: int | None = None
    message: str = ""


class ShopBought(Answer):
    """What was bought, and how much of which colour paid for it."""

    purchase_id: int
    cosmetic_id: int
    recipient_id: int
    parts: dict[str, Amount]
    replayed: bool


class ShopSubmission(Body):
    """A name plate offered for sale; items with a picture are sent through the page's form."""

    name: str
    plate: str
    price: Amount
    description: str = ""
    quantity: int | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None


class ShopItemChange(Body):
    """What to change of one's own item; what is left out stays."""

    price: Amount | None = None
    featured: bool | None = None


class ShopReview(Body):
    """Staff's decision: Published, RequestedChanges or Rejected."""

    status: ItemStatus
    note: str
    section_id: int | None = None


class ShopTakedown(Body):
    """Why an item is taken off for good."""

    reason: str


class ShopSale(Answer):
    """A purchase in a list. Amounts in Buzz; `share` is what the seller got."""

    id: int
    item_id: int
    name: str
    price: Amount
    share: Amount
    buyer: str | None
    recipient: str | None
    created_at: datetime
    refunded: bool


class ShopSales(Answer):
    """A page of purchases."""

    items: list[ShopSale]
    next_cursor: str | None


class Cosmetics(Answer):
    """A page of what one has."""

    items: list[CosmeticShown]
    next_cursor: str | None


@router.get("/shop/sections", operation_id="listShopSections", summary="List Shop Sections")
async def sections(session: Reading) -> list[ShopSectionShown]:
    """The shelves that are open now."""
    return [
        ShopSectionShown(
            id=one.id, title=one.title, description=one.told, starts_at=one.starts_at, ends_at=one.ends_at
        )
        for one in await shop_reads.shelves(session)
    ]


@router.get("/shop/items", operation_id="listShopItems", summary="List Shop Items")
async def items(
    request: Request,
    actor: Viewer,
    session: Reading,
    section_id: Annotated[int | None, Query(alias="sectionId")] = None,
    seller_id: Annotated[int | None, Query(alias="sellerId")] = None,
    cursor: Cursor = None,
) -> Offers:
    """What is on sale, the newest first."""
    found = await shop_reads.offers(session, actor, section_id=section_id, seller_id=seller_id, cursor=cursor)
    return Offers(items=[offered(request, one) for one in found.items], next_cursor=found.next_cursor)


@router.get("/shop/items/mine", operation_id="listOwnShopItems", summary="List Own Shop Items")
async def own(request: Request, actor: Owner, session: Reading, cursor: Cursor = None) -> Offers:
    """What one sells, in every state."""
    found = await shop_reads.own(session, actor, cursor=cursor)
    return Offers(items=[offered(request, one) for one in found.items], next_cursor=found.next_cursor)


@router.get("/shop/items/waiting", operation_id="listWaitingShopItems", summary="List Waiting Shop Items")
async def waiting(request: Request, actor: Owner, session: Reading, cursor: Cursor = None) -> Offers:
    """What waits for a review; staff only."""
    found = await shop_reads.waiting(session, actor, cursor=cursor)
    return Offers(items=[offered(request, one) for one in found.items], next_cursor=found.next_cursor)


@router.get("/shop/items/{item_id}", operation_id="getShopItem", summary="Get A Shop Item")
async def item(request: Request, item_id: int, actor: Viewer, session: Reading) -> ShopOffer:
    """One item."""
    return offered(request, await shop_reads.offer(session, actor, item_id=item_id))


@router.post("/shop/items/{item_id}/buy", operation_id="buyShopItem", summary="Buy A Shop Item")
async def buy(item_id: int, body: ShopBuy, actor: Writer, session: Unit, key: Key = None) -> ShopBought:
    """Buy an item for oneself or as a gift. Costs its price in green or yellow Buzz."""
    bought = await shop_sales.buy(
        session,
        actor,
        item_id=item_id,
        key=key or str(new_uuid()),
        price=None if body.price is None else money.parse(body.price, name="price"),
        recipient_id=body.recipient_id,
        message=body.message,
    )
    return ShopBought(
        purchase_id=bought.purchase_id,
        cosmetic_id=bought.cosmetic_id,
        recipient_id=bought.recipient_id,
        parts={colour.value: money.as_number(part) for colour, part in bought.parts.items()},
        replayed=bought.replayed,
    )


@router.post("/shop/items", status_code=201, operation_id="submitShopItem", summary="Submit A Shop Item")
async def submit(request: Request, body: ShopSubmission, actor: Writer, session: Unit) -> ShopOffer:
    """Offer a name plate of one's own; it goes on sale after a review."""
    made = await creator_shop.submit(
        session,
        actor,
        item=Submission(
            type=CosmeticType.NAME_PLATE,
            name=body.name,
            told=body.description,
            price=money.parse(body.price, name="price"),
            quantity=body.quantity,
            plate=body.plate,
            starts_at=body.starts_at,
            ends_at=body.ends_at,
        ),
    )
    return offered(request, await shop_reads.offer(session, actor, item_id=made.id))


@router.patch("/shop/items/{item_id}", operation_id="updateShopItem", summary="Change A Shop Item")
async def change(
    request: Request, item_id: int, body: ShopItemChange, actor: Writer, session: Unit
) -> ShopOffer:
    """Change the price of one's own item, or feature it. A large change of price is reviewed again."""
    if body.price is not None:
        price = money.parse(body.price, name="price")
        await creator_shop.reprice(session, actor, item_id=item_id, price=price)
    if body.featured is not None:
        await creator_shop.feature(session, actor, item_id=item_id, featured=body.featured)
    return offered(request, await shop_reads.offer(session, actor, item_id=item_id))


@router.delete(
    "/shop/items/{item_id}", status_code=204, operation_id="archiveShopItem", summary="Archive A Shop Item"
)
async def archive(item_id: int, actor: Writer, session: Unit) -> None:
    """Take one's own item off sale; whoever bought it keeps it."""
    await creator_shop.archive(session, actor, item_id=item_id)


@router.post("/shop/items/{item_id}/review", operation_id="reviewShopItem", summary="Review A Shop Item")
async def review(request: Request, item_id: int, body: ShopReview, actor: Writer, session: Unit) -> ShopOffer:
    """Decide about a creator's item; staff only."""
    await creator_shop.review(
        session, actor, item_id=item_id, status=body.status, note=body.note, section_id=body.section_id
    )
    return offered(request, await shop_reads.offer(session, actor, item_id=item_id))


@router.post(
    "/shop/items/{item_id}/take-down",
    status_code=204,
    operation_id="takeDownShopItem",
    summary="Take Down A Shop Item",
)
async def take_down(item_id: int, body: ShopTakedown, actor: Writer, session: Unit) -> None:
    """Take an item off for good and pay everybody back; staff only."""
    await shop_sales.take_down(session, actor, item_id=item_id, reason=body.reason)


@router.get("/shop/sales", operation_id="listShopSales", summary="List Shop Sales")
async def sales(actor: Owner, session: Reading, cursor: Cursor = None) -> ShopSales:
    """What one sold."""
    return _sales(await shop_reads.sales(session, actor, cursor=cursor))


@router.get("/shop/purchases", operation_id="listShopPurchases", summary="List Shop Purchases")
async def purchases(actor: Owner, session: Reading, cursor: Cursor = None) -> ShopSales:
    """What one bought."""
    return _sales(await shop_reads.sales(session, actor, bought=True, cursor=cursor))


@router.get("/cosmetics", operation_id="listOwnCosmetics", summary="List Own Cosmetics")
async def mine(request: Request, actor: Owner, session: Reading, cursor: Cursor = None) -> Cosmetics:
    """What one has, the newest first."""
    found = await cosmetics.owned(session, actor.require(Scope.BUZZ_READ), cursor=cursor)
    return Cosmetics(items=[adorned(request, one) for one in found.items], next_cursor=found.next_cursor)


@router.put(
    "/cosmetics/{cosmetic_id}/worn", status_code=204, operation_id="wearCosmetic", summary="Wear A Cosmetic"
)
async def wear(cosmetic_id: int, actor: Writer, session: Unit) -> None:
    """Put on what one has, in place of what was worn of its type."""
    await cosmetics.wear(session, actor, cosmetic_id=cosmetic_id)


@router.delete(
    "/cosmetics/{cosmetic_id}/worn",
    status_code=204,
    operation_id="takeOffCosmetic",
    summary="Take Off A Cosmetic",
)
async def take_off(cosmetic_id: int, actor: Writer, session: Unit) -> None:
    """Wear it no more."""
    await cosmetics.take_off(session, actor, cosmetic_id=cosmetic_id)


@router.post(
    "/cosmetics/{cosmetic_id}/claim",
    status_code=204,
    operation_id="claimCosmetic",
    summary="Claim A Cosmetic",
)
async def claim(cosmetic_id: int, actor: Writer, session: Unit) -> None:
    """Take what is given away while its window is open."""
    await cosmetics.claim(session, actor, cosmetic_id=cosmetic_id)


def adorned(request: Request, one: Adornment) -> CosmeticShown:
    """A cosmetic for the wire."""
    path = portrait(one.artwork_key, 320)
    return CosmeticShown(
        id=one.id,
        type=one.type.value,
        name=one.name,
        description=one.told,
        image=base_url(request) + path if path else None,
        plate=one.plate,
        worn=one.worn,
        obtained_at=one.obtained_at,
    )


def offered(request: Request, one: shop_reads.Offer) -> ShopOffer:
    """An item for the wire."""
    return ShopOffer(
        id=one.id,
        cosmetic=adorned(request, one.adornment),
        status=one.status.value,
        price=money.as_number(one.price),
        left=one.left,
        sold=one.sold,
        seller=one.seller,
        section_id=one.section_id,
        featured=one.featured,
        owned=one.owned,
        on_sale=one.on_sale,
        ends_at=one.ends_at,
        review_note=one.review_note,
    )


def _sales(found: paging.Page[shop_reads.Sale]) -> ShopSales:
    return ShopSales(
        items=[
            ShopSale(
                id=one.id,
                item_id=one.item_id,
                name=one.name,
                price=money.as_number(one.price),
                share=money.as_number(one.share),
                buyer=one.buyer,
                recipient=one.recipient,
                created_at=one.created_at,
                refunded=one.refunded,
            )
            for one in found.items
        ],
        next_cursor=found.next_cursor,
    )
