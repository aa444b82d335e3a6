"""The rules: shipped, laid over, refused, kept in versions."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.types import Currency
from civitas.kit import money
from civitas.kit.errors import Invalid

BLUE, GREEN, YELLOW = Currency.BLUE, Currency.GREEN, Currency.YELLOW


def write(folder: Path, rules: str) -> Path:
    path = folder / "economy.toml"
    path.write_text(rules)
    return path


def test_the_shipped_rules_are_those_of_the_reference() -> None:
    rules = economy.packaged()
    assert [(t.key, t.price_cents, t.monthly_buzz) for t in rules.tiers if t.offered] == [
        ("free", 0, 0),
        ("bronze", 1000, 10_000),
        ("silver", 2500, 25_000),
        ("gold", 5000, 50_000),
    ]
    assert rules.tips.least == 50
    assert rules.rewards["ad_impression"].amount == Decimal("0.25")


def test_which_purses_pay_for_what() -> None:
    rules = economy.packaged()
    assert rules.purses_for("generation") == (BLUE, GREEN, YELLOW)
    assert rules.purses_for("generation", domain="green") == (BLUE, GREEN)
    assert rules.purses_for("generation", mature=True) == (YELLOW,)
    assert rules.purses_for("tips") == (GREEN, YELLOW)


def test_an_operators_file_is_laid_over(tmp_path: Path) -> None:
    rules = economy.load(
        write(tmp_path, "[tips]\nleast = 10\n[rewards.daily_boost]\namount = 50\ncap = 50\n")
    )
    assert (rules.tips.least, rules.tips.most) == (10, 100_000_000)
    assert rules.rewards["daily_boost"].label == "Daily claim"


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ("[tips]\nleast = -1", "tips.least"),
        ("[tips]\nleast = 0.1", "tips.least"),
        ("[tips]\nlesat = 5", "tips.lesat"),
        ("[programme.caps.platinum]\nbest_month_factor = 1\nmost = 1", "platinum"),
        ("[spend_order]\nmain = ['blue', 'blue']", "spend order main"),
        ("[[tiers]]\nkey = 'free'", "tiers"),
        ("this is no toml", "cannot be read"),
    ],
)
def test_wrong_rules_are_named(tmp_path: Path, rules: str, told: str) -> None:
    with pytest.raises(Invalid) as refused:
        economy.load(write(tmp_path, rules))
    assert told in refused.value.message


async def test_changes_are_kept_in_versions(session: AsyncSession, tmp_path: Path) -> None:
    first = await economy.record(session, economy.packaged())
    assert first is not None
    assert first.changes == ()
    assert await economy.record(session, economy.packaged()) is None
    other = economy.load(write(tmp_path, "[tips]\nleast = 10\n"))
    changed = await economy.record(session, other)
    assert changed is not None
    assert changed.changes == (economy.Change("tips.least", "50", "10"),)
    page = await economy.versions(session)
    assert [version.id for version in page.items] == [changed.id, first.id]


@pytest.mark.parametrize(
    ("given", "quarters"),
    [("50", 200), ("0.25", 1), ("1,000.5", 4002), (3, 12), (0.75, 3), ("1000000000000", 4 * 10**12)],
)
def test_amounts_are_read_in_quarters(given: str | int | float, quarters: int) -> None:
    assert money.parse(given) == quarters


@pytest.mark.parametrize(
    "given",
    ["", "-1", "0.1", "1e5", "NaN", "٣", True, -1, float("nan"), float("inf"), 1e30, "9" * 14, "1.255"],
)
def test_what_is_no_amount_is_refused(given: str | int | float) -> None:
    with pytest.raises(Invalid):
        money.parse(given)


def test_amounts_are_shown_as_people_read_them() -> None:
    assert [money.shown(n) for n in (0, 1, 5002, -6)] == ["0", "0.25", "1,250.5", "-1.5"]
    assert money.dollars(-123456) == "-$1,234.56"
