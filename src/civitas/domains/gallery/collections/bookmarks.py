"""What one keeps with one press: a collection for each kind, made on first use, and the dialog that saves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, delete, literal, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.catalog.engagement import Wish
from civitas.domains.catalog.wish_tables import ModelEngagement
from civitas.domains.gallery.collections import filling, levels, policy
from civitas.domains.gallery.collections.tables import Collection, CollectionItem, CollectionTag
from civitas.domains.gallery.collections.types import MOST_ITEMS, Kind, Mode, State
from civitas.kit import clock

NAMES = {
    Kind.MODEL: "Favourite models",
    Kind.IMAGE: "Bookmarked pictures",
    Kind.POST: "Bookmarked posts",
    Kind.ARTICLE: "Bookmarked articles",
}
MOST_OFFERED = 200


@dataclass(frozen=True, slots=True)
class Offer:
    """A collection into which something can be put, and whether it is in; `id` 0 is bookmarks to be made."""

    id: int
    name: str
    read_by: str
    bookmark: bool
    holds: bool
    own: bool
    # Of contests that have them: (id, name) of the tags that an entry is put under.
    tags: tuple[tuple[int, str], ...] = ()


async def bookmark_of(session: AsyncSession, *, person_id: int, kind: Kind) -> Collection:
    """A person's bookmarks of this kind, made now if there were none; two at once make one."""
    made = await session.scalar(
        insert(Collection)
        .values(person_id=person_id, kind=kind.value, mode=Mode.BOOKMARK.value, name=NAMES[kind])
        .on_conflict_do_nothing()
        .returning(Collection.id)
    )
    if made is not None and kind is Kind.MODEL:
        await _bring_favourites(session, collection_id=made, person_id=person_id)
    found: Collection = (
        await session.scalars(
            select(Collection).where(
                Collection.person_id == person_id,
                Collection.kind == kind.value,
                Collection.mode == Mode.BOOKMARK.value,
                Collection.deleted_at.is_(None),
            )
        )
    ).one()
    return found


async def _bring_favourites(session: AsyncSession, *, collection_id: int, person_id: int) -> None:
    """What somebody made a favourite before they had bookmarks is among them, in the same order."""
    favourites = (
        select(
            literal(collection_id), literal(Kind.MODEL.value), ModelEngagement.model_id, literal(person_id),
            ModelEngagement.created_at,
        )
        .where(ModelEngagement.person_id == person_id, ModelEngagement.kind == Wish.FAVOURITE.value)
        .order_by(ModelEngagement.created_at)
        .limit(MOST_ITEMS)
    )  # fmt: skip
    brought = await session.scalars(
        insert(CollectionItem)
        .from_select(["collection_id", "kind", "subject_id", "person_id", "created_at"], favourites)
        .on_conflict_do_nothing()
        .returning(CollectionItem.subject_id)
    )
    await levels.keep(session, Kind.MODEL, list(brought))
    await levels.count(session, [collection_id])


async def keep(session: AsyncSession, actor: Actor, *, kind: Kind, subject_id: int, on: bool) -> None:
    """Bookmark one thing, or no longer. Raises NotFound for what the actor cannot see."""
    collection = await bookmark_of(session, person_id=actor.require(Scope.COLLECTIONS_WRITE), kind=kind)
    change = filling.add if on else filling.remove
    await change(session, actor, collection_id=collection.id, subject_ids=[subject_id])


async def offers(session: AsyncSession, actor: Actor, *, kind: Kind, subject_id: int) -> list[Offer]:
    """Collections that the actor fills, or follows and may add to: bookmarks first, then what was filled last."""
    person_id = actor.require(Scope.COLLECTIONS_READ)
    rows = (
        await session.execute(
            select(
                Collection.id, Collection.name, Collection.read_by, Collection.mode, Collection.person_id,
                CollectionItem.id.label("item_id"),
            )
            .outerjoin(
                CollectionItem,
                and_(
                    CollectionItem.collection_id == Collection.id,
                    CollectionItem.subject_id == subject_id,
                    CollectionItem.state != State.REJECTED.value,
                ),
            )
            .where(
                or_(policy.theirs(person_id, fills=True), policy.open_to(person_id)),
                Collection.kind == kind.value,
                Collection.deleted_at.is_(None),
            )
            .order_by(
                (Collection.mode == Mode.BOOKMARK.value).desc(),
                Collection.filled_at.desc().nulls_last(),
                Collection.id.desc(),
            )
            .limit(MOST_OFFERED)
        )
    ).all()  # fmt: skip
    tags = await _tags(session, [row.id for row in rows if row.mode == Mode.CONTEST])
    found = [
        Offer(
            row.id, row.name, row.read_by, row.mode == Mode.BOOKMARK, row.item_id is not None,
            row.person_id == person_id, tags.get(row.id, ()),
        )
        for row in rows
    ]  # fmt: skip
    if not any(one.bookmark and one.own for one in found):
        found.insert(0, Offer(0, NAMES[kind], "private", bookmark=True, holds=False, own=True))
    return found


async def _tags(session: AsyncSession, contests: Sequence[int]) -> dict[int, tuple[tuple[int, str], ...]]:
    if not contests:
        return {}
    rows = await session.execute(
        select(CollectionTag.collection_id, CollectionTag.id, CollectionTag.name)
        .where(
            CollectionTag.collection_id.in_(contests),
            or_(CollectionTag.ends_at.is_(None), CollectionTag.ends_at > clock.now()),
        )
        .order_by(CollectionTag.name)
    )
    found: dict[int, tuple[tuple[int, str], ...]] = {}
    for collection_id, number, name in rows:
        found[collection_id] = (*found.get(collection_id, ()), (number, name))
    return found


async def save(
    session: AsyncSession,
    actor: Actor,
    *,
    kind: Kind,
    subject_id: int,
    offered: Sequence[int],
    wanted: Sequence[int],
    tags: Mapping[int, int] | None = None,
) -> tuple[int, int]:
    """Put a thing into the wanted ones among the offered collections and out of the others: (put in, taken out).

    `tags` are those under which it is entered, by the contest's id.
    """
    person_id = actor.require(Scope.COLLECTIONS_WRITE)
    now = {one.id: one for one in await offers(session, actor, kind=kind, subject_id=subject_id)}
    put = taken = 0
    for number in dict.fromkeys(offered):
        one = now.get(number)
        if one is None or one.holds == (number in wanted):
            continue
        target = number or (await bookmark_of(session, person_id=person_id, kind=kind)).id
        if number in wanted:
            await filling.add(
                session,
                actor,
                collection_id=target,
                subject_ids=[subject_id],
                tag_id=(tags or {}).get(target),
            )
            put += 1
        else:
            taken += await filling.remove(session, actor, collection_id=target, subject_ids=[subject_id])
    return put, taken


async def mirror(session: AsyncSession, *, person_id: int, model_id: int) -> None:
    """Let the bookmarks of models say what the favourites say now, in whatever order that is heard."""
    collection = await bookmark_of(session, person_id=person_id, kind=Kind.MODEL)
    if await session.get(ModelEngagement, (person_id, model_id, Wish.FAVOURITE.value)) is not None:
        facts = (await levels.facts_of(session, Kind.MODEL, [model_id])).get(model_id)
        full = await session.scalar(
            select(CollectionItem.id)
            .where(CollectionItem.collection_id == collection.id)
            .offset(MOST_ITEMS - 1)
            .limit(1)
        )
        if facts is None or full is not None:
            return
        await session.execute(
            insert(CollectionItem)
            .values(
                collection_id=collection.id, kind=Kind.MODEL.value, subject_id=model_id,
                person_id=person_id, owner_id=facts.owner_id, level=levels.level_of(facts),
                shown=facts.public, created_at=clock.now(),
            )
            .on_conflict_do_nothing(index_elements=["collection_id", "kind", "subject_id"])
        )  # fmt: skip
        collection.filled_at = clock.now()
    else:
        await session.execute(
            delete(CollectionItem).where(
                CollectionItem.collection_id == collection.id, CollectionItem.subject_id == model_id
            )
        )
    await levels.count(session, [collection.id])
