"""What tiers give: the highest wins, vault and monthly Buzz are summed, only what was paid counts as paid."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_person
from tests.factories.memberships import make_membership

from civitas.domains.buzz.memberships.entitlements import entitlements, entitlements_of
from civitas.domains.buzz.types import Currency
from civitas.kit import clock


async def test_strangers_and_people_without_a_membership_are_free(session: AsyncSession) -> None:
    person = await make_person(session)
    for asked in (None, person):
        found = await entitlements(session, asked)
        assert (found.key, found.member, found.paid, found.badge, found.vault_gb) == (
            "free", False, False, None, 0,
        )  # fmt: skip


async def test_the_highest_tier_wins_and_vault_and_buzz_are_summed(session: AsyncSession) -> None:
    person = await make_person(session)
    await make_membership(session, person, "bronze")
    await make_membership(session, person, "gold", colour="yellow", billing="prepaid")
    found = await entitlements(session, person)
    assert (found.key, found.paid, found.badge) == ("gold", True, "gold")
    assert found.vault_gb == 600
    assert found.monthly_buzz == Decimal(60_000)
    assert [(one.tier.key, one.colour) for one in found.running] == [
        ("gold", Currency.YELLOW), ("bronze", Currency.GREEN),
    ]  # fmt: skip


async def test_perks_months_and_grants_are_not_paid_and_bring_neither_buzz_nor_badge(
    session: AsyncSession,
) -> None:
    person = await make_person(session)
    await make_membership(session, person, "gold", billing="perks")
    await make_membership(session, person, "silver", colour="yellow", billing="granted")
    found = await entitlements(session, person)
    assert (found.key, found.member, found.paid, found.paid_tier, found.badge) == (
        "gold", True, False, None, None,
    )  # fmt: skip
    assert found.monthly_buzz == 0


async def test_a_paid_tier_below_perks_keeps_its_badge(session: AsyncSession) -> None:
    person = await make_person(session)
    await make_membership(session, person, "bronze")
    await make_membership(session, person, "gold", colour="yellow", billing="perks")
    found = await entitlements(session, person)
    assert (found.key, found.paid, found.badge) == ("gold", True, "bronze")
    assert found.paid_tier is not None and found.paid_tier.key == "bronze"


async def test_grace_counts_and_what_is_over_does_not(session: AsyncSession) -> None:
    late, ended, forgotten = [await make_person(session) for _ in range(3)]
    now = clock.now()
    month = {"period_start": now - timedelta(days=40)}
    await make_membership(session, late, status="past_due", period_end=now - timedelta(days=6), **month)
    await make_membership(
        session, ended, status="lapsed", ended_at=now, period_end=now + timedelta(days=1), **month
    )
    await make_membership(session, forgotten, period_end=now - timedelta(days=8), **month)
    found = await entitlements_of(session, [late, ended, forgotten])
    assert {person: one.key for person, one in found.items()} == {late: "bronze"}
