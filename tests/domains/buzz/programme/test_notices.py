"""Mails about the months of the creator programme go to those whom they concern, once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.programme import make_creator, pay_cash

from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.programme import banking, notices
from civitas.domains.buzz.programme.notices import Notice
from civitas.domains.buzz.programme.types import calendar, month_named, month_of
from civitas.domains.buzz.types import Currency
from civitas.kit import clock
from civitas.kit.money import buzz


async def test_everybody_is_told_once(session: AsyncSession) -> None:
    await make_creator(session)
    await make_creator(session)
    notice = Notice("banking_ends", month_of(clock.now()), "Banking ends soon", "Bank now.")
    assert await notices.send(session, notice) == 2
    assert await notices.send(session, notice) == 0
    assert await notices.send(session, replace(notice, kind="another")) == 2
    # Nobody has banked anything, and nobody has cash to be paid.
    assert await notices.send(session, replace(notice, kind="for bankers", banked=True)) == 0
    assert await notices.send(session, replace(notice, kind="for the unpaid", unpayable=True)) == 0


async def test_bankers_and_the_unpaid_are_told_at_their_time_and_nobody_else(session: AsyncSession) -> None:
    month = month_named("202611")
    when = calendar(month, economy.current().programme)
    ahead = timedelta(hours=economy.current().programme.notice_hours)
    with clock.held_at(when.opens + timedelta(days=2)):
        banker, unpaid = await make_creator(session, yellow=50_000), await make_creator(session)
        await banking.bank(session, banker, amounts={Currency.YELLOW: buzz(20_000)}, key="b")
        await pay_cash(session, unpaid.require(), 9_000)
        told = {one.kind: one for one in notices.due(month)}
        assert set(told) == {"unpayable"}
        assert [await notices.send(session, told["unpayable"]) for _ in range(2)] == [1, 0]
    with clock.held_at(when.extraction_opens - ahead):
        told = {one.kind: one for one in notices.due(month)}
        assert await notices.send(session, told["banking_ends"]) == 2
    with clock.held_at(when.closes - ahead - timedelta(minutes=1)):
        assert "extraction_ends" not in {one.kind for one in notices.due(month)}
    with clock.held_at(when.closes - ahead):
        told = {one.kind: one for one in notices.due(month)}
        assert await notices.send(session, told["extraction_ends"]) == 1
