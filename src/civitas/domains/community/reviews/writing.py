"""Recommending a version or not, changing one's mind, and leaving reviews out of the counts."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.community import ReviewChanged, Reviewed
from civitas.contracts.subjects import Subject
from civitas.domains.accounts import audit, following
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.catalog import metrics
from civitas.domains.catalog import policy as catalog
from civitas.domains.catalog.tables import Model, ModelVersion
from civitas.domains.community.comments.policy import require_writer
from civitas.domains.community.reviews.tables import Review
from civitas.domains.gallery.feeds import reactions
from civitas.domains.gallery.tables import Post
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Forbidden, Invalid, Limited, NotFound
from civitas.kit.text import clean_markdown

LONGEST: Final = 20_000
# New reviews of one person; a reviewer who tries what they review is slower than that.
MOST_A_DAY: Final = 60
_HOLD = text("SELECT pg_advisory_xact_lock(hashtextextended('reviews', :model))")


async def review(
    session: AsyncSession,
    actor: Actor,
    *,
    version_id: int,
    recommended: bool,
    content: str = "",
    post_id: int | None = None,
) -> Review:
    """Say whether one recommends a version, or say it anew. `post_id` is a post of one's own that shows why.

    Raises NotFound for a version that the actor may not see, Forbidden (`own_model`, `blocked`, `muted`,
    `not_verified`), Invalid (`review_too_long`, `no_such_post`), Limited.
    """
    person = require_writer(actor)
    model_id = await _reviewable(session, actor, version_id)
    words = _readable(content)
    if post_id is not None:
        await _require_own_post(session, person, post_id)
    # Two requests of one person at once are one review; both wait here.
    await session.execute(_HOLD, {"model": -person})
    made = await session.scalar(
        select(Review).where(Review.version_id == version_id, Review.person_id == person).with_for_update()
    )
    if made is None:
        await _require_calm(session, person)
        made = Review(
            version_id=version_id, model_id=model_id, person_id=person, recommended=recommended,
            content=words, post_id=post_id, created_at=clock.now(),
        )  # fmt: skip
        session.add(made)
        await session.flush()
        await publish(session, Reviewed(made.id, person, model_id, version_id, recommended))
        return made
    if (made.recommended, made.content, made.post_id) == (recommended, words, post_id):
        return made
    made.recommended, made.content, made.post_id, made.edited_at = recommended, words, post_id, clock.now()
    await session.flush()
    await publish(session, ReviewChanged(made.id, person, model_id, version_id))
    return made


async def remove(session: AsyncSession, actor: Actor, *, version_id: int) -> None:
    """Take one's review back; nothing happens when there is none."""
    person = actor.require(Scope.SOCIAL_WRITE)
    gone = (
        await session.execute(
            delete(Review)
            .where(Review.version_id == version_id, Review.person_id == person)
            .returning(Review.id, Review.model_id)
        )
    ).first()
    if gone is not None:
        await publish(session, ReviewChanged(gone.id, person, gone.model_id, version_id))


async def exclude(
    session: AsyncSession, actor: Actor, *, review_id: int, excluded: bool, reason: str = ""
) -> Review:
    """Leave a review out of the counts, or count it again; it stays to be read. The model's owner and moderators may.

    What a moderator left out, only moderators count again.
    """
    actor.require(Scope.SOCIAL_WRITE)
    row = (
        await session.execute(
            select(Review, Model.person_id)
            .join(Model, Model.id == Review.model_id)
            .where(Review.id == review_id)
            .with_for_update(of=Review, key_share=True)
        )
    ).first()
    if row is None:
        raise NotFound("There is no such review.", code="review_not_found")
    found: Review = row[0]
    if row.person_id != actor.id and not actor.is_moderator:
        raise Forbidden("Only the model's owner and moderators can do that.", code="not_yours")
    if excluded == (found.excluded_at is not None):
        return found
    if not excluded and not actor.is_moderator and found.excluded_by != actor.id:
        raise Forbidden("A moderator left it out, so only they can count it again.", code="left_out_by_staff")
    found.excluded_at, found.excluded_by = (clock.now(), actor.id) if excluded else (None, None)
    await session.flush()
    if row.person_id != actor.id:
        await audit.record(
            session, actor, action="review.exclude" if excluded else "review.count",
            reason=reason.strip() or "No reason was given.", person_id=found.person_id,
            subject_kind="review", subject_id=found.id,
        )  # fmt: skip
    await publish(session, ReviewChanged(found.id, found.person_id, found.model_id, found.version_id))
    return found


async def count(session: AsyncSession, *, model_id: int, version_id: int) -> None:
    """Show how many people recommend a version, by what is there now; counting twice changes nothing."""
    await session.execute(_HOLD, {"model": model_id})
    up, down = (
        await session.execute(
            select(func.count().filter(Review.recommended), func.count().filter(~Review.recommended)).where(
                Review.version_id == version_id, Review.excluded_at.is_(None)
            )
        )
    ).one()
    await metrics.set_thumbs(session, version_id=version_id, up=up, down=down)


async def _reviewable(session: AsyncSession, actor: Actor, version_id: int) -> int:
    row = (
        await session.execute(
            select(Model.id, Model.person_id, Model.editor_ids)
            .join(ModelVersion, ModelVersion.model_id == Model.id)
            .where(
                ModelVersion.id == version_id, catalog.versions_visible_to(actor), catalog.visible_to(actor)
            )
        )
    ).first()
    if row is None:
        raise NotFound("This version was not found.", code="version_not_found")
    if actor.id == row.person_id or actor.id in (row.editor_ids or ()):
        raise Forbidden("Whoever made it does not review it.", code="own_model")
    if not actor.is_moderator:
        await following.require_no_block(session, actor, target_id=row.person_id)
    return int(row.id)


def _readable(content: str) -> str:
    if len(content) > LONGEST:
        told = f"A review has at most {LONGEST:,} characters; this one has {len(content):,}."
        raise Invalid(told, code="review_too_long", fields={"content": told})
    return clean_markdown(content)


async def _require_own_post(session: AsyncSession, person: int, post_id: int) -> None:
    mine = await session.scalar(
        select(Post.id).where(Post.id == post_id, Post.person_id == person, Post.deleted_at.is_(None))
    )
    if mine is None:
        told = "This is not a post of yours."
        raise Invalid(told, code="no_such_post", fields={"postId": told})


async def _require_calm(session: AsyncSession, person: int) -> None:
    day = timedelta(days=1)
    row = (
        await session.execute(
            select(func.count(), func.min(Review.created_at)).where(
                Review.person_id == person, Review.created_at > clock.now() - day
            )
        )
    ).one()
    if row[0] >= MOST_A_DAY:
        raise Limited(
            f"You wrote {MOST_A_DAY} reviews within a day; go on tomorrow.",
            retry_after=max(1, int((row[1] + day - clock.now()).total_seconds())),
            code="too_many_reviews",
        )


async def count_reactions(session: AsyncSession, *, review_id: int) -> None:
    """Show how many react to a review, by what is there now; counting twice, or in another order, changes nothing."""
    held = await session.scalar(
        select(Review.id).where(Review.id == review_id).with_for_update(key_share=True)
    )
    if held is None:
        return
    # Counted after the review is held: whoever counts last has seen everything.
    there = await reactions.total(session, Subject("review", review_id))
    await session.execute(
        update(Review)
        .where(Review.id == review_id, Review.reaction_count != there)
        .values(reaction_count=there)
        .execution_options(synchronize_session=False)
    )
