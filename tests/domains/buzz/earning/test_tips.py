"""Tips: whom, how much, in which colour; counted where they are shown."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from tests.domains.buzz.ledger.test_posting import give, sound
from tests.factories.accounts import actor_for, make_actor, make_follow, make_person
from tests.factories.catalog import make_model, make_version

from civitas.contracts.subjects import Subject
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.earning import tips
from civitas.domains.buzz.errors import InsufficientFunds
from civitas.domains.buzz.ledger import auditing, posting
from civitas.domains.buzz.types import Currency, wallet
from civitas.domains.catalog.tables import ModelMetric
from civitas.infra.db.database import Database
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.draining import drain
from civitas.kit.errors import Conflict, Fault, Forbidden, Invalid, NotFound
from civitas.kit.money import buzz

BLUE, GREEN, YELLOW = Currency.BLUE, Currency.GREEN, Currency.YELLOW


async def rich(session: AsyncSession) -> Actor:
    actor = await make_actor(session)
    for colour in (BLUE, GREEN, YELLOW):
        await give(session, actor.id or 0, colour, buzz(5000))
    return actor


async def balance(session: AsyncSession, person: int, colour: Currency) -> int:
    purse = wallet(person, colour)
    return (await posting.balances(session, [purse]))[purse]


async def test_a_tip_keeps_its_colour_and_is_counted(session: AsyncSession, context: TaskContext) -> None:
    ana, ben = await rich(session), await make_person(session)
    model = await make_model(session, ben, status="Published", name="Lantern")
    version = await make_version(session, model, status="Published")
    on_model, on_version = Subject("model", model), Subject("model_version", version)
    await tips.give(session, ana, subject=on_model, amount=buzz(50), colour=GREEN, message="Thank you")
    await tips.give(session, ana, subject=on_version, amount=buzz(150), colour=YELLOW)
    await tips.give(session, ana, subject=Subject("user", ben), amount=buzz(60), colour=YELLOW)
    await drain(context)
    assert await balance(session, ben, GREEN) == buzz(50)
    assert await balance(session, ben, YELLOW) == buzz(210)
    found = await tips.totals(session, [on_model, on_version, Subject("user", ben)])
    assert found[on_model] == {GREEN: (buzz(50), 1)}
    assert found[on_version] == {YELLOW: (buzz(150), 1)}
    assert await tips.total(session, Subject("user", ben)) == (buzz(60), 1)
    metric = await session.scalar(select(ModelMetric.tipped).where(ModelMetric.model_id == model))
    assert metric == 200
    got = await tips.listed(session, actor_for(ben), way="received")
    assert [(tip.amount, tip.message) for tip in got.items] == [
        (buzz(60), ""), (buzz(150), ""), (buzz(50), "Thank you"),
    ]  # fmt: skip
    assert len((await tips.listed(session, ana, way="given")).items) == 3
    await sound(session)


@pytest.mark.parametrize(
    ("amount", "colour", "quick", "code"),
    [
        (buzz(49), YELLOW, False, "bad_amount"),
        (0, YELLOW, False, "bad_amount"),
        (-buzz(100), YELLOW, False, "bad_amount"),
        (buzz(50) + 1, YELLOW, False, "bad_amount"),
        (buzz(100_000_001), YELLOW, False, "bad_amount"),
        (buzz(2001), YELLOW, True, "bad_amount"),
        (buzz(50), BLUE, False, "wrong_colour"),
        (buzz(50), Currency.CASH, False, "wrong_colour"),
        (buzz(5001), YELLOW, False, "insufficient_funds"),
    ],
)
async def test_what_is_refused(
    session: AsyncSession, amount: int, colour: Currency, quick: bool, code: str
) -> None:
    ana, ben = await rich(session), await make_person(session)
    with pytest.raises(Fault) as refused:
        await tips.give(session, ana, subject=Subject("user", ben), amount=amount, colour=colour, quick=quick)
    assert refused.value.code == code
    assert await balance(session, ana.id or 0, YELLOW) == buzz(5000)


async def test_nobody_tips_themselves_or_across_a_block(session: AsyncSession) -> None:
    ana, ben = await rich(session), await make_person(session)
    own = await make_model(session, ana.id, status="Published")
    for subject in (Subject("user", ana.id or 0), Subject("model", own)):
        with pytest.raises(Invalid) as refused:
            await tips.give(session, ana, subject=subject, amount=buzz(50), colour=YELLOW)
        assert refused.value.code == "self_tip"
    await make_follow(session, ben, ana.id or 0, "block")
    with pytest.raises(Forbidden):
        await tips.give(session, ana, subject=Subject("user", ben), amount=buzz(50), colour=YELLOW)
    for nothing in (Subject("model", 10**12), Subject("teapot", 1)):
        with pytest.raises(NotFound):
            await tips.give(session, ana, subject=nothing, amount=buzz(50), colour=YELLOW)


async def test_mature_things_are_tipped_in_yellow_alone_and_drafts_not_at_all(session: AsyncSession) -> None:
    ana, ben = await rich(session), await make_person(session)
    mature = Subject("model", await make_model(session, ben, status="Published", nsfw=True))
    with pytest.raises(Invalid) as refused:
        await tips.give(session, ana, subject=mature, amount=buzz(50), colour=GREEN)
    assert refused.value.code == "wrong_colour"
    await tips.give(session, ana, subject=mature, amount=buzz(50), colour=YELLOW)
    with pytest.raises(NotFound):
        draft = Subject("model", await make_model(session, ben))
        await tips.give(session, ana, subject=draft, amount=buzz(50), colour=YELLOW)


async def test_a_key_gives_once_and_is_not_good_for_another_tip(session: AsyncSession) -> None:
    ana, ben = await rich(session), await make_person(session)
    subject = Subject("user", ben)
    first = await tips.give(session, ana, subject=subject, amount=buzz(50), colour=YELLOW, key="k")
    again = await tips.give(session, ana, subject=subject, amount=buzz(50), colour=YELLOW, key="k")
    assert (again.id, again.replayed, first.replayed) == (first.id, True, False)
    with pytest.raises(Conflict) as refused:
        await tips.give(session, ana, subject=subject, amount=buzz(51), colour=YELLOW, key="k")
    assert refused.value.code == "idempotency_key_reused"
    with pytest.raises(Invalid):
        await tips.give(session, ana, subject=subject, amount=buzz(50), colour=YELLOW, key="k" * 255)
    assert await balance(session, ben, YELLOW) == buzz(50)


async def test_a_key_without_the_scope_cannot_tip_and_the_muted_only_silently(session: AsyncSession) -> None:
    ana, ben = await rich(session), await make_person(session)
    subject = Subject("user", ben)
    with pytest.raises(Forbidden):
        narrow = actor_for(ana.id or 0, scopes=Scope.BUZZ_READ)
        await tips.give(session, narrow, subject=subject, amount=buzz(50), colour=YELLOW)
    muted = actor_for(ana.id or 0, muted=True)
    with pytest.raises(Forbidden):
        await tips.give(session, muted, subject=subject, amount=buzz(50), colour=YELLOW, message="hi")
    await tips.give(session, muted, subject=subject, amount=buzz(50), colour=YELLOW)


async def test_two_tips_race_for_one_balance(own_dsn: str) -> None:
    database = Database(own_dsn)
    try:
        async with database.unit() as session:
            ana, ben = await make_actor(session), await make_person(session)
            await give(session, ana.id or 0, YELLOW, buzz(100))

        async def tip(key: str) -> bool:
            try:
                async with database.unit() as one:
                    await tips.give(
                        one, ana, subject=Subject("user", ben), amount=buzz(60), colour=YELLOW, key=key
                    )
            except InsufficientFunds:
                return False
            return True

        assert sorted(await asyncio.gather(tip("a"), tip("b"), tip("a"), tip("b"))) in (
            [False, False, True, True], [False, False, False, True],
        )  # fmt: skip
        async with database.unit() as session:
            assert await balance(session, ben, YELLOW) == buzz(60)
            assert len((await tips.listed(session, ana, way="given")).items) == 1
            assert (await auditing.audit(session)).findings == ()
    finally:
        await database.close()
