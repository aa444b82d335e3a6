"""What reviews do about facts: the thumbs that models and versions show, and reactions."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.community import ReviewChanged, Reviewed
from civitas.contracts.events.gallery import Reacted, ReactionWithdrawn
from civitas.domains.community.reviews import writing
from civitas.infra.queue.registry import on


@on(Reviewed)
async def count_review(session: AsyncSession, event: Reviewed) -> None:
    """Show one more thumb."""
    await writing.count(session, model_id=event.model_id, version_id=event.version_id)


@on(ReviewChanged)
async def recount_review(session: AsyncSession, event: ReviewChanged) -> None:
    """Show the thumbs as they are now."""
    await writing.count(session, model_id=event.model_id, version_id=event.version_id)


@on(Reacted)
async def count_review_reaction(session: AsyncSession, event: Reacted) -> None:
    """Count a reaction on a review."""
    if event.kind == "review":
        await writing.count_reactions(session, review_id=event.subject_id)


@on(ReactionWithdrawn)
async def uncount_review_reaction(session: AsyncSession, event: ReactionWithdrawn) -> None:
    """Count a reaction on a review no more."""
    if event.kind == "review":
        await writing.count_reactions(session, review_id=event.subject_id)
