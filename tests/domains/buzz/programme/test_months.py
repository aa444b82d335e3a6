"""The creator programme: joining, banking, taking back, closing, and what staff decide."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_actor, make_person
from tests.factories.programme import balance, earn, make_creator, make_member

from civitas.domains.accounts.tables import Person, StaffAction
from civitas.domains.accounts.types import Actor, Onboarding, Role
from civitas.domains.buzz.errors import InsufficientFunds, KeyReused, WalletFrozen
from civitas.domains.buzz.ledger import auditing
from civitas.domains.buzz.ledger.tables import LedgerEntry
from civitas.domains.buzz.memberships.tables import Membership
from civitas.domains.buzz.programme import banking as programme_banking
from civitas.domains.buzz.programme import participation
from civitas.domains.buzz.programme import pools as programme_pools
from civitas.domains.buzz.programme.tables import ProgrammeMonth, ProgrammeShare
from civitas.domains.buzz.programme.types import Month
from civitas.domains.buzz.types import Currency, EntryType, Purpose
from civitas.infra.db.database import Database
from civitas.kit import clock, money
from civitas.kit.errors import Conflict, Forbidden, Invalid

GREEN, YELLOW, CASH = Currency.GREEN, Currency.YELLOW, Currency.CASH
NOVEMBER = Month(2026, 11)
BANKING = datetime(2026, 11, 10, tzinfo=UTC)
EXTRACTION = datetime(2026, 11, 29, tzinfo=UTC)
CLOSED = datetime(2026, 11, 30, 23, 5, tzinfo=UTC)


def some(yellow: int = 0, green: int = 0) -> Mapping[Currency, int]:
    return {YELLOW: money.buzz(yellow), GREEN: money.buzz(green)}


async def bank(
    session: AsyncSession, actor: Actor, key: str = "b1", *, yellow: int = 0, green: int = 0
) -> int:
    return await programme_banking.bank(
        session, actor, amounts=some(yellow, green), key=f"bank:{actor.id}:{key}"
    )


async def banked(session: AsyncSession, actor: Actor, month: Month = NOVEMBER) -> dict[Currency, int]:
    found = await programme_banking.banked_by(session, actor.require(), month)
    return {colour: amount // 4 for colour, amount in found.items() if amount}


async def sound(session: AsyncSession) -> None:
    assert (await auditing.audit(session)).findings == ()


async def test_joining_asks_for_score_membership_and_terms(session: AsyncSession) -> None:
    with clock.held_at(BANKING):
        person = await make_person(session, score=39_999)
        actor = actor_for(person)
        with pytest.raises(Invalid):
            await participation.join(session, actor, accept_terms=False)
        with pytest.raises(Forbidden) as refused:
            await participation.join(session, actor, accept_terms=True)
        assert refused.value.code == "score_too_low"
        await session.execute(update(Person).where(Person.id == person).values(score=40_000))
        with pytest.raises(Forbidden) as refused:
            await participation.join(session, actor, accept_terms=True)
        assert refused.value.code == "membership_needed"
        await make_member(session, person, "bronze")
        joined = await participation.join(session, actor, accept_terms=True)
        assert (joined.status, joined.tier, joined.progress) == ("active", "bronze", 1.0)
        assert (await participation.join(session, actor, accept_terms=True)).status == "active"
        steps = await session.scalar(select(Person.onboarding).where(Person.id == person))
        assert Onboarding.CREATOR_PROGRAM in Onboarding(steps or 0)
        assert (await participation.leave(session, actor)).status == "left"
        with pytest.raises(Conflict):
            await participation.leave(session, actor)
        assert (await participation.join(session, actor, accept_terms=True)).status == "active"


async def test_a_membership_that_nobody_paid_for_is_not_enough(session: AsyncSession) -> None:
    person = await make_person(session, score=50_000)
    await make_member(session, person)
    await session.execute(update(Membership).where(Membership.person_id == person).values(billing="granted"))
    with pytest.raises(Forbidden) as refused:
        await participation.join(session, actor_for(person), accept_terms=True)
    assert refused.value.code == "membership_needed"


async def test_banking_and_its_bounds(session: AsyncSession) -> None:
    with clock.held_at(BANKING):
        ana = await make_creator(session, tier="bronze", yellow=90_000, green=30_000)
        for wrong, code in (
            (some(9_999), "too_little"),
            ({Currency.BLUE: money.buzz(20_000)}, "bad_colour"),
            ({YELLOW: money.buzz(20_000), GREEN: -4}, "bad_colour"),
            ({}, "too_little"),
        ):
            with pytest.raises(Invalid) as refused:
                await programme_banking.bank(session, ana, amounts=wrong, key="x")
            assert refused.value.code == code
        with pytest.raises(InsufficientFunds):
            await bank(session, ana, yellow=95_000)
        entry = await bank(session, ana, yellow=80_000, green=10_000)
        assert await bank(session, ana, yellow=80_000, green=10_000) == entry
        with pytest.raises(KeyReused):
            await bank(session, ana, yellow=80_000)
        assert await banked(session, ana) == {YELLOW: 80_000, GREEN: 10_000}
        with pytest.raises(Conflict) as over:
            await bank(session, ana, "b2", green=20_000)
        assert over.value.code == "over_cap" and over.value.details["left"] == 10_000
        await bank(session, ana, "b3", green=10_000)
    # The answer to a repetition is the first one, also when the month is over.
    with clock.held_at(CLOSED):
        assert await bank(session, ana, yellow=80_000, green=10_000) == entry
        with pytest.raises(Conflict) as closed:
            await bank(session, ana, "b4", yellow=10_000)
        assert closed.value.code == "not_banking"
    await sound(session)


async def test_the_cap_follows_the_best_month_of_the_last_twelve(session: AsyncSession) -> None:
    with clock.held_at(datetime(2025, 11, 20, tzinfo=UTC)):
        ana = await make_creator(session, tier="silver", yellow=700_000)
    with clock.held_at(datetime(2025, 12, 20, tzinfo=UTC)):
        await earn(session, ana.require(), yellow=200_000, green=100_000, type=EntryType.TIP)
        await earn(session, ana.require(), yellow=900_000, type=EntryType.PURCHASE)
    with clock.held_at(BANKING):
        allowed = await programme_banking.allowance(session, ana.require(), month=NOVEMBER)
        assert (allowed.best_month // 4, allowed.cap // 4) == (300_000, 375_000)
        months = await programme_banking.earnings(session, ana.require(), now=NOVEMBER)
        assert next(iter(months)) == "202512" and list(months)[-1] == "202611" and len(months) == 12


async def test_taking_back_restores_each_colour_less_the_fee(session: AsyncSession) -> None:
    with clock.held_at(BANKING):
        ana = await make_creator(session, yellow=1_500_000, green=500_000)
        await bank(session, ana, yellow=1_000_000, green=500_000)
        with pytest.raises(Conflict) as early:
            await programme_banking.extract(session, ana)
        assert early.value.code == "not_extracting"
    with clock.held_at(EXTRACTION):
        seen = await programme_banking.preview(session, ana.require())
        found = await programme_banking.extract(session, ana)
        assert found == seen == await programme_banking.extract(session, ana)
        # 5% of 900,000 and 10% of 500,000.
        assert (found.fee // 4, found.fees[GREEN] // 4) == (95_000, 31_666)
        assert sum(found.received.values()) + found.fee == money.buzz(1_500_000)
        assert await banked(session, ana) == {}
        left = await balance(session, ana.require(), Purpose.WALLET, GREEN)
        assert left == money.buzz(500_000) - found.fees[GREEN]
        with pytest.raises(Conflict):
            await bank(session, ana, "late", yellow=10_000)
    await sound(session)


async def test_nothing_banked_and_a_frozen_wallet(session: AsyncSession) -> None:
    with clock.held_at(BANKING):
        ana = await make_creator(session, yellow=50_000)
        await session.execute(
            text("UPDATE buzz_accounts SET frozen_at = now() WHERE owner_id = :id"), {"id": ana.id}
        )
        with pytest.raises(WalletFrozen):
            await bank(session, ana, yellow=10_000)
    with clock.held_at(EXTRACTION), pytest.raises(Conflict) as refused:
        await programme_banking.extract(session, ana)
    assert refused.value.code == "nothing_banked"


async def test_banking_needs_a_membership_in_force_but_what_is_banked_is_paid(session: AsyncSession) -> None:
    with clock.held_at(BANKING):
        ana = await make_creator(session, yellow=50_000)
        await bank(session, ana, yellow=20_000)
        await session.execute(update(Membership).values(status="lapsed", ended_at=BANKING))
        with pytest.raises(Forbidden) as refused:
            await bank(session, ana, "b2", yellow=20_000)
        assert refused.value.code == "membership_needed"
    with clock.held_at(CLOSED):
        await close(session, NOVEMBER)
        assert await balance(session, ana.require(), Purpose.PENDING, CASH) == 2_000


async def close(session: AsyncSession, month: Month) -> None:
    await programme_pools.plan(session, month)
    while await programme_pools.distribute(session, month):
        pass


async def test_a_ban_returns_what_is_banked_and_keeps_people_out(session: AsyncSession) -> None:
    staff = await make_actor(session, role=Role.MODERATOR)
    with clock.held_at(BANKING):
        ana = await make_creator(session, yellow=50_000)
        await bank(session, ana, yellow=20_000)
        with pytest.raises(Forbidden):
            await participation.ban(session, ana, person_id=ana.require(), reason="none")
        with pytest.raises(Invalid):
            await participation.ban(session, staff, person_id=ana.require(), reason=" ")
        await participation.ban(session, staff, person_id=ana.require(), reason="Bought followers.")
        await participation.ban(session, staff, person_id=ana.require(), reason="Bought followers.")
        assert await banked(session, ana) == {}
        assert await balance(session, ana.require(), Purpose.WALLET, YELLOW) == money.buzz(50_000)
        stands = await participation.candidacy(session, ana.require())
        assert (stands.status, stands.ban_reason) == ("banned", "Bought followers.")
        for doing in (
            participation.join(session, ana, accept_terms=True),
            bank(session, ana, "b2", yellow=10_000),
        ):
            with pytest.raises(Forbidden):
                await doing
        await participation.unban(session, staff, person_id=ana.require(), reason="A mistake.")
        assert (await participation.join(session, ana, accept_terms=True)).status == "active"
        await bank(session, ana, "b3", yellow=20_000)
        await participation.ban(session, staff, person_id=ana.require(), reason="Again.")
        assert await balance(session, ana.require(), Purpose.WALLET, YELLOW) == money.buzz(50_000)
    await sound(session)


async def test_a_month_is_closed_once_and_sums_exactly(session: AsyncSession) -> None:
    staff = await make_actor(session, role=Role.ADMIN)
    with clock.held_at(BANKING):
        creators = [await make_creator(session, yellow=100_000, green=100_000) for _ in range(3)]
        for ana in creators:
            await bank(session, ana, yellow=30_000, green=3_000)
        with pytest.raises(Forbidden):
            await programme_pools.adjust(
                session, creators[0], month=NOVEMBER, taxes=None, portion=None, value_cents=1, reason="mine"
            )
        set_to = await programme_pools.adjust(
            session,
            staff,
            month=NOVEMBER,
            taxes=Decimal("0.1"),
            portion=None,
            value_cents=1_000,
            reason="Agreed.",
        )
        assert set_to.cents == 1_000 and set_to.banked == money.buzz(99_000) and set_to.people == 3
        assert await session.scalar(select(StaffAction.action).where(StaffAction.action == "programme.pool"))
        assert not await programme_pools.plan(session, NOVEMBER)
    with clock.held_at(CLOSED):
        foreseen = await programme_pools.planned_shares(session, NOVEMBER)
        assert await programme_pools.plan(session, NOVEMBER)
        assert not await programme_pools.plan(session, NOVEMBER)
        with pytest.raises(Conflict):
            await programme_pools.adjust(
                session, staff, month=NOVEMBER, taxes=None, portion=None, value_cents=9, reason="Late."
            )
        with pytest.raises(Conflict):
            await programme_banking.extract(session, creators[0])
        await close(session, NOVEMBER)
        await close(session, NOVEMBER)
        paid = [await balance(session, one.require(), Purpose.PENDING, CASH) for one in creators]
        assert paid == [334, 333, 333] == [foreseen[one.require()] for one in creators]
        assert await banked(session, creators[0]) == {}
        assert await programme_pools.settle(session, NOVEMBER) == 0
    with clock.held_at(datetime(2026, 12, 14, 23, 59, tzinfo=UTC)):
        assert await programme_pools.settle(session, NOVEMBER) == 0
    with clock.held_at(datetime(2026, 12, 15, tzinfo=UTC)):
        assert await programme_pools.settle(session, NOVEMBER) == 3
        assert await programme_pools.settle(session, NOVEMBER) == 0
        assert await balance(session, creators[0].require(), Purpose.SETTLED, CASH) == 334
        assert (await session.get(ProgrammeMonth, "202611")).status == "settled"  # type: ignore[union-attr]
    await sound(session)


async def test_a_frozen_wallet_waits_and_holds_nobody_up(session: AsyncSession) -> None:
    with clock.held_at(BANKING):
        ana, ben = [await make_creator(session, yellow=20_000) for _ in range(2)]
        await bank(session, ana, yellow=20_000)
        await bank(session, ben, yellow=20_000)
    freeze = "UPDATE buzz_accounts SET frozen_at = {} WHERE owner_id = :id"
    await session.execute(text(freeze.format("now()")), {"id": ana.id})
    with clock.held_at(CLOSED):
        await close(session, NOVEMBER)
        assert await balance(session, ana.require(), Purpose.PENDING, CASH) == 0
        assert await balance(session, ben.require(), Purpose.PENDING, CASH) == 2_000
    with clock.held_at(datetime(2027, 1, 20, tzinfo=UTC)):
        assert await programme_pools.settle(session, NOVEMBER) == 1
        assert await programme_pools.settle(session, NOVEMBER) == 0
        assert NOVEMBER in await programme_pools.months_with_work(session)
        await session.execute(text(freeze.format("NULL")), {"id": ana.id})
        await close(session, NOVEMBER)
        assert await programme_pools.settle(session, NOVEMBER) == 1
        assert NOVEMBER not in await programme_pools.months_with_work(session)
        assert await balance(session, ana.require(), Purpose.SETTLED, CASH) == 2_000


async def test_what_is_worth_no_cent_is_carried_over(session: AsyncSession) -> None:
    staff = await make_actor(session, role=Role.ADMIN)
    with clock.held_at(BANKING):
        ana, ben = [await make_creator(session, yellow=20_000, green=500) for _ in range(2)]
        await bank(session, ana, yellow=10_000, green=500)
        await bank(session, ben, yellow=10_000)
        await programme_pools.adjust(
            session, staff, month=NOVEMBER, taxes=None, portion=None, value_cents=1, reason="Nearly nothing."
        )
    with clock.held_at(CLOSED):
        await close(session, NOVEMBER)
        assert await programme_pools.carry(session, NOVEMBER) == 0
    with clock.held_at(datetime(2026, 12, 1, tzinfo=UTC)):
        assert await programme_pools.carry(session, NOVEMBER) == 1
        assert await programme_pools.carry(session, NOVEMBER) == 0
        december = NOVEMBER.shifted(1)
        assert await banked(session, ana, december) == {}
        assert await banked(session, ben, december) == {YELLOW: 10_000}
        statuses = (
            await session.scalars(select(ProgrammeShare.status).order_by(ProgrammeShare.person_id))
        ).all()
        assert statuses == ["paid", "carried"]
    await sound(session)


async def test_income_counts_sales_and_codes_less_charge_backs(session: AsyncSession) -> None:
    october = NOVEMBER.shifted(-1)
    with clock.held_at(datetime(2026, 10, 31, 23, 59, tzinfo=UTC)):
        ana = await make_person(session)
        await earn(session, ana, yellow=300_000, type=EntryType.PURCHASE)
        await earn(session, ana, green=100_000, type=EntryType.REDEEMABLE)
        await earn(session, ana, yellow=50_000, type=EntryType.TIP)
    with clock.held_at(datetime(2026, 11, 1, tzinfo=UTC)):
        await earn(session, ana, yellow=7_000, type=EntryType.PURCHASE)
        assert await programme_pools.income(session, october) == money.buzz(400_000)
        assert (await programme_pools.pool(session, NOVEMBER)).cents == 20_000


async def test_two_who_bank_at_once_stay_below_the_cap(own_dsn: str) -> None:
    import asyncio

    database = Database(own_dsn)
    try:
        with clock.held_at(BANKING):
            async with database.unit() as session:
                ana = await make_creator(session, tier="bronze", yellow=200_000)

            async def one(key: str) -> bool:
                try:
                    async with database.unit() as session:
                        await bank(session, ana, key, yellow=60_000)
                except Conflict as fault:
                    assert fault.code == "over_cap"
                    return False
                return True

            assert sorted(await asyncio.gather(*(one(f"k{n}") for n in range(4)))) == [
                False,
                False,
                False,
                True,
            ]
        async with database.reading() as session:
            await sound(session)
    finally:
        await database.close()


async def test_killed_between_any_two_statements_everybody_is_paid_once(
    session: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each unit is killed once after its work and before its end; the next run does it whole."""
    with clock.held_at(BANKING):
        creators = [await make_creator(session, yellow=20_000) for _ in range(5)]
        for ana in creators:
            await bank(session, ana, yellow=10_000)
    monkeypatch.setattr(programme_pools, "BATCH", 2)
    with clock.held_at(datetime(2026, 12, 16, tzinfo=UTC)):
        steps = (
            programme_pools.plan,
            programme_pools.distribute,
            programme_pools.carry,
            programme_pools.settle,
        )
        for step in steps:
            for _ in range(4):
                nested = await session.begin_nested()
                await step(session, NOVEMBER)
                await nested.rollback()
                await step(session, NOVEMBER)
    for ana in creators:
        assert await balance(session, ana.require(), Purpose.SETTLED, CASH) == 1_000
        assert await balance(session, ana.require(), Purpose.PENDING, CASH) == 0
    keys = (await session.scalars(select(LedgerEntry.key).where(LedgerEntry.key.like("programme-%")))).all()
    assert len(keys) == 1 + 5 + 5
    await sound(session)
