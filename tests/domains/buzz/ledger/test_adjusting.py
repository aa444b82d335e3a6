"""Staff's tools: two pairs of eyes, frozen wallets against racing charges, refunds."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_actor, make_person
from tests.factories.buzz import give_buzz, spend_buzz, tip_buzz

from civitas.domains.accounts.tables import StaffAction
from civitas.domains.accounts.types import Actor, Role
from civitas.domains.buzz.errors import InsufficientFunds, WalletFrozen
from civitas.domains.buzz.ledger import adjusting, auditing, holds, posting, wallets
from civitas.domains.buzz.ledger.adjusting import Outcome
from civitas.domains.buzz.ledger.posting import Entry, transfer
from civitas.domains.buzz.types import Currency, EntryType, Purpose, house, wallet
from civitas.infra.db.database import Database
from civitas.kit import clock, money
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound

YELLOW, BLUE = Currency.YELLOW, Currency.BLUE
LIMIT = money.buzz(100_000)


async def ask(session: AsyncSession, staff: Actor, person: int, amount: int, key: str = "k") -> Outcome:
    return await adjusting.request(
        session, staff, person_id=person, colour=YELLOW, amount=amount, reason="Made good", key=key
    )


async def test_a_small_one_is_posted_once_and_logged(session: AsyncSession) -> None:
    admin, person = await make_actor(session, role=Role.ADMIN), await make_person(session)
    first = await ask(session, admin, person, 400)
    assert first.status == "approved"
    assert await ask(session, admin, person, 400) == first
    with pytest.raises(Conflict):
        await ask(session, admin, person, 404)
    await ask(session, admin, person, -100, "take")
    assert (await wallets.of(session, person)).spendable[YELLOW] == 300
    assert list(await session.scalars(select(StaffAction.action))) == ["buzz.adjust", "buzz.adjust"]
    with pytest.raises(InsufficientFunds):
        await ask(session, admin, person, -304, "more than there is")
    assert (await auditing.audit(session)).sound


async def test_a_large_one_needs_somebody_else(session: AsyncSession) -> None:
    admin, person = await make_actor(session, role=Role.ADMIN), await make_person(session)
    second = await make_actor(session, role=Role.MODERATOR)
    asked = await ask(session, admin, person, LIMIT + 1)
    assert (asked.status, asked.entry_id) == ("requested", None)
    assert (await wallets.of(session, person)).total == 0
    with pytest.raises(Forbidden) as refused:
        await adjusting.decide(session, admin, adjustment_id=asked.id, approve=True)
    assert refused.value.code == "same_person"
    done = await adjusting.decide(session, second, adjustment_id=asked.id, approve=True)
    assert done.status == "approved"
    assert await adjusting.decide(session, second, adjustment_id=asked.id, approve=True) == done
    assert (await wallets.of(session, person)).total == LIMIT + 1
    with pytest.raises(Conflict):
        await adjusting.decide(session, second, adjustment_id=asked.id, approve=False, reason="No")


async def test_many_small_ones_are_a_large_one(session: AsyncSession) -> None:
    admin = await make_actor(session, role=Role.ADMIN)
    people = [await make_person(session) for _ in range(3)]
    assert (await ask(session, admin, people[0], LIMIT // 2, "1")).status == "approved"
    assert (await ask(session, admin, people[1], LIMIT // 2, "2")).status == "approved"
    assert (await ask(session, admin, people[2], 1, "3")).status == "requested"
    with clock.held_at(clock.now() + timedelta(days=2)):
        assert (await ask(session, admin, people[2], 1, "4")).status == "approved"


async def test_the_database_wants_two_people_too(session: AsyncSession) -> None:
    admin, person = await make_actor(session, role=Role.ADMIN), await make_person(session)
    asked = await ask(session, admin, person, LIMIT + 1)
    with pytest.raises(IntegrityError):
        async with session.begin_nested():
            await session.execute(
                text("UPDATE buzz_adjustments SET decided_by = requested_by WHERE id = :id"), {"id": asked.id}
            )


async def test_requests_expire_and_are_refused(session: AsyncSession) -> None:
    admin, person = await make_actor(session, role=Role.ADMIN), await make_person(session)
    second = await make_actor(session, role=Role.ADMIN)
    asked = await ask(session, admin, person, LIMIT + 1)
    with clock.held_at(clock.now() + timedelta(days=8)):
        with pytest.raises(Conflict):
            await adjusting.decide(session, second, adjustment_id=asked.id, approve=True)
        assert await adjusting.expire(session) == 1
    other = await ask(session, admin, person, LIMIT + 1, "other")
    with pytest.raises(Invalid):
        await adjusting.decide(session, second, adjustment_id=other.id, approve=False)
    done = await adjusting.decide(session, second, adjustment_id=other.id, approve=False, reason="Not so")
    assert (done.status, (await wallets.of(session, person)).total) == ("rejected", 0)


@pytest.mark.parametrize("amount", [0, money.buzz(money.MOST_BUZZ) + 1, -money.buzz(money.MOST_BUZZ) - 1])
async def test_absurd_amounts_are_refused(session: AsyncSession, amount: int) -> None:
    admin, person = await make_actor(session, role=Role.ADMIN), await make_person(session)
    with pytest.raises(Invalid):
        await ask(session, admin, person, amount)


async def test_nobody_helps_themselves(session: AsyncSession) -> None:
    admin, moderator = (
        await make_actor(session, role=Role.ADMIN),
        await make_actor(session, role=Role.MODERATOR),
    )
    member = await make_actor(session)
    person = await make_person(session)
    for who, whom in ((admin, admin.id), (moderator, person), (member, person)):
        with pytest.raises(Forbidden):
            await ask(session, who, whom or 0, 4)
    asked = await adjusting.request(
        session, admin, person_id=moderator.id or 0, colour=YELLOW, amount=LIMIT + 1, reason="x", key="m"
    )
    with pytest.raises(Forbidden):
        await adjusting.decide(session, moderator, adjustment_id=asked.id, approve=True)
    with pytest.raises(Forbidden):
        await adjusting.freeze(session, moderator, person_id=moderator.id or 0, frozen=False, reason="x")
    with pytest.raises(NotFound):
        await ask(session, admin, 10**9, 4)


async def test_a_frozen_wallet_is_frozen_in_purses_made_later(session: AsyncSession) -> None:
    moderator, person = await make_actor(session, role=Role.MODERATOR), await make_person(session)
    await give_buzz(session, person, 100)
    held = await holds.reserve(
        session, key="h", person_id=person, colours=(YELLOW,), total=40, type=EntryType.GENERATION,
        expires_at=clock.now() + timedelta(hours=1),
    )  # fmt: skip
    assert await adjusting.freeze(session, moderator, person_id=person, frozen=True, reason="Odd")
    assert not await adjusting.freeze(session, moderator, person_id=person, frozen=True, reason="Odd")
    assert (await wallets.of(session, person)).frozen_at is not None
    await give_buzz(session, person, 5, BLUE)
    with pytest.raises(WalletFrozen):
        await spend_buzz(session, person, 1, colours=(BLUE,))
    with pytest.raises(WalletFrozen):
        await spend_buzz(session, person, 1, colours=(YELLOW,))
    # What was under way ends as it would.
    await holds.capture(session, hold_id=held.id, key="c", amount=10, final=True)
    assert await adjusting.freeze(session, moderator, person_id=person, frozen=False, reason="Fine")
    await spend_buzz(session, person, 1)
    assert (await auditing.audit(session)).sound


async def test_a_freeze_races_charges(own_dsn: str) -> None:
    database = Database(own_dsn)
    try:
        async with database.unit() as session:
            person = await make_person(session)
            moderator = await make_actor(session, role=Role.MODERATOR)
            await give_buzz(session, person, 1000)

        async def pay(number: int) -> int:
            try:
                async with database.unit() as session:
                    legs = transfer(wallet(person, YELLOW), house(Purpose.REVENUE, YELLOW), 4)
                    posted = await posting.post(session, Entry(f"p{number}", EntryType.GENERATION, legs))
                return posted.entry_id
            except WalletFrozen:
                return 0

        async def stop() -> int:
            async with database.unit() as session:
                await adjusting.freeze(session, moderator, person_id=person, frozen=True, reason="Odd")
                return int(await session.scalar(text("SELECT last_value FROM buzz_entries_id_seq")) or 0)

        done = await asyncio.gather(*(pay(n) for n in range(10)), stop(), *(pay(n + 10) for n in range(10)))
        paid = [one for one in (*done[:10], *done[11:]) if one]
        async with database.reading() as session:
            left = (await wallets.of(session, person)).spendable[YELLOW]
            assert left == 4000 - 4 * len(paid)
            assert (await auditing.audit(session)).sound
        # Once the freeze is known, nothing is paid any more.
        assert await pay(99) == 0
    finally:
        await database.close()


async def test_staff_refund_what_is_theirs_to_refund(session: AsyncSession) -> None:
    admin = await make_actor(session, role=Role.ADMIN)
    ana, ben = await make_person(session), await make_person(session)
    await give_buzz(session, ana, 100)
    tipped = (await tip_buzz(session, ana, ben, 60)).entry_id
    part = await adjusting.refund(session, admin, entry_id=tipped, amount=40, reason="Sorry", key="a")
    again = await adjusting.refund(session, admin, entry_id=tipped, amount=40, reason="Sorry", key="a")
    assert (again.entry_id, again.replayed) == (part.entry_id, True)
    with pytest.raises(Invalid):
        await adjusting.refund(session, admin, entry_id=tipped, amount=201, reason="Sorry", key="b")
    with pytest.raises(Invalid):
        await adjusting.refund(session, admin, entry_id=tipped, amount=-4, reason="Sorry", key="b")
    await adjusting.refund(session, admin, entry_id=tipped, amount=None, reason="Sorry", key="c")
    assert (await wallets.of(session, ana)).total == 400
    escrow = Purpose.ESCROW.of("bounty-1")
    kept = await posting.post(
        session, Entry("e", EntryType.BOUNTY, transfer(wallet(ana, YELLOW), house(escrow, YELLOW), 4))
    )
    with pytest.raises(Conflict) as refused:
        await adjusting.refund(session, admin, entry_id=kept.entry_id, amount=None, reason="Sorry", key="d")
    assert refused.value.code == "own_rules"
    with pytest.raises(NotFound):
        await adjusting.refund(session, admin, entry_id=10**12, amount=None, reason="Sorry", key="d")
    assert (await auditing.audit(session)).sound
