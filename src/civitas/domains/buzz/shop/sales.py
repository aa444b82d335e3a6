"""Buying in the shop, for oneself or for somebody else, and what happens when something is taken down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.buzz import CosmeticSold, CosmeticTakenDown
from civitas.contracts.subjects import Subject
from civitas.domains.accounts import audit
from civitas.domains.accounts.following import blocked_between
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.economy.rules import quarters
from civitas.domains.buzz.errors import InsufficientFunds
from civitas.domains.buzz.ledger import posting
from civitas.domains.buzz.ledger.posting import Entry, Leg
from civitas.domains.buzz.shop import cosmetics
from civitas.domains.buzz.shop.messages import RefundShopItem
from civitas.domains.buzz.shop.tables import Cosmetic, OwnedCosmetic, ShopItem, ShopPurchase, ShopSection
from civitas.domains.buzz.shop.types import ItemStatus
from civitas.domains.buzz.types import HOUSE, Account, Currency, EntryType, Purpose, house, wallet
from civitas.infra.queue.outbox import defer, publish
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound
from civitas.kit.text import clean_line

LONGEST_MESSAGE = 200
REFUND_BATCH = 200


@dataclass(frozen=True, slots=True)
class Bought:
    """A purchase as it was made; `parts` in quarters by colour."""

    purchase_id: int
    cosmetic_id: int
    recipient_id: int
    parts: dict[Currency, int]
    replayed: bool


async def buy(
    session: AsyncSession,
    actor: Actor,
    *,
    item_id: int,
    key: str,
    price: int | None = None,
    recipient_id: int | None = None,
    message: str = "",
) -> Bought:
    """Pay for an item and have it, or give it to `recipient_id`. `price` is what the buyer saw, in quarters.

    Of a creator's item the seller gets their share in the colours paid. Raises NotFound, Conflict (`sold_out`,
    `not_on_sale`, `already_owned`, `price_changed`), Forbidden (`own_item`, `blocked`), and as `posting.charge`.
    """
    buyer = actor.require(Scope.USER_WRITE)
    full_key = f"shop:{buyer}:{key}"
    known = await session.scalar(select(ShopPurchase).where(ShopPurchase.key == full_key))
    if known is not None:
        return await _again(session, known, item_id)
    owner = recipient_id or buyer
    item, cosmetic = await _on_sale(session, item_id)
    if item.seller_id == buyer:
        raise Forbidden("This is your own; you have it already.", code="own_item")
    if price is not None and price != item.price:
        raise Conflict("The price has changed; look at it again before you buy.", code="price_changed")
    if owner != buyer:
        await _recipient(session, buyer, owner)
    if await cosmetics.has(session, owner, cosmetic.id):
        raise Conflict(
            "They have this already." if owner != buyer else "You have this already.", code="already_owned"
        )
    await _take_one(session, item)
    posted = await _pay(session, item, cosmetic, actor=actor, owner=owner, key=full_key, domain=actor.domain)
    seller_parts = await _split(session, item, cosmetic, posted.parts, full_key) if item.seller_id else []
    purchase = ShopPurchase(
        key=full_key,
        item_id=item.id,
        buyer_id=buyer,
        recipient_id=owner,
        seller_id=item.seller_id,
        price=item.price,
        parts=[[colour.value, part] for colour, part in posted.parts.items()],
        seller_parts=seller_parts,
        entry_id=posted.entry_id,
        message=clean_line(message[: LONGEST_MESSAGE * 4])[:LONGEST_MESSAGE],
        created_at=clock.now(),
    )
    session.add(purchase)
    await session.flush()
    await cosmetics.gain(
        session, person_id=owner, cosmetic=cosmetic, giver_id=buyer if owner != buyer else None
    )
    await publish(session, CosmeticSold(purchase.id, item.id, buyer, owner, item.seller_id))
    return Bought(purchase.id, cosmetic.id, owner, dict(posted.parts), False)


async def _pay(
    session: AsyncSession,
    item: ShopItem,
    cosmetic: Cosmetic,
    *,
    actor: Actor,
    owner: int,
    key: str,
    domain: str,
) -> posting.Posted:
    buyer = actor.require()
    kept = Purpose.ESCROW.of(f"shop-{item.id}") if item.seller_id else Purpose.REVENUE
    return await posting.charge(
        session,
        Entry(
            key,
            EntryType.PURCHASE,
            (),
            f"{'Gift: ' if owner != buyer else ''}{cosmetic.name}"[:100],
            Subject("cosmetic", cosmetic.id),
            {"recipient": owner},
            buyer,
            key_id=actor.key_id,
        ),
        source=wallet(buyer, Currency.YELLOW),
        target=house(kept, Currency.YELLOW),
        colours=economy.current().purses_for("cosmetics", domain=domain),
        total=item.price,
    )


async def _again(session: AsyncSession, known: ShopPurchase, item_id: int) -> Bought:
    if known.item_id != item_id:
        raise Conflict(
            "This key was used for another purchase; send a new one.", code="idempotency_key_reused"
        )
    cosmetic_id = await session.scalar(select(ShopItem.cosmetic_id).where(ShopItem.id == known.item_id))
    parts = {Currency(colour): part for colour, part in known.parts}
    return Bought(known.id, int(cosmetic_id or 0), known.recipient_id, parts, True)


async def _on_sale(session: AsyncSession, item_id: int) -> tuple[ShopItem, Cosmetic]:
    row = (
        await session.execute(
            select(ShopItem, Cosmetic, ShopSection)
            .join(Cosmetic, Cosmetic.id == ShopItem.cosmetic_id)
            .outerjoin(ShopSection, ShopSection.id == ShopItem.section_id)
            .where(ShopItem.id == item_id)
        )
    ).first()
    if row is None or row[0].status in (ItemStatus.DRAFT, ItemStatus.PENDING, ItemStatus.REJECTED):
        raise NotFound("There is no such item.", code="no_such_item")
    item, cosmetic, section = row
    now = clock.now()
    windows = [(item.starts_at, item.ends_at), *([(section.starts_at, section.ends_at)] if section else [])]
    closed = any((start and start > now) or (end and end <= now) for start, end in windows)
    if item.status != ItemStatus.PUBLISHED or closed:
        raise Conflict("This is not on sale now.", code="not_on_sale")
    return item, cosmetic


async def _recipient(session: AsyncSession, buyer: int, owner: int) -> None:
    living = await session.scalar(select(Person.id).where(Person.id == owner, Person.status == "active"))
    if living is None:
        raise NotFound("There is no such person.", code="no_such_person")
    if await blocked_between(session, buyer, owner):
        raise Forbidden("You cannot give this person anything.", code="blocked")


async def _take_one(session: AsyncSession, item: ShopItem) -> None:
    left = await session.scalar(
        update(ShopItem)
        .where(ShopItem.id == item.id, ShopItem.quantity.is_(None) | (ShopItem.sold < ShopItem.quantity))
        .values(sold=ShopItem.sold + 1)
        .returning(ShopItem.sold)
        .execution_options(synchronize_session=False)
    )
    if left is None:
        raise Conflict("The last one was just sold.", code="sold_out")


async def _split(
    session: AsyncSession, item: ShopItem, cosmetic: Cosmetic, parts: Mapping[Currency, int], key: str
) -> list[list[str | int]]:
    """What was paid goes on to the seller and the house; the house keeps what does not divide."""
    seller = int(item.seller_id or HOUSE)
    share = economy.current().shop.creator_share
    legs: list[Leg] = []
    told: list[list[str | int]] = []
    for colour, part in parts.items():
        sellers = int(part * share)
        legs.append(Leg(house(Purpose.ESCROW.of(f"shop-{item.id}"), colour), -part))
        legs.append(Leg(house(Purpose.REVENUE, colour), part - sellers))
        if sellers:
            legs.append(Leg(wallet(seller, colour), sellers))
            told.append([colour.value, sellers])
    await posting.post(
        session,
        Entry(
            f"{key}:split",
            EntryType.SELL,
            tuple(leg for leg in legs if leg.amount),
            f"Sold: {cosmetic.name}"[:100],
            Subject("cosmetic", cosmetic.id),
        ),
    )
    return told


async def take_down(session: AsyncSession, actor: Actor, *, item_id: int, reason: str) -> None:
    """Staff take an item off for good: everybody who paid is paid back, everybody who has it loses it.

    The money goes back in batches by `refund_batch`, which a task calls until it is done.
    """
    actor.require(Scope.USER_WRITE)
    actor.require_moderator()
    item = await session.scalar(select(ShopItem).where(ShopItem.id == item_id).with_for_update())
    if item is None:
        raise NotFound("There is no such item.", code="no_such_item")
    if item.taken_down_at is not None:
        return
    now = clock.now()
    item.status, item.taken_down_at, item.featured = ItemStatus.ARCHIVED, now, False
    await session.execute(update(Cosmetic).where(Cosmetic.id == item.cosmetic_id).values(withdrawn_at=now))
    await session.execute(
        update(OwnedCosmetic).where(OwnedCosmetic.cosmetic_id == item.cosmetic_id).values(worn_at=None)
    )
    await audit.record(
        session,
        actor,
        action="shop.take_down",
        reason=reason,
        person_id=item.seller_id,
        subject_kind="shop_item",
        subject_id=item.id,
    )
    await publish(session, CosmeticTakenDown(item.id, item.seller_id))
    await defer(session, RefundShopItem(item.id))


async def refund_batch(session: AsyncSession, *, item_id: int, most: int = REFUND_BATCH) -> int:
    """Pay back up to `most` purchases of an item that was taken down; how many there were.

    Buyers get every colour back at once, from the house; the seller's share is then taken from the seller as far as
    it is still there.
    """
    due = list(
        await session.scalars(
            select(ShopPurchase)
            .where(ShopPurchase.item_id == item_id, ShopPurchase.refunded_at.is_(None))
            .order_by(ShopPurchase.id)
            .limit(most)
            .with_for_update(skip_locked=True)
        )
    )
    if not due:
        return 0
    entries = [
        Entry(
            f"shop-refund:{purchase.id}",
            EntryType.REFUND,
            tuple(
                leg
                for colour, part in purchase.parts
                for leg in posting.transfer(
                    house(Purpose.REVENUE, Currency(colour)),
                    wallet(purchase.buyer_id, Currency(colour)),
                    part,
                )
            ),
            "Refund: taken off the shop",
            Subject("shop_item", item_id),
            {"purchase": purchase.id},
            reverses_id=purchase.entry_id,
        )
        for purchase in due
    ]
    await posting.post_batch(session, entries)
    for purchase in due:
        purchase.refunded_at = clock.now()
    await _recover(session, item_id, due)
    return len(due)


async def _recover(session: AsyncSession, item_id: int, due: Sequence[ShopPurchase]) -> None:
    owed: dict[Account, int] = {}
    for purchase in due:
        for colour, part in purchase.seller_parts:
            account = wallet(int(purchase.seller_id or HOUSE), Currency(colour))
            owed[account] = owed.get(account, 0) + part
    if not owed:
        return
    there = await posting.balances(session, list(owed))
    legs = tuple(
        leg
        for account, amount in owed.items()
        if (part := min(amount, there[account])) > 0
        for leg in posting.transfer(account, house(Purpose.REVENUE, account.currency), part)
    )
    if not legs:
        return
    entry = Entry(
        f"shop-recover:{item_id}:{due[0].id}",
        EntryType.CHARGE_BACK,
        legs,
        "Sales of what was taken off the shop",
        Subject("shop_item", item_id),
    )
    try:
        await posting.post(session, entry, forced=True)
    except InsufficientFunds as fault:
        # Spent between the look and the taking. The whole batch is done again by the task, with less to take.
        raise Conflict("The seller's balance moved; try again.", code="balance_moved") from fault


def checked_price(price: int) -> int:
    """A price in quarters that the rules allow. Raises Invalid (`price_too_low`)."""
    least = economy.current().shop.least_price
    if price < quarters(least):
        raise Invalid(
            f"An item costs at least {least} Buzz.", code="price_too_low", fields={"price": "Too low."}
        )
    return price
