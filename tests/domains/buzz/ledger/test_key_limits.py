"""What an API key may spend: every way to spend is weighed, what comes back may be spent again, races do not help."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from tests.domains.catalog.test_access import make_seller, on_sale, timed
from tests.factories.accounts import actor_for, make_actor, make_person
from tests.factories.buzz import give_buzz
from tests.factories.http import Client

from civitas.contracts.subjects import Subject
from civitas.domains.accounts import keys
from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.earning import tips
from civitas.domains.buzz.errors import KeyLimitReached
from civitas.domains.buzz.ledger import auditing, holds, key_limits, posting, wallets
from civitas.domains.buzz.memberships import wishes
from civitas.domains.buzz.shop import creators, sales
from civitas.domains.buzz.shop.creators import Submission
from civitas.domains.buzz.shop.types import CosmeticType, ItemStatus
from civitas.domains.buzz.types import Currency, EntryType, Purpose, house, wallet
from civitas.domains.catalog import access_buying
from civitas.infra.db.database import Database
from civitas.infra.queue.context import TaskContext
from civitas.kit import clock
from civitas.kit.errors import Forbidden
from civitas.kit.money import buzz

GREEN, YELLOW = Currency.GREEN, Currency.YELLOW
START = datetime(2027, 3, 1, 12, tzinfo=UTC)


async def with_key(
    session: AsyncSession, rules: Sequence[dict[str, Any]] | None, amount: int = 50_000
) -> Actor:
    """Somebody with yellow and green Buzz, who asks with a key of these limits."""
    person = await make_actor(session)
    for colour in (GREEN, YELLOW):
        await give_buzz(session, person.require(), amount, colour)
    made = await keys.create(session, person, name="a program", buzz_limit=rules)
    return replace(person, via="key", key_id=made.info.id, session_id=None)


async def tip(session: AsyncSession, actor: Actor, to: int, amount: int, colour: Currency = YELLOW) -> None:
    await tips.give(session, actor, subject=Subject("user", to), amount=buzz(amount), colour=colour)


async def test_an_absolute_limit_holds_for_all_time_and_nothing_is_charged_beyond(
    session: AsyncSession,
) -> None:
    actor, ben = await with_key(session, [{"kind": "absolute", "amount": 500}]), await make_person(session)
    await tip(session, actor, ben, 300)
    with pytest.raises(KeyLimitReached) as refused:
        async with session.begin_nested():
            await tip(session, actor, ben, 201)
    assert refused.value.details == {"rule": "500 Buzz in all", "left": 200, "freesAt": None}
    await tip(session, actor, ben, 200, GREEN)
    mine = await wallets.of(session, actor.require())
    assert mine.spendable[YELLOW] == buzz(49_700) and mine.spendable[GREEN] == buzz(49_800)
    # The owner in a browser is not limited, and neither is another key.
    await tip(session, actor_for(actor.require()), ben, 5_000)
    assert [one.left for one in await key_limits.allowances(session, actor.key_id or 0)] == [0]


async def test_a_sliding_limit_says_when_it_frees_up_and_then_does(session: AsyncSession) -> None:
    rule = {"kind": "sliding", "amount": 500, "unit": "day", "window": 2}
    actor, ben = await with_key(session, [rule]), await make_person(session)
    for hours, amount in ((0, 100), (10, 250), (20, 150)):
        with clock.held_at(START + timedelta(hours=hours)):
            await tip(session, actor, ben, amount)
    with clock.held_at(START + timedelta(hours=30)), pytest.raises(KeyLimitReached) as refused:
        async with session.begin_nested():
            await tip(session, actor, ben, 300)
    # The first two have to pass before 300 fit.
    freed = START + timedelta(hours=58)
    assert refused.value.details["freesAt"] == clock.rfc3339(freed)
    assert "500 Buzz in 2 days" in str(refused.value)
    with clock.held_at(freed - timedelta(seconds=1)), pytest.raises(KeyLimitReached):
        async with session.begin_nested():
            await tip(session, actor, ben, 300)
    with clock.held_at(freed):
        await tip(session, actor, ben, 300)
    with clock.held_at(freed), pytest.raises(KeyLimitReached) as never:
        async with session.begin_nested():
            await tip(session, actor, ben, 501)
    assert never.value.details["freesAt"] is None


async def test_a_limit_of_one_colour_leaves_the_others_alone(session: AsyncSession) -> None:
    rules = [
        {"kind": "absolute", "amount": 100, "currency": "yellow"},
        {"kind": "sliding", "amount": 1000, "unit": "hour", "window": 1},
    ]
    actor, ben = await with_key(session, rules), await make_person(session)
    await tip(session, actor, ben, 900, GREEN)
    with pytest.raises(KeyLimitReached) as refused:
        async with session.begin_nested():
            await tip(session, actor, ben, 101)
    assert refused.value.details["rule"] == "100 yellow Buzz in all"
    await tip(session, actor, ben, 100)
    with pytest.raises(KeyLimitReached):
        await key_limits.check(session, actor, {GREEN: 1})
    await key_limits.check(session, replace(actor, key_id=None), {GREEN: buzz(10_000)})


async def shop(session: AsyncSession, actor: Actor, context: TaskContext) -> None:
    seller = await make_person(session, score=50_000, created_at=clock.now() - timedelta(days=30))
    item = await creators.submit(
        session,
        actor_for(seller),
        item=Submission(CosmeticType.NAME_PLATE, "Ember", "", buzz(500), plate="ember"),
    )
    item.status = ItemStatus.PUBLISHED
    await session.flush()
    await sales.buy(session, actor, item_id=item.id, key="k")


async def access(session: AsyncSession, actor: Actor, context: TaskContext) -> None:
    _, version = await on_sale(session, context, await make_seller(session))
    await access_buying.buy(session, actor, version_id=version)


async def donation(session: AsyncSession, actor: Actor, context: TaskContext) -> None:
    _, version = await on_sale(session, context, await make_seller(session), timed(donationGoal=5000))
    await access_buying.donate(session, actor, version_id=version, amount=buzz(600))


async def perks(session: AsyncSession, actor: Actor, context: TaskContext) -> None:
    await wishes.buy_perks(session, actor, tier="bronze", key="k")


async def hold(session: AsyncSession, actor: Actor, context: TaskContext) -> None:
    await reserve(session, actor, 600)


async def tipping(session: AsyncSession, actor: Actor, context: TaskContext) -> None:
    await tip(session, actor, await make_person(session), 600)


async def reserve(session: AsyncSession, actor: Actor, amount: int, key: str = "h") -> holds.Held:
    return await holds.reserve(
        session,
        key=f"{key}:{actor.id}",
        person_id=actor.require(),
        colours=(GREEN, YELLOW),
        total=buzz(amount),
        type=EntryType.GENERATION,
        expires_at=clock.now() + timedelta(hours=1),
        actor_id=actor.id,
        key_id=actor.key_id,
    )


@pytest.mark.parametrize(
    "spend", [tipping, shop, perks, hold, access, donation], ids=lambda spend: spend.__name__
)
async def test_every_way_to_spend_is_weighed(
    session: AsyncSession,
    client: Client,
    spend: Callable[[AsyncSession, Actor, TaskContext], Awaitable[None]],
) -> None:
    small = await with_key(session, [{"kind": "absolute", "amount": 100}])
    before = (await wallets.of(session, small.require())).total
    with pytest.raises(KeyLimitReached):
        async with session.begin_nested():
            await spend(session, small, client.context)
    assert (await wallets.of(session, small.require())).total == before
    free = await with_key(session, None)
    await spend(session, free, client.context)
    spent = before - (await wallets.of(session, free.require())).total
    assert spent > 0
    # Without a limit it is noted all the same: one that is set later knows of it.
    await keys.set_limit(
        session, actor_for(free.require()), key_id=free.key_id or 0, buzz_limit=[{"kind": "absolute", "amount": 10**9}]
    )  # fmt: skip
    assert [one.used for one in await key_limits.allowances(session, free.key_id or 0)] == [spent]


async def test_what_is_given_back_may_be_spent_again(session: AsyncSession) -> None:
    actor = await with_key(session, [{"kind": "absolute", "amount": 1000}])
    first = await reserve(session, actor, 800)
    await holds.capture(session, hold_id=first.id, key="part", amount=buzz(200), final=True)
    second = await reserve(session, actor, 800, "second")
    with pytest.raises(KeyLimitReached):
        async with session.begin_nested():
            await reserve(session, actor, 1, "third")
    # A repetition is the same hold and counts once.
    assert (await reserve(session, actor, 800, "second")).id == second.id
    assert await holds.release(session, hold_id=second.id)
    third = await reserve(session, actor, 300, "fourth")
    with clock.held_at(clock.now() + timedelta(hours=2)):
        await holds.expire(session)
    assert (await holds.by_key(session, third.key)).status == "expired"
    assert [one.left for one in await key_limits.allowances(session, actor.key_id or 0)] == [buzz(800)]
    posted = await posting.charge(
        session,
        posting.Entry("c", EntryType.GENERATION, (), key_id=actor.key_id),
        source=wallet(actor.require(), YELLOW),
        target=house(Purpose.REVENUE, YELLOW),
        colours=(YELLOW,),
        total=buzz(800),
    )
    await posting.refund(session, of=posted.entry_id, key="r1", amount=buzz(300))
    await posting.refund(session, of=posted.entry_id, key="r2")
    assert [one.left for one in await key_limits.allowances(session, actor.key_id or 0)] == [buzz(800)]


async def test_a_limited_key_makes_no_other_key(session: AsyncSession) -> None:
    limited = await with_key(session, [{"kind": "absolute", "amount": 1000}])
    with pytest.raises(Forbidden) as refused:
        await keys.create(session, limited, name="a way round")
    assert refused.value.code == "limited_key"
    assert (await keys.create(session, await with_key(session, None), name="fine")).secret


async def test_two_spends_at_once_do_not_pass_the_limit_together(own_dsn: str) -> None:
    database = Database(own_dsn)
    try:
        async with database.unit() as session:
            actor = await with_key(session, [{"kind": "absolute", "amount": 1000}])
            ben = await make_person(session)

        async def spend(number: int) -> bool:
            try:
                async with database.unit() as session:
                    await tip(session, actor, ben, 100, GREEN if number % 2 else YELLOW)
            except KeyLimitReached:
                return False
            return True

        assert sum(await asyncio.gather(*(spend(number) for number in range(24)))) == 10
        async with database.unit() as session:
            assert [one.left for one in await key_limits.allowances(session, actor.key_id or 0)] == [0]
            assert (await auditing.audit(session)).findings == ()
    finally:
        await database.close()
