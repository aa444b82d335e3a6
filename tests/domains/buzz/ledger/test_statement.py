"""The statement: order, balances that run along, filters, forged cursors; daily sums whatever order commits take."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from tests.factories.accounts import make_person
from tests.factories.buzz import give_buzz, spend_buzz, tip_buzz

from civitas.domains.buzz.ledger import holds, posting, statement, statistics, wallets
from civitas.domains.buzz.ledger.posting import Entry, transfer
from civitas.domains.buzz.ledger.statement import Filter
from civitas.domains.buzz.types import Currency, EntryType, Purpose, house, wallet
from civitas.infra.db.database import Database
from civitas.kit import clock, money, paging
from civitas.kit.errors import Invalid

BLUE, GREEN, YELLOW = Currency.BLUE, Currency.GREEN, Currency.YELLOW
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


async def whole(
    session: AsyncSession, person: int, limit: int = 7, **chosen: object
) -> list[statement.Movement]:
    found: list[statement.Movement] = []
    cursor = None
    while True:
        page = await statement.page(session, person, chosen=Filter(**chosen), cursor=cursor, limit=limit)  # type: ignore[arg-type]
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


async def test_balances_run_along_over_pages_and_purses(session: AsyncSession) -> None:
    ana = await make_person(session)
    for number in range(1, 12):
        await give_buzz(session, ana, number, (BLUE, GREEN, YELLOW)[number % 3])
        await spend_buzz(session, ana, 1)
    found = await whole(session, ana)
    assert len(found) == 22
    assert [(one.entry_id, one.account_id) for one in found] == sorted(
        ((one.entry_id, one.account_id) for one in found), reverse=True
    )
    for colour in (BLUE, GREEN, YELLOW):
        running = 0
        for one in reversed([one for one in found if one.currency == colour]):
            running += one.amount
            assert one.balance == running
        assert running == (await wallets.of(session, ana)).spendable[colour]


async def test_a_movement_is_explained(session: AsyncSession) -> None:
    ana, ben = await make_person(session, "ana_b"), await make_person(session, "ben_b")
    await give_buzz(session, ana, 100)
    tipped = await tip_buzz(session, ana, ben, 60, description="Tip for Lanterns")
    back = await posting.refund(session, of=tipped.entry_id, key="r1", amount=40)
    refund, tip, given = await whole(session, ana)
    assert (tip.other, tip.label, tip.description, tip.amount) == ("ben_b", "Tip", "Tip for Lanterns", -240)
    assert (tip.reversed_by, refund.reverses_id) == ((back.entry_id,), tip.entry_id)
    assert (refund.amount, refund.other, given.other) == (40, "ben_b", "New Buzz")
    assert [one.other for one in await whole(session, ben)] == ["ana_b", "ana_b"]


async def test_filters_and_a_search_that_goes_on(
    session: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    ana = await make_person(session)
    with clock.held_at(NOON):
        await give_buzz(session, ana, 500, BLUE, type=EntryType.REWARD)
    for number in range(9):
        with clock.held_at(NOON + timedelta(days=number + 1)):
            await spend_buzz(session, ana, 1)
    assert len(await whole(session, ana, types=(EntryType.REWARD,))) == 1
    assert len(await whole(session, ana, way=-1)) == 9
    assert await whole(session, ana, colour=YELLOW) == []
    days = await whole(session, ana, since=date(2026, 3, 12), until=date(2026, 3, 13))
    assert [one.at.day for one in days] == [13, 12]
    assert all(one.balance is None for one in days)
    monkeypatch.setattr(statement, "LOOK", 4)
    first = await statement.page(session, ana, chosen=Filter(types=(EntryType.REWARD,)))
    assert (first.items, first.looked_back) == ((), True)
    assert len(await whole(session, ana, types=(EntryType.REWARD,))) == 1


@pytest.mark.parametrize(
    "forged",
    [
        "nonsense",
        paging.encode(1, 2),
        paging.encode(-1, 0, ""),
        paging.encode(2**62 + 1, 0, ""),
        paging.encode(5, 5, "a:b"),
        paging.encode(5, 5, "1"),
        paging.encode("5", 5, ""),
    ],
)
async def test_forged_cursors_are_refused(session: AsyncSession, forged: str) -> None:
    ana = await make_person(session)
    with pytest.raises(Invalid) as refused:
        await statement.page(session, ana, cursor=forged)
    assert refused.value.code == "bad_cursor"


async def test_somebody_elses_cursor_shows_ones_own_statement(session: AsyncSession) -> None:
    ana, eve = await make_person(session), await make_person(session)
    for _ in range(3):
        await give_buzz(session, ana, 5)
    page = await statement.page(session, ana, limit=1)
    assert (await statement.page(session, eve, cursor=page.next_cursor)).items == ()
    assert await statement.of_entry(session, eve, page.items[0].entry_id) == ()
    assert len(await statement.of_entry(session, ana, page.items[0].entry_id)) == 1


async def test_a_page_asks_a_handful_of_queries(session: AsyncSession, connection: AsyncConnection) -> None:
    ana = await make_person(session)
    people = [await make_person(session) for _ in range(10)]
    await give_buzz(session, ana, 1000)
    for person in people:
        await tip_buzz(session, ana, person, 2)
    asked: list[str] = []
    event.listen(connection.sync_connection, "before_cursor_execute", lambda *args: asked.append(args[2]))
    await statement.page(session, ana)
    assert len(asked) <= 3
    asked.clear()
    await wallets.of(session, ana)
    assert len(asked) == 1


async def test_what_a_hold_gave_back_was_never_spent(session: AsyncSession) -> None:
    ana = await make_person(session)
    await give_buzz(session, ana, 100)
    held = await holds.reserve(
        session, key="h", person_id=ana, colours=(YELLOW,), total=money.buzz(30), type=EntryType.GENERATION,
        expires_at=clock.now() + timedelta(hours=1),
    )  # fmt: skip
    captured = await holds.capture(session, hold_id=held.id, key="c", amount=money.buzz(10), final=True)
    for _ in range(2):  # unfolded first, then folded
        found = await statistics.lifetime(session, ana)
        assert (found.earned[YELLOW], found.spent[YELLOW]) == (400, 40)
        assert sum(day.went for day in await statistics.days(session, ana)) == 40
        await statistics.fold(session)
    assert [one.hold for one in await whole(session, ana)] == ["return", "reserve", None]
    # A refund of what a hold paid goes to the wallet, and the hold's books stay true.
    await posting.refund(session, of=captured.entry_id, key="r", amount=10)
    await posting.refund(session, of=captured.entry_id, key="r2")
    assert (await wallets.of(session, ana)).spendable[YELLOW] == 400
    with pytest.raises(Invalid):
        await posting.refund(session, of=captured.entry_id, key="r3")
    assert (await statistics.lifetime(session, ana)).spent[YELLOW] == 0


async def test_daily_sums_wait_for_smaller_numbers_that_commit_later(own_dsn: str) -> None:
    database = Database(own_dsn)
    try:
        async with database.unit() as session:
            ana = await make_person(session)
        slow_began, may_end = asyncio.Event(), asyncio.Event()

        async def slow() -> None:
            async with database.unit() as session:
                await posting.post(
                    session,
                    Entry(
                        "slow",
                        EntryType.REWARD,
                        transfer(house(Purpose.MINT, BLUE), wallet(ana, BLUE), 4),
                    ),
                )
                slow_began.set()
                await may_end.wait()

        task = asyncio.create_task(slow())
        await slow_began.wait()
        async with database.unit() as session:
            await posting.post(
                session,
                Entry("quick", EntryType.TIP, transfer(house(Purpose.MINT, YELLOW), wallet(ana, YELLOW), 8)),
            )
        for _ in range(3):
            async with database.unit() as session:
                await statistics.fold(session)
        async with database.reading() as session:
            assert await session.scalar(text("SELECT done_id FROM buzz_daily_mark")) == 0
            assert (await statistics.lifetime(session, ana)).earned == {BLUE: 0, GREEN: 0, YELLOW: 8}
        may_end.set()
        await task
        for _ in range(3):
            async with database.unit() as session:
                await statistics.fold(session)
        async with database.reading() as session:
            assert await session.scalar(text("SELECT count(*) FROM buzz_daily WHERE came > 0")) == 2
            assert (await statistics.lifetime(session, ana)).earned == {BLUE: 4, GREEN: 0, YELLOW: 8}
    finally:
        await database.close()


async def test_supply_and_months_add_up(session: AsyncSession) -> None:
    ana = await make_person(session)
    await give_buzz(session, ana, 100)
    await spend_buzz(session, ana, 30)
    await statistics.fold(session)
    await statistics.note_supply(session)
    month = (await statistics.months(session))[0]
    assert (month.minted, month.revenue) == ({"yellow": 400}, {"yellow": 120})
    found = {(one.purpose, one.currency): one.amount for one in await statistics.supply(session)}
    assert (found["mint", "yellow"], found["wallet", "yellow"], found["revenue", "yellow"]) == (
        -400,
        280,
        120,
    )
    kept, _, opened = await statistics.figures(session)
    assert (kept["yellow"], opened) == (280, 0)
