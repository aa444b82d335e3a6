"""The thread of a subject, and what is counted in it: always within the transaction that changes it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.subjects import Subject
from civitas.domains.community.comments.tables import Comment, CommentThread


async def thread_of(session: AsyncSession, subject: Subject) -> CommentThread:
    """The thread of a subject, made when there is none, held against others until the transaction ends."""
    await session.execute(
        insert(CommentThread).values(kind=subject.kind, subject_id=subject.id).on_conflict_do_nothing()
    )
    return (
        await session.execute(
            select(CommentThread)
            .where(CommentThread.kind == subject.kind, CommentThread.subject_id == subject.id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
    ).scalar_one()


async def count(session: AsyncSession, comment: Comment, change: int) -> None:
    """One comment more or fewer is shown; the thread is held by whoever calls."""
    await session.execute(
        update(CommentThread)
        .where(CommentThread.id == comment.thread_id)
        .values(comment_count=CommentThread.comment_count + change)
        .execution_options(synchronize_session=False)
    )
    if comment.root_id is not None:
        await session.execute(
            update(Comment)
            .where(Comment.id == comment.root_id)
            .values(reply_count=Comment.reply_count + change)
            .execution_options(synchronize_session=False)
        )


async def counts(session: AsyncSession, *, kind: str, ids: Sequence[int]) -> dict[int, int]:
    """How many comments are shown on each of these subjects; those without one are left out."""
    rows = await session.execute(
        select(CommentThread.subject_id, CommentThread.comment_count).where(
            CommentThread.kind == kind, CommentThread.subject_id.in_(ids), CommentThread.comment_count > 0
        )
    )
    return {row.subject_id: row.comment_count for row in rows}


async def held_count(session: AsyncSession, subject: Subject) -> int:
    """How many comments are shown, held until the transaction ends: whoever writes it elsewhere writes the truth."""
    # The mapped row must not come from the session: another transaction may have counted meanwhile.
    found = await session.scalar(
        text("SELECT comment_count FROM comment_threads WHERE kind = :kind AND subject_id = :id FOR UPDATE"),
        {"kind": subject.kind, "id": subject.id},
    )
    return int(found or 0)


async def recount(session: AsyncSession, thread_ids: Sequence[int]) -> dict[Subject, int]:
    """Count these threads, and the answers in them, anew by what is there; by how much each was wrong."""
    await session.execute(_RECOUNT_ANSWERS, {"ids": list(thread_ids)})
    rows = await session.execute(_RECOUNT, {"ids": list(thread_ids)})
    return {Subject(kind, subject_id): change for kind, subject_id, change in rows}


_RECOUNT = text(
    """
    UPDATE comment_threads t SET comment_count = c.there
      FROM (SELECT w.id, w.comment_count AS told, count(c.id) AS there
              FROM comment_threads w
              LEFT JOIN comments c ON c.thread_id = w.id AND c.state = 'shown'
             WHERE w.id = ANY(CAST(:ids AS bigint[])) GROUP BY w.id) c
     WHERE t.id = c.id AND t.comment_count <> c.there
 RETURNING t.kind, t.subject_id, c.there - c.told
    """
)
_RECOUNT_ANSWERS = text(
    """
    UPDATE comments top SET reply_count = c.there
      FROM (SELECT top.id, count(a.id) AS there
              FROM comments top LEFT JOIN comments a ON a.root_id = top.id AND a.state = 'shown'
             WHERE top.thread_id = ANY(CAST(:ids AS bigint[])) AND top.root_id IS NULL GROUP BY top.id) c
     WHERE top.id = c.id AND top.reply_count <> c.there
    """
)
