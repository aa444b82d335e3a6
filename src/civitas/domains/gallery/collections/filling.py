"""Putting things into collections and taking them out, up to two hundred at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.gallery import Collected, CollectionItemsSubmitted, Uncollected
from civitas.contracts.subjects import SubjectFacts
from civitas.domains.accounts import following
from civitas.domains.accounts.policy import require_voice
from civitas.domains.accounts.types import BLOCKED, Actor, Scope
from civitas.domains.catalog import engagement
from civitas.domains.catalog.engagement import Wish
from civitas.domains.gallery.collections import contests, levels, policy
from civitas.domains.gallery.collections.tables import Collection, CollectionItem
from civitas.domains.gallery.collections.types import (
    BATCH,
    LONGEST_NOTE,
    MOST_ITEMS,
    Kind,
    Mode,
    ReadBy,
    Rights,
    State,
)
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound
from civitas.kit.text import clean_line


@dataclass(frozen=True, slots=True)
class Added:
    """What came of adding: ids of things that are in now, and of those that wait for somebody to look."""

    accepted: tuple[int, ...]
    waiting: tuple[int, ...]


async def add(
    session: AsyncSession,
    actor: Actor,
    *,
    collection_id: int,
    subject_ids: Sequence[int],
    note: str = "",
    tag_id: int | None = None,
) -> Added:
    """Put things into a collection; those that are in already stay as they are.

    Things must be ones that the actor may see. Raises NotFound, Forbidden (`not_yours`, `blocked`), Invalid,
    Conflict (`collection_full`), and in contests what their rules forbid.
    """
    person_id = actor.require(Scope.COLLECTIONS_WRITE)
    wanted = bounded(subject_ids)
    collection, rights = await policy.found(session, actor, collection_id, lock=True)
    await _require_add(session, actor, collection, rights)
    facts = await _visible(session, actor, Kind(collection.kind), wanted)
    if collection.mode == Mode.CONTEST:
        await contests.require_entry(session, actor, collection, facts, tag_id=tag_id, manages=rights.manage)
    elif tag_id is not None:
        raise Invalid("Only contests have tags to enter under.", code="no_contest")
    await _require_room(session, collection_id, len(wanted))
    state = State.REVIEW if rights.waits else State.ACCEPTED
    words = _note(note)
    before = await held_by(session, person_id, collection.kind, wanted)
    made = await session.scalars(
        insert(CollectionItem)
        .values(
            [
                {
                    "collection_id": collection_id, "kind": collection.kind, "subject_id": number,
                    "person_id": person_id, "state": state.value, "note": words, "tag_id": tag_id,
                    "owner_id": facts[number].owner_id, "level": levels.level_of(facts[number]),
                    "shown": facts[number].public, "created_at": clock.now(),
                }
                for number in wanted
            ]
        )
        .on_conflict_do_nothing(index_elements=["collection_id", "kind", "subject_id"])
        .returning(CollectionItem.subject_id)
    )  # fmt: skip
    came = set(made)
    new = [number for number in wanted if number in came]
    await _added(session, actor, collection, new, state, before)
    return Added(tuple(new) if state is State.ACCEPTED else (), tuple(new) if state is State.REVIEW else ())


async def _added(
    session: AsyncSession,
    actor: Actor,
    collection: Collection,
    new: Sequence[int],
    state: State,
    before: frozenset[int],
) -> None:
    """What follows when things came in."""
    if not new:
        return
    person_id = actor.require()
    if state is State.REVIEW:
        await publish(session, CollectionItemsSubmitted(collection.id, person_id, len(new)))
    else:
        collection.filled_at = clock.now()
        await publish(
            session,
            *(
                Collected(
                    collection.id,
                    person_id,
                    collection.kind,
                    number,
                    first=number not in before,
                    bookmark=collection.mode == Mode.BOOKMARK,
                )
                for number in new
            ),
        )
    if collection.mode == Mode.BOOKMARK and collection.kind == Kind.MODEL:
        # A bookmarked model is a favourite and the other way round: one thing under two names.
        for number in new:
            await engagement.engage(session, actor, model_id=number, wish=Wish.FAVOURITE)
    await levels.count(session, [collection.id])


async def held_elsewhere(
    session: AsyncSession, collection: Collection, rows: Sequence[Any]
) -> frozenset[tuple[int, int]]:
    """(person, thing) pairs of these rows that other collections hold, too, put there by the same person."""
    others = await session.execute(
        select(CollectionItem.person_id, CollectionItem.subject_id).where(
            CollectionItem.collection_id != collection.id,
            CollectionItem.kind == collection.kind,
            CollectionItem.state == State.ACCEPTED.value,
            CollectionItem.person_id.in_({row.person_id for row in rows}),
            CollectionItem.subject_id.in_({row.subject_id for row in rows}),
        )
    )
    return frozenset((row.person_id, row.subject_id) for row in others)


async def remove(
    session: AsyncSession, actor: Actor, *, collection_id: int, subject_ids: Sequence[int]
) -> int:
    """Take things out: any of a collection that one manages, else what one added oneself. How many went."""
    person_id = actor.require(Scope.COLLECTIONS_WRITE)
    wanted = bounded(subject_ids)
    collection, rights = await policy.found(session, actor, collection_id, lock=True)
    statement = delete(CollectionItem).where(
        CollectionItem.collection_id == collection_id,
        CollectionItem.kind == collection.kind,
        CollectionItem.subject_id.in_(wanted),
    )
    if not rights.manage:
        statement = statement.where(CollectionItem.person_id == person_id)
    gone = (
        await session.execute(
            statement.returning(CollectionItem.subject_id, CollectionItem.person_id, CollectionItem.state)
        )
    ).all()
    if not gone:
        return 0
    elsewhere = await held_elsewhere(session, collection, gone)
    await publish(
        session,
        *(
            Uncollected(
                collection_id,
                row.person_id,
                collection.kind,
                row.subject_id,
                bookmark=collection.mode == Mode.BOOKMARK,
                last=(row.person_id, row.subject_id) not in elsewhere,
            )
            for row in gone
            if row.state == State.ACCEPTED
        ),
    )
    if collection.mode == Mode.BOOKMARK and collection.kind == Kind.MODEL:
        for row in gone:
            await engagement.disengage(session, actor, model_id=row.subject_id, wish=Wish.FAVOURITE)
    await levels.count(session, [collection_id])
    return len(gone)


async def move(
    session: AsyncSession,
    actor: Actor,
    *,
    collection_id: int,
    to_id: int,
    subject_ids: Sequence[int],
) -> int:
    """Move things from one collection that one manages to another that one may fill. How many were moved."""
    actor.require(Scope.COLLECTIONS_WRITE)
    wanted = bounded(subject_ids)
    if collection_id == to_id:
        raise Invalid("They are in this collection already.", code="same_collection")
    # Both in the order of their ids, so that two who move back and forth never wait for one another.
    for number in sorted((collection_id, to_id)):
        await policy.found(session, actor, number, lock=True)
    source = await policy.managed(session, actor, collection_id)
    target, _ = await policy.found(session, actor, to_id)
    if source.kind != target.kind:
        raise Invalid(f"This collection holds {target.kind}s only.", code="other_kind")
    held = await session.scalars(
        select(CollectionItem.subject_id).where(
            CollectionItem.collection_id == collection_id, CollectionItem.subject_id.in_(wanted)
        )
    )
    present = set(held)
    if not present:
        return 0
    numbers = [number for number in wanted if number in present]
    await add(session, actor, collection_id=to_id, subject_ids=numbers)
    return await remove(session, actor, collection_id=collection_id, subject_ids=numbers)


async def annotate(
    session: AsyncSession, actor: Actor, *, collection_id: int, subject_id: int, note: str
) -> None:
    """Say something about a thing in a collection: whoever added it, and who manages it. Raises NotFound."""
    person_id = actor.require(Scope.COLLECTIONS_WRITE)
    require_voice(actor)
    _, rights = await policy.found(session, actor, collection_id)
    statement = update(CollectionItem).where(
        CollectionItem.collection_id == collection_id, CollectionItem.subject_id == subject_id
    )
    if not rights.manage:
        statement = statement.where(CollectionItem.person_id == person_id)
    made = await session.scalar(
        statement.values(note=_note(note))
        .returning(CollectionItem.id)
        .execution_options(synchronize_session=False)
    )
    if made is None:
        raise NotFound("This is not in the collection, or somebody else put it there.", code="item_not_found")


def bounded(ids: Sequence[int]) -> list[int]:
    """Ids without repetition. Raises Invalid for none, and for more than one call takes."""
    found = list(dict.fromkeys(ids))
    if not found:
        raise Invalid("Name what this is about.", code="nothing_named")
    if len(found) > BATCH:
        raise Invalid(f"Name at most {BATCH} at once.", code="too_many_at_once")
    if any(not 0 < number < 2**63 for number in found):
        raise NotFound("One of these was not found.", code="subject_not_found")
    return found


async def held_by(session: AsyncSession, person_id: int, kind: str, ids: Sequence[int]) -> frozenset[int]:
    """Which of these things a person has in a collection already."""
    found = await session.scalars(
        select(CollectionItem.subject_id).where(
            CollectionItem.person_id == person_id,
            CollectionItem.kind == kind,
            CollectionItem.subject_id.in_(ids),
            CollectionItem.state == State.ACCEPTED.value,
        )
    )
    return frozenset(found)


async def _require_add(session: AsyncSession, actor: Actor, collection: Collection, rights: Rights) -> None:
    if not rights.add:
        raise Forbidden("You may not add to this collection.", code="not_yours")
    if collection.person_id != actor.id:
        require_voice(actor)
        await following.require_no_block(session, actor, target_id=collection.person_id)
    elif collection.read_by != ReadBy.PRIVATE and collection.mode != Mode.BOOKMARK:
        require_voice(actor)


async def _visible(
    session: AsyncSession, actor: Actor, kind: Kind, ids: Sequence[int]
) -> dict[int, SubjectFacts]:
    """Facts of things, all of which the actor may see. Raises NotFound when one is not there for them."""
    facts = await levels.facts_of(session, kind.value, ids)
    for number in ids:
        known = facts.get(number)
        own = known is not None and (known.owner_id == actor.id or actor.is_moderator)
        if known is None or not (
            own or (known.public and levels.level_of(known) & actor.mask and not known.level & BLOCKED)
        ):
            raise NotFound(f"The {kind.value} {number} was not found.", code="subject_not_found")
    return dict(facts)


async def _require_room(session: AsyncSession, collection_id: int, more: int) -> None:
    full = await session.scalar(
        select(
            exists(
                select(CollectionItem.id)
                .where(CollectionItem.collection_id == collection_id)
                .offset(MOST_ITEMS - more)
                .limit(1)
            )
        )
    )
    if full:
        count = await session.scalar(
            select(func.count()).where(CollectionItem.collection_id == collection_id)
        )
        raise Conflict(
            f"A collection holds at most {MOST_ITEMS} things; this one has {count}.", code="collection_full"
        )


def _note(note: str) -> str:
    words = clean_line(note[:5000])
    if len(words) > LONGEST_NOTE:
        raise Invalid(
            "This note is too long.",
            code="note_too_long",
            fields={"note": f"Use at most {LONGEST_NOTE} characters."},
        )
    return words
