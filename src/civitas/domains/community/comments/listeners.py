"""What comments do about facts: counters of what they are about, and their own reactions."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.community import Commented, CommentRemoved, CommentRestored
from civitas.contracts.events.gallery import Reacted, ReactionWithdrawn
from civitas.contracts.subjects import Subject
from civitas.domains.catalog import metrics
from civitas.domains.community.comments import counting, writing
from civitas.infra.queue.registry import on


@on(Commented)
async def count_comment(session: AsyncSession, event: Commented) -> None:
    """Show how much is said."""
    await _show_count(session, event.kind, event.subject_id)


@on(CommentRemoved)
async def uncount_comment(session: AsyncSession, event: CommentRemoved) -> None:
    """Show how much is still said."""
    await _show_count(session, event.kind, event.subject_id)


@on(CommentRestored)
async def recount_comment(session: AsyncSession, event: CommentRestored) -> None:
    """Show how much is said again."""
    await _show_count(session, event.kind, event.subject_id)


async def _show_count(session: AsyncSession, kind: str, subject_id: int) -> None:
    if kind == "model":
        count = await counting.held_count(session, Subject(kind, subject_id))
        await metrics.set_comments(session, model_id=subject_id, comments=count)


@on(Reacted)
async def count_reaction(session: AsyncSession, event: Reacted) -> None:
    """Count a reaction on a comment."""
    if event.kind == "comment":
        await writing.count_reactions(session, comment_id=event.subject_id)


@on(ReactionWithdrawn)
async def uncount_reaction(session: AsyncSession, event: ReactionWithdrawn) -> None:
    """Count a reaction on a comment no more."""
    if event.kind == "comment":
        await writing.count_reactions(session, comment_id=event.subject_id)
