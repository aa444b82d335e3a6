"""Compensation: exact shares, counted once, paid once, nothing lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from tests.domains.buzz.ledger.test_posting import in_wallet, sound
from tests.factories.accounts import actor_for, make_person

from civitas.domains.buzz.earning import compensation
from civitas.domains.buzz.earning.compensation import MICRO, Resource, shares, split, tips_on
from civitas.domains.buzz.earning.tables import CompensationAccrual, CompensationCarry
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.ledger import posting
from civitas.domains.buzz.types import Currency, Purpose, house
from civitas.kit import clock
from civitas.kit.errors import Conflict, Invalid
from civitas.kit.money import buzz

BLUE, YELLOW = Currency.BLUE, Currency.YELLOW
EVENING = datetime(2028, 2, 29, 23, 30, tzinfo=UTC)

resources = st.lists(
    st.builds(Resource, st.integers(1, 30), st.integers(1, 9), st.booleans(), st.just(False)), max_size=14
)
amounts = st.dictionaries(st.sampled_from([BLUE, YELLOW]), st.integers(0, 10**9), max_size=2)


@given(st.integers(0, 10**15), resources)
def test_a_split_loses_nothing_and_is_even(total: int, used: list[Resource]) -> None:
    made = split(total, used)
    assert sum(made.values()) == (total if used else 0)
    kinds = {resource.version_id: resource.base for resource in sorted(used, key=lambda r: not r.base)}
    for kind in (True, False):
        parts = [made.get(version, 0) for version, base in kinds.items() if base is kind]
        assert not parts or max(parts) - min(parts) <= max(1, total)


@given(amounts, amounts, resources)
def test_shares_are_the_pool_and_the_tips_to_the_last_millionth(
    cost: dict[Currency, int], tips: dict[Currency, int], used: list[Resource]
) -> None:
    made = shares(cost, tips, used)
    for colour in {*cost, *tips}:
        pool = cost.get(colour, 0) * MICRO // 4
        whole = pool + tips.get(colour, 0) * MICRO
        assert sum(share.amount for share in made if share.colour is colour) == (whole if used else 0)
        assert all(0 <= share.tips <= share.amount for share in made)


def test_a_quarter_of_the_pool_is_the_checkpoints_and_the_rest_is_split_evenly() -> None:
    used = [Resource(1, 11, base=True), Resource(2, 12), Resource(3, 13), Resource(4, 14)]
    made = {share.person_id: share.amount for share in shares({YELLOW: buzz(40)}, {}, used)}
    assert made == {11: buzz(10) * MICRO // 4, 12: buzz(10) * MICRO // 4, 13: buzz(10) * MICRO // 4, 14: buzz(10) * MICRO // 4}  # fmt: skip  # noqa: E501


def test_licensed_versions_and_the_sites_own_leave_their_part_with_the_site() -> None:
    used = [Resource(1, -1, base=True), Resource(2, 12, licensed=True), Resource(3, 13)]
    made = {share.person_id: share.amount for share in shares({YELLOW: buzz(80)}, {}, used)}
    assert made == {13: buzz(20) * MICRO * 3 // 8}


def test_tips_have_rates_and_bounds() -> None:
    assert tips_on(buzz(10)) == (buzz(10) // 4, 0)
    assert tips_on(3, creator_rate=Decimal("0.25"), site_rate=Decimal("0.1")) == (1, 1)
    for rate in (Decimal("2.01"), Decimal("-0.1"), Decimal("NaN")):
        with pytest.raises(Invalid):
            tips_on(4, creator_rate=rate)


async def settle_all(session: AsyncSession) -> None:
    upto = await compensation.begin(session)
    while await compensation.settle(session, upto=upto):
        pass


async def test_days_are_paid_once_with_what_is_left_carried_over(session: AsyncSession) -> None:
    ana, ben = await make_person(session), await make_person(session)
    used = [Resource(1, ana, base=True), Resource(2, ben), Resource(3, ben)]
    cost = {YELLOW: 7, BLUE: buzz(10)}
    with clock.held_at(EVENING):
        assert await compensation.accrue(session, job_key="j1", cost=cost, resources=used)
        assert not await compensation.accrue(session, job_key="j1", cost=cost, resources=used)
        with pytest.raises(Conflict):
            await compensation.accrue(session, job_key="j1", cost={YELLOW: 8}, resources=used)
        for number in range(9):
            await compensation.accrue(
                session, job_key=f"k{number}", cost=cost, resources=used, tips={BLUE: 4}
            )
        await settle_all(session)
        assert await in_wallet(session, ana) == {}
    with clock.held_at(EVENING + timedelta(hours=3)):
        await settle_all(session)
        first = await in_wallet(session, ana)
        # 10 jobs of 10 Buzz: a quarter of a quarter, and a quarter of 9 Buzz of tips, in whole Buzz.
        assert first == {BLUE: buzz(8), YELLOW: buzz(1)}
        await settle_all(session)
        assert await in_wallet(session, ana) == first
        late = await compensation.daily(
            session, actor_for(ana), start=EVENING.date(), end=EVENING.date() + timedelta(days=2)
        )
        assert {(line.day, line.colour, line.jobs) for line in late} == {
            (EVENING.date(), BLUE, 10), (EVENING.date(), YELLOW, 10),
        }  # fmt: skip
    accrued = await session.scalar(select(func.sum(CompensationAccrual.amount)))
    paid = await session.scalar(select(func.sum(CompensationAccrual.paid)))
    carried = await session.scalar(select(func.sum(CompensationCarry.amount)))
    assert accrued == paid * MICRO + carried
    assert accrued == 10 * (7 + buzz(10)) * MICRO // 4 + 9 * 4 * MICRO
    revenue = [house(Purpose.REVENUE, colour) for colour in (BLUE, YELLOW)]
    assert -sum((await posting.balances(session, revenue)).values()) == paid
    await sound(session)


async def test_what_was_carried_over_is_paid_when_it_is_enough(session: AsyncSession) -> None:
    ana = await make_person(session)
    for day in range(5):
        with clock.held_at(EVENING + timedelta(days=day)):
            await compensation.accrue(
                session, job_key=f"d{day}", cost={YELLOW: 4}, resources=[Resource(1, ana)]
            )
        with clock.held_at(EVENING + timedelta(days=day, hours=3)):
            await settle_all(session)
    assert await in_wallet(session, ana) == {YELLOW: buzz(1)}
    assert await session.scalar(select(CompensationCarry.amount)) == MICRO


async def test_what_comes_in_after_its_day_was_settled_counts_for_the_next(session: AsyncSession) -> None:
    ana = await make_person(session)
    used = [Resource(1, ana)]
    with clock.held_at(EVENING + timedelta(hours=3)):
        await settle_all(session)
    with clock.held_at(EVENING):
        await compensation.accrue(session, job_key="late", cost={YELLOW: buzz(8)}, resources=used)
    with clock.held_at(EVENING + timedelta(hours=4)):
        await settle_all(session)
        assert await in_wallet(session, ana) == {}
    with clock.held_at(EVENING + timedelta(days=1, hours=3)):
        await settle_all(session)
    assert await in_wallet(session, ana) == {YELLOW: buzz(2)}
    assert economy.current().compensation.floor == 1
