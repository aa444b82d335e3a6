"""Saying something: a comment, its edits, and taking it back."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts import subjects
from civitas.contracts.events.community import Commented, CommentEdited, CommentRemoved
from civitas.contracts.subjects import Subject, SubjectFacts
from civitas.domains.accounts import following
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.community.comments import counting, mentions, policy, storms
from civitas.domains.community.comments.tables import Comment, CommentMention, CommentRevision, CommentThread
from civitas.domains.community.comments.types import (
    LONGEST,
    MOST_REVISIONS,
    REPEATED_WITHIN,
    State,
    deepest,
)
from civitas.domains.gallery.feeds import reactions
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound
from civitas.kit.text import clean_markdown


async def write(
    session: AsyncSession, actor: Actor, *, subject: Subject, content: str, parent_id: int | None = None
) -> Comment:
    """Comment on a thing, or answer a comment on it.

    Raises NotFound, Forbidden (`muted`, `not_verified`, `not_onboarded`, `blocked`), Conflict (`thread_locked`,
    `said_already`, `comment_gone`), Invalid (`empty_comment`, `comment_too_long`, `too_deep`,
    `too_many_mentions`), Limited.
    """
    person = policy.require_writer(actor)
    place = await policy.place(session, actor, subject)
    words = readable(content)
    await _require_peace(session, actor, place.facts.owner_id)
    await storms.take_turn(session, actor, person)
    thread = await counting.thread_of(session, subject)
    if thread.locked_at is not None and not place.keeps:
        raise Conflict("This discussion is closed: nobody adds to it any more.", code="thread_locked")
    parent = await _parent(session, actor, thread, parent_id)
    await _require_new(session, person, thread.id, words)
    named = await mentions.people_in(session, words, writer_id=person)
    comment = Comment(
        thread_id=thread.id,
        person_id=person,
        parent_id=parent_id,
        root_id=None if parent is None else parent.root_id or parent.id,
        depth=1 if parent is None else parent.depth + 1,
        content=words,
        state=State.SHOWN,
        created_at=clock.now(),
    )
    session.add(comment)
    await session.flush()
    await _mention(session, comment.id, named)
    await counting.count(session, comment, +1)
    await publish(session, Commented(comment.id, person, subject.kind, subject.id, parent_id))
    return comment


async def edit(session: AsyncSession, actor: Actor, *, comment_id: int, content: str) -> Comment:
    """Say it differently; what it said before is kept for staff. The same words change nothing.

    Raises NotFound, Forbidden for somebody else's, Conflict (`comment_gone`, `thread_locked`), Invalid.
    """
    person = policy.require_writer(actor)
    comment, thread, facts = await found(session, actor, comment_id, lock=True)
    if comment.person_id != person:
        raise Forbidden("Only its writer can edit a comment.", code="not_yours")
    if comment.state != State.SHOWN:
        raise Conflict("This comment is no longer shown, so it cannot be edited.", code="comment_gone")
    if thread.locked_at is not None and not policy.keeps(actor, facts):
        raise Conflict("This discussion is closed: nobody adds to it any more.", code="thread_locked")
    await _require_peace(session, actor, facts.owner_id)
    words = readable(content)
    if words == comment.content:
        return comment
    kept = await session.scalar(
        select(func.count()).select_from(CommentRevision).where(CommentRevision.comment_id == comment.id)
    )
    if (kept or 0) >= MOST_REVISIONS:
        raise Conflict(
            f"This comment was edited {MOST_REVISIONS} times; write another one.", code="too_many_edits"
        )
    named = await mentions.people_in(session, words, writer_id=person)
    session.add(CommentRevision(comment_id=comment.id, content=comment.content))
    comment.content, comment.edited_at = words, clock.now()
    await session.flush()
    added = await _mention(session, comment.id, named)
    await publish(
        session, CommentEdited(comment.id, person, thread.kind, thread.subject_id, mentioned=list(added))
    )
    return comment


async def remove(session: AsyncSession, actor: Actor, *, comment_id: int) -> Comment:
    """Take one's own comment back. Answers stay; its place says that its writer removed it. Twice is once."""
    person = actor.require(Scope.SOCIAL_WRITE)
    comment, thread, _ = await found(session, actor, comment_id, lock=True)
    if comment.person_id != person:
        raise Forbidden("Only its writer can remove a comment; hide it instead.", code="not_yours")
    if comment.state == State.REMOVED:
        return comment
    was_shown = comment.state == State.SHOWN
    session.add(CommentRevision(comment_id=comment.id, content=comment.content))
    comment.content, comment.state, comment.pinned_at = "", State.REMOVED, None
    await session.flush()
    await session.execute(delete(CommentMention).where(CommentMention.comment_id == comment.id))
    if was_shown:
        await counting.count(session, comment, -1)
        await publish(session, CommentRemoved(comment.id, person, thread.kind, thread.subject_id))
    return comment


async def found(
    session: AsyncSession, actor: Actor, comment_id: int, *, lock: bool = False
) -> tuple[Comment, CommentThread, SubjectFacts]:
    """A comment with its thread and what it is about. NotFound for what the actor may not see.

    With `lock` the thread is held first, then the comment, so that two who change them take turns.
    """
    missing = NotFound("There is no such comment.", code="comment_not_found")
    if not 0 < comment_id < 2**63:
        raise missing
    thread_id = await session.scalar(select(Comment.thread_id).where(Comment.id == comment_id))
    if thread_id is None:
        raise missing
    thread_row = select(CommentThread).where(CommentThread.id == thread_id)
    comment_row = select(Comment).where(Comment.id == comment_id)
    if lock:
        thread_row = thread_row.with_for_update(key_share=True).execution_options(populate_existing=True)
        comment_row = comment_row.with_for_update(key_share=True).execution_options(populate_existing=True)
    thread = (await session.execute(thread_row)).scalar_one()
    comment = (await session.execute(comment_row)).scalar_one()
    facts = await subjects.resolve(session, Subject(thread.kind, thread.subject_id))
    if facts is None or not policy.sees(actor, facts):
        raise missing
    return comment, thread, facts


def readable(content: str) -> str:
    """A text as it is kept. Raises Invalid (`empty_comment`, `comment_too_long`)."""
    if len(content) > LONGEST:
        told = f"A comment has at most {LONGEST:,} characters; this one has {len(content):,}."
        raise Invalid(told, code="comment_too_long", fields={"content": told})
    words = clean_markdown(content)
    if not words:
        told = "Write something first."
        raise Invalid(told, code="empty_comment", fields={"content": told})
    return words


async def _require_peace(session: AsyncSession, actor: Actor, other_id: int | None) -> None:
    if other_id is not None and other_id != actor.id and not actor.is_moderator:
        await following.require_no_block(session, actor, target_id=other_id)


async def _parent(
    session: AsyncSession, actor: Actor, thread: CommentThread, parent_id: int | None
) -> Comment | None:
    if parent_id is None:
        return None
    parent = await session.scalar(
        select(Comment).where(Comment.id == parent_id, Comment.thread_id == thread.id)
    )
    if parent is None:
        raise NotFound("The comment that you answer is not here.", code="comment_not_found")
    if parent.state != State.SHOWN:
        raise Conflict("The comment that you answer is no longer shown.", code="comment_gone")
    most = deepest(thread.kind)
    if parent.depth >= most:
        raise Invalid(
            f"Answers go {most} levels deep here; answer the comment above instead.", code="too_deep"
        )
    await _require_peace(session, actor, parent.person_id)
    return parent


async def _require_new(session: AsyncSession, person: int, thread_id: int, words: str) -> None:
    said = await session.scalar(
        select(Comment.id)
        .where(
            Comment.person_id == person,
            Comment.created_at > clock.now() - REPEATED_WITHIN,
            Comment.thread_id == thread_id,
            Comment.content == words,
            Comment.state == State.SHOWN,
        )
        .limit(1)
    )
    if said is not None:
        raise Conflict("You have just said the same here.", code="said_already", details={"id": said})


async def _mention(session: AsyncSession, comment_id: int, named: Sequence[int]) -> list[int]:
    """Note who is named now; those who were not before are returned."""
    await session.execute(
        delete(CommentMention).where(
            CommentMention.comment_id == comment_id, CommentMention.person_id.not_in(named)
        )
    )
    if not named:
        return []
    made = await session.scalars(
        insert(CommentMention)
        .values([{"comment_id": comment_id, "person_id": person} for person in named])
        .on_conflict_do_nothing()
        .returning(CommentMention.person_id)
    )
    return sorted(made)


async def count_reactions(session: AsyncSession, *, comment_id: int) -> None:
    """Show how many react to a comment, by what is there now; counting twice, or in another order, changes nothing."""
    held = await session.scalar(
        select(Comment.id).where(Comment.id == comment_id).with_for_update(key_share=True)
    )
    if held is None:
        return
    # Counted after the comment is held: whoever counts last has seen everything.
    there = await reactions.total(session, Subject("comment", comment_id))
    await session.execute(
        update(Comment)
        .where(Comment.id == comment_id, Comment.reaction_count != there)
        .values(reaction_count=there)
        .execution_options(synchronize_session=False)
    )
