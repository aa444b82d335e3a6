"""Refunds that came back: the payer's bank did not take the money, so it is ours, and what was taken for it is theirs."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.buzz import RefundCameBack
from civitas.contracts.subjects import Subject
from civitas.domains.buzz.buying.tables import Debt, Purchase, RedeemCode
from civitas.domains.buzz.ledger import posting
from civitas.domains.buzz.ledger.posting import Entry, Leg, transfer
from civitas.domains.buzz.types import Currency, EntryType, Purpose, house, wallet
from civitas.infra.queue.outbox import publish
from civitas.kit import clock, money

KIND = "purchase"


def back_cents(purchase: Purchase) -> int:
    """Of what was booked as given back, what is with us again."""
    return min(purchase.unreturned_cents, purchase.returned_cents)


def gone_cents(purchase: Purchase) -> int:
    """What went back to the payer for good, or to their bank by a lost dispute."""
    return max(0, purchase.refunded_cents - back_cents(purchase)) + purchase.lost_cents


async def settle(session: AsyncSession, purchase: Purchase, before: int) -> None:
    """Book what came back beyond `before` cents, and give its Buzz back: once, whatever the order of notices.

    A debt that the refund left is let go first, for that Buzz was never taken. The caller holds the row.
    """
    back = back_cents(purchase)
    if (more := back - before) <= 0:
        return
    wanted = purchase.credited * gone_cents(purchase) // purchase.paid_cents
    wanted_blue = purchase.credited_blue * gone_cents(purchase) // purchase.paid_cents
    main, blue = max(0, purchase.taken - wanted), max(0, purchase.taken_blue - wanted_blue)
    purchase.taken -= main
    purchase.taken_blue -= blue
    main -= await _let_go(session, purchase, main)
    colour, person = Currency(purchase.colour), purchase.person_id
    legs: list[Leg] = [
        *transfer(house(Purpose.WORLD, Currency.CASH), house(Purpose.REVENUE, Currency.CASH), more)
    ]
    if main:
        legs += transfer(house(Purpose.MINT, colour), wallet(person, colour), main)
    if blue:
        legs += transfer(house(Purpose.MINT, Currency.BLUE), wallet(person, Currency.BLUE), blue)
    await posting.post(
        session,
        Entry(
            key=f"purchase:{purchase.id}:unreturned:{back}",
            type=EntryType.REFUND,
            legs=tuple(legs),
            description="A refund came back from the payer's bank",
            subject=Subject(KIND, purchase.id),
            details={"provider": purchase.provider, "cents": more},
        ),
    )
    if purchase.kind == "gift":
        await _revive_gift(session, purchase)
    purchase.note = (
        f"A refund of ${more / 100:.2f} came back on {clock.now():%Y-%m-%d}; {money.shown(main + blue)} Buzz went back to "
        "the buyer. It can be refunded again."
    )
    await publish(session, RefundCameBack(purchase.id, person, purchase.colour, main + blue, more, back))
    await session.flush()


async def _let_go(session: AsyncSession, purchase: Purchase, amount: int) -> int:
    """Take off what was never taken; how much of `amount` that is."""
    rows = await session.scalars(
        select(Debt)
        .where(Debt.purchase_id == purchase.id, Debt.status != "collected", Debt.remaining > 0)
        .order_by(Debt.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    left = amount
    for debt in rows:
        cut = min(debt.remaining, left)
        debt.remaining -= cut
        left -= cut
        if debt.remaining == 0 and debt.status == "open":
            debt.status, debt.settled_at = "written_off", clock.now()
    await session.flush()
    return amount - left


async def _revive_gift(session: AsyncSession, purchase: Purchase) -> None:
    """The card is worth something again, and nobody owes for it."""
    if gone_cents(purchase) >= purchase.paid_cents:
        return
    await session.execute(
        update(RedeemCode).where(RedeemCode.purchase_id == purchase.id).values(revoked_at=None)
    )
    await session.execute(
        update(Debt)
        .where(Debt.purchase_id == purchase.id, Debt.status == "open")
        .values(status="written_off", settled_at=clock.now())
    )
