"""A whole year of the creator programme, every task run twice, with a leap day in it; the books are sound at its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_person
from tests.factories.programme import balance, earn, make_creator

from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.ledger import auditing
from civitas.domains.buzz.memberships.tables import Membership
from civitas.domains.buzz.programme import banking as programme_banking
from civitas.domains.buzz.programme import cash as programme_cash
from civitas.domains.buzz.programme import tasks
from civitas.domains.buzz.programme.messages import PayWithdrawal
from civitas.domains.buzz.programme.tables import CashWithdrawal, ProgrammeMonth, ProgrammeShare
from civitas.domains.buzz.programme.types import Month
from civitas.domains.buzz.types import Currency, EntryType, Purpose
from civitas.infra.db.database import BoundDatabase
from civitas.infra.payouts.port import MemoryPayouts, Payouts
from civitas.infra.queue.context import TaskContext
from civitas.kit import clock, money
from civitas.kit.errors import Forbidden

FIRST = Month(2027, 9)
YELLOW, CASH = Currency.YELLOW, Currency.CASH


async def run(context: TaskContext) -> None:
    for _ in range(2):
        await tasks.run_programme(context)


async def bank(session: AsyncSession, actor: Actor, month: Month, buzz: int) -> None:
    key = f"bank:{actor.id}:{month.key}"
    await programme_banking.bank(session, actor, amounts={YELLOW: money.buzz(buzz)}, key=key)


async def test_a_year(units: BoundDatabase) -> None:
    provider = MemoryPayouts()
    context = TaskContext(units, {Payouts: provider})
    with clock.held_at(FIRST.start):
        async with units.unit() as session:
            creators = [await make_creator(session) for _ in range(3)]
            ana, ben, eva = creators
            buyer = await make_person(session)
            for actor in creators:
                account = f"acct_{actor.id}"
                await programme_cash.choose_provider(
                    session, actor, method="stripe", account=account, ready=True
                )
    for number in range(12):
        month = FIRST.shifted(number)
        with clock.held_at(month.start + timedelta(days=2)):
            async with units.unit() as session:
                await earn(session, buyer, yellow=40_000 + 1_000 * number, type=EntryType.PURCHASE)
                for actor in creators:
                    await earn(session, actor.require(), yellow=60_000)
                if number == 6:
                    lapsed = update(Membership).where(Membership.person_id == eva.id)
                    await session.execute(lapsed.values(status="lapsed", ended_at=clock.now()))
                await bank(session, ana, month, 50_000)
                await bank(session, ben, month, 30_000)
                if number < 6:
                    await bank(session, eva, month, 10_007)
            if number >= 6:
                try:
                    async with units.unit() as session:
                        await bank(session, eva, month, 10_007)
                except Forbidden as fault:
                    assert fault.code == "membership_needed"
            await run(context)
        with clock.held_at(month.end - timedelta(days=1)):
            if number % 3 == 0:
                async with units.unit() as session:
                    await programme_banking.extract(session, ben)
        with clock.held_at(month.end - timedelta(minutes=58)):
            await run(context)
        with clock.held_at(month.end + timedelta(minutes=5)):
            await run(context)
        with clock.held_at(month.end + timedelta(days=14)):
            await run(context)
            async with units.unit() as session:
                if await balance(session, ana.require(), Purpose.SETTLED, CASH) >= 5_000:
                    await programme_cash.withdraw(
                        session, ana, cents=5_000, key=f"w:{month.key}", payouts=provider.serves
                    )
            for message in await waiting(units):
                for _ in range(2):
                    await tasks.pay_withdrawal(message, context)
    with clock.held_at(datetime(2028, 12, 31, tzinfo=UTC)):
        for _ in range(2):
            await tasks.look_after_payouts(context)
    async with units.reading() as session:
        assert (
            await session.execute(select(ProgrammeMonth.status).where(ProgrammeMonth.month < "202809"))
        ).scalars().all() == ["settled"] * 12
        rows = (
            (await session.execute(select(ProgrammeMonth).where(ProgrammeMonth.month < "202809")))
            .scalars()
            .all()
        )
        shares = {
            key: int(total)
            for key, total in await session.execute(
                select(ProgrammeShare.month, func.sum(ProgrammeShare.cents)).group_by(ProgrammeShare.month)
            )
        }
        for row in rows:
            limit = (row.banked or 0) // 40
            assert shares[row.month] == row.shared_cents == min(row.pool_cents or 0, limit)
        withdrawn = (await session.scalars(select(CashWithdrawal))).all()
        assert withdrawn and {one.status for one in withdrawn} == {"Cleared"}
        assert len(provider.paid) == len(withdrawn)
        brought = sum(shares.values())
        left = [await balance(session, actor.require(), Purpose.SETTLED, CASH) for actor in creators]
        assert sum(left) + 5_000 * len(withdrawn) == brought
        for actor in creators:
            assert await balance(session, actor.require(), Purpose.PENDING, CASH) == 0
        assert (await auditing.audit(session)).findings == ()


async def waiting(units: BoundDatabase) -> list[PayWithdrawal]:
    async with units.reading() as session:
        found = await session.scalars(select(CashWithdrawal.id).where(CashWithdrawal.status == "Submitted"))
        return [PayWithdrawal(number) for number in found]
