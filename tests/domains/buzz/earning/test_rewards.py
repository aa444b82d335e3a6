"""Rewards: declared, paid once, capped however they race, stopped for crowds."""

from __future__ import annotations

import asyncio
import importlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_actor, make_person
from tests.factories.catalog import make_model
from tests.factories.feeds import make_image

from civitas.contracts.events.accounts import OnboardingStepTaken
from civitas.contracts.events.catalog import ModelEngaged
from civitas.contracts.events.gallery import Collected
from civitas.domains.accounts import following, onboarding
from civitas.domains.accounts.tables import Person, PersonSession
from civitas.domains.accounts.types import Relation, Role
from civitas.domains.buzz.earning import abuse, adverts, awarding, bonuses, rewards
from civitas.domains.buzz.earning.rewards import Earned
from civitas.domains.buzz.earning.tables import AdImpression, RewardAward
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.ledger import auditing, posting
from civitas.domains.buzz.types import Currency, wallet
from civitas.infra.db.database import Database
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.draining import drain
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Invalid, Limited
from civitas.kit.money import buzz

NOON = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)


async def blue(session: AsyncSession, person: int) -> int:
    purse = wallet(person, Currency.BLUE)
    return (await posting.balances(session, [purse]))[purse]


async def sound(session: AsyncSession) -> None:
    assert (await auditing.audit(session)).findings == ()


def test_every_rule_is_declared_and_every_declared_reward_has_a_rule() -> None:
    assert {reward.name for reward in rewards.REWARDS} == set(economy.current().rewards)


def test_what_awaits_an_event_is_wired_once_the_event_is_there() -> None:
    for reward in rewards.REWARDS:
        assert reward.reads or reward.awaits or reward.claimed, reward.name
        for name in reward.awaits:
            domain, _, event = name.partition(".")
            try:
                module = importlib.import_module(f"civitas.contracts.events.{domain}")
            except ModuleNotFoundError:
                continue
            assert not hasattr(module, event), f"{name} exists: let {reward.name} hear it"


async def test_a_new_person_is_welcomed_once(session: AsyncSession, context: TaskContext) -> None:
    person = await make_person(session, onboarding=7)
    await onboarding.meet_buzz(session, actor_for(person))
    await publish(session, OnboardingStepTaken(person, 16, True))
    await drain(context)
    assert await blue(session, person) == buzz(100)
    await sound(session)


async def test_follows_pay_for_three_people_and_never_again_for_the_same(
    session: AsyncSession, context: TaskContext
) -> None:
    ana = await make_actor(session)
    others = [await make_person(session) for _ in range(4)]
    with clock.held_at(NOON):
        for other in others:
            await following.decide(session, ana, target_id=other, relation=Relation.FOLLOW)
        await drain(context)
        assert await blue(session, ana.id or 0) == buzz(30)
    with clock.held_at(NOON + timedelta(days=1)):
        for other in others:
            await following.undo(session, ana, target_id=other, relation=Relation.FOLLOW)
            await following.decide(session, ana, target_id=other, relation=Relation.FOLLOW)
        await drain(context)
    assert await blue(session, ana.id or 0) == buzz(30)
    statuses = await session.execute(
        select(RewardAward.status, func.count()).where(RewardAward.person_id == ana.id).group_by("status")
    )
    assert dict(statuses.all()) == {"awarded": 3, "capped": 1}


async def test_the_daily_claim_comes_back_at_midnight_utc(session: AsyncSession) -> None:
    ana = await make_actor(session)
    with clock.held_at(NOON.replace(hour=23, minute=59)):
        assert (await awarding.claim_daily(session, ana)).amount == buzz(25)
        with pytest.raises(Conflict) as refused:
            await awarding.claim_daily(session, ana)
    assert refused.value.code == "already_claimed"
    with clock.held_at(NOON.replace(hour=23, minute=59) + timedelta(minutes=1)):
        await awarding.claim_daily(session, ana)
        assert (await awarding.progress(session, ana.id or 0))[1].full
    assert await blue(session, ana.id or 0) == buzz(50)


async def test_a_bonus_event_multiplies_and_rounds_up(session: AsyncSession) -> None:
    ana, staff = await make_actor(session), await make_actor(session, role=Role.MODERATOR)
    with clock.held_at(NOON):
        week = {"starts_at": NOON, "ends_at": NOON + timedelta(days=7)}
        with pytest.raises(Invalid):
            await bonuses.declare(
                session, staff, title="Too much", multiplier=Decimal("5.01"), reason="x", **week
            )
        with pytest.raises(Forbidden):
            await bonuses.declare(session, ana, title="Mine", multiplier=Decimal(2), reason="x", **week)
        kept = await bonuses.declare(
            session, staff, title="Spring", multiplier=Decimal("1.5"), reason="Spring", **week
        )
        assert (await awarding.claim_daily(session, ana)).amount == buzz(38)
        await bonuses.end(session, staff, bonus_id=kept.id, reason="over")
        assert await bonuses.current(session) == 1


async def test_being_collected_pays_the_owner_and_not_oneself(session: AsyncSession) -> None:
    ana, ben = await make_person(session), await make_person(session)
    model = await make_model(session, ana, status="Published")
    for event in (
        ModelEngaged(model, ben, "favourite", True),
        ModelEngaged(model, ben, "favourite", False),
        ModelEngaged(model, ben, "favourite", True),
        ModelEngaged(model, ana, "favourite", True),
        ModelEngaged(model, ben, "hide", True),
    ):
        await awarding.award(session, await rewards.earned_by(session, event))
    assert await blue(session, ana) == buzz(2)
    assert await blue(session, ben) == 0


async def test_what_comes_into_collections_pays_once_for_each_thing_and_collector(
    session: AsyncSession, context: TaskContext
) -> None:
    ana, ben, cleo = [await make_person(session) for _ in range(3)]
    model = await make_model(session, ana, status="Published")
    picture, draft = await make_image(session, ana), await make_model(session, ana)
    await publish(
        session,
        ModelEngaged(model, ben, "favourite", True),
        Collected(1, ben, "model", model, first=True, bookmark=True),
        Collected(2, ben, "image", picture, first=True),
        Collected(3, ben, "image", picture, first=False),
        Collected(4, cleo, "image", picture, first=True),
        Collected(5, ana, "image", picture, first=True),
        Collected(6, ben, "model", draft, first=True),
    )
    await drain(context)
    assert await blue(session, ana) == buzz(6), "a model by ben, a picture by ben and by cleo"
    assert (await blue(session, ben), await blue(session, cleo)) == (0, 0)
    await sound(session)


async def test_caps_of_subject_and_month_hold(session: AsyncSession) -> None:
    from civitas.contracts.subjects import Subject

    ana, ben = await make_person(session), await make_person(session)
    version = Subject("model_version", 7)
    with clock.held_at(NOON):
        many = [
            Earned("image_posted_to_model", ana, f"image:{n}:7", ben, version, times=50) for n in range(3)
        ]
        given = await awarding.award(session, many)
    assert [one.amount for one in given] == [buzz(2500), buzz(2500), 0]
    with clock.held_at(NOON + timedelta(days=1)):
        other = Earned("image_posted_to_model", ana, "image:9:8", ben, Subject("model_version", 8))
        same = Earned("image_posted_to_model", ana, "image:9:7", ben, version)
        assert [one.amount for one in await awarding.award(session, [other, same])] == [0, buzz(50)]
    await sound(session)


async def test_accounts_without_rewards_earn_and_cause_nothing(session: AsyncSession) -> None:
    ana, ben = await make_actor(session), await make_person(session)
    await session.execute(update(Person).where(Person.id == ana.id).values(rewards_eligibility="ineligible"))
    with pytest.raises(Forbidden) as refused:
        await awarding.claim_daily(session, ana)
    assert refused.value.code == "rewards_off"
    assert await awarding.award(session, [Earned("collected_content", ben, "model:1", ana.id)]) == []


async def test_racing_claims_never_pass_the_cap(own_dsn: str) -> None:
    database = Database(own_dsn)
    try:
        async with database.unit() as session:
            ana = await make_person(session)

        async def follow(number: int) -> None:
            async with database.unit() as one:
                await awarding.award(one, [Earned("first_daily_follow", ana, f"user:{number}")])

        async def claim() -> bool:
            try:
                async with database.unit() as one:
                    await awarding.claim_daily(one, actor_for(ana))
            except Conflict:
                return False
            return True

        claims = await asyncio.gather(*(claim() for _ in range(6)), *(follow(n % 6) for n in range(12)))
        assert claims.count(True) == 1
        async with database.unit() as session:
            assert await blue(session, ana) == buzz(25 + 30)
            await sound(session)
    finally:
        await database.close()


async def test_a_crash_before_the_end_leaves_nothing_counted(own_dsn: str) -> None:
    database = Database(own_dsn)
    try:
        async with database.unit() as session:
            ana = await make_person(session)
        with pytest.raises(RuntimeError):
            async with database.unit() as session:
                await awarding.claim_daily(session, actor_for(ana))
                raise RuntimeError("killed")
        async with database.unit() as session:
            assert (await awarding.claim_daily(session, actor_for(ana))).amount == buzz(25)
    finally:
        await database.close()


@pytest.mark.parametrize(("people", "each", "stopped"), [(11, 300, True), (10, 400, False), (11, 100, False)])
async def test_crowds_at_one_address_lose_their_rewards(
    session: AsyncSession, people: int, each: int, stopped: bool
) -> None:
    crowd = [await make_person(session) for _ in range(people)]
    await session.execute(update(Person).where(Person.id == crowd[0]).values(rewards_eligibility="protected"))
    outside = await make_person(session)
    with clock.held_at(NOON):
        for place, person in enumerate([*crowd, outside]):
            address = "198.51.100.7" if person != outside else "198.51.100.8"
            await session.execute(
                insert(PersonSession).values(
                    person_id=person, digest=f"d{place}".encode(), method="password", address=address,
                    last_seen_at=NOON, expires_at=NOON + timedelta(days=1),
                )
            )  # fmt: skip
            await session.execute(
                insert(RewardAward).values(
                    reward="daily_boost", about="x", person_id=person, by_id=person, amount=buzz(each),
                    status="awarded", day=NOON.date(),
                )
            )  # fmt: skip
        found = await abuse.stop_crowded(session)
        assert found == (crowd[1:] if stopped else [])
        assert await abuse.stop_crowded(session) == []
    states = dict((await session.execute(select(Person.id, Person.rewards_eligibility))).all())
    assert states[outside] == "eligible"
    assert states[crowd[0]] == "protected"


SECRET = b"s" * 32


async def test_adverts_count_once_and_are_paid_in_quarters(session: AsyncSession) -> None:
    ana, ben = await make_actor(session), await make_actor(session)
    with clock.held_at(NOON):
        tickets = [adverts.ticket(SECRET, ana, slot="home") for _ in range(3)]
        with pytest.raises(Invalid):
            await adverts.seen(session, ana, secret=SECRET, signed=tickets[0])
    with clock.held_at(NOON + timedelta(seconds=5)):
        for wrong in (tickets[0][:-2] + "xx", "", "a.b.c"):
            with pytest.raises(Invalid):
                await adverts.seen(session, ana, secret=SECRET, signed=wrong)
        with pytest.raises(Invalid):
            await adverts.seen(session, ben, secret=SECRET, signed=tickets[0])
        with pytest.raises(Invalid):
            await adverts.seen(session, ana, secret=b"t" * 32, signed=tickets[0])
        assert await adverts.seen(session, ana, secret=SECRET, signed=tickets[0])
        assert not await adverts.seen(session, ana, secret=SECRET, signed=tickets[0])
        assert await adverts.seen(session, ana, secret=SECRET, signed=tickets[1])
        assert await adverts.fold(session) == 1
        assert await adverts.fold(session) == 0
    with clock.held_at(NOON + timedelta(minutes=20)), pytest.raises(Invalid):
        await adverts.seen(session, ana, secret=SECRET, signed=tickets[2])
    assert await blue(session, ana.id or 0) == 2
    await sound(session)


async def test_no_more_adverts_count_in_an_hour_than_the_rules_say(session: AsyncSession) -> None:
    ana = await make_actor(session)
    most = economy.current().adverts.counted_per_hour
    with clock.held_at(NOON):
        signed = adverts.ticket(SECRET, ana, slot="home")
        await session.execute(
            insert(AdImpression),
            [
                {"person_id": ana.id, "ticket": f"{n:032x}", "slot": "home", "seen_at": NOON}
                for n in range(most)
            ],
        )
    with clock.held_at(NOON + timedelta(seconds=2)):
        with pytest.raises(Limited):
            await adverts.seen(session, ana, secret=SECRET, signed=signed)
        await adverts.fold(session)
        assert await blue(session, ana.id or 0) == buzz(100)
