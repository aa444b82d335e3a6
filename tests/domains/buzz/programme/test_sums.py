"""The calendar and the arithmetic of the creator programme."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.programme import sums as programme_sums
from civitas.domains.buzz.programme.sums import PoolFacts
from civitas.domains.buzz.programme.types import (
    OPEN,
    RETURNED,
    SENT,
    Month,
    Phase,
    Withdrawn,
    calendar,
    may_become,
    month_named,
    month_of,
)
from civitas.domains.buzz.types import Currency
from civitas.kit import money
from civitas.kit.errors import Invalid

RULES = economy.packaged().programme
GREEN, YELLOW = Currency.GREEN, Currency.YELLOW


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize("year", [2023, 2024, 2026, 2100, 2400])
@pytest.mark.parametrize("number", range(1, 13))
def test_phases_of_every_month(year: int, number: int) -> None:
    month = Month(year, number)
    last = monthrange(year, number)[1]
    when = calendar(month, RULES)
    assert when.opens == at(year, number, 1)
    assert when.extraction_opens == at(year, number, last - 2)
    assert when.closes == at(year, number, last, 23)
    assert when.settles == month.shifted(1).start.replace(day=15)
    second = timedelta(microseconds=1)
    assert when.phase_at(when.opens - second) is Phase.CLOSED
    assert when.phase_at(when.opens) is Phase.BANKING
    assert when.phase_at(when.extraction_opens - second) is Phase.BANKING
    assert when.phase_at(when.extraction_opens) is Phase.EXTRACTION
    assert when.phase_at(when.closes - second) is Phase.EXTRACTION
    assert when.phase_at(when.closes) is Phase.CLOSED
    assert when.phase_ends(when.closes) == when.ends == month.shifted(1).start


@given(st.integers(946_684_800, 7_258_118_400).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)))
def test_every_moment_lies_in_one_month_and_phase(moment: datetime) -> None:
    month = month_of(moment)
    assert month.start <= moment < month.end
    assert month_named(month.key) == month
    when = calendar(month, RULES)
    assert moment < when.phase_ends(moment)


def test_a_leap_day_belongs_to_extraction() -> None:
    when = calendar(Month(2028, 2), RULES)
    assert when.phase_at(at(2028, 2, 26, 23, 59)) is Phase.BANKING
    assert when.phase_at(at(2028, 2, 29, 12)) is Phase.EXTRACTION
    assert Month(2028, 2).shifted(12) == Month(2029, 2) and Month(2028, 1).shifted(-1) == Month(2027, 12)


@pytest.mark.parametrize("key", ["", "2026", "202600", "202613", "20261a", "199912"])
def test_what_is_no_month_is_refused(key: str) -> None:
    with pytest.raises(Invalid):
        month_named(key)


@pytest.mark.parametrize(
    ("tier", "best", "allowed"),
    [
        ("bronze", 0, 100_000), ("bronze", 5_000_000, 100_000), ("founder", 90_000, 100_000),
        ("silver", 0, 100_000), ("silver", 400_000, 500_000), ("silver", 900_000, 1_000_000),
        ("gold", 10_000, 100_000), ("gold", 4_000_000, 6_000_000), ("free", 10**6, 0),
    ],
)  # fmt: skip
def test_caps_by_tier(tier: str, best: int, allowed: int) -> None:
    assert programme_sums.cap(RULES, tier=tier, best_month=money.buzz(best)) == money.buzz(allowed)


@pytest.mark.parametrize(
    ("total", "fee"),
    [(0, 0), (100_000, 0), (100_001, 0), (100_020, 1), (1_000_000, 45_000), (2_000_000, 145_000),
     (5_000_000, 445_000), (6_000_000, 595_000)],
)  # fmt: skip
def test_the_fee_rises_step_by_step(total: int, fee: int) -> None:
    assert programme_sums.extraction_fee(RULES, money.buzz(total)) // 4 == fee


@given(st.integers(0, 10**11), st.integers(0, 10**11))
def test_a_fee_is_parted_exactly_and_never_takes_more_than_there_is(green: int, yellow: int) -> None:
    amounts = {GREEN: green, YELLOW: yellow}
    fee = programme_sums.extraction_fee(RULES, green + yellow)
    parts = programme_sums.fee_by_colour(fee, amounts)
    assert sum(parts.values()) == fee
    assert all(0 <= part <= amounts[colour] for colour, part in parts.items())
    if green and yellow:
        assert parts[GREEN] == fee * green // (green + yellow)


@settings(max_examples=300)
@given(
    st.integers(0, 10**9),
    st.dictionaries(st.integers(1, 10**6), st.integers(1, 10**12), max_size=40),
)
def test_shares_sum_to_the_pool_or_to_the_limits(pool: int, banked: dict[int, int]) -> None:
    shares = programme_sums.shares(RULES, pool_cents=pool, banked=banked)
    limits = {person: programme_sums.most_for(RULES, amount) for person, amount in banked.items()}
    assert sum(shares.values()) == min(pool, sum(limits.values()))
    total = sum(banked.values())
    for person, cents in shares.items():
        assert 0 <= cents <= limits[person]
        if pool < sum(limits.values()):
            assert cents >= pool * banked[person] // total
    # The order in which people come does not matter.
    again = programme_sums.shares(RULES, pool_cents=pool, banked=dict(reversed(banked.items())))
    assert again == shares


def test_what_rounding_leaves_goes_to_the_largest_remainders_then_to_the_first() -> None:
    banked = {3: money.buzz(10_000), 1: money.buzz(10_000), 2: money.buzz(10_000)}
    assert programme_sums.shares(RULES, pool_cents=100, banked=banked) == {1: 34, 2: 33, 3: 33}
    assert programme_sums.shares(RULES, pool_cents=0, banked=banked) == {1: 0, 2: 0, 3: 0}
    assert programme_sums.shares(RULES, pool_cents=10**6, banked=banked) == {1: 1000, 2: 1000, 3: 1000}
    assert programme_sums.shares(RULES, pool_cents=10, banked={}) == {}


def test_the_pool_is_what_came_in_less_taxes_times_the_portion() -> None:
    made = {"override_cents": None, "fallback_cents": 3_500_000, "buzz_per_dollar": 1000}
    income = money.buzz(70_000_000)
    assert PoolFacts(income=income, taxes=Decimal(0), portion=Decimal("0.5"), **made).cents == 3_500_000
    assert PoolFacts(income=income, taxes=Decimal("0.2"), portion=Decimal("0.5"), **made).cents == 2_800_000
    assert PoolFacts(income=3, taxes=Decimal(0), portion=Decimal(1), **made).cents == 0
    empty = PoolFacts(income=0, taxes=Decimal(0), portion=Decimal(1), **made)
    assert empty.from_fallback and empty.cents == 3_500_000
    assert (
        PoolFacts(income=income, taxes=Decimal(0), portion=Decimal(1), **(made | {"override_cents": 7})).cents
        == 7
    )


@pytest.mark.parametrize(
    ("method", "cents", "fee"),
    [
        ("ach", 5_000, 200),
        ("paypal", 5_000, 250),
        ("paypal", 5_019, 250),
        ("cheque", 5_000, 400),
        ("stripe", 5_000, 0),
    ],
)
def test_fees_of_withdrawals(method: str, cents: int, fee: int) -> None:
    assert programme_sums.withdrawal_fee(RULES.withdrawals.fees[method], cents) == fee


def test_a_withdrawal_goes_forwards() -> None:
    assert set(Withdrawn) == OPEN | SENT | RETURNED
    for before in RETURNED:
        assert not any(may_become(before, after) for after in Withdrawn)
    assert may_become(Withdrawn.PAID, Withdrawn.RECLAIMED) and may_become(
        Withdrawn.CLEARED, Withdrawn.RECLAIMED
    )
    assert not may_become(Withdrawn.PAID, Withdrawn.REJECTED)
    assert not may_become(Withdrawn.SUBMITTED, Withdrawn.CLEARED)
    assert all(may_become(before, Withdrawn.PAID) for before in OPEN)
