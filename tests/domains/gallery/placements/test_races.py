"""Two hands on one offer, and hands that let go in the middle: Buzz moves once, and all of it is accounted for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.placements import Wall, make_wall, purse, stick

from civitas.domains.buzz.ledger import auditing, holds
from civitas.domains.gallery.placements import answering, ending
from civitas.domains.gallery.placements.tables import Placement
from civitas.domains.gallery.placements.types import Openness, Status
from civitas.domains.gallery.tables import Image
from civitas.infra.db.database import Database
from civitas.kit import clock
from civitas.kit.errors import Conflict
from civitas.kit.money import buzz

Do = Callable[[AsyncSession], Awaitable[Any]]
# What owner, placer and the site have in the end, by how it ended; the price is 80 of the placer's 1,000.
ENDS = {
    Status.APPROVED: {(0, 920)}, Status.DECLINED: {(24, 976)}, Status.EXPIRED: {(0, 1000)},
    # Withdrawn before it was approved, or after: then it is shared at once.
    Status.REMOVED: {(0, 1000), (56, 920)},
}  # fmt: skip


@pytest.fixture
async def database(own_dsn: str) -> AsyncIterator[Database]:
    opened = Database(own_dsn)
    yield opened
    await opened.close()


async def offered(database: Database, **wanted: Any) -> tuple[Wall, int]:
    async with database.unit() as session:
        wall = await make_wall(session, price=80, **wanted)
        return wall, (await stick(session, wall)).id


async def at_once(database: Database, deeds: Sequence[Do]) -> list[Any]:
    async def one(deed: Do) -> Any:
        async with database.unit() as session:
            return await deed(session)

    return await asyncio.gather(*(one(deed) for deed in deeds), return_exceptions=True)


async def ended(database: Database, wall: Wall, placement: int) -> Status:
    """How it ended; what everybody has must follow from that alone."""
    async with database.reading() as session:
        status = Status((await session.get_one(Placement, placement)).status)
        assert (await auditing.audit(session)).findings == ()
        had = (await purse(session, wall.owner), await purse(session, wall.placer))
        assert had in {(buzz(owner), buzz(placer)) for owner, placer in ENDS[status]}
        return status


async def test_the_owner_answers_twice_at_once(database: Database) -> None:
    for _ in range(4):
        wall, number = await offered(database)
        answers = await at_once(
            database,
            [
                lambda session, wall=wall, number=number: answering.approve(session, wall.owner, placement_id=number),
                lambda session, wall=wall, number=number: answering.decline(session, wall.owner, placement_id=number),
            ] * 2,
        )  # fmt: skip
        assert await ended(database, wall, number) in {Status.APPROVED, Status.DECLINED}
        assert sum(isinstance(answer, Conflict) for answer in answers) == 2


async def test_everybody_at_once_in_the_last_moment(database: Database) -> None:
    for late in (False, True):
        wall, number = await offered(database)
        with clock.held_at(clock.now() + timedelta(hours=49 if late else 47)):
            deeds: list[Do] = [
                ending.expire_due,
                lambda session, wall=wall, number=number: answering.approve(session, wall.owner, placement_id=number),
                ending.expire_due,
                holds.expire,
                lambda session, wall=wall, number=number: ending.remove(session, wall.placer, placement_id=number),
            ]  # fmt: skip
            await at_once(database, deeds)
            async with database.unit() as session:
                await ending.expire_due(session)
        if await ended(database, wall, number) is Status.APPROVED:
            assert not late


async def test_a_picture_goes_while_it_is_approved(database: Database) -> None:
    wall, number = await offered(database)

    async def take(session: AsyncSession) -> None:
        await session.execute(update(Image).where(Image.id == wall.image).values(deleted_at=clock.now()))
        await ending.end_unfit(session, images=[wall.image])

    await at_once(
        database, [take, lambda session: answering.approve(session, wall.owner, placement_id=number)]
    )
    async with database.unit() as session:
        await ending.end_unfit(session, images=[wall.image])
    assert await ended(database, wall, number) is Status.REMOVED


async def test_the_same_offer_sent_twice_at_once_is_one(database: Database) -> None:
    async with database.unit() as session:
        wall = await make_wall(session, price=80)
    answers = await at_once(database, [lambda session: stick(session, wall, key="k")] * 4)
    assert len({answer.id for answer in answers}) == 1
    async with database.reading() as session:
        assert await purse(session, wall.placer) == buzz(920)


async def test_settling_while_the_owner_takes_it_away(database: Database) -> None:
    wall, number = await offered(database, mode=Openness.AUTO)
    with clock.held_at(clock.now() + timedelta(hours=49)):
        await at_once(
            database,
            [
                ending.settle_due,
                ending.settle_due,
                lambda session: ending.remove(session, wall.owner, placement_id=number),
            ],
        )
        async with database.unit() as session:
            await ending.settle_due(session)
    async with database.reading() as session:
        had = (await purse(session, wall.owner), await purse(session, wall.placer))
        assert had in {(buzz(56), buzz(920)), (0, buzz(1000))}
        assert (await auditing.audit(session)).findings == ()


async def test_a_process_that_dies_in_the_middle_leaves_nothing_half_done(database: Database) -> None:
    """Whatever step it dies at, it is as if it had not begun; done again, it is done once."""

    class Died(BaseException):
        """As abrupt as a kill: nobody catches it."""

    wall, number = await offered(database)

    async def die(deed: Do) -> None:
        with pytest.raises(Died):
            async with database.unit() as session:
                await deed(session)
                raise Died

    async def approve(session: AsyncSession) -> None:
        await answering.approve(session, wall.owner, placement_id=number)

    await die(lambda session: stick(session, wall, key="again"))
    await die(approve)
    async with database.reading() as session:
        assert await session.scalar(select(Placement.status).where(Placement.id == number)) == "pending"
        assert await purse(session, wall.placer) == buzz(920)
    async with database.unit() as session:
        await stick(session, wall, key="again")
        await approve(session)
    with clock.held_at(clock.now() + timedelta(hours=49)):
        await die(ending.settle_due)
        await die(ending.expire_due)
        async with database.unit() as session:
            assert (await ending.settle_due(session), await ending.expire_due(session)) == (1, 1)
    async with database.reading() as session:
        assert (await purse(session, wall.owner), await purse(session, wall.placer)) == (buzz(56), buzz(920))
        assert (await auditing.audit(session)).findings == ()
