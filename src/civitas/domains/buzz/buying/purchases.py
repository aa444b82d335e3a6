"""Buying Buzz and gift cards: setting out, what the provider tells, one's own history."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.payments import Checkout, Notice, Order, PaymentFacts, ProviderInfo
from civitas.domains.accounts import addresses
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.buying import pricing, settling
from civitas.domains.buzz.buying.messages import MailGiftCard
from civitas.domains.buzz.buying.pricing import Quote
from civitas.domains.buzz.buying.tables import Purchase, RedeemCode
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.economy.rules import quarters
from civitas.domains.buzz.errors import KeyReused
from civitas.domains.buzz.memberships.entitlements import entitlements
from civitas.domains.buzz.payments.notices import concerns
from civitas.domains.buzz.types import Currency
from civitas.infra.queue.outbox import defer
from civitas.kit import clock, money, paging
from civitas.kit.errors import Conflict, Invalid, NotFound
from civitas.kit.text import clean_block

PAGE = 30
LONGEST_MESSAGE = 500
# When a pending purchase is looked at: after two minutes, five, fifteen, an hour, then every six hours.
_LOOKS = tuple(timedelta(minutes=minutes) for minutes in (2, 5, 15, 60, 360))
# Money can arrive after a checkout is over; after this long nobody looks any more by themselves.
_LOOKED_FOR = timedelta(days=14)
_ABANDONED = timedelta(hours=1)
_ORDER = re.compile(r"purchase:([1-9][0-9]{0,17})")


async def quote_for(
    session: AsyncSession,
    person_id: int | None,
    provider: ProviderInfo,
    *,
    pack: str | None = None,
    buzz: int | None = None,
) -> Quote:
    """What this person is offered through this provider. Raises as `pricing.quote`."""
    tier = (await entitlements(session, person_id)).tier
    return pricing.quote(
        tier, colour=Currency(provider.colour), fee_cents=provider.fee_cents, pack=pack, buzz=buzz
    )


async def begin(
    session: AsyncSession,
    actor: Actor,
    *,
    key: str,
    provider: ProviderInfo,
    pack: str | None = None,
    buzz: int | None = None,
) -> Purchase:
    """Set out to buy a pack or `buzz` quarters. The same `key` gives the purchase made first.

    Raises as `pricing.quote`, KeyReused, and Forbidden for keys without the right to write.
    """
    person = actor.require(Scope.USER_WRITE)
    offer = await quote_for(session, person, provider, pack=pack, buzz=buzz)
    values = {
        "pack": offer.pack, "colour": offer.colour.value, "buzz": offer.buzz, "bonus": offer.bonus,
        "blue": offer.blue, "cents": offer.cents, "fee_cents": offer.fee_cents,
    }  # fmt: skip
    return await _made(session, person, key, provider.key, values)


async def begin_gift(
    session: AsyncSession,
    actor: Actor,
    *,
    key: str,
    provider: ProviderInfo,
    card: str,
    email: str,
    message: str = "",
) -> Purchase:
    """Set out to buy a gift card (a key of `gift_cards`) whose code is mailed to `email` once it is paid.

    Raises Invalid (`no_such_card`, `bad_email`), KeyReused.
    """
    person = actor.require(Scope.USER_WRITE)
    worth = next((one for one in gift_cards() if one["key"] == card), None)
    if worth is None:
        raise Invalid("This gift card is not offered any more; choose another one.", code="no_such_card")
    told = clean_block(message[:5000])
    if len(told) > LONGEST_MESSAGE:
        raise Invalid(
            "The message is too long.", code="too_long", fields={"message": "At most 500 characters."}
        )
    gift = {**worth, "email": addresses.read(email).written, "message": told}
    values = {
        "kind": "gift", "gift": gift, "colour": provider.colour, "buzz": worth.get("amount", 0),
        "cents": worth["cents"], "fee_cents": provider.fee_cents,
    }  # fmt: skip
    return await _made(session, person, key, provider.key, values)


def gift_cards() -> list[dict[str, Any]]:
    """The cards on offer: their key, kind, worth (quarters, or tier and months) and price in cents."""
    rules = economy.current()
    cards: list[dict[str, Any]] = [
        {
            "key": f"buzz-{amount}",
            "kind": "buzz",
            "amount": quarters(amount),
            "cents": pricing.cents_for(quarters(amount)),
        }
        for amount in rules.codes.buzz
    ]
    for tier in rules.tiers:
        if tier.offered and tier.price_cents:
            cards += [
                {
                    "key": f"{tier.key}-{months}", "kind": "membership", "tier": tier.key, "months": months,
                    "cents": tier.price_cents * months,
                }
                for months in rules.codes.membership_months
            ]  # fmt: skip
    most = rules.money.largest_purchase_cents
    return [card for card in cards if card["cents"] <= most]


async def _made(
    session: AsyncSession, person: int, key: str, provider: str, values: dict[str, Any]
) -> Purchase:
    now = clock.now()
    made: Purchase | None = await session.scalar(
        insert(Purchase)
        .values(
            key=key,
            person_id=person,
            provider=provider,
            created_at=now,
            next_look_at=now + _LOOKS[0],
            **values,
        )
        .on_conflict_do_nothing(index_elements=["key"])
        .returning(Purchase)
    )
    if made is not None:
        return made
    known = await session.scalar(select(Purchase).where(Purchase.key == key))
    asked = ("pack", "buzz", "colour", "gift")
    if (
        known is None
        or (known.person_id, known.provider) != (person, provider)
        or any(getattr(known, name) != values.get(name) for name in asked)
    ):
        raise KeyReused
    return known


def order_for(purchase: Purchase, base_url: str, email: str | None = None) -> Order:
    """What the provider is asked for."""
    if purchase.gift is not None:
        title = f"Gift card: {worth_told(purchase.gift)}"
    else:
        arriving = money.shown(purchase.buzz + purchase.bonus)
        title = f"{arriving} {purchase.colour.capitalize()} Buzz"
    page = f"{base_url}/buzz/purchases/{purchase.id}"
    return Order(
        key=f"{settling.KIND}:{purchase.id}",
        cents=settling.total_cents(purchase),
        title=title,
        return_url=f"{page}/return",
        cancel_url=f"{page}/cancelled",
        email=email,
    )


def worth_told(gift: dict[str, Any]) -> str:
    """What a card is worth, in words."""
    if gift["kind"] == "buzz":
        return f"{money.shown(gift['amount'])} Buzz"
    return f"{gift['months']} months of {economy.current().tier(gift['tier']).label}"


async def opened(session: AsyncSession, *, purchase_id: int, checkout: Checkout) -> Purchase:
    """Remember where a purchase is paid; facts that were faster are kept."""
    purchase = await settling.locked(session, purchase_id)
    if purchase.reference is None:
        purchase.reference, purchase.url = checkout.reference, checkout.url
        purchase.expires_at = checkout.expires_at
        purchase.state = settling.state_of(purchase)
        await session.flush()
    return purchase


@concerns(settling.KIND)
async def heard(session: AsyncSession, provider: str, notice: Notice) -> str | None:
    """What a provider told of a purchase of ours."""
    found = _ORDER.fullmatch(notice.order or "")
    statement = select(Purchase.id).where(Purchase.provider == provider)
    if found is not None:
        statement = statement.where(Purchase.id == int(found[1]))
    elif notice.reference is not None:
        statement = statement.where(
            (Purchase.reference == notice.reference) | (Purchase.payment_reference == notice.reference)
        )
    else:
        return None
    purchase_id = await session.scalar(statement.limit(1))
    if purchase_id is None:
        return None
    if notice.payment is None:
        return "nothing to do"
    purchase = await settling.learn(session, purchase_id, notice.payment)
    return f"the purchase is {purchase.state.replace('_', ' ')}"


async def get(session: AsyncSession, actor: Actor, *, purchase_id: int) -> Purchase:
    """One purchase of the actor's; staff see everybody's. Raises NotFound."""
    person = actor.require(Scope.BUZZ_READ)
    found = await session.scalar(select(Purchase).where(Purchase.id == purchase_id))
    if found is None or (found.person_id != person and not (actor.is_moderator and actor.via == "session")):
        raise NotFound("There is no such purchase.", code="no_such_purchase")
    return found


async def mine(session: AsyncSession, actor: Actor, *, cursor: str | None = None) -> paging.Page[Purchase]:
    """The actor's purchases, the newest first."""
    person = actor.require(Scope.BUZZ_READ)
    return await page_of(session, select(Purchase).where(Purchase.person_id == person), cursor)


async def page_of(session: AsyncSession, statement: Any, cursor: str | None) -> paging.Page[Purchase]:
    """One page of chosen purchases, the newest first."""
    if cursor is not None:
        statement = statement.where(Purchase.id < paging.decode(cursor, int)[0])
    rows: Sequence[Purchase] = (
        await session.scalars(statement.order_by(Purchase.id.desc()).limit(PAGE + 1))
    ).all()
    return paging.Page(rows[:PAGE], paging.encode(rows[PAGE - 1].id) if len(rows) > PAGE else None)


async def due(session: AsyncSession, *, most: int = 20) -> list[tuple[int, str, str | None]]:
    """Purchases to look at now: id, provider, reference. The next look is set, so that others leave them."""
    rows = (
        await session.scalars(
            select(Purchase)
            .where(Purchase.next_look_at <= clock.now())
            .order_by(Purchase.next_look_at)
            .limit(most)
            .with_for_update(skip_locked=True)
        )
    ).all()
    now = clock.now()
    for row in rows:
        row.looks += 1
        row.next_look_at = _next_look(row, now)
        if row.reference is None and row.provider != "manual" and row.created_at < now - _ABANDONED:
            # The provider was never reached, so nobody can have paid.
            row.expired, row.next_look_at = True, None
            row.state = settling.state_of(row)
    await session.flush()
    return [(row.id, row.provider, row.reference) for row in rows]


def _next_look(row: Purchase, now: datetime) -> datetime | None:
    if row.provider == "manual" or row.created_at < now - _LOOKED_FOR:
        return None
    return now + _LOOKS[min(row.looks, len(_LOOKS) - 1)]


async def give_up(session: AsyncSession, actor: Actor, *, purchase_id: int) -> Purchase:
    """Forget a purchase that one does not want to pay after all; money that comes all the same is credited.

    Raises Conflict (`already_paid`) when something was paid.
    """
    await get(session, actor, purchase_id=purchase_id)
    actor.require(Scope.USER_WRITE)
    purchase = await settling.locked(session, purchase_id)
    if purchase.seen_cents:
        raise Conflict("Something was paid already.", code="already_paid")
    await settling.learn(session, purchase_id, PaymentFacts(expired=True))
    return purchase


async def send_again(session: AsyncSession, actor: Actor, *, purchase_id: int) -> None:
    """Mail a gift card of one's own with a new code. Raises Conflict (`card_used`) when it was redeemed or not paid."""
    person = actor.require(Scope.USER_WRITE)
    purchase = await get(session, actor, purchase_id=purchase_id)
    code = await session.scalar(select(RedeemCode).where(RedeemCode.purchase_id == purchase.id))
    used = code is not None and (code.redeemed_at is not None or code.revoked_at is not None)
    if purchase.person_id != person or purchase.gift is None or purchase.state != "paid" or used:
        raise Conflict("This card was redeemed already, or is not paid.", code="card_used")
    await defer(session, MailGiftCard(purchase.id), once=f"gift:{purchase.id}")
