"""Taking away what was said about the demo, and what its people said elsewhere.

People whom the ledger keeps are not deleted, and words about things have no key that would go with the thing.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ARRAY, BigInteger, ColumnElement, and_, cast, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from civitas.contracts.subjects import Subject
from civitas.domains.catalog import metrics
from civitas.domains.catalog.tables import ModelVersion
from civitas.domains.community.articles.tables import Article
from civitas.domains.community.comments import counting
from civitas.domains.community.comments import writing as comments
from civitas.domains.community.comments.tables import Comment, CommentThread
from civitas.domains.community.notifications.tables import Notification
from civitas.domains.community.reviews import writing as reviews
from civitas.domains.community.reviews.tables import Review
from civitas.domains.gallery.collections.tables import Collection
from civitas.domains.gallery.feeds import reactions
from civitas.domains.gallery.feeds.tables import EngagementChange, Reaction, SubjectCounts
from civitas.domains.gallery.tables import Image, Post

Things = dict[str, list[int]]


async def clear(session: AsyncSession, people: Sequence[int], models: Sequence[int]) -> None:
    """Before the things themselves go, so that they can still be found; what remains of others' things is counted anew."""
    things = await _things(session, people, models)
    await session.execute(
        delete(CommentThread).where(_about(things, CommentThread.kind, CommentThread.subject_id))
    )
    touched = await session.scalars(
        delete(Comment).where(Comment.person_id.in_(people)).returning(Comment.thread_id)
    )
    for subject, change in (await counting.recount(session, sorted(set(touched)))).items():
        await reactions.count(session, subject, "comment", change)
        if subject.kind == "model":
            count = await counting.held_count(session, subject)
            await metrics.set_comments(session, model_id=subject.id, comments=count)
    await _reviews(session, people, models)
    await _reactions(session, people, things)
    for table in (Reaction, EngagementChange, SubjectCounts):
        await session.execute(delete(table).where(_about(things, table.kind, table.subject_id)))
    await session.execute(
        delete(Notification).where(
            or_(
                Notification.person_id.in_(people),
                and_(
                    func.cardinality(Notification.actors) > 0,
                    Notification.actors.bool_op("<@")(cast(list(people), ARRAY(BigInteger))),
                ),
                _about(things, Notification.subject_kind, Notification.subject_id),
            )
        )
    )


async def _things(session: AsyncSession, people: Sequence[int], models: Sequence[int]) -> Things:
    async def ids(column: InstrumentedAttribute[int], where: ColumnElement[bool]) -> list[int]:
        return list(await session.scalars(select(column).where(where)))

    found: Things = {"model": list(models), "user": list(people)}
    found["model_version"] = await ids(ModelVersion.id, ModelVersion.model_id.in_(models))
    found["review"] = await ids(Review.id, or_(Review.person_id.in_(people), Review.model_id.in_(models)))
    found["image"] = await ids(Image.id, Image.person_id.in_(people))
    found["post"] = await ids(Post.id, Post.person_id.in_(people))
    found["article"] = await ids(Article.id, Article.person_id.in_(people))
    found["collection"] = await ids(Collection.id, Collection.person_id.in_(people))
    threads = select(CommentThread.id).where(_about(found, CommentThread.kind, CommentThread.subject_id))
    found["comment"] = await ids(
        Comment.id, or_(Comment.thread_id.in_(threads), Comment.person_id.in_(people))
    )
    return found


def _about(
    things: Things, kind: InstrumentedAttribute[str] | InstrumentedAttribute[str | None],
    subject_id: InstrumentedAttribute[int] | InstrumentedAttribute[int | None],
) -> ColumnElement[bool]:  # fmt: skip
    return or_(*(and_(kind == one, subject_id.in_(ids)) for one, ids in things.items()))


async def _reviews(session: AsyncSession, people: Sequence[int], models: Sequence[int]) -> None:
    gone = await session.execute(
        delete(Review).where(Review.person_id.in_(people)).returning(Review.model_id, Review.version_id)
    )
    for model_id, version_id in {(row.model_id, row.version_id) for row in gone}:
        if model_id not in models:
            await reviews.count(session, model_id=model_id, version_id=version_id)


async def _reactions(session: AsyncSession, people: Sequence[int], things: Things) -> None:
    gone = await session.execute(
        delete(Reaction)
        .where(Reaction.person_id.in_(people))
        .returning(Reaction.kind, Reaction.subject_id, Reaction.reaction)
    )
    elsewhere: set[Subject] = set()
    for row in gone:
        if row.subject_id not in things.get(row.kind, ()):
            elsewhere.add(Subject(row.kind, row.subject_id))
            await reactions.count(session, Subject(row.kind, row.subject_id), row.reaction, -1)
    for subject in elsewhere:
        if subject.kind == "comment":
            await comments.count_reactions(session, comment_id=subject.id)
        elif subject.kind == "review":
            await reviews.count_reactions(session, review_id=subject.id)
