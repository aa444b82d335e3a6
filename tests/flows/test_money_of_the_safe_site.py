"""On the safe twin of the site yellow Buzz pays for nothing, wherever one spends."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from tests.domains.buzz.shop.test_shop import house_item
from tests.domains.catalog.test_access import give, make_seller, on_sale, timed
from tests.factories.accounts import make_actor, make_person
from tests.factories.workflows import draw, run, submitter

from civitas.contracts.subjects import Subject
from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.earning import tips
from civitas.domains.buzz.errors import InsufficientFunds
from civitas.domains.buzz.ledger import posting
from civitas.domains.buzz.memberships import wishes
from civitas.domains.buzz.shop import sales
from civitas.domains.buzz.types import Currency, wallet
from civitas.domains.catalog import access_buying
from civitas.infra.queue.context import TaskContext
from civitas.kit.errors import Invalid
from civitas.kit.money import buzz

GREEN, YELLOW = Currency.GREEN, Currency.YELLOW
PLENTY = 100_000


async def visitor(session: AsyncSession) -> Actor:
    """Somebody with yellow Buzz alone, on the safe site."""
    actor = await make_actor(session)
    await give(session, actor.require(), YELLOW, PLENTY)
    return actor.on_safe_site()


async def purse(session: AsyncSession, actor: Actor, colour: Currency) -> int:
    account = wallet(actor.require(), colour)
    return (await posting.balances(session, [account]))[account]


async def short(call: Any) -> None:
    with pytest.raises(InsufficientFunds) as refused:
        await call
    assert "yellow" not in refused.value.details["colours"]


async def test_yellow_gives_no_tips_and_buys_nothing(session: AsyncSession, context: TaskContext) -> None:
    ana = await visitor(session)
    ben = Subject("user", await make_person(session))
    with pytest.raises(Invalid) as refused:
        await tips.give(session, ana, subject=ben, amount=buzz(50), colour=YELLOW)
    assert refused.value.code == "wrong_colour"
    assert [
        one.colour for one in await tips.purses(session, ana, await tips.target(session, ana, subject=ben))
    ] == [GREEN]
    _, version = await on_sale(session, context, await make_seller(session), timed(donationGoal=1000))
    item = await house_item(session)
    await short(access_buying.buy(session, ana, version_id=version))
    await short(access_buying.donate(session, ana, version_id=version, amount=buzz(100)))
    await short(sales.buy(session, ana, item_id=item.id, key="k"))
    await short(wishes.buy_perks(session, ana, tier="bronze", key="k"))
    assert await purse(session, ana, YELLOW) == buzz(PLENTY)
    await give(session, ana.require(), GREEN, PLENTY)
    await tips.give(session, ana, subject=ben, amount=buzz(50), colour=GREEN)
    await access_buying.buy(session, ana, version_id=version)
    await sales.buy(session, ana, item_id=item.id, key="k2")
    await wishes.buy_perks(session, ana, tier="bronze", key="k2")
    spent = buzz(50) + buzz(500) + buzz(500) + buzz(12_500)
    assert await purse(session, ana, GREEN) == buzz(PLENTY) - spent
    assert await purse(session, ana, YELLOW) == buzz(PLENTY)


async def test_generating_there_is_paid_in_blue_and_green(session: AsyncSession) -> None:
    ana = (await submitter(session, yellow=1000)).on_safe_site()
    step = await draw(session)
    await short(run(session, ana, step))
    assert await purse(session, ana, YELLOW) == buzz(1000)
    await give(session, ana.require(), GREEN, 1000)
    await run(session, ana, step)
    assert (await purse(session, ana, YELLOW), await purse(session, ana, GREEN) < buzz(1000)) == (
        buzz(1000),
        True,
    )
