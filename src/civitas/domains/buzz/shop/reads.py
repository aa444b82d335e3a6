"""What the shop shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.shop import cosmetics
from civitas.domains.buzz.shop.cosmetics import Adornment
from civitas.domains.buzz.shop.tables import Cosmetic, OwnedCosmetic, ShopItem, ShopPurchase, ShopSection
from civitas.domains.buzz.shop.types import ItemStatus
from civitas.kit import clock, paging
from civitas.kit.errors import NotFound

PAGE = 24
SHELVES = 40


@dataclass(frozen=True, slots=True)
class Shelf:
    """A section of the shop."""

    id: int
    title: str
    told: str
    starts_at: datetime | None
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class Offer:
    """An item as it is offered; price in quarters, `left` None for no limit."""

    id: int
    adornment: Adornment
    status: ItemStatus
    price: int
    left: int | None
    sold: int
    seller_id: int | None
    seller: str | None
    section_id: int | None
    featured: bool
    owned: bool
    on_sale: bool
    ends_at: datetime | None
    review_note: str = ""


@dataclass(frozen=True, slots=True)
class Sale:
    """A purchase in a list, for its buyer or its seller. Amounts in quarters."""

    id: int
    item_id: int
    name: str
    price: int
    share: int
    buyer_id: int
    buyer: str | None
    recipient_id: int
    recipient: str | None
    created_at: datetime
    refunded: bool


async def shelves(session: AsyncSession, *, closed: bool = False) -> list[Shelf]:
    """The sections that are open now, or all of them for staff."""
    query = select(ShopSection)
    if not closed:
        now = clock.now()
        query = query.where(
            ShopSection.starts_at.is_(None) | (ShopSection.starts_at <= now),
            ShopSection.ends_at.is_(None) | (ShopSection.ends_at > now),
        )
    rows = await session.scalars(query.order_by(ShopSection.position, ShopSection.id).limit(SHELVES))
    return [Shelf(one.id, one.title, one.told, one.starts_at, one.ends_at) for one in rows]


async def offers(
    session: AsyncSession,
    actor: Actor,
    *,
    section_id: int | None = None,
    seller_id: int | None = None,
    cursor: str | None = None,
) -> paging.Page[Offer]:
    """What is on sale, the newest first."""
    query = _offers(actor.id).where(ShopItem.status == ItemStatus.PUBLISHED, *_open_now())
    if section_id is not None:
        query = query.where(ShopItem.section_id == section_id)
    if seller_id is not None:
        query = query.where(ShopItem.seller_id == seller_id)
    return await _page(session, query, cursor)


async def own(session: AsyncSession, actor: Actor, *, cursor: str | None = None) -> paging.Page[Offer]:
    """What the actor sells, in every state."""
    return await _page(
        session, _offers(actor.id).where(ShopItem.seller_id == actor.require(Scope.BUZZ_READ)), cursor
    )


async def waiting(session: AsyncSession, actor: Actor, *, cursor: str | None = None) -> paging.Page[Offer]:
    """What waits for a review, for staff."""
    actor.require_moderator()
    return await _page(session, _offers(actor.id).where(ShopItem.status == ItemStatus.PENDING), cursor)


async def offer(session: AsyncSession, actor: Actor, *, item_id: int) -> Offer:
    """One item; its seller and staff see it in every state. Raises NotFound."""
    row = (await session.execute(_offers(actor.id).where(ShopItem.id == item_id))).first()
    if row is None:
        raise NotFound("There is no such item.", code="no_such_item")
    found = _offer(row)
    hidden = found.status is not ItemStatus.PUBLISHED and not found.owned
    mine = actor.id is not None and actor.id == found.seller_id
    if hidden and not ((actor.is_moderator or mine) and Scope.BUZZ_READ in actor.scopes):
        raise NotFound("There is no such item.", code="no_such_item")
    return found


async def sales(
    session: AsyncSession, actor: Actor, *, bought: bool = False, cursor: str | None = None
) -> paging.Page[Sale]:
    """What the actor sold, or bought."""
    person_id = actor.require(Scope.BUZZ_READ)
    buyer, recipient = Person.__table__.alias(), Person.__table__.alias()
    query = (
        select(ShopPurchase, Cosmetic.name, buyer.c.username, recipient.c.username)
        .join(ShopItem, ShopItem.id == ShopPurchase.item_id)
        .join(Cosmetic, Cosmetic.id == ShopItem.cosmetic_id)
        .join(buyer, buyer.c.id == ShopPurchase.buyer_id)
        .join(recipient, recipient.c.id == ShopPurchase.recipient_id)
        .where((ShopPurchase.buyer_id if bought else ShopPurchase.seller_id) == person_id)
    )
    if cursor is not None:
        query = query.where(ShopPurchase.id < paging.decode(cursor, int)[0])
    rows = (await session.execute(query.order_by(ShopPurchase.id.desc()).limit(PAGE + 1))).all()
    found = [
        Sale(
            one.id,
            one.item_id,
            name,
            one.price,
            sum(part for _, part in one.seller_parts),
            one.buyer_id,
            buyer_name,
            one.recipient_id,
            recipient_name,
            one.created_at,
            one.refunded_at is not None,
        )
        for one, name, buyer_name, recipient_name in rows[:PAGE]
    ]
    return paging.Page(found, paging.encode(found[-1].id) if len(rows) > PAGE else None)


def _open_now() -> tuple[Any, ...]:
    now = clock.now()
    return (
        ShopItem.starts_at.is_(None) | (ShopItem.starts_at <= now),
        ShopItem.ends_at.is_(None) | (ShopItem.ends_at > now),
        ShopSection.starts_at.is_(None) | (ShopSection.starts_at <= now),
        ShopSection.ends_at.is_(None) | (ShopSection.ends_at > now),
    )


def _offers(viewer: int | None) -> Any:
    return (
        select(
            ShopItem,
            Cosmetic,
            Person.username,
            OwnedCosmetic.person_id.is_not(None).label("owned"),
            func.coalesce(ShopSection.starts_at <= clock.now(), True).label("section_begun"),
            func.coalesce(ShopSection.ends_at > clock.now(), True).label("section_runs"),
        )
        .join(Cosmetic, Cosmetic.id == ShopItem.cosmetic_id)
        .outerjoin(ShopSection, ShopSection.id == ShopItem.section_id)
        .outerjoin(Person, Person.id == ShopItem.seller_id)
        .outerjoin(
            OwnedCosmetic,
            (OwnedCosmetic.cosmetic_id == ShopItem.cosmetic_id) & (OwnedCosmetic.person_id == (viewer or 0)),
        )
    )


async def _page(session: AsyncSession, query: Any, cursor: str | None) -> paging.Page[Offer]:
    if cursor is not None:
        query = query.where(ShopItem.id < paging.decode(cursor, int)[0])
    rows = (await session.execute(query.order_by(ShopItem.id.desc()).limit(PAGE + 1))).all()
    found = [_offer(row) for row in rows[:PAGE]]
    return paging.Page(found, paging.encode(found[-1].id) if len(rows) > PAGE else None)


def _offer(row: Any) -> Offer:
    item, cosmetic, seller, owned, begun, runs = row
    now = clock.now()
    left = None if item.quantity is None else item.quantity - item.sold
    return Offer(
        id=item.id,
        adornment=cosmetics.adornment(cosmetic),
        status=ItemStatus(item.status),
        price=item.price,
        left=left,
        sold=item.sold,
        seller_id=item.seller_id,
        seller=seller,
        section_id=item.section_id,
        featured=item.featured,
        owned=bool(owned),
        on_sale=item.status == ItemStatus.PUBLISHED
        and left != 0
        and begun
        and runs
        and (item.starts_at is None or item.starts_at <= now)
        and (item.ends_at is None or item.ends_at > now),
        ends_at=item.ends_at,
        review_note=item.review_note,
    )
