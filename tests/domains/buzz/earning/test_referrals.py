"""Referrals: who counts, what it earns and when, what tokens buy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from tests.domains.buzz.ledger.test_posting import in_wallet, sound
from tests.factories.accounts import actor_for, make_person

from civitas.contracts.events.buzz import BuzzPurchased, MembershipPaid
from civitas.domains.buzz.earning import referral_shop, referrals
from civitas.domains.buzz.types import Currency
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.draining import drain
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Invalid, PaymentNeeded
from civitas.kit.money import buzz

BLUE = Currency.BLUE
NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


async def pair(session: AsyncSession) -> tuple[int, int]:
    ana = await make_person(session, created_at=NOW - timedelta(days=7))
    code = await referrals.make_code(session, actor_for(ana))
    ben = await make_person(session, created_at=NOW - timedelta(minutes=1))
    assert await referrals.attribute(session, person_id=ben, code=code)
    return ana, ben


async def settle(session: AsyncSession) -> None:
    while await referrals.settle(session):
        pass


async def test_only_an_account_of_seven_days_invites_and_only_new_people_count(session: AsyncSession) -> None:
    with clock.held_at(NOW):
        young = await make_person(session, created_at=NOW - timedelta(days=6, hours=23))
        with pytest.raises(Forbidden) as refused:
            await referrals.make_code(session, actor_for(young))
        assert refused.value.code == "account_too_young"
        ana, ben = await pair(session)
        code = await referrals.make_code(session, actor_for(ana))
        old = await make_person(session, created_at=NOW - timedelta(days=2))
        for person, word in ((ben, code), (old, code), (ana, code), (young, "nonsense")):
            assert not await referrals.attribute(session, person_id=person, code=word)


async def test_paid_months_make_tokens_after_a_week_for_three_months_at_most(
    session: AsyncSession, context: TaskContext
) -> None:
    with clock.held_at(NOW):
        ana, ben = await pair(session)
        for _ in range(2):
            await publish(session, MembershipPaid(1, ben, "silver", 1, "2026-11-26"))
        await publish(session, MembershipPaid(1, ben, "gold", 12, "2026-12-26"))
        await publish(session, MembershipPaid(1, ben, "gold", 1, "2027-12-26"))
        await drain(context)
        assert await in_wallet(session, ben) == {BLUE: buzz(6250)}
        await settle(session)
        assert (await referrals.standing(session, ana)).tokens_pending == 2 + 6
    with clock.held_at(NOW + timedelta(days=7)):
        await settle(session)
        found = await referrals.standing(session, ana)
        assert (found.tokens, found.tokens_pending, found.points) == (8, 0, 8000)
        assert await in_wallet(session, ana) == {BLUE: buzz(500)}
    with clock.held_at(NOW + timedelta(days=7 + 90)):
        assert (await referrals.standing(session, ana)).tokens == 0
    await sound(session)


async def test_a_tenth_of_purchases_comes_back_in_blue_once(
    session: AsyncSession, context: TaskContext
) -> None:
    with clock.held_at(NOW):
        ana, ben = await pair(session)
        for number in (1, 1, 2):
            await publish(session, BuzzPurchased(number, ben, "yellow", buzz(50_000), 5000))
        await drain(context)
        assert await referrals.revoke(session, purchase_id=2)
        assert not await referrals.revoke(session, purchase_id=2)
        assert await in_wallet(session, ana) == {}
    with clock.held_at(NOW + timedelta(days=8)):
        await settle(session)
        await settle(session)
        assert not await referrals.revoke(session, purchase_id=1)
        found = await referrals.standing(session, ana)
    assert (found.kicked_back, found.points) == (buzz(5000), 5000)
    assert await in_wallet(session, ana) == {BLUE: buzz(5000 + 500)}
    await sound(session)


async def test_tokens_buy_days_of_a_tier_once_for_a_key(session: AsyncSession) -> None:
    with clock.held_at(NOW):
        ana, ben = await pair(session)
        await referrals.membership_paid(
            session, membership_id=1, person_id=ben, tier="gold", months=3, period="2026-11-26"
        )
    with clock.held_at(NOW + timedelta(days=8)):
        await settle(session)
        actor = actor_for(ana)
        with pytest.raises(Invalid):
            await referral_shop.buy(session, actor, tier="gold", days=31)
        bought = await referral_shop.buy(session, actor, tier="gold", days=30, key="k")
        assert bought.queued_until == NOW + timedelta(days=38)
        assert (await referral_shop.buy(session, actor, tier="gold", days=30, key="k")).replayed
        with pytest.raises(Conflict):
            await referral_shop.buy(session, actor, tier="bronze", days=14, key="k")
        then = await referral_shop.buy(session, actor, tier="bronze", days=14)
        assert then.queued_until == NOW + timedelta(days=52)
        assert (await referrals.standing(session, ana)).tokens == 9 - 6 - 1
        with pytest.raises(PaymentNeeded):
            await referral_shop.buy(session, actor, tier="silver", days=14)
        assert (await referrals.standing(session, ana)).tokens == 2


async def test_no_more_than_a_year_waits_in_the_queue(session: AsyncSession) -> None:
    with clock.held_at(NOW):
        ana, _ = await pair(session)
        from civitas.domains.buzz.earning.tables import ReferralPoints

        session.add(ReferralPoints(person_id=ana, points=0, queued_until=NOW + timedelta(days=352)))
        await session.flush()
        with pytest.raises(Conflict) as refused:
            await referral_shop.buy(session, actor_for(ana), tier="bronze", days=14)
    assert refused.value.code == "queue_full"
