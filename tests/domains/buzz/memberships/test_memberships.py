"""Memberships through time: periods, Buzz, upgrades, grace, queues; every task runs twice whenever it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, text
from tests.factories.accounts import actor_for, make_person

from civitas.contracts.events.accounts import PersonDeleted
from civitas.contracts.events.buzz import MembershipCodeRedeemed, ReferralTierGranted
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor, Role
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.errors import InsufficientFunds
from civitas.domains.buzz.ledger import auditing, posting
from civitas.domains.buzz.ledger.posting import Entry, transfer
from civitas.domains.buzz.memberships import desk as membership_desk
from civitas.domains.buzz.memberships import listeners as membership_listeners
from civitas.domains.buzz.memberships import months as membership_months
from civitas.domains.buzz.memberships import orders as membership_orders
from civitas.domains.buzz.memberships import provider_facts
from civitas.domains.buzz.memberships import queries as membership_queries
from civitas.domains.buzz.memberships import runs as membership_runs
from civitas.domains.buzz.memberships import tasks as membership_tasks
from civitas.domains.buzz.memberships import wishes as membership_wishes
from civitas.domains.buzz.memberships.entitlements import entitlements
from civitas.domains.buzz.memberships.provider_facts import Payment
from civitas.domains.buzz.memberships.tables import (
    Membership,
    MembershipGrant,
    MembershipMonth,
    MembershipPayment,
)
from civitas.domains.buzz.memberships.types import Billing, Reason, Source
from civitas.domains.buzz.types import Currency, EntryType, Purpose, house, wallet
from civitas.infra.db.database import BoundDatabase, Database
from civitas.infra.queue.context import TaskContext
from civitas.kit import clock, money, months
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound

GREEN, YELLOW = Currency.GREEN, Currency.YELLOW
START = datetime(2027, 1, 31, 12, tzinfo=UTC)


@dataclass
class World:
    """A place where time passes: everything due is done twice at every stop."""

    units: BoundDatabase
    context: TaskContext
    now: datetime = START
    people: list[int] = field(default_factory=list)

    async def person(self, name: str | None = None) -> Actor:
        async with self.units.unit() as session:
            made = await make_person(session, name)
        self.people.append(made)
        return actor_for(made, name or f"p{made}")

    async def tick(self) -> None:
        with clock.held_at(self.now):
            for _ in range(2):
                await membership_tasks.turn_memberships(self.context)
                await membership_tasks.deliver_membership_buzz(self.context)
                await membership_tasks.remind_members(self.context)

    async def go(self, until: datetime, step: timedelta = timedelta(days=1)) -> None:
        while self.now < until:
            self.now = min(self.now + step, until)
            await self.tick()

    async def buy(
        self, who: Actor, tier: str, billing: Billing = Billing.MONTHLY, *, provider: str = "development"
    ) -> Membership:
        with clock.held_at(self.now):
            async with self.units.unit() as session:
                order = await membership_orders.subscribe(
                    session, who, tier=tier, billing=billing, provider=provider, colour="green"
                )
                taken = await membership_orders.settle(
                    session, order.id, reference=f"ref:{order.id}", cents=order.cents,
                    subscription=f"sub:{order.id}" if order.kind == "subscribe" else None,
                )  # fmt: skip
                again = await membership_orders.settle(
                    session, order.id, reference=f"other:{order.id}", cents=order.cents
                )
                assert taken is not None and again is not None and again.replayed
                found = await session.get(Membership, taken.membership_id, populate_existing=True)
                assert found is not None
                return found

    async def run(self, membership_id: int) -> Membership:
        async with self.units.unit() as session:
            found = await session.get(Membership, membership_id, populate_existing=True)
            assert found is not None
            return found

    async def buzz(self, who: Actor, colour: Currency = GREEN) -> int:
        async with self.units.unit() as session:
            purse = wallet(who.require(), colour)
            return (await posting.balances(session, [purse]))[purse] // 4

    async def key(self, who: Actor) -> str:
        with clock.held_at(self.now):
            async with self.units.unit() as session:
                return (await entitlements(session, who.id)).key

    async def badge(self, who: Actor) -> str | None:
        async with self.units.unit() as session:
            found: str | None = await session.scalar(select(Person.badge).where(Person.id == who.id))
            return found

    async def queue(
        self, who: Actor, tier: str, count: int = 0, days: int = 0, *, billing: Billing = Billing.PREPAID,
        colour: str = "yellow", key: str = "a",
    ) -> None:  # fmt: skip
        with clock.held_at(self.now):
            async with self.units.unit() as session:
                await membership_runs.hold(session, who.require())
                await membership_runs.enqueue(
                    session, person_id=who.require(), colour=colour, tier=tier, billing=billing, count=count,
                    days=days, source=Source.CODE, source_key=key,
                )  # fmt: skip
                await membership_runs.advance(session, who.require())

    async def mails(self) -> list[str]:
        async with self.units.unit() as session:
            rows = await session.execute(
                text(
                    "SELECT args->'body'->>'letter' FROM procrastinate.procrastinate_jobs "
                    "WHERE args->>'name' = 'accounts.SendLetter' ORDER BY id"
                )
            )
            return [str(row[0]) for row in rows]

    async def fact(self, **changes: object) -> provider_facts.Taken:
        with clock.held_at(self.now):
            async with self.units.unit() as session:
                values: dict[str, object] = {
                    "provider": "stripe", "billing": Billing.MONTHLY, "colour": "green", "months": 1,
                    "reason": Reason.START,
                }  # fmt: skip
                return await provider_facts.paid(session, Payment(**(values | changes)))  # type: ignore[arg-type]


@pytest.fixture
async def world(units: BoundDatabase, context: TaskContext) -> AsyncIterator[World]:
    made = World(units, context)
    yield made
    async with units.unit() as session:
        with clock.held_at(made.now):
            assert (await auditing.audit(session)).findings == ()


async def test_the_31st_comes_back_after_every_short_month_and_each_month_pays_once(world: World) -> None:
    ana = await world.person()
    run = await world.buy(ana, "bronze")
    ends = [months.later(START, count) for count in range(1, 27)]
    for place, end in enumerate(ends):
        now = await world.run(run.id)
        assert now.period_end == end
        assert await world.buzz(ana) == 10_000 * (place + 1)
        await world.go(end - timedelta(days=2), step=timedelta(days=30))
        await world.go(end, step=timedelta(days=2))
    assert [f"{end:%m-%d}" for end in ends[:3]] == ["02-28", "03-31", "04-30"]
    assert "2028-02-29" in [f"{end:%Y-%m-%d}" for end in ends]
    async with world.units.unit() as session:
        cents = list(
            await session.scalars(
                select(MembershipPayment.cents).where(MembershipPayment.person_id == ana.id)
            )
        )
    assert cents == [1000] * 27
    mails = await world.mails()
    assert mails.count("membership_renews_soon") == 26
    assert mails.count("membership_renewed") == 26


async def test_a_year_paid_at_once_brings_its_buzz_month_by_month_over_a_leap_day(world: World) -> None:
    world.now = datetime(2028, 2, 29, 8, tzinfo=UTC)
    ana = await world.person()
    run = await world.buy(ana, "gold", Billing.ANNUAL)
    assert run.period_end == datetime(2029, 2, 28, 8, tzinfo=UTC)
    assert await world.buzz(ana) == 50_000
    await world.go(datetime(2028, 3, 28, 8, tzinfo=UTC), step=timedelta(days=7))
    assert await world.buzz(ana) == 50_000
    await world.go(datetime(2028, 3, 29, 8, tzinfo=UTC))
    assert await world.buzz(ana) == 100_000
    await world.go(datetime(2029, 2, 27, tzinfo=UTC), step=timedelta(days=10))
    assert await world.buzz(ana) == 600_000
    await world.go(datetime(2029, 2, 28, 8, tzinfo=UTC))
    assert await world.buzz(ana) == 650_000
    assert (await world.run(run.id)).period_end == datetime(2030, 2, 28, 8, tzinfo=UTC)


async def test_a_clock_that_jumps_two_years_pays_every_month_that_was_owed(world: World) -> None:
    ana, ben = await world.person(), await world.person()
    run = await world.buy(ana, "bronze")
    await world.buy(ben, "silver", Billing.ANNUAL)
    world.now = months.later(START, 24) + timedelta(hours=1)
    await world.tick()
    assert (await world.run(run.id)).period_end == months.later(START, 25)
    assert await world.buzz(ana) == 250_000
    assert await world.buzz(ben) == 25 * 25_000


async def test_an_upgrade_is_charged_to_the_cent_and_its_buzz_less_what_is_left(world: World) -> None:
    ana = await world.person()
    run = await world.buy(ana, "bronze")
    # 28 days of a period of 28 (31 January to 28 February); after 7 of them three quarters are left.
    await world.go(START + timedelta(days=7))
    with clock.held_at(world.now):
        async with world.units.unit() as session:
            told, _ = await membership_orders.quote(
                session, ana, tier="gold", billing=Billing.MONTHLY, colour="green"
            )
    assert (told.kind, told.price_cents, told.credit_cents, told.due_cents) == ("upgrade", 5000, 750, 4250)
    assert told.first_buzz == money.buzz(42_500)
    changed = await world.buy(ana, "gold")
    assert (changed.id, changed.tier, changed.period_start) == (run.id, "gold", world.now)
    assert changed.period_end == months.later(world.now, 1)
    assert await world.buzz(ana) == 52_500
    assert (await world.key(ana), await world.badge(ana)) == ("gold", "gold")
    await world.go(changed.period_end)
    assert await world.buzz(ana) == 102_500


async def test_a_second_upgrade_gets_credit_for_all_that_was_paid_with_the_first(world: World) -> None:
    ana = await world.person()
    await world.buy(ana, "bronze")
    await world.buy(ana, "silver")
    changed = await world.buy(ana, "gold")
    async with world.units.unit() as session:
        cents = list(
            await session.scalars(
                select(MembershipPayment.cents)
                .where(MembershipPayment.person_id == ana.id)
                .order_by(MembershipPayment.id)
            )
        )
    # All in the same moment: ten, fifteen and twenty-five dollars make a month of Gold, and its Buzz once.
    assert cents == [1000, 1500, 2500]
    assert changed.period_cents == 5000
    assert await world.buzz(ana) == 50_000


async def test_from_a_month_to_a_year_is_an_upgrade_and_back_waits_for_its_end(world: World) -> None:
    ana = await world.person()
    run = await world.buy(ana, "bronze")
    await world.go(START + timedelta(days=14))
    yearly = await world.buy(ana, "bronze", Billing.ANNUAL)
    assert (yearly.id, yearly.billing, yearly.period_end) == (run.id, "annual", months.later(world.now, 12))
    with clock.held_at(world.now):
        async with world.units.unit() as session:
            for tier, billing in (("gold", Billing.MONTHLY), ("bronze", Billing.MONTHLY)):
                told, _ = await membership_orders.quote(
                    session, ana, tier=tier, billing=billing, colour="green"
                )
                assert (told.kind, told.due_cents, told.effective_at) == ("later", 0, yearly.period_end)
            changed = await membership_wishes.change_later(
                session, ana, membership_id=run.id, tier="bronze", billing=Billing.MONTHLY
            )
            assert changed.next_billing == "monthly"
    await world.go(yearly.period_end, step=timedelta(days=20))
    after = await world.run(run.id)
    assert (after.billing, after.period_end) == ("monthly", months.later(after.anchor_at, 13))


async def test_a_downgrade_waits_for_the_period_and_can_be_taken_back(world: World) -> None:
    ana = await world.person()
    run = await world.buy(ana, "gold")
    with clock.held_at(world.now):
        async with world.units.unit() as session:
            with pytest.raises(Conflict) as refused:
                await membership_orders.subscribe(
                    session, ana, tier="bronze", billing=Billing.MONTHLY, provider="development",
                    colour="green",
                )  # fmt: skip
            assert refused.value.code == "no_payment_needed"
            await membership_wishes.change_later(
                session, ana, membership_id=run.id, tier="silver", billing=Billing.MONTHLY
            )
            back = await membership_wishes.change_later(
                session, ana, membership_id=run.id, tier="gold", billing=Billing.MONTHLY
            )
            assert back.next_tier is None
            await membership_wishes.change_later(
                session, ana, membership_id=run.id, tier="bronze", billing=Billing.MONTHLY
            )
            [mine] = (await membership_queries.of_person(session, ana.require())).running
            assert (mine.next_cents, mine.next_tier.key if mine.next_tier else None) == (1000, "bronze")
    assert await world.key(ana) == "gold"
    await world.go(run.period_end, step=timedelta(days=7))
    assert await world.key(ana) == "bronze"
    assert await world.buzz(ana) == 60_000
    assert (await world.run(run.id)).next_tier is None


async def test_cancelled_runs_to_its_end_and_resumed_goes_on(world: World) -> None:
    ana = await world.person()
    run = await world.buy(ana, "silver")
    with clock.held_at(world.now):
        async with world.units.unit() as session:
            for _ in range(2):
                await membership_wishes.cancel(
                    session, ana, membership_id=run.id, reason="price", comment="Too dear."
                )
            assert await session.scalar(text("SELECT count(*) FROM membership_surveys")) == 1
            await membership_wishes.resume(session, ana, membership_id=run.id)
            assert not run.cancel_at_end
            await membership_wishes.cancel(session, ana, membership_id=run.id)
            with pytest.raises(Invalid):
                await membership_wishes.cancel(session, ana, membership_id=run.id, reason="nonsense")
    await world.go(run.period_end - timedelta(days=1), step=timedelta(days=9))
    assert await world.key(ana) == "silver"
    await world.go(run.period_end)
    over = await world.run(run.id)
    assert (over.status, over.end_reason, await world.key(ana)) == ("cancelled", "asked", "free")
    assert (await world.badge(ana), await world.buzz(ana)) == (None, 25_000)
    assert "membership_ends_soon" in await world.mails()
    with clock.held_at(world.now):
        async with world.units.unit() as session:
            with pytest.raises(NotFound):
                await membership_wishes.resume(session, ana, membership_id=run.id)


async def test_a_renewal_that_is_not_paid_has_grace_and_then_lapses(world: World) -> None:
    ana = await world.person()
    run = await world.buy(ana, "bronze", provider="stripe")
    end = run.period_end
    await world.go(end + timedelta(hours=2), step=timedelta(days=7))
    assert (await world.run(run.id)).status == "active"
    await world.go(end + timedelta(days=2))
    assert ((await world.run(run.id)).status, await world.key(ana)) == ("past_due", "bronze")
    assert await world.buzz(ana) == 10_000
    await world.go(end + timedelta(days=7))
    over = await world.run(run.id)
    assert (over.status, over.end_reason, await world.key(ana)) == ("lapsed", "unpaid", "free")
    assert (await world.mails()).count("membership_late") == 1


async def test_a_bill_paid_in_the_days_of_grace_leaves_no_gap_and_one_after_them_begins_anew(
    world: World,
) -> None:
    ana = await world.person()
    run = await world.buy(ana, "bronze", provider="stripe")
    end, name = run.period_end, run.subscription or ""
    await world.go(end + timedelta(days=5), step=timedelta(days=11))

    async def bill(reference: str) -> provider_facts.Taken | None:
        with clock.held_at(world.now):
            async with world.units.unit() as session:
                return await provider_facts.renewed(
                    session, provider="stripe", subscription=name, reference=reference, cents=1000
                )

    first = await bill("in_1")
    assert first is not None and not first.replayed
    paid = await world.run(run.id)
    assert (paid.status, paid.period_start, paid.period_end) == ("active", end, months.later(START, 2))
    assert await world.buzz(ana) == 20_000
    await world.go(paid.period_end + timedelta(days=8), step=timedelta(days=3))
    assert await world.key(ana) == "free"
    taken = await world.fact(
        reference="in_2", person_id=ana.require(), tier="bronze", cents=1000, subscription=name
    )
    assert taken.membership_id not in (None, run.id)
    assert await world.key(ana) == "bronze"


async def test_the_first_bill_beside_the_checkout_counts_once_and_so_does_a_repeated_one(
    world: World,
) -> None:
    ana = await world.person()
    run = await world.buy(ana, "bronze", provider="stripe")
    name = run.subscription or ""

    async def bill(reference: str, end: datetime) -> provider_facts.Taken | None:
        with clock.held_at(world.now):
            async with world.units.unit() as session:
                return await provider_facts.renewed(
                    session, provider="stripe", subscription=name, reference=reference, cents=1000,
                    period_end=end,
                )  # fmt: skip

    assert await bill("in_first", run.period_end + timedelta(minutes=2)) is None
    await world.go(run.period_end, step=timedelta(days=14))
    renewed = await bill("in_next", months.later(START, 2))
    assert renewed is not None
    # The same bill again, and another word for the same period.
    assert await bill("in_next", months.later(START, 2)) is None
    assert (await world.run(run.id)).period_end == months.later(START, 2)
    assert await world.buzz(ana) == 20_000
    async with world.units.unit() as session:
        assert (
            await provider_facts.renewed(
                session, provider="stripe", subscription="nobody", reference="x", cents=1
            )
            is None
        )


async def test_two_agreements_at_once_keep_the_money_and_stop_the_second(world: World) -> None:
    ana = await world.person()
    run = await world.buy(ana, "bronze", provider="stripe")
    taken = await world.fact(
        reference="second", person_id=ana.require(), tier="gold", cents=5000, subscription="sub:second"
    )
    assert taken.membership_id is None
    async with world.units.unit() as session:
        stops = await session.scalar(
            text(
                "SELECT args->'body'->>'subscription' FROM procrastinate.procrastinate_jobs "
                "WHERE args->>'name' = 'buzz.StopSubscription'"
            )
        )
    assert stops == "sub:second"
    await world.go(run.period_end + timedelta(days=8), step=timedelta(days=5))
    assert await world.key(ana) == "gold"


async def test_months_in_advance_are_unlocked_one_by_one_and_taken_by_hand(world: World) -> None:
    ana = await world.person()
    await world.queue(ana, "silver", 3)
    assert (await world.key(ana), await world.badge(ana)) == ("silver", "silver")
    assert await world.buzz(ana, YELLOW) == 0

    async def take(month_id: int | None = None) -> MembershipMonth:
        with clock.held_at(world.now):
            async with world.units.unit() as session:
                return await membership_months.claim(session, ana, month_id=month_id)

    first = await take()
    assert await world.buzz(ana, YELLOW) == 25_000
    assert (await take(first.id)).id == first.id
    assert await world.buzz(ana, YELLOW) == 25_000
    with pytest.raises(NotFound):
        await take()
    async with world.units.unit() as session:
        later = (await membership_months.locked(session, first.membership_id))[0]
    with pytest.raises(Conflict) as refused:
        await take(later.id)
    assert refused.value.code == "month_locked"
    await world.go(months.later(START, 3) + timedelta(days=1), step=timedelta(days=6))
    assert await world.key(ana) == "free"
    # What was unlocked stays theirs after the end.
    await take()
    await take()
    assert await world.buzz(ana, YELLOW) == 75_000
    with pytest.raises(NotFound):
        await take()
    other = await world.person()
    with clock.held_at(world.now):
        async with world.units.unit() as session:
            with pytest.raises(NotFound):
                await membership_months.claim(session, other, month_id=first.id)


async def test_what_waits_follows_without_losing_a_day(world: World) -> None:
    ana = await world.person()
    await world.queue(ana, "bronze", 1, key="one")
    await world.queue(ana, "gold", days=14, billing=Billing.GRANTED, key="two")
    await world.queue(ana, "silver", 1, key="three")
    await world.queue(ana, "silver", 1, key="three")
    first_end = months.later(START, 1)
    assert await world.key(ana) == "bronze"
    await world.go(first_end, step=timedelta(days=7))
    assert await world.key(ana) == "gold"
    await world.go(first_end + timedelta(days=13))
    assert await world.key(ana) == "gold"
    await world.go(first_end + timedelta(days=14))
    assert await world.key(ana) == "silver"
    await world.go(months.later(first_end + timedelta(days=14), 1))
    assert await world.key(ana) == "free"


async def test_time_without_buzz_waits_for_as_high_a_tier_of_another_colour(world: World) -> None:
    ana = await world.person()
    run = await world.buy(ana, "silver")
    await world.queue(ana, "bronze", days=30, billing=Billing.GRANTED, key="low")
    async with world.units.unit() as session:
        mine = await membership_queries.of_person(session, ana.require())
    assert [one.tier.key for one in mine.running] == ["silver"] and len(mine.waiting) == 1
    with clock.held_at(world.now):
        async with world.units.unit() as session:
            await membership_wishes.cancel(session, ana, membership_id=run.id)
    await world.go(run.period_end, step=timedelta(days=10))
    assert await world.key(ana) == "bronze"
    assert await world.badge(ana) is None
    ben = await world.person()
    await world.buy(ben, "bronze")
    await world.queue(ben, "gold", days=14, billing=Billing.GRANTED, key="high")
    assert await world.key(ben) == "gold"
    assert await world.badge(ben) == "bronze"


async def test_a_card_takes_over_and_the_rest_of_what_ran_comes_back_afterwards(world: World) -> None:
    ana = await world.person()
    await world.queue(ana, "bronze", 3, colour="green")
    await world.go(START + timedelta(days=10, hours=6))
    run = await world.buy(ana, "gold")
    assert await world.key(ana) == "gold"
    async with world.units.unit() as session:
        [rest] = (await membership_queries.of_person(session, ana.require())).waiting
    # 18 days and 18 hours of the running month, rounded up to days, and the two months that had not begun.
    assert (rest.tier.key, rest.months, rest.days, rest.source) == ("bronze", 2, 18, "rest")
    with clock.held_at(world.now):
        async with world.units.unit() as session:
            await membership_wishes.cancel(session, ana, membership_id=run.id)
    await world.go(run.period_end, step=timedelta(days=9))
    assert await world.key(ana) == "bronze"
    for _ in range(2):
        with clock.held_at(world.now):
            async with world.units.unit() as session:
                await membership_months.claim(session, ana)
    await world.go(months.later(run.period_end, 2) + timedelta(days=17), step=timedelta(days=8))
    assert await world.key(ana) == "bronze"
    await world.go(months.later(run.period_end, 2) + timedelta(days=18))
    assert await world.key(ana) == "free"
    with clock.held_at(world.now):
        async with world.units.unit() as session:
            await membership_months.claim(session, ana)
    # Gold's month, and three of Bronze.
    assert await world.buzz(ana) == 80_000


async def test_a_month_of_perks_costs_buzz_once_and_brings_none(world: World) -> None:
    ana = await world.person()
    assert economy.current().purses_for("membership") == (GREEN, YELLOW)

    async def buy(key: str, tier: str = "silver") -> membership_wishes.PerksMonth:
        with clock.held_at(world.now):
            async with world.units.unit() as session:
                return await membership_wishes.buy_perks(session, ana, tier=tier, key=key)

    with pytest.raises(InsufficientFunds):
        await buy("a")
    async with world.units.unit() as session:
        for colour, amount in ((GREEN, 30_000), (YELLOW, 40_000)):
            legs = transfer(house(Purpose.MINT, colour), wallet(ana.require(), colour), money.buzz(amount))
            await posting.post(session, Entry(f"give:{colour}", EntryType.PURCHASE, legs))
    first, again = await buy("a"), await buy("a")
    assert (first.cost, again.grant_id) == (money.buzz(31_250), first.grant_id)
    assert (await world.buzz(ana, GREEN), await world.buzz(ana, YELLOW)) == (0, 38_750)
    assert (await world.key(ana), await world.badge(ana)) == ("silver", None)
    async with world.units.unit() as session:
        with clock.held_at(world.now):
            assert not (await entitlements(session, ana.id)).paid
    waits = await buy("b")
    assert waits.started_at is None
    await world.go(months.later(START, 1), step=timedelta(days=10))
    assert await world.key(ana) == "silver"
    await world.go(months.later(months.later(START, 1), 1), step=timedelta(days=10))
    assert await world.key(ana) == "free"
    await world.buy(ana, "bronze")
    with pytest.raises(Conflict) as refused:
        await buy("c", "gold")
    assert refused.value.code == "card_membership_runs"
    assert await world.buzz(ana) == 10_000


async def test_a_gift_is_told_and_runs_after_what_the_other_has(world: World) -> None:
    ana, ben = await world.person("ana_gives"), await world.person("ben_gets")
    with clock.held_at(world.now):
        async with world.units.unit() as session:
            for wrong in ({"to": "ana_gives"}, {"months": 5}, {"tier": "founder"}, {"note": "x" * 301}):
                values = {"to": "ben_gets", "months": 12, "tier": "gold"} | wrong
                with pytest.raises(Invalid):
                    await membership_orders.give(
                        session, ana, provider="development", colour="green", **values
                    )
            order = await membership_orders.give(
                session, ana, to="BEN_gets", tier="gold", months=12, provider="development", colour="green",
                note="Thank you for the LoRAs.",
            )  # fmt: skip
            assert order.cents == 50_000
            assert await membership_orders.settle(session, order.id, reference="r", cents=49_999) is None
            assert await membership_orders.settle(session, order.id, reference="r", cents=50_000) is not None
            [seen] = await membership_queries.gifts(session, ben.require())
            assert (seen.giver, seen.months, seen.note) == ("ana_gives", 12, "Thank you for the LoRAs.")
            assert [one.recipient for one in await membership_queries.gifts(session, ana.require())] == [
                "ben_gets"
            ]
    assert (await world.key(ben), await world.key(ana)) == ("gold", "free")
    assert "membership_gift" in await world.mails()
    await world.go(months.later(START, 12), step=timedelta(days=30))
    assert await world.key(ben) == "free"
    async with world.units.unit() as session:
        states = list(await session.scalars(select(MembershipMonth.status)))
    assert states == ["unlocked"] * 12


async def test_a_charge_back_ends_it_and_takes_the_buzz_that_is_still_there(world: World) -> None:
    ana = await world.person()
    run = await world.buy(ana, "bronze")
    async with world.units.unit() as session:
        legs = transfer(wallet(ana.require(), GREEN), house(Purpose.BURN, GREEN), money.buzz(4_000))
        await posting.post(session, Entry("spent", EntryType.GENERATION, legs))
        reference = await session.scalar(select(MembershipPayment.reference))
    with clock.held_at(world.now):
        async with world.units.unit() as session:
            assert await provider_facts.taken_back(session, provider="development", reference=reference or "")
            assert not await provider_facts.taken_back(
                session, provider="development", reference=reference or ""
            )
            assert not await provider_facts.taken_back(session, provider="development", reference="other")
    over = await world.run(run.id)
    assert (over.status, over.end_reason) == ("cancelled", "refunded")
    assert (await world.buzz(ana), await world.key(ana)) == (0, "free")


async def test_staff_give_and_end_with_a_reason(world: World) -> None:
    ana = await world.person()
    staff = await world.person()
    moderator = actor_for(staff.require(), role=Role.MODERATOR)
    admin = actor_for(staff.require(), role=Role.ADMIN)
    person = ana.require()
    with clock.held_at(world.now):
        async with world.units.unit() as session:
            with pytest.raises(Forbidden):
                await membership_desk.grant(session, ana, person_id=person, tier="gold", months=1, reason="x")
            with pytest.raises(Forbidden):
                await membership_desk.grant(
                    session, moderator, person_id=person, tier="gold", months=1, with_buzz=True, reason="x"
                )
            for wrong in ({"tier": "free"}, {"months": 0}, {"months": 99}, {"reason": " "}):
                values = {"tier": "gold", "months": 1, "reason": "A contest"} | wrong
                with pytest.raises(Invalid):
                    async with session.begin_nested():
                        await membership_desk.grant(session, moderator, person_id=person, **values)
            await membership_desk.grant(
                session, moderator, person_id=person, tier="founder", days=14, reason="A contest"
            )
            second = await membership_desk.grant(
                session, admin, person_id=person, tier="gold", months=2, with_buzz=True, reason="Won"
            )
    assert await world.key(ana) == "founder"
    with clock.held_at(world.now):
        async with world.units.unit() as session:
            [run] = await membership_queries.runs(session, person)
            await membership_desk.end(session, moderator, membership_id=run.id, reason="A mistake")
            with pytest.raises(NotFound):
                await membership_desk.end(session, moderator, membership_id=run.id, reason="Again")
            with pytest.raises(NotFound):
                await membership_desk.revoke(session, moderator, grant_id=second, reason="It runs")
    assert await world.key(ana) == "gold"


async def test_codes_and_exchanged_tokens_wait_once_and_who_leaves_is_charged_no_further(
    world: World,
) -> None:
    ana = await world.person()
    run = await world.buy(ana, "bronze")
    code = MembershipCodeRedeemed(ana.require(), "silver", 2, "code:77")
    tier = ReferralTierGranted(ana.require(), "gold", 14, "referral:77")
    with clock.held_at(world.now):
        for _ in range(2):
            async with world.units.unit() as session:
                await membership_listeners.queue_code(session, code)
                await membership_listeners.queue_referral(session, tier)
    assert await world.key(ana) == "silver"
    async with world.units.unit() as session:
        grants = list(
            await session.scalars(
                select(MembershipGrant)
                .where(MembershipGrant.person_id == ana.id)
                .order_by(MembershipGrant.id)
            )
        )
    assert [(g.tier, g.months, g.days, g.status) for g in grants] == [
        ("silver", 2, 0, "started"),
        ("gold", 0, 14, "queued"),
    ]
    with clock.held_at(world.now):
        async with world.units.unit() as session:
            await membership_listeners.let_go(session, PersonDeleted(ana.require(), False, False))
    await world.go(START + timedelta(days=40))
    assert (await world.run(run.id)).end_reason == "asked"


async def test_a_renewal_and_a_wish_to_cancel_come_one_after_the_other(own_dsn: str) -> None:
    database = Database(own_dsn)
    try:
        for number in range(6):
            async with database.unit() as session:
                who = actor_for(await make_person(session))
                order = await membership_orders.subscribe(
                    session, who, tier="bronze", billing=Billing.MONTHLY, provider="stripe", colour="green"
                )
                taken = await membership_orders.settle(
                    session, order.id, reference="r", cents=order.cents, subscription=f"s{number}"
                )
                run_id = (taken and taken.membership_id) or 0
                end = (await session.get_one(Membership, run_id)).period_end

            async def renew(subscription: str = f"s{number}", until: datetime = end) -> None:
                async with database.unit() as one:
                    await provider_facts.renewed(
                        one, provider="stripe", subscription=subscription, reference=f"in_{subscription}",
                        cents=1000, period_end=until + timedelta(days=30),
                    )  # fmt: skip

            async def cancel(who: Actor = who, run_id: int = run_id) -> None:
                async with database.unit() as one:
                    await membership_wishes.cancel(one, who, membership_id=run_id)

            await asyncio.gather(renew(), cancel(), renew(), cancel())
            async with database.unit() as session:
                run = await session.get_one(Membership, run_id)
                assert (run.cancel_at_end, run.anchor_months, run.status) == (True, 2, "active")
                count = select(func.count()).where(MembershipPayment.membership_id == run_id)
                assert await session.scalar(count) == 2
        async with database.unit() as session:
            assert (await auditing.audit(session)).findings == ()
    finally:
        await database.close()
