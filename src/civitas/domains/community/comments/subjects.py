"""How comments are found when others point at them: reactions, reports, notifications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts import subjects
from civitas.contracts.subjects import Subject, SubjectFacts, resolves
from civitas.domains.community.comments.tables import Comment, CommentThread
from civitas.domains.community.comments.types import State


@resolves("comment")
async def comments(session: AsyncSession, ids: Sequence[int]) -> Mapping[int, SubjectFacts]:
    """Comments that were not removed; a hidden one is not public. They are as mature as what they are about."""
    rows = (
        await session.execute(
            select(Comment.id, Comment.person_id, Comment.state, CommentThread.kind, CommentThread.subject_id)
            .join(CommentThread, CommentThread.id == Comment.thread_id)
            .where(Comment.id.in_(ids), Comment.state != State.REMOVED)
        )
    ).all()
    about = await subjects.resolve_all(session, [Subject(row.kind, row.subject_id) for row in rows])
    found: dict[int, SubjectFacts] = {}
    for row in rows:
        facts = about.get(Subject(row.kind, row.subject_id))
        if facts is not None:
            found[row.id] = SubjectFacts(
                subject=Subject("comment", row.id),
                owner_id=row.person_id,
                title=f"A comment on {facts.title}",
                path=f"/comment/{row.id}",
                mature=facts.mature,
                public=facts.public and row.state == State.SHOWN,
            )
    return found
