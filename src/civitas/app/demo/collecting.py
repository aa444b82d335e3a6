"""Collections of the demo: models for one evening, pictures for a wall, and a small contest under way."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.app.house import House
from civitas.domains.accounts.types import Actor
from civitas.domains.gallery.collections import contests, filling, levels, making, people
from civitas.domains.gallery.collections.making import CollectionEdit
from civitas.domains.gallery.collections.tables import Collection, CollectionFollow, CollectionItem
from civitas.domains.gallery.collections.types import Contest, Kind, Order, Permission, ReadBy, WriteBy
from civitas.domains.gallery.tables import Image
from civitas.kit import clock

SHOWN = 12


async def collect(
    house: House, *, makers: Sequence[Actor], friends: Sequence[Actor], models: Sequence[int]
) -> None:
    """Let the demo's people put things together."""
    ines, pavel, yuki = friends
    async with house.database.unit() as session:
        pictures = await _pictures(session, makers)
        evening = await _make(
            session, ines, Kind.MODEL, "Paper and light", "Models whose pictures I would hang in the kitchen."
        )
        await filling.add(session, ines, collection_id=evening, subject_ids=list(models)[:SHOWN])
        wall = await _make(
            session, pavel, Kind.IMAGE, "Backgrounds to draw over", "Quiet pictures with room in the middle."
        )
        if pictures:
            await filling.add(session, pavel, collection_id=wall, subject_ids=pictures[:SHOWN])
        for who, number in ((pavel, evening), (yuki, evening), (ines, wall)):
            await people.follow(session, who, collection_id=number, on=True)
        await _contest(session, yuki, makers)


async def _contest(session: AsyncSession, host: Actor, makers: Sequence[Actor]) -> None:
    number = await _make(
        session,
        host,
        Kind.IMAGE,
        "Skies, a small contest",
        "Enter the widest sky that you have made. Three at most; everybody votes.",
        contest=True,
    )
    now = clock.now()
    rules = Contest(
        starts_at=now - timedelta(days=2), ends_at=now + timedelta(days=12), most_each=3, judging=True,
        voting=True, level=3,
    )  # fmt: skip
    await contests.arrange(session, host, collection_id=number, rules=rules)
    await people.invite(
        session, host, collection_id=number, person_id=makers[1].require(), permissions=Permission.JUDGE
    )
    for maker in makers:
        for picture in (await _pictures(session, [maker]))[-3:]:
            await filling.add(session, maker, collection_id=number, subject_ids=[picture])
    entries = await session.scalars(
        select(CollectionItem.id).where(CollectionItem.collection_id == number).order_by(CollectionItem.id)
    )
    for place, item in enumerate(entries.all()):
        await contests.score(session, host, collection_id=number, item_id=item, points=6 + place % 4)
        if place % 2 == 0:
            await contests.vote(session, host, collection_id=number, item_id=item, on=True)


async def _make(
    session: AsyncSession, who: Actor, kind: Kind, name: str, words: str, *, contest: bool = False
) -> int:
    changes = CollectionEdit(
        name=name,
        description=words,
        read_by=ReadBy.PUBLIC,
        write_by=WriteBy.PUBLIC if contest else WriteBy.PRIVATE,
        order_by=Order.BEST if contest else Order.NEWEST,
        contest=contest,
    )
    return (await making.create(session, who, kind=kind, changes=changes)).id


async def _pictures(session: AsyncSession, makers: Sequence[Actor]) -> list[int]:
    """Pictures of these people that everybody may see."""
    found = await session.scalars(
        select(Image.id)
        .where(
            Image.person_id.in_([one.require() for one in makers]),
            Image.status == "ready",
            Image.deleted_at.is_(None),
            Image.nsfw_level.in_((1, 2)),
        )
        .order_by(Image.id)
    )
    return list(found)


async def clear(session: AsyncSession, person_ids: Sequence[int]) -> None:
    """Take the demo's people out of all collections, and theirs away."""
    await session.execute(delete(CollectionFollow).where(CollectionFollow.person_id.in_(person_ids)))
    touched = await session.scalars(
        delete(CollectionItem)
        .where(or_(CollectionItem.person_id.in_(person_ids), CollectionItem.owner_id.in_(person_ids)))
        .returning(CollectionItem.collection_id)
    )
    await levels.count(session, sorted(set(touched)))
    await session.execute(delete(Collection).where(Collection.person_id.in_(person_ids)))
