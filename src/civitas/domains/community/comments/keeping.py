"""Keeping order in a thread: hide and show again, pin, lock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.community import CommentRemoved, CommentRestored
from civitas.contracts.subjects import Subject
from civitas.domains.accounts import audit
from civitas.domains.accounts.types import Actor
from civitas.domains.community.comments import counting, policy
from civitas.domains.community.comments.tables import Comment, CommentRevision, CommentThread
from civitas.domains.community.comments.types import MOST_PINNED, State
from civitas.domains.community.comments.writing import found
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden


@dataclass(frozen=True, slots=True)
class Revision:
    """What a comment said until a moment."""

    content: str
    replaced_at: datetime


async def hide(session: AsyncSession, actor: Actor, *, comment_id: int, reason: str = "") -> Comment:
    """Take a comment from view; its answers stay. The owner of the thing and moderators may. Twice is once.

    What moderators hide on others' things is written into the log of staff, with their `reason`.
    """
    comment, thread, facts = await found(session, actor, comment_id, lock=True)
    person = policy.require_keeper(actor, facts)
    if comment.state != State.SHOWN:
        return comment
    comment.state, comment.hidden_by, comment.pinned_at = State.HIDDEN, person, None
    await session.flush()
    await counting.count(session, comment, -1)
    if facts.owner_id != person:
        await _log(session, actor, comment, "comment.hide", reason)
    await publish(session, CommentRemoved(comment.id, comment.person_id, thread.kind, thread.subject_id))
    return comment


async def restore(session: AsyncSession, actor: Actor, *, comment_id: int) -> Comment:
    """Show a hidden comment again. What a moderator hid, only moderators show. Raises Forbidden (`hidden_by_staff`)."""
    comment, thread, facts = await found(session, actor, comment_id, lock=True)
    person = policy.require_keeper(actor, facts)
    if comment.state != State.HIDDEN:
        return comment
    if comment.hidden_by != person and not actor.is_moderator and comment.hidden_by != facts.owner_id:
        raise Forbidden("A moderator hid this, so only they can show it again.", code="hidden_by_staff")
    comment.state, comment.hidden_by = State.SHOWN, None
    await session.flush()
    await counting.count(session, comment, +1)
    if facts.owner_id != person:
        await _log(session, actor, comment, "comment.show", "")
    await publish(session, CommentRestored(comment.id, comment.person_id, thread.kind, thread.subject_id))
    return comment


async def _log(session: AsyncSession, actor: Actor, comment: Comment, action: str, reason: str) -> None:
    await audit.record(
        session,
        actor,
        action=action,
        reason=reason.strip() or "No reason was given.",
        person_id=comment.person_id,
        subject_kind="comment",
        subject_id=comment.id,
    )


async def pin(session: AsyncSession, actor: Actor, *, comment_id: int, pinned: bool = True) -> Comment:
    """Keep a comment of the first level above the others, or no longer.

    Raises Conflict (`too_many_pinned`, `not_first_level`, `comment_gone`).
    """
    comment, thread, facts = await found(session, actor, comment_id, lock=True)
    policy.require_keeper(actor, facts)
    if not pinned or comment.pinned_at is not None:
        comment.pinned_at = comment.pinned_at if pinned else None
        await session.flush()
        return comment
    if comment.parent_id is not None:
        raise Conflict("Only comments of the first level can be pinned.", code="not_first_level")
    if comment.state != State.SHOWN:
        raise Conflict("This comment is not shown, so it cannot be pinned.", code="comment_gone")
    there = await session.scalar(
        select(func.count()).where(Comment.thread_id == thread.id, Comment.pinned_at.is_not(None))
    )
    if (there or 0) >= MOST_PINNED:
        raise Conflict(f"At most {MOST_PINNED} comments can be pinned; let one go.", code="too_many_pinned")
    comment.pinned_at = clock.now()
    await session.flush()
    return comment


async def lock(session: AsyncSession, actor: Actor, *, subject: Subject, locked: bool) -> CommentThread:
    """Close a thread, so that only whoever keeps it adds to it, or open it again."""
    place = await policy.place(session, actor, subject)
    person = policy.require_keeper(actor, place.facts)
    thread = await counting.thread_of(session, subject)
    if locked != (thread.locked_at is not None):
        thread.locked_at, thread.locked_by = (clock.now(), person) if locked else (None, None)
        await session.flush()
    return thread


async def history(session: AsyncSession, actor: Actor, *, comment_id: int) -> list[Revision]:
    """What a comment said before, the latest first; for moderators, and the look is written down."""
    actor.require_moderator()
    comment, _, _ = await found(session, actor, comment_id)
    rows = await session.scalars(
        select(CommentRevision)
        .where(CommentRevision.comment_id == comment.id)
        .order_by(CommentRevision.id.desc())
    )
    return [Revision(row.content, row.replaced_at) for row in rows]
