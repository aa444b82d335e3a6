"""Asking staff to look at a message, and what staff then may read: around that message, and logged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import audit
from civitas.domains.accounts.types import Actor
from civitas.domains.community.chat import messages, reading
from civitas.domains.community.chat.reading import Said
from civitas.domains.community.chat.tables import ChatMessage, ChatReport
from civitas.kit import clock, paging
from civitas.kit.errors import Conflict, Invalid, NotFound
from civitas.kit.paging import Page
from civitas.kit.text import clean_block

PAGE = 30
AROUND = 10
LONGEST_REASON = 1_000


@dataclass(frozen=True, slots=True)
class Context:
    """A reported message among those around it."""

    report: ChatReport
    message_id: int
    said: tuple[Said, ...]


async def report(session: AsyncSession, actor: Actor, *, message_id: int, reason: str) -> None:
    """Ask staff to look at a message that one can see; a second time changes nothing.

    Raises NotFound, Invalid (`reason_needed`, `own_message`).
    """
    message = await messages.visible(session, actor, message_id=message_id)
    told = clean_block(reason[: LONGEST_REASON * 2])
    if not 0 < len(told) <= LONGEST_REASON:
        raise Invalid(
            f"Say in 1 to {LONGEST_REASON:,} characters what is wrong with it.",
            code="reason_needed",
            fields={"reason": "A reason is needed."},
        )
    if message.person_id == actor.id:
        raise Invalid("Take your own message back instead.", code="own_message")
    await session.execute(
        insert(ChatReport)
        .values(
            message_id=message_id,
            person_id=actor.require(),
            reason=told,
            content=message.content,
            created_at=clock.now(),
        )
        .on_conflict_do_nothing()
    )


async def waiting(session: AsyncSession, actor: Actor, *, cursor: str | None = None) -> Page[ChatReport]:
    """Reports that nobody settled, the oldest first; without the words of the messages around."""
    actor.require_moderator()
    query = select(ChatReport).where(ChatReport.settled_at.is_(None)).order_by(ChatReport.id).limit(PAGE + 1)
    if cursor:
        query = query.where(ChatReport.id > paging.decode(cursor, int)[0])
    rows = (await session.scalars(query)).all()
    return Page(rows[:PAGE], paging.encode(rows[PAGE - 1].id) if len(rows) > PAGE else None)


async def read(session: AsyncSession, actor: Actor, *, report_id: int) -> Context:
    """The reported message with those around it; that staff read it is logged. Raises NotFound, Forbidden."""
    actor.require_moderator()
    found = await _open(session, report_id)
    message = await session.get_one(ChatMessage, found.message_id)
    await audit.record(
        session,
        actor,
        action="chat.read",
        reason=f"Reported: {found.reason}"[:2000],
        person_id=message.person_id,
        subject_kind="chat_message",
        subject_id=message.id,
        details={"report": found.id},
    )
    return Context(found, message.id, tuple(await reading.tell(session, await _around(session, message))))


async def settle(session: AsyncSession, actor: Actor, *, report_id: int, remove: bool, reason: str) -> None:
    """Done with a report; with `remove` the message is taken away. Raises NotFound, Conflict (`settled`), Invalid."""
    staff = actor.require_moderator()
    found = await _open(session, report_id, lock=True)
    if found.settled_at is not None:
        raise Conflict("Somebody settled this report already.", code="settled")
    message = await session.get_one(ChatMessage, found.message_id)
    await audit.record(
        session,
        actor,
        action="chat.remove" if remove else "chat.leave",
        reason=reason,
        person_id=message.person_id,
        subject_kind="chat_message",
        subject_id=message.id,
        details={"report": found.id},
    )
    if remove and message.removed_at is None:
        message.content, message.removed_at = "", clock.now()
    found.settled_at, found.settled_by = clock.now(), staff
    await session.flush()


async def _open(session: AsyncSession, report_id: int, *, lock: bool = False) -> ChatReport:
    query = select(ChatReport).where(ChatReport.id == report_id)
    found = await session.scalar(query.with_for_update() if lock else query) if report_id < 2**63 else None
    if found is None:
        raise NotFound("There is no such report.", code="report_not_found")
    return found


async def _around(session: AsyncSession, message: ChatMessage) -> Sequence[ChatMessage]:
    inside = select(ChatMessage).where(ChatMessage.room_id == message.room_id)
    before = await session.scalars(
        inside.where(ChatMessage.id <= message.id).order_by(ChatMessage.id.desc()).limit(AROUND + 1)
    )
    after = await session.scalars(
        inside.where(ChatMessage.id > message.id).order_by(ChatMessage.id).limit(AROUND)
    )
    return [*reversed(before.all()), *after.all()]
