"""Creators of the creator programme for tests."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_person

from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.ledger import posting
from civitas.domains.buzz.ledger.posting import Entry, transfer
from civitas.domains.buzz.memberships.tables import Membership
from civitas.domains.buzz.programme import cash as programme_cash
from civitas.domains.buzz.programme import participation
from civitas.domains.buzz.types import Account, Currency, EntryType, Purpose, house, wallet
from civitas.kit import clock, money

SCORE = 40_000


async def make_member(
    session: AsyncSession, person_id: int, tier: str = "gold", *, until: datetime | None = None
) -> None:
    """A paid membership from now until `until`, or for ten years."""
    now = clock.now()
    await session.execute(
        insert(Membership).values(
            person_id=person_id,
            colour="yellow",
            tier=tier,
            billing="monthly",
            status="active",
            anchor_at=now,
            period_start=now,
            period_end=until or now + timedelta(days=3660),
            started_at=now,
        )
    )


async def make_creator(
    session: AsyncSession, *, tier: str = "gold", yellow: int = 0, green: int = 0
) -> Actor:
    """Somebody who has joined the programme, with so much Buzz in their wallet."""
    person_id = await make_person(session, score=SCORE, score_parts={"models": SCORE})
    await make_member(session, person_id, tier)
    actor = actor_for(person_id)
    await participation.join(session, actor, accept_terms=True)
    await earn(session, person_id, yellow=yellow, green=green)
    return actor


async def earn(
    session: AsyncSession,
    person_id: int,
    *,
    yellow: int = 0,
    green: int = 0,
    type: EntryType = EntryType.COMPENSATION,
) -> None:
    """Buzz from the mint, earned now."""
    for colour, amount in ((Currency.YELLOW, yellow), (Currency.GREEN, green)):
        if amount:
            key = f"earn:{person_id}:{colour}:{type}:{amount}:{clock.now().isoformat()}"
            legs = transfer(house(Purpose.MINT, colour), wallet(person_id, colour), money.buzz(amount))
            await posting.post(session, Entry(key, type, legs))


async def balance(session: AsyncSession, person_id: int, purpose: str, currency: Currency) -> int:
    """What an account holds: quarters, or cents."""
    account = Account(person_id, purpose, currency)
    return (await posting.balances(session, [account]))[account]


async def pay_cash(session: AsyncSession, person_id: int, cents: int) -> None:
    """Settled cash, as if a month had brought it."""
    cash = Currency.CASH
    legs = transfer(house(Purpose.REVENUE, cash), Account(person_id, Purpose.SETTLED, cash), cents)
    await posting.post(session, Entry(f"cash:{person_id}:{cents}", EntryType.COMPENSATION, legs))


async def make_withdrawal(session: AsyncSession, person_id: int) -> int:
    """Somebody who takes part, with cash left, whose first withdrawal waits; its id."""
    actor = actor_for(person_id)
    await participation.join(session, actor, accept_terms=True)
    await pay_cash(session, person_id, 30_000)
    await programme_cash.choose_by_hand(
        session,
        actor,
        method="paypal",
        details={"email": "owner@example.org"},
        secret=b"a secret for tests only, 32 bytes",
    )
    row = await programme_cash.withdraw(
        session, actor, cents=5_000, key=f"w:{person_id}", payouts=lambda _: False
    )
    return row.id
