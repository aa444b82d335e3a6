"""What articles do about facts of others: counters, the level of their pictures, people who leave."""

from __future__ import annotations

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.accounts import PersonDeleted, PersonForgotten
from civitas.contracts.events.community import ArticleRemoved, Commented, CommentRemoved, CommentRestored
from civitas.contracts.events.gallery import (
    Collected,
    ImageChanged,
    ImageReady,
    ImageRemoved,
    Reacted,
    ReactionWithdrawn,
    Uncollected,
)
from civitas.domains.community.articles import attachments, counting, pictures
from civitas.domains.community.articles.tables import Article
from civitas.domains.community.articles.types import Status
from civitas.infra.queue.registry import on


@on(Reacted)
async def count_article_reaction(session: AsyncSession, event: Reacted) -> None:
    """A reaction more on an article."""
    if event.kind == "article":
        await counting.recount(session, [event.subject_id])


@on(ReactionWithdrawn)
async def uncount_article_reaction(session: AsyncSession, event: ReactionWithdrawn) -> None:
    """A reaction fewer on an article."""
    if event.kind == "article":
        await counting.recount(session, [event.subject_id])


@on(Commented)
async def count_article_comment(session: AsyncSession, event: Commented) -> None:
    """A comment more on an article."""
    if event.kind == "article":
        await counting.recount(session, [event.subject_id])


@on(CommentRemoved)
async def uncount_article_comment(session: AsyncSession, event: CommentRemoved) -> None:
    """A comment fewer on an article."""
    if event.kind == "article":
        await counting.recount(session, [event.subject_id])


@on(CommentRestored)
async def recount_article_comment(session: AsyncSession, event: CommentRestored) -> None:
    """A comment on an article is shown again."""
    if event.kind == "article":
        await counting.recount(session, [event.subject_id])


@on(Collected)
async def count_article_collected(session: AsyncSession, event: Collected) -> None:
    """An article is in one collection more; a person counts once, and their bookmarks by themselves."""
    if event.kind == "article":
        await counting.recount(session, [event.subject_id])


@on(Uncollected)
async def uncount_article_collected(session: AsyncSession, event: Uncollected) -> None:
    """An article was taken out of a collection."""
    if event.kind == "article":
        await counting.recount(session, [event.subject_id])


@on(ImageReady)
async def level_articles_of_ready(session: AsyncSession, event: ImageReady) -> None:
    """A picture has a level from now on."""
    await pictures.level_all_with(session, event.image_id)


@on(ImageChanged)
async def level_articles_of_changed(session: AsyncSession, event: ImageChanged) -> None:
    """A picture's level may have changed."""
    await pictures.level_all_with(session, event.image_id)


@on(ImageRemoved)
async def level_articles_of_removed(session: AsyncSession, event: ImageRemoved) -> None:
    """A picture that is gone is in no article any more."""
    await pictures.level_all_with(session, event.image_id)


@on(PersonDeleted)
async def close_articles(session: AsyncSession, event: PersonDeleted) -> None:
    """Whoever leaves takes their articles from view; should they come back, they find them as they were."""
    await session.execute(
        update(Article)
        .where(
            Article.person_id == event.person_id,
            Article.status.in_([Status.PUBLISHED.value, Status.SCHEDULED.value]),
        )
        .values(status=Status.UNPUBLISHED.value, scheduled_at=None)
        .execution_options(synchronize_session=False)
    )


@on(ArticleRemoved)
async def let_attachments_go(session: AsyncSession, event: ArticleRemoved) -> None:
    """The files beside an article go with it."""
    await attachments.remove_all(session, article_ids=[event.article_id])


@on(PersonForgotten)
async def forget_articles(session: AsyncSession, event: PersonForgotten) -> None:
    """Nobody comes back: what they wrote goes for good."""
    theirs = (await session.scalars(select(Article.id).where(Article.person_id == event.person_id))).all()
    await attachments.remove_all(session, article_ids=theirs)
    await session.execute(
        delete(Article)
        .where(Article.person_id == event.person_id)
        .execution_options(synchronize_session=False)
    )
