"""Making, changing and deleting collections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.gallery import CollectionChanged, CollectionDeleted
from civitas.domains.accounts.policy import require_voice
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.gallery.collections import policy
from civitas.domains.gallery.collections.tables import Collection, CollectionContest, CollectionItem
from civitas.domains.gallery.collections.types import (
    LONGEST_DESCRIPTION,
    LONGEST_NAME,
    MOST_COLLECTIONS,
    Kind,
    Mode,
    Order,
    ReadBy,
    WriteBy,
)
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound
from civitas.kit.text import clean_block, clean_line


@dataclass(frozen=True, slots=True)
class CollectionEdit:
    """What to change; None leaves a field as it is."""

    name: str | None = None
    description: str | None = None
    read_by: ReadBy | None = None
    write_by: WriteBy | None = None
    order_by: Order | None = None
    contest: bool | None = None


async def create(session: AsyncSession, actor: Actor, *, kind: Kind, changes: CollectionEdit) -> Collection:
    """Make a collection, private unless said otherwise. Raises Invalid naming the fields, Forbidden, Conflict."""
    person_id = actor.require(Scope.COLLECTIONS_WRITE)
    require_voice(actor)
    values = _read(changes, new=True)
    held = await session.scalar(
        select(func.count()).where(Collection.person_id == person_id, Collection.deleted_at.is_(None))
    )
    if (held or 0) >= MOST_COLLECTIONS:
        raise Conflict(
            f"You have {MOST_COLLECTIONS} collections, which is the most; delete one first.",
            code="too_many_collections",
        )
    collection = Collection(person_id=person_id, kind=kind.value, **values)
    session.add(collection)
    await session.flush()
    if collection.mode == Mode.CONTEST:
        session.add(CollectionContest(collection_id=collection.id))
    await session.flush()
    await session.refresh(collection)
    await publish(session, CollectionChanged(collection.id, person_id))
    return collection


async def edit(
    session: AsyncSession, actor: Actor, *, collection_id: int, changes: CollectionEdit
) -> Collection:
    """Change a collection that one manages. Bookmarks keep their name and are filled by their owner alone."""
    collection = await policy.managed(session, actor, collection_id)
    require_voice(actor)
    if collection.mode == Mode.BOOKMARK:
        if changes.write_by not in (None, WriteBy.PRIVATE) or changes.contest:
            raise Forbidden("Only you fill your bookmarks.", code="bookmarks_are_yours")
        changes = CollectionEdit(
            description=changes.description, read_by=changes.read_by, order_by=changes.order_by
        )
    values = _read(changes)
    if values.get("mode") == Mode.STANDARD and await _ended(session, collection_id):
        raise Conflict("A contest that is over stays one.", code="contest_over")
    for name, value in values.items():
        setattr(collection, name, value)
    if values.get("mode") == Mode.CONTEST and await session.get(CollectionContest, collection_id) is None:
        session.add(CollectionContest(collection_id=collection_id))
    await session.flush()
    await publish(session, CollectionChanged(collection.id, collection.person_id))
    return collection


async def delete(session: AsyncSession, actor: Actor, *, collection_id: int) -> None:
    """Delete a collection of one's own; what it held stays where it is. Raises NotFound, Forbidden."""
    collection = await policy.managed(session, actor, collection_id)
    if collection.person_id != actor.id and not actor.is_moderator:
        raise Forbidden("Only its owner deletes a collection.", code="not_yours")
    if collection.mode == Mode.BOOKMARK:
        raise Conflict("Bookmarks cannot be deleted; take out what is in them.", code="bookmarks_stay")
    collection.deleted_at = clock.now()
    await session.flush()
    await publish(session, CollectionDeleted(collection.id, collection.person_id))


async def set_cover(session: AsyncSession, actor: Actor, *, collection_id: int, item_id: int | None) -> None:
    """Let one of its items stand for a collection; None lets the newest ones do it. Raises NotFound, Forbidden."""
    await policy.managed(session, actor, collection_id)
    await session.execute(
        update(CollectionItem)
        .where(CollectionItem.collection_id == collection_id, CollectionItem.is_cover)
        .values(is_cover=False)
        .execution_options(synchronize_session=False)
    )
    if item_id is None:
        return
    made = await session.scalar(
        update(CollectionItem)
        .where(
            CollectionItem.id == item_id,
            CollectionItem.collection_id == collection_id,
            CollectionItem.state == "accepted",
        )
        .values(is_cover=True)
        .returning(CollectionItem.id)
        .execution_options(synchronize_session=False)
    )
    if made is None:
        raise NotFound("This is not in the collection.", code="item_not_found")


async def _ended(session: AsyncSession, collection_id: int) -> bool:
    contest = await session.get(CollectionContest, collection_id)
    return contest is not None and contest.ended_at is not None


def _read(changes: CollectionEdit, *, new: bool = False) -> Mapping[str, Any]:
    """The columns of an edit. Raises Invalid with every wrong field named."""
    values: dict[str, Any] = {}
    fields: dict[str, str] = {}
    if changes.name is not None or new:
        name = clean_line((changes.name or "")[:1000])
        if not name:
            fields["name"] = "Give it a name."
        elif len(name) > LONGEST_NAME:
            fields["name"] = f"Use at most {LONGEST_NAME} characters."
        values["name"] = name
    if changes.description is not None:
        words = clean_block(changes.description[:20_000])
        if len(words) > LONGEST_DESCRIPTION:
            fields["description"] = f"Use at most {LONGEST_DESCRIPTION} characters."
        values["description"] = words
    for column, chosen in (
        ("read_by", changes.read_by),
        ("write_by", changes.write_by),
        ("order_by", changes.order_by),
    ):
        if chosen is not None:
            values[column] = chosen.value
    if changes.contest is not None:
        values["mode"] = (Mode.CONTEST if changes.contest else Mode.STANDARD).value
    if fields:
        raise Invalid("This collection cannot be saved as it is.", code="bad_collection", fields=fields)
    return values
