"""What people decide about one another: follow, hide, block (FEATURES A8)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, delete, or_, select, tuple_, union_all, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.accounts import Blocked, Followed, Unblocked, Unfollowed
from civitas.domains.accounts.tables import Follow, Person
from civitas.domains.accounts.types import SYSTEM_ID, Actor, Relation, Scope
from civitas.infra.queue.outbox import publish
from civitas.kit import clock, paging
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound

PAGE = 100
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Related:
    """One line of a list of people."""

    id: int
    username: str
    avatar_key: str | None
    since: datetime


async def decide(session: AsyncSession, actor: Actor, *, target_id: int, relation: Relation) -> None:
    """Follow, hide or block somebody; one decision replaces the other. Repeating it changes nothing.

    A block also ends their following of the actor. Raises NotFound, Invalid (`oneself`), Forbidden
    (`blocked`) for following across a block, Conflict beyond `MOST` of one kind.
    """
    person_id = actor.require(Scope.SOCIAL_WRITE)
    if target_id == person_id:
        raise Invalid("You cannot do this to yourself.", code="oneself")
    await _lock(session, person_id, target_id)
    before = await _relation(session, person_id, target_id)
    if before == relation:
        return
    theirs = await _relation(session, target_id, person_id)
    if relation is Relation.FOLLOW and theirs is Relation.BLOCK:
        raise Forbidden("You cannot follow this person.", code="blocked")
    if relation is Relation.BLOCK and target_id == SYSTEM_ID:
        raise Invalid("This account belongs to the site.", code="system_account")
    await _check_room(session, person_id, relation)
    moment = clock.now()
    await session.execute(
        insert(Follow)
        .values(person_id=person_id, target_id=target_id, kind=relation.value, created_at=moment)
        .on_conflict_do_update(
            index_elements=["person_id", "target_id"], set_={"kind": relation.value, "created_at": moment}
        )
    )
    if relation is Relation.FOLLOW:
        await _count(session, person_id, target_id, +1)
        await publish(session, Followed(person_id, target_id))
    await _undo(session, person_id, target_id, before)
    if relation is Relation.BLOCK:
        if theirs is Relation.FOLLOW:
            await _remove(session, target_id, person_id)
            await _undo(session, target_id, person_id, theirs)
        await publish(session, Blocked(person_id, target_id))


async def undo(session: AsyncSession, actor: Actor, *, target_id: int, relation: Relation) -> None:
    """Take a decision back; nothing happens when it is not the present one."""
    person_id = actor.require(Scope.SOCIAL_WRITE)
    await _lock(session, person_id, target_id, must_live=False)
    if await _relation(session, person_id, target_id) is relation:
        await _remove(session, person_id, target_id)
        await _undo(session, person_id, target_id, relation)


async def relation(session: AsyncSession, person_id: int, target_id: int) -> Relation | None:
    """What one person decided about another, if anything."""
    return await _relation(session, person_id, target_id)


async def blocked_between(session: AsyncSession, a: int, b: int) -> bool:
    """Whether either blocked the other: then neither comments, reacts, tips or chats with the other."""
    found = await session.scalar(
        select(Follow.person_id)
        .where(
            Follow.kind == Relation.BLOCK.value,
            or_(
                and_(Follow.person_id == a, Follow.target_id == b),
                and_(Follow.person_id == b, Follow.target_id == a),
            ),
        )
        .limit(1)
    )
    return found is not None


async def require_no_block(session: AsyncSession, actor: Actor, *, target_id: int) -> None:
    """Raise Forbidden (`blocked`) when there is a block between the actor and somebody."""
    if await blocked_between(session, actor.require(), target_id):
        raise Forbidden("You cannot do this, because one of you blocked the other.", code="blocked")


async def unseen_by(session: AsyncSession, person_id: int) -> frozenset[int]:
    """Whose things this person is not shown: those they hid or blocked, and those who blocked them."""
    rows = await session.scalars(
        union_all(
            select(Follow.target_id).where(
                Follow.person_id == person_id, Follow.kind.in_([Relation.HIDE.value, Relation.BLOCK.value])
            ),
            select(Follow.person_id).where(
                Follow.target_id == person_id, Follow.kind == Relation.BLOCK.value
            ),
        )
    )
    return frozenset(rows)


async def followed_ids(session: AsyncSession, person_id: int) -> list[int]:
    """The ids of everybody whom this person follows; at most `MOST`."""
    found = await session.scalars(
        select(Follow.target_id)
        .where(Follow.person_id == person_id, Follow.kind == Relation.FOLLOW.value)
        .limit(MOST)
    )
    return list(found)


async def mine(
    session: AsyncSession, actor: Actor, *, relation: Relation, cursor: str | None = None
) -> paging.Page[Related]:
    """Whom the actor follows, hides or blocks, the latest first."""
    return await _page(session, actor.require(Scope.USER_READ), relation, cursor, outward=True)


async def followers(
    session: AsyncSession, *, person_id: int, cursor: str | None = None
) -> paging.Page[Related]:
    """Who follows a person, the latest first; public."""
    return await _page(session, person_id, Relation.FOLLOW, cursor, outward=False)


async def following(
    session: AsyncSession, *, person_id: int, cursor: str | None = None
) -> paging.Page[Related]:
    """Whom a person follows, the latest first; public."""
    return await _page(session, person_id, Relation.FOLLOW, cursor, outward=True)


async def _page(
    session: AsyncSession, person_id: int, kind: Relation, cursor: str | None, *, outward: bool
) -> paging.Page[Related]:
    mine, other = (Follow.person_id, Follow.target_id) if outward else (Follow.target_id, Follow.person_id)
    rows = select(other.label("other"), Follow.created_at).where(mine == person_id, Follow.kind == kind.value)
    if cursor is not None:
        moment, last = paging.decode(cursor, datetime, int)
        rows = rows.where(
            tuple_(Follow.created_at, other) < tuple_(datetime.fromisoformat(str(moment)), last)
        )
    found = rows.order_by(Follow.created_at.desc(), other.desc()).limit(PAGE + 1).subquery()
    listed = (
        await session.execute(
            select(found.c.other, Person.username, Person.avatar_key, found.c.created_at, Person.status)
            .join(Person, Person.id == found.c.other)
            .order_by(found.c.created_at.desc(), found.c.other.desc())
        )
    ).all()
    people = [
        Related(row.other, row.username, row.avatar_key, row.created_at)
        for row in listed[:PAGE]
        if row.status == "active"
    ]
    last_row = listed[PAGE - 1] if len(listed) > PAGE else None
    return paging.Page(people, paging.encode(last_row.created_at, last_row.other) if last_row else None)


async def _relation(session: AsyncSession, person_id: int, target_id: int) -> Relation | None:
    found = await session.scalar(
        select(Follow.kind).where(Follow.person_id == person_id, Follow.target_id == target_id)
    )
    return Relation(found) if found else None


async def _lock(session: AsyncSession, person_id: int, target_id: int, *, must_live: bool = True) -> None:
    """Both rows in the order of their ids, so that two people who decide about each other never deadlock."""
    rows = (
        await session.execute(
            select(Person.id, Person.status)
            .where(Person.id.in_([person_id, target_id]))
            .order_by(Person.id)
            .with_for_update(key_share=True)
        )
    ).all()
    target = next((row for row in rows if row.id == target_id), None)
    if target is None or (must_live and target.status == "deleted"):
        raise NotFound("There is no such person.", code="no_such_person")


async def _check_room(session: AsyncSession, person_id: int, relation: Relation) -> None:
    beyond = await session.scalar(
        select(Follow.target_id)
        .where(Follow.person_id == person_id, Follow.kind == relation.value)
        .offset(MOST - 1)
        .limit(1)
    )
    if beyond is not None:
        raise Conflict(f"You can {relation.value} at most {MOST} people.", code="too_many")


async def _remove(session: AsyncSession, person_id: int, target_id: int) -> None:
    await session.execute(delete(Follow).where(Follow.person_id == person_id, Follow.target_id == target_id))


async def _undo(session: AsyncSession, person_id: int, target_id: int, before: Relation | None) -> None:
    """What ends with a decision that was taken back or replaced."""
    if before is Relation.FOLLOW:
        await _count(session, person_id, target_id, -1)
        await publish(session, Unfollowed(person_id, target_id))
    elif before is Relation.BLOCK:
        await publish(session, Unblocked(person_id, target_id))


async def _count(session: AsyncSession, person_id: int, target_id: int, by: int) -> None:
    await session.execute(
        update(Person)
        .where(Person.id == person_id)
        .values(following_count=Person.following_count + by)
        .execution_options(synchronize_session=False)
    )
    await session.execute(
        update(Person)
        .where(Person.id == target_id)
        .values(follower_count=Person.follower_count + by)
        .execution_options(synchronize_session=False)
    )
