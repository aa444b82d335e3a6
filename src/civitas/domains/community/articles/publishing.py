"""Making an article public, now or at a time ahead; taking it back; staff's word on it."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy import text as sql
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.community import ArticleChanged, ArticlePublished, ArticleUnpublished
from civitas.domains.accounts import audit, scoring
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor
from civitas.domains.community.articles import pictures, text, writing
from civitas.domains.community.articles.tables import Article, ArticleRevision
from civitas.domains.community.articles.types import ALLOWANCES, SCHEDULE_AHEAD, Saved, Status
from civitas.infra.queue.outbox import publish as state_fact
from civitas.kit import clock
from civitas.kit.errors import Conflict, Invalid, Limited
from civitas.kit.text import clean_block

DAY = timedelta(days=1)
_TURN = sql("SELECT pg_advisory_xact_lock(hashtextextended('articles', :person))")


async def publish(
    session: AsyncSession, actor: Actor, *, article_id: int, at: datetime | None = None
) -> Article:
    """The public reads what is written now; with `at` in the future from then on. Again makes changes public.

    Raises NotFound, Forbidden, Invalid (`title_needed`, `article_empty`, `bad_time`, `too_many_pictures`), Conflict
    (`violation`), Limited (`too_many_articles`).
    """
    article = await writing.editable(session, actor, article_id=article_id)
    if article.status == Status.VIOLATION:
        raise Conflict("Staff took this article from view; only they can put it back.", code="violation")
    last = await writing.newest(session, article.id)
    _require_whole(last)
    await pictures.check(session, article, text.read(last.content))
    now = clock.now()
    if at is not None and at > now:
        if at > now + SCHEDULE_AHEAD:
            raise Invalid("Choose a time within a year.", code="bad_time", fields={"at": "within a year"})
        if article.status == Status.PUBLISHED:
            raise Conflict("This article is public already.", code="already_published")
        article.status, article.scheduled_at = Status.SCHEDULED.value, at
        await session.flush()
        return article
    if article.published_at is None:
        await _take_turn(session, actor, article.person_id)
    await show(session, article)
    return article


async def show(session: AsyncSession, article: Article) -> None:
    """What is written becomes what the public reads; the caller holds the row and has asked who may."""
    last = await writing.newest(session, article.id)
    last.kind = Saved.PUBLISHED.value
    changed = (article.title, article.content) != (last.title, last.content)
    first, hidden = article.published_at is None, article.status != Status.PUBLISHED
    article.title, article.content = last.title, last.content
    article.status, article.scheduled_at = Status.PUBLISHED.value, None
    if first:
        article.published_at = clock.now()
    if changed or first:
        article.updated_at = clock.now()
    shown = text.read(article.content)
    article.reading_minutes = shown.minutes
    await session.flush()
    await pictures.settle(session, article, shown)
    if hidden:
        await state_fact(session, ArticlePublished(article.id, article.person_id, first))
    elif changed:
        await state_fact(session, ArticleChanged(article.id, article.person_id))


async def unpublish(session: AsyncSession, actor: Actor, *, article_id: int) -> Article:
    """Take one's article back, or off its schedule; nothing is lost. Twice is once."""
    article = await writing.editable(session, actor, article_id=article_id)
    if article.status == Status.SCHEDULED:
        article.status, article.scheduled_at = Status.DRAFT.value, None
        await session.flush()
    elif article.status == Status.PUBLISHED:
        article.status = Status.UNPUBLISHED.value
        await session.flush()
        await state_fact(session, ArticleUnpublished(article.id, article.person_id, None))
    return article


async def take_from_view(session: AsyncSession, actor: Actor, *, article_id: int, reason: str) -> Article:
    """Staff take an article from view and say why; its writer reads the reason and goes on writing."""
    actor.require_moderator()
    article = await writing.found(session, actor, article_id)
    if article.status == Status.VIOLATION:
        return article
    await audit.record(
        session,
        actor,
        action="article.unpublish",
        reason=reason,
        person_id=article.person_id,
        subject_kind="article",
        subject_id=article.id,
    )
    article.status, article.scheduled_at = Status.VIOLATION.value, None
    article.staff_note = clean_block(reason)[:2000]
    await session.flush()
    await state_fact(session, ArticleUnpublished(article.id, article.person_id, article.staff_note))
    return article


async def put_back(session: AsyncSession, actor: Actor, *, article_id: int, reason: str) -> Article:
    """Staff lift their word: the article waits for its writer to publish it. Raises Conflict (`not_taken`)."""
    actor.require_moderator()
    article = await writing.found(session, actor, article_id)
    if article.status != Status.VIOLATION:
        raise Conflict("This article was not taken from view.", code="not_taken")
    await audit.record(
        session,
        actor,
        action="article.restore",
        reason=reason,
        person_id=article.person_id,
        subject_kind="article",
        subject_id=article.id,
    )
    article.status, article.staff_note = Status.UNPUBLISHED.value, None
    await session.flush()
    return article


async def publish_due(session: AsyncSession, *, limit: int = 100) -> int:
    """Publish what was scheduled and whose time has come; how many there were."""
    due = await session.scalars(
        select(Article)
        .where(Article.status == Status.SCHEDULED.value, Article.scheduled_at <= clock.now())
        .order_by(Article.scheduled_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    articles = due.all()
    for article in articles:
        await show(session, article)
    return len(articles)


def _require_whole(last: ArticleRevision) -> None:
    if not last.title:
        raise Invalid(
            "Give the article a title first.", code="title_needed", fields={"title": "A title is needed."}
        )
    shown = text.read(last.content)
    if not shown.words and not shown.references:
        raise Invalid(
            "Write something first; this article is empty.",
            code="article_empty",
            fields={"content": "There is nothing in it yet."},
        )


async def _take_turn(session: AsyncSession, actor: Actor, person_id: int) -> None:
    """Refuse first publications beyond the day's allowance; staff are not counted."""
    await session.execute(_TURN, {"person": person_id})
    if actor.is_moderator:
        return
    now = clock.now()
    joined = await session.scalar(select(Person.created_at).where(Person.id == person_id))
    if joined is not None and joined > now - DAY:
        wait = (joined + DAY - now).total_seconds()
        raise Limited(
            "Articles can be published from the second day on; your draft is kept until then.",
            retry_after=max(1, int(wait)),
            code="too_new",
        )
    score = (await scoring.of(session, person_id)).parts.get("articles", 0)
    most = next(count for least, count in ALLOWANCES if score >= least)
    count, oldest = (
        await session.execute(
            select(func.count(), func.min(Article.published_at)).where(
                Article.person_id == person_id, Article.published_at > now - DAY
            )
        )
    ).one()
    if count >= most and oldest is not None:
        raise Limited(
            f"You have published {most} articles within a day; the next one can follow later.",
            retry_after=max(1, int((oldest + DAY - now).total_seconds())),
            code="too_many_articles",
        )
