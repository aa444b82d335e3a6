"""The people of a collection: who follows it, and who may do more in it than others."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.gallery import CollectionFollowed
from civitas.domains.accounts import following
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.gallery.collections import policy
from civitas.domains.gallery.collections.tables import (
    Collection,
    CollectionContributor,
    CollectionFollow,
)
from civitas.domains.gallery.collections.types import MOST_CONTRIBUTORS, Mode, Permission
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Invalid

MOST_FOLLOWED = 5000


@dataclass(frozen=True, slots=True)
class Contributor:
    """Somebody who may do more, and what."""

    person_id: int
    username: str
    avatar_key: str | None
    permissions: Permission


async def follow(session: AsyncSession, actor: Actor, *, collection_id: int, on: bool) -> None:
    """Follow a collection, or no longer; doing it twice changes nothing. Raises NotFound, Forbidden, Conflict."""
    person_id = actor.require(Scope.SOCIAL_WRITE)
    if not on:
        gone = await session.scalar(
            delete(CollectionFollow)
            .where(CollectionFollow.collection_id == collection_id, CollectionFollow.person_id == person_id)
            .returning(CollectionFollow.collection_id)
        )
        if gone is not None:
            await _counted(session, collection_id, person_id, on=False)
        return
    collection, _ = await policy.found(session, actor, collection_id)
    if collection.mode == Mode.BOOKMARK and collection.person_id == person_id:
        raise Invalid("Your bookmarks are yours already.", code="oneself")
    await following.require_no_block(session, actor, target_id=collection.person_id)
    held = await session.scalar(select(func.count()).where(CollectionFollow.person_id == person_id))
    if (held or 0) >= MOST_FOLLOWED:
        raise Conflict(f"You can follow at most {MOST_FOLLOWED} collections.", code="too_many")
    made = await session.scalar(
        insert(CollectionFollow)
        .values(collection_id=collection_id, person_id=person_id, created_at=clock.now())
        .on_conflict_do_nothing()
        .returning(CollectionFollow.collection_id)
    )
    if made is not None:
        await _counted(session, collection_id, person_id, on=True)


async def _counted(session: AsyncSession, collection_id: int, person_id: int, *, on: bool) -> None:
    owner = await session.scalar(
        update(Collection)
        .where(Collection.id == collection_id)
        .values(follower_count=Collection.follower_count + (1 if on else -1))
        .returning(Collection.person_id)
        .execution_options(synchronize_session=False)
    )
    await publish(session, CollectionFollowed(collection_id, person_id, owner or 0, on))


async def contributors(session: AsyncSession, actor: Actor, *, collection_id: int) -> list[Contributor]:
    """Who may do more in a collection that one may see; by name."""
    await policy.found(session, actor, collection_id)
    rows = await session.execute(
        select(Person.id, Person.username, Person.avatar_key, CollectionContributor.permissions)
        .join(Person, Person.id == CollectionContributor.person_id)
        .where(CollectionContributor.collection_id == collection_id, Person.status == "active")
        .order_by(Person.username_folded)
    )
    return [Contributor(row[0], row[1] or "", row[2], Permission(row[3])) for row in rows]


async def invite(
    session: AsyncSession, actor: Actor, *, collection_id: int, person_id: int, permissions: Permission
) -> None:
    """Let somebody do more in a collection that one manages; nothing takes it back.

    Only its owner lets others manage. Raises NotFound, Forbidden (`not_yours`, `blocked`), Conflict, Invalid.
    """
    collection = await policy.managed(session, actor, collection_id)
    if collection.mode == Mode.BOOKMARK:
        raise Forbidden("Only you fill your bookmarks.", code="bookmarks_are_yours")
    if person_id == collection.person_id:
        raise Invalid("It is their own collection.", code="owner")
    before = await session.scalar(
        select(CollectionContributor.permissions).where(
            CollectionContributor.collection_id == collection_id,
            CollectionContributor.person_id == person_id,
        )
    )
    manages = Permission.MANAGE in (permissions | Permission(before or 0))
    if manages and collection.person_id != actor.id and not actor.is_moderator:
        raise Forbidden("Only its owner decides who else manages a collection.", code="not_yours")
    if not permissions:
        await _leave(session, collection_id, person_id)
        return
    await following.require_no_block(session, actor, target_id=person_id)
    held = await session.scalar(
        select(func.count()).where(CollectionContributor.collection_id == collection_id)
    )
    if before is None and (held or 0) >= MOST_CONTRIBUTORS:
        raise Conflict(f"A collection has at most {MOST_CONTRIBUTORS} contributors.", code="too_many")
    given = int(permissions | Permission.VIEW)
    await session.execute(
        insert(CollectionContributor)
        .values(collection_id=collection_id, person_id=person_id, permissions=given, created_at=clock.now())
        .on_conflict_do_update(index_elements=["collection_id", "person_id"], set_={"permissions": given})
    )


async def leave(session: AsyncSession, actor: Actor, *, collection_id: int) -> None:
    """Do no more in somebody's collection than others do."""
    await _leave(session, collection_id, actor.require(Scope.COLLECTIONS_WRITE))


async def _leave(session: AsyncSession, collection_id: int, person_id: int) -> None:
    await session.execute(
        delete(CollectionContributor).where(
            CollectionContributor.collection_id == collection_id,
            CollectionContributor.person_id == person_id,
        )
    )
