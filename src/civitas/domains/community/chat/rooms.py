"""Opening rooms, coming in, going, sending away; muting a room for oneself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import timedelta

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.community import ChatInvited
from civitas.domains.accounts import following
from civitas.domains.accounts.policy import require_voice
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.community.chat.tables import ChatMember, ChatRoom
from civitas.domains.community.chat.types import (
    INSIDE,
    LONGEST_NAME,
    MOST_MEMBERS,
    MOST_ROOMS,
    NEW_A_DAY,
    Member,
)
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Invalid, Limited, NotFound
from civitas.kit.text import clean_line

DAY = timedelta(days=1)
_TURN = text("SELECT pg_advisory_xact_lock(hashtextextended('chat', :person))")


def digest_of(people: Iterable[int]) -> str:
    """What is the same for the same people, in whatever order they are named."""
    named = ",".join(str(one) for one in sorted(set(people)))
    return hashlib.sha256(named.encode()).hexdigest()


async def open_room(
    session: AsyncSession, actor: Actor, *, people: Sequence[int], name: str | None = None
) -> ChatRoom:
    """A room with these people, or the one that they have already. The others are invited.

    Raises Forbidden (`muted`, `not_onboarded`, `blocked`), NotFound, Invalid (`alone`, `too_many_members`,
    `name_too_long`), Conflict (`too_many_rooms`), Limited (`too_many_new_rooms`).
    """
    person = _require(actor)
    others = sorted(set(people) - {person})
    if not others:
        raise Invalid("Name somebody else to talk to.", code="alone")
    if len(others) + 1 > MOST_MEMBERS:
        raise Invalid(f"A room holds at most {MOST_MEMBERS} people.", code="too_many_members")
    await session.execute(_TURN, {"person": person})
    await _require_living(session, others)
    for other in others:
        await following.require_no_block(session, actor, target_id=other)
    digest = digest_of([person, *others])
    known = await session.scalar(
        select(ChatRoom).where(ChatRoom.member_digest == digest).with_for_update(key_share=True)
    )
    if known is not None:
        await _come_in(session, known.id, person)
        return known
    await _require_room_left(session, actor, person)
    now = clock.now()
    made: ChatRoom | None = await session.scalar(
        insert(ChatRoom)
        .values(
            owner_id=person,
            member_digest=digest,
            is_group=len(others) > 1,
            name=_name(name) if len(others) > 1 else None,
            last_message_at=now,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=["member_digest"])
        .returning(ChatRoom)
    )
    if made is None:
        # Somebody of them opened it at this very moment.
        known = (await session.scalars(select(ChatRoom).where(ChatRoom.member_digest == digest))).one()
        await _come_in(session, known.id, person)
        return known
    await _add(session, made.id, [person], Member.JOINED)
    await _add(session, made.id, others, Member.INVITED)
    await publish(session, *(ChatInvited(made.id, person, other) for other in others))
    return made


async def invite(session: AsyncSession, actor: Actor, *, room_id: int, person_id: int) -> None:
    """The owner of a group asks somebody in; whoever left or was sent away can be asked again.

    Raises NotFound, Forbidden (`not_owner`, `blocked`), Invalid (`not_a_group`, `too_many_members`), Conflict
    (`same_room`).
    """
    _require(actor)
    room, _ = await of(session, actor, room_id=room_id, lock=True)
    if not room.is_group:
        raise Invalid("Two are two; open a new room for more.", code="not_a_group")
    if room.owner_id != actor.id:
        raise Forbidden("Only its owner asks people into a room.", code="not_owner")
    await _require_living(session, [person_id])
    await following.require_no_block(session, actor, target_id=person_id)
    members = await members_of(session, room_id)
    known = next((one for one in members if one.person_id == person_id), None)
    if known is not None and known.state not in (Member.LEFT, Member.KICKED):
        return
    if known is None:
        if len(members) >= MOST_MEMBERS:
            raise Invalid(f"A room holds at most {MOST_MEMBERS} people.", code="too_many_members")
        await _set_digest(session, room, [*(one.person_id for one in members), person_id])
        await _add(session, room_id, [person_id], Member.INVITED)
    else:
        known.state, known.since = Member.INVITED.value, clock.now()
        await session.flush()
    await publish(session, ChatInvited(room_id, actor.require(), person_id))


async def kick(session: AsyncSession, actor: Actor, *, room_id: int, person_id: int) -> None:
    """The owner sends somebody away. Raises NotFound, Forbidden (`not_owner`), Invalid (`oneself`)."""
    actor.require(Scope.SOCIAL_WRITE)
    room, _ = await of(session, actor, room_id=room_id, lock=True)
    if room.owner_id != actor.id or not room.is_group:
        raise Forbidden("Only the owner of a group sends somebody away.", code="not_owner")
    if person_id == actor.id:
        raise Invalid("Leave the room instead.", code="oneself")
    member = await session.get(ChatMember, (room_id, person_id))
    if member is None:
        raise NotFound("They are not in this room.", code="member_not_found")
    member.state, member.since = Member.KICKED.value, clock.now()


async def answer(session: AsyncSession, actor: Actor, *, room_id: int, state: Member) -> ChatMember:
    """Join, ignore or leave a room. Raises NotFound, Invalid (`bad_state`)."""
    actor.require(Scope.SOCIAL_WRITE)
    if state not in (Member.JOINED, Member.IGNORED, Member.LEFT):
        raise Invalid("One joins a room, ignores it, or leaves it.", code="bad_state")
    _, member = await of(session, actor, room_id=room_id)
    if member.state != state:
        member.state, member.since = state.value, clock.now()
        await session.flush()
    return member


async def settle(
    session: AsyncSession,
    actor: Actor,
    *,
    room_id: int,
    muted: bool | None = None,
    name: str | None = None,
) -> None:
    """Hear nothing of a room, or of it again; its owner may rename a group. Raises NotFound, Forbidden, Invalid."""
    actor.require(Scope.SOCIAL_WRITE)
    room, member = await of(session, actor, room_id=room_id)
    if muted is not None:
        member.muted = muted
    if name is not None:
        if room.owner_id != actor.id or not room.is_group:
            raise Forbidden("Only the owner of a group names it.", code="not_owner")
        room.name = _name(name)
    await session.flush()


async def of(
    session: AsyncSession, actor: Actor, *, room_id: int, lock: bool = False
) -> tuple[ChatRoom, ChatMember]:
    """A room that the actor is in, and their place in it. NotFound for everybody else, staff included."""
    person = actor.require(Scope.SOCIAL_WRITE)
    row = None
    if 0 < room_id < 2**63:
        query = (
            select(ChatRoom, ChatMember)
            .join(ChatMember, ChatMember.room_id == ChatRoom.id)
            .where(ChatRoom.id == room_id, ChatMember.person_id == person, ChatMember.state.in_(INSIDE))
        )
        if lock:
            query = query.with_for_update(of=ChatRoom, key_share=True)
        row = (await session.execute(query.execution_options(populate_existing=lock))).first()
    if row is None:
        raise NotFound("There is no such room.", code="room_not_found")
    return row[0], row[1]


async def members_of(session: AsyncSession, room_id: int) -> Sequence[ChatMember]:
    """Everybody who is or was in a room."""
    found = await session.scalars(
        select(ChatMember).where(ChatMember.room_id == room_id).order_by(ChatMember.person_id)
    )
    return found.all()


def _require(actor: Actor) -> int:
    actor.require(Scope.SOCIAL_WRITE)
    return require_voice(actor)


def _name(name: str | None) -> str | None:
    cleaned = clean_line(name or "")
    if len(cleaned) > LONGEST_NAME:
        told = f"The name of a room has at most {LONGEST_NAME} characters."
        raise Invalid(told, code="name_too_long", fields={"name": told})
    return cleaned or None


async def _add(session: AsyncSession, room_id: int, people: Sequence[int], state: Member) -> None:
    await session.execute(
        insert(ChatMember)
        .values(
            [
                {"room_id": room_id, "person_id": one, "state": state.value, "since": clock.now()}
                for one in people
            ]
        )
        .on_conflict_do_nothing()
    )


async def _come_in(session: AsyncSession, room_id: int, person_id: int) -> None:
    member = await session.get(ChatMember, (room_id, person_id))
    if member is None or member.state == Member.KICKED:
        raise Forbidden("You were sent away from this room.", code="kicked")
    member.state = Member.JOINED.value
    await session.flush()


async def _require_living(session: AsyncSession, people: Sequence[int]) -> None:
    found = await session.scalar(
        select(func.count())
        .select_from(Person)
        .where(Person.id.in_(people), Person.id > 0, Person.status == "active")
    )
    if found != len(people):
        raise NotFound("There is no such person.", code="no_such_person")


async def _require_room_left(session: AsyncSession, actor: Actor, person: int) -> None:
    if actor.is_moderator:
        return
    rooms = await session.scalar(
        select(func.count())
        .select_from(ChatMember)
        .where(ChatMember.person_id == person, ChatMember.state.in_(INSIDE))
    )
    if (rooms or 0) >= MOST_ROOMS:
        raise Conflict(f"You are in {MOST_ROOMS:,} rooms; leave one first.", code="too_many_rooms")
    now = clock.now()
    count, oldest = (
        await session.execute(
            select(func.count(), func.min(ChatRoom.created_at)).where(
                ChatRoom.owner_id == person, ChatRoom.created_at > now - DAY
            )
        )
    ).one()
    if count >= NEW_A_DAY and oldest is not None:
        raise Limited(
            f"You have opened {NEW_A_DAY} rooms within a day; go on in one of them.",
            retry_after=max(1, int((oldest + DAY - now).total_seconds())),
            code="too_many_new_rooms",
        )


async def _set_digest(session: AsyncSession, room: ChatRoom, people: Sequence[int]) -> None:
    digest = digest_of(people)
    if await session.scalar(select(ChatRoom.id).where(ChatRoom.member_digest == digest)) is not None:
        raise Conflict("There is a room of exactly these people already.", code="same_room")
    room.member_digest = digest
    await session.flush()
