"""Saying something in a room, taking it back, having read."""

from __future__ import annotations

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.community import ChatMessaged
from civitas.domains.accounts import following
from civitas.domains.accounts.policy import require_voice
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.community.chat import rooms
from civitas.domains.community.chat.tables import ChatMember, ChatMessage, ChatRoom
from civitas.domains.community.chat.types import BEFORE_ANSWER, FLOODS, LONGEST, Member
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Forbidden, Invalid, Limited, NotFound
from civitas.kit.text import clean_markdown

_TURN = text("SELECT pg_advisory_xact_lock(hashtextextended('chat', :person))")


async def say(session: AsyncSession, actor: Actor, *, room_id: int, content: str) -> ChatMessage:
    """Say something; whoever was invited is in the room from now on.

    Raises NotFound, Forbidden (`muted`, `blocked`, `nobody_there`), Invalid (`empty_message`, `message_too_long`),
    Limited (`too_many_messages`, `wait_for_answer`).
    """
    actor.require(Scope.SOCIAL_WRITE)
    person = require_voice(actor)
    words = readable(content)
    await session.execute(_TURN, {"person": person})
    # Those who write in one room take turns, so that its numbers grow in the order in which they are seen.
    room, member = await rooms.of(session, actor, room_id=room_id, lock=True)
    await _require_listeners(session, actor, room, person)
    await _require_calm(session, actor, person)
    now = clock.now()
    message = ChatMessage(room_id=room.id, person_id=person, content=words, created_at=now)
    session.add(message)
    await session.flush()
    room.last_message_id, room.last_message_at = message.id, now
    member.state, member.read_id = Member.JOINED.value, message.id
    await session.flush()
    await publish(session, ChatMessaged(message.id, room.id, person))
    return message


async def take_back(session: AsyncSession, actor: Actor, *, message_id: int) -> None:
    """Take one's message back; its place stays. Twice is once. Raises NotFound, Forbidden (`not_yours`)."""
    message = await visible(session, actor, message_id=message_id)
    if message.person_id != actor.id:
        raise Forbidden("Only its writer takes a message back.", code="not_yours")
    if message.removed_at is None:
        message.content, message.removed_at = "", clock.now()
        await session.flush()


async def read_to(session: AsyncSession, actor: Actor, *, room_id: int, message_id: int) -> None:
    """One has read up to this message; never further back, and never beyond the last. Raises NotFound."""
    room, member = await rooms.of(session, actor, room_id=room_id)
    reached = min(message_id, room.last_message_id)
    if reached > member.read_id:
        await session.execute(
            update(ChatMember)
            .where(ChatMember.room_id == room_id, ChatMember.person_id == actor.require())
            .values(read_id=func.greatest(ChatMember.read_id, reached))
            .execution_options(synchronize_session=False)
        )


async def visible(session: AsyncSession, actor: Actor, *, message_id: int) -> ChatMessage:
    """A message of a room that the actor is in. Raises NotFound."""
    missing = NotFound("There is no such message.", code="message_not_found")
    if not 0 < message_id < 2**63:
        raise missing
    message = await session.get(ChatMessage, message_id)
    if message is None:
        raise missing
    try:
        await rooms.of(session, actor, room_id=message.room_id)
    except NotFound:
        raise missing from None
    return message


def readable(content: str) -> str:
    """A message as it is kept. Raises Invalid (`empty_message`, `message_too_long`)."""
    if len(content) > LONGEST:
        told = f"A message has at most {LONGEST:,} characters; this one has {len(content):,}."
        raise Invalid(told, code="message_too_long", fields={"content": told})
    words = clean_markdown(content)
    if not words:
        raise Invalid("Write something first.", code="empty_message", fields={"content": "Write something."})
    return words


async def _require_listeners(session: AsyncSession, actor: Actor, room: ChatRoom, person: int) -> None:
    members = await rooms.members_of(session, room.id)
    others = [one for one in members if one.person_id != person]
    there = [one for one in others if one.state not in (Member.LEFT, Member.KICKED)]
    if not room.is_group:
        for one in others:
            await following.require_no_block(session, actor, target_id=one.person_id)
    if not there:
        raise Forbidden("Nobody else is in this room any more.", code="nobody_there")
    if actor.is_moderator or any(one.state == Member.JOINED for one in there):
        return
    said = await session.scalar(
        select(func.count())
        .select_from(ChatMessage)
        .where(ChatMessage.room_id == room.id, ChatMessage.person_id == person)
    )
    if (said or 0) >= BEFORE_ANSWER:
        raise Limited(
            "Wait until somebody answers before you write more.", retry_after=3600, code="wait_for_answer"
        )


async def _require_calm(session: AsyncSession, actor: Actor, person: int) -> None:
    """Refuse a flood; staff are not counted."""
    if actor.is_moderator:
        return
    now = clock.now()
    longest = max(span for span, _ in FLOODS)
    counts = [func.count().filter(ChatMessage.created_at > now - span) for span, _ in FLOODS]
    row = (
        await session.execute(
            select(*counts).where(ChatMessage.person_id == person, ChatMessage.created_at > now - longest)
        )
    ).one()
    for (span, most), count in zip(FLOODS, row, strict=True):
        if count >= most:
            raise Limited(
                "You write faster than anybody can read; wait a moment.",
                retry_after=max(1, int(span.total_seconds() // 10)),
                code="too_many_messages",
            )
