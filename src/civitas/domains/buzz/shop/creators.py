"""Creators' own items: submitted, reviewed by staff, priced, featured (FEATURES I62); and staff's shelves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.buzz import ShopItemReviewed
from civitas.domains.accounts import audit
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.shop.sales import checked_price
from civitas.domains.buzz.shop.tables import Cosmetic, ShopItem, ShopSection
from civitas.domains.buzz.shop.types import (
    LONGEST_NAME,
    LONGEST_TOLD,
    PLATES,
    SAME_ARTWORK_BITS,
    CosmeticType,
    ItemStatus,
    Source,
)
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound
from civitas.kit.text import clean_block, clean_line

OPEN_SUBMISSIONS = 20
_EDITABLE = (ItemStatus.DRAFT, ItemStatus.CHANGES, ItemStatus.PENDING, ItemStatus.PUBLISHED)


@dataclass(frozen=True, slots=True)
class Artwork:
    """A picture that was decoded and stored: its key and its perceptual hash (signed, 64 bits)."""

    key: str
    hash: int


@dataclass(frozen=True, slots=True)
class Submission:
    """What is offered. Price in quarters; `plate` for name plates, artwork for everything else."""

    type: CosmeticType
    name: str
    told: str
    price: int
    quantity: int | None = None
    plate: str | None = None
    artwork: Artwork | None = None
    # Of stickers: the hundredths that their creator gets of the price of each placement.
    placement_share: int = 0
    starts_at: datetime | None = None
    ends_at: datetime | None = None


async def submit(session: AsyncSession, actor: Actor, *, item: Submission) -> ShopItem:
    """Offer an item for review; it goes on sale when staff agree.

    Raises Invalid with every wrong field named, Conflict (`artwork_known`, `too_many_submissions`), Forbidden.
    """
    seller = actor.require(Scope.USER_WRITE)
    if actor.muted:
        raise Forbidden("You cannot sell anything while you are muted.", code="muted")
    waiting = await session.scalar(
        select(func.count()).where(ShopItem.seller_id == seller, ShopItem.status == ItemStatus.PENDING)
    )
    if (waiting or 0) >= OPEN_SUBMISSIONS:
        raise Conflict(
            "Wait for the review of what you sent before you send more.", code="too_many_submissions"
        )
    return await _add(session, item, seller=seller, status=ItemStatus.PENDING)


async def put_on_sale(
    session: AsyncSession, actor: Actor, *, item: Submission, section_id: int | None = None
) -> ShopItem:
    """Staff put an item of the house on sale at once. Raises as `submit` does."""
    actor.require(Scope.USER_WRITE)
    actor.require_moderator()
    made = await _add(session, item, seller=None, status=ItemStatus.PUBLISHED)
    made.section_id, made.reviewed_price, made.published_at = section_id, made.price, clock.now()
    await session.flush()
    return made


async def _add(
    session: AsyncSession, item: Submission, *, seller: int | None, status: ItemStatus
) -> ShopItem:
    name, told = _checked(item)
    checked_price(item.price)
    if item.artwork is not None:
        await _unknown(session, item.artwork.hash, seller)
    now = clock.now()
    cosmetic = Cosmetic(
        type=item.type,
        source=Source.PURCHASE,
        name=name,
        told=told,
        artwork_key=item.artwork.key if item.artwork else None,
        artwork_hash=item.artwork.hash if item.artwork else None,
        plate=item.plate,
        placement_share=item.placement_share,
        creator_id=seller,
        created_at=now,
    )
    session.add(cosmetic)
    await session.flush()
    made = ShopItem(
        cosmetic_id=cosmetic.id,
        seller_id=seller,
        status=status,
        price=item.price,
        quantity=item.quantity,
        starts_at=item.starts_at,
        ends_at=item.ends_at,
        created_at=now,
    )
    session.add(made)
    await session.flush()
    return made


def _checked(item: Submission) -> tuple[str, str]:
    name, told = clean_line(item.name[:1_000]), clean_block(item.told[:10_000])
    wrong: dict[str, str] = {}
    if not 1 <= len(name) <= LONGEST_NAME:
        wrong["name"] = f"Give a name of 1 to {LONGEST_NAME} characters."
    if len(told) > LONGEST_TOLD:
        wrong["told"] = f"At most {LONGEST_TOLD} characters."
    if item.type is CosmeticType.NAME_PLATE and item.plate not in PLATES:
        wrong["plate"] = f"Choose one of {', '.join(PLATES)}."
    if item.type is not CosmeticType.NAME_PLATE and item.artwork is None:
        wrong["artwork"] = "Add a picture."
    if item.type is not CosmeticType.NAME_PLATE and item.plate is not None:
        wrong["plate"] = "Only name plates have one."
    most_share = int(economy.current().placements.most_seller_share * 100)
    if not 0 <= item.placement_share <= most_share:
        wrong["placement_share"] = f"From 0 to {most_share} percent."
    if item.placement_share and item.type is not CosmeticType.STICKER:
        wrong["placement_share"] = "Only stickers are placed on pictures."
    if item.quantity is not None and not 1 <= item.quantity <= 1_000_000:
        wrong["quantity"] = "From 1 to a million, or nothing for no limit."
    if item.starts_at and item.ends_at and item.ends_at <= item.starts_at:
        wrong["endsAt"] = "It must end after it starts."
    if wrong:
        raise Invalid("This cannot be offered as it is.", code="bad_item", fields=wrong)
    return name, told


async def _unknown(session: AsyncSession, artwork_hash: int, seller: int | None) -> None:
    same = await session.scalar(
        select(Cosmetic.id)
        .where(
            Cosmetic.artwork_hash.is_not(None),
            func.bit_count(
                text(
                    "CAST(CAST(artwork_hash AS bit(64)) # CAST(CAST(:hash AS bigint) AS bit(64)) AS bit(64))"
                )
            )
            <= SAME_ARTWORK_BITS,
            Cosmetic.creator_id.is_distinct_from(seller),
        )
        .params(hash=artwork_hash)
        .limit(1)
    )
    if same is not None:
        raise Conflict(
            "This artwork, or one that looks the same, is in the shop already.", code="artwork_known"
        )


async def reprice(session: AsyncSession, actor: Actor, *, item_id: int, price: int) -> ShopItem:
    """Change the price of one's own item. A change beyond the rule's share goes to review again.

    Raises NotFound, Conflict (`not_editable`), Invalid (`price_too_low`).
    """
    item = await _own(session, actor, item_id)
    if item.status not in _EDITABLE:
        raise Conflict("This item is closed and its price stays.", code="not_editable")
    item.price = checked_price(price)
    rule = economy.current().shop.rereview_price_change
    if (
        item.status == ItemStatus.PUBLISHED
        and item.reviewed_price is not None
        and abs(price - item.reviewed_price) > item.reviewed_price * rule
        and not actor.is_moderator
    ):
        item.status, item.featured = ItemStatus.PENDING, False
    elif item.status == ItemStatus.CHANGES:
        item.status = ItemStatus.PENDING
    await session.flush()
    return item


async def archive(session: AsyncSession, actor: Actor, *, item_id: int) -> None:
    """Take one's own item off sale; whoever bought it keeps it. Raises NotFound."""
    item = await _own(session, actor, item_id)
    item.status, item.featured = ItemStatus.ARCHIVED, False


async def feature(session: AsyncSession, actor: Actor, *, item_id: int, featured: bool) -> None:
    """Show one's own item first, up to the rule's number. Raises NotFound, Conflict (`too_many_featured`)."""
    item = await _own(session, actor, item_id)
    if featured and not item.featured:
        if item.status != ItemStatus.PUBLISHED:
            raise Conflict("Only what is on sale can be featured.", code="not_on_sale")
        most = economy.current().shop.most_featured
        # Locked as a whole, so that two at once do not both find a place.
        held = await session.scalars(
            select(ShopItem).where(ShopItem.seller_id == item.seller_id, ShopItem.featured).with_for_update()
        )
        if len(held.all()) >= most:
            raise Conflict(f"At most {most} items can be featured.", code="too_many_featured")
    item.featured = featured


async def review(
    session: AsyncSession,
    actor: Actor,
    *,
    item_id: int,
    status: ItemStatus,
    note: str,
    section_id: int | None = None,
) -> ShopItem:
    """Staff decide: `PUBLISHED`, `CHANGES` or `REJECTED`, with a word for the creator.

    Raises NotFound, Invalid, Conflict (`not_pending`), Forbidden (`own_item`).
    """
    actor.require(Scope.USER_WRITE)
    staff = actor.require_moderator()
    if status not in (ItemStatus.PUBLISHED, ItemStatus.CHANGES, ItemStatus.REJECTED):
        raise Invalid("Decide for Published, RequestedChanges or Rejected.", code="bad_status")
    item = await session.scalar(select(ShopItem).where(ShopItem.id == item_id).with_for_update())
    if item is None or item.seller_id is None:
        raise NotFound("There is no such item.", code="no_such_item")
    if item.status != ItemStatus.PENDING:
        raise Conflict("This item does not wait for a review.", code="not_pending")
    if item.seller_id == staff:
        raise Forbidden("Somebody else must review what you sell.", code="own_item")
    item.status, item.review_note = status, clean_block(note[:10_000])[:LONGEST_TOLD]
    if status is ItemStatus.PUBLISHED:
        item.reviewed_price = item.price
        item.section_id = section_id if section_id is not None else item.section_id
        item.published_at = item.published_at or clock.now()
    await audit.record(
        session,
        actor,
        action=f"shop.review.{status.value}",
        reason=note,
        person_id=item.seller_id,
        subject_kind="shop_item",
        subject_id=item.id,
    )
    await publish(session, ShopItemReviewed(item.id, item.seller_id, status.value))
    return item


async def add_section(
    session: AsyncSession,
    actor: Actor,
    *,
    title: str,
    told: str = "",
    position: int = 0,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> ShopSection:
    """Staff add a shelf. Raises Invalid (`bad_section`)."""
    actor.require(Scope.USER_WRITE)
    actor.require_moderator()
    named = clean_line(title[:1_000])
    if not 1 <= len(named) <= LONGEST_NAME or (starts_at and ends_at and ends_at <= starts_at):
        raise Invalid(
            "A section needs a name of up to 60 characters and must end after it starts.", code="bad_section"
        )
    section = ShopSection(
        title=named,
        told=clean_block(told[:10_000])[:LONGEST_TOLD],
        position=position,
        starts_at=starts_at,
        ends_at=ends_at,
        created_at=clock.now(),
    )
    session.add(section)
    await session.flush()
    return section


async def move(
    session: AsyncSession, actor: Actor, *, item_id: int, section_id: int | None, position: int = 0
) -> None:
    """Staff put an item on a shelf. Raises NotFound."""
    actor.require(Scope.USER_WRITE)
    actor.require_moderator()
    item = await session.get(ShopItem, item_id, with_for_update=True)
    if item is None or (section_id is not None and await session.get(ShopSection, section_id) is None):
        raise NotFound("There is no such item or section.", code="no_such_item")
    item.section_id, item.position = section_id, position


async def remove_section(session: AsyncSession, actor: Actor, *, section_id: int) -> None:
    """Staff remove a shelf; what stood on it stands outside of any. Raises NotFound."""
    actor.require(Scope.USER_WRITE)
    actor.require_moderator()
    section = await session.get(ShopSection, section_id)
    if section is None:
        raise NotFound("There is no such section.", code="no_such_section")
    await session.delete(section)


async def _own(session: AsyncSession, actor: Actor, item_id: int) -> ShopItem:
    person_id = actor.require(Scope.USER_WRITE)
    item = await session.scalar(select(ShopItem).where(ShopItem.id == item_id).with_for_update())
    if item is None or (item.seller_id != person_id and not (actor.is_moderator and item.seller_id is None)):
        raise NotFound("There is no such item.", code="no_such_item")
    return item
