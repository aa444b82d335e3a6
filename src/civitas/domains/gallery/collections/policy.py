"""Who may see, fill and manage a collection; every face shares it."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, select, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.gallery.collections.tables import Collection, CollectionContributor, CollectionFollow
from civitas.domains.gallery.collections.types import NOTHING, Mode, Permission, ReadBy, Rights, WriteBy
from civitas.kit.errors import Forbidden, NotFound


def missing() -> NotFound:
    """What is said of a collection that is not there, or that the viewer may not know of."""
    return NotFound("This collection was not found.", code="collection_not_found")


def rights_of(actor: Actor, collection: Collection, given: Permission = NOTHING) -> Rights:
    """What an actor may do; `given` is what they were given as a contributor."""
    if collection.deleted_at is not None:
        return Rights()
    reads = actor.signed_in and Scope.COLLECTIONS_READ in actor.scopes
    owner = actor.id == collection.person_id and reads
    staff = actor.is_moderator and reads
    given = given if reads else NOTHING
    manage = owner or staff or Permission.MANAGE in given
    see = manage or bool(given) or collection.read_by != ReadBy.PRIVATE
    free = Permission.ADD in given or collection.write_by == WriteBy.PUBLIC
    waiting = Permission.ADD_REVIEW in given or collection.write_by == WriteBy.REVIEW
    if collection.mode == Mode.BOOKMARK:
        # What somebody keeps for themselves is theirs alone to fill.
        return Rights(see=see, add=owner, manage=owner, owner=owner)
    return Rights(
        see=see,
        add=see and actor.signed_in and (manage or free or waiting),
        waits=not (manage or free),
        manage=manage,
        judge=owner or Permission.JUDGE in given,
        owner=owner,
    )


async def found(
    session: AsyncSession, actor: Actor, collection_id: int, *, lock: bool = False
) -> tuple[Collection, Rights]:
    """A collection that the actor may see, and what they may do with it. Raises NotFound."""
    statement = (
        select(Collection, CollectionContributor.permissions)
        .outerjoin(
            CollectionContributor,
            and_(
                CollectionContributor.collection_id == Collection.id,
                CollectionContributor.person_id == (actor.id or 0),
            ),
        )
        .where(Collection.id == collection_id, Collection.deleted_at.is_(None))
    )
    if lock:
        statement = statement.with_for_update(of=Collection, key_share=True).execution_options(
            populate_existing=True
        )
    row = (await session.execute(statement)).first()
    if row is None:
        raise missing()
    rights = rights_of(actor, row[0], Permission(row[1] or 0))
    if not rights.see:
        raise missing()
    return row[0], rights


async def managed(session: AsyncSession, actor: Actor, collection_id: int) -> Collection:
    """A collection that the actor manages, locked. Raises NotFound, Forbidden (`not_yours`)."""
    actor.require(Scope.COLLECTIONS_WRITE)
    collection, rights = await found(session, actor, collection_id, lock=True)
    if not rights.manage:
        raise Forbidden("Only its owner, and those they chose, manage this collection.", code="not_yours")
    return collection


def theirs(person_id: int, *, fills: bool = False) -> ColumnElement[bool]:
    """Collections of a person: their own, and those to which they contribute (with `fills`, by adding)."""
    wanted = Permission.ADD | Permission.ADD_REVIEW | Permission.MANAGE if fills else ~NOTHING
    return Collection.id.in_(
        union_all(
            select(Collection.id).where(Collection.person_id == person_id),
            select(CollectionContributor.collection_id).where(
                CollectionContributor.person_id == person_id,
                CollectionContributor.permissions.op("&")(int(wanted)) != 0,
            ),
        )
    )


def open_to(person_id: int) -> ColumnElement[bool]:
    """Collections of others that a person follows and that everybody may add to."""
    return Collection.id.in_(
        select(CollectionFollow.collection_id)
        .join(Collection, Collection.id == CollectionFollow.collection_id)
        .where(
            CollectionFollow.person_id == person_id,
            Collection.write_by != WriteBy.PRIVATE.value,
            Collection.read_by != ReadBy.PRIVATE.value,
            Collection.mode != Mode.BOOKMARK.value,
        )
    )
