"""Writing an article: drafts, savings that lose nothing, what it is about, taking it away."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.community import ArticleChanged, ArticleRemoved
from civitas.domains.accounts import audit
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.catalog.tables import Tag
from civitas.domains.catalog.tagging import categories, fold_tag
from civitas.domains.community.articles import pictures, policy, text
from civitas.domains.community.articles.tables import Article, ArticleRevision, ArticleTag
from civitas.domains.community.articles.types import (
    KEPT_REVISIONS,
    MAX_CONTENT,
    MAX_DRAFTS,
    MAX_TAGS,
    MAX_TITLE,
    SAME_SITTING,
    Category,
    Saved,
    Status,
)
from civitas.domains.gallery import albums
from civitas.domains.gallery.tables import Image, Post
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound
from civitas.kit.text import clean_line, clean_markdown


@dataclass(frozen=True, slots=True)
class Kept:
    """What a saving came to. `beside` when somebody saved something else meanwhile: both are in the history."""

    revision_id: int
    saved_at: datetime
    beside: bool


async def create(session: AsyncSession, actor: Actor, *, title: str = "", content: str = "") -> Article:
    """A draft, nobody else's to see. Raises Forbidden (`muted`, `not_verified`), Conflict (`too_many_drafts`)."""
    person = policy.require_writer(actor)
    drafts = await session.scalar(
        select(func.count())
        .select_from(Article)
        .where(
            Article.person_id == person, Article.status == Status.DRAFT.value, Article.deleted_at.is_(None)
        )
    )
    if (drafts or 0) >= MAX_DRAFTS:
        raise Conflict(
            f"You have {MAX_DRAFTS} drafts; finish one or remove one first.", code="too_many_drafts"
        )
    article = Article(person_id=person, created_at=clock.now(), updated_at=clock.now())
    session.add(article)
    await session.flush()
    await _add(session, article, title=readable_title(title), content=readable(content), kind=Saved.SAVED)
    return article


async def save(
    session: AsyncSession,
    actor: Actor,
    *,
    article_id: int,
    title: str | None = None,
    content: str | None = None,
    based_on: int | None = None,
    kind: Saved = Saved.SAVED,
) -> Kept:
    """Keep what was written; the public reads it once it is published. What is None stays.

    `based_on` is the revision that the writer began with; when another was saved since, both are kept. Savings by the
    editor itself within one sitting are one revision. Raises NotFound, Forbidden, Invalid.
    """
    article = await editable(session, actor, article_id=article_id)
    last = await newest(session, article.id)
    wanted = (
        last.title if title is None else readable_title(title),
        last.content if content is None else readable(content),
    )
    beside = based_on is not None and based_on != last.id
    if wanted == (last.title, last.content):
        return Kept(last.id, last.saved_at, False)
    sitting = (
        kind is Saved.AUTO
        and last.kind == Saved.AUTO
        and not beside
        and clock.now() - last.saved_at < SAME_SITTING
    )
    if sitting:
        last.title, last.content = wanted
        await session.flush()
        return Kept(last.id, last.saved_at, False)
    made = await _add(session, article, title=wanted[0], content=wanted[1], kind=kind)
    return Kept(made.id, made.saved_at, beside)


async def restore(session: AsyncSession, actor: Actor, *, article_id: int, revision_id: int) -> Kept:
    """Write on from an earlier revision; what was newest stays in the history. Raises NotFound."""
    article = await editable(session, actor, article_id=article_id)
    old = await session.get(ArticleRevision, revision_id)
    if old is None or old.article_id != article.id:
        raise NotFound("There is no such revision of this article.", code="revision_not_found")
    made = await _add(session, article, title=old.title, content=old.content, kind=Saved.RESTORED)
    return Kept(made.id, made.saved_at, False)


async def describe(
    session: AsyncSession,
    actor: Actor,
    *,
    article_id: int,
    category: str | None = None,
    tags: Iterable[str] | None = None,
    cover_image_id: int | None = None,
    floor_level: int | None = None,
) -> Article:
    """What an article is about, its cover and how mature its writer says it is; in force at once. None stays.

    An empty category or a cover of 0 takes it away. Raises NotFound, Forbidden, Invalid (`unknown_category`,
    `bad_tags`, `no_such_picture`, `bad_level`).
    """
    article = await editable(session, actor, article_id=article_id)
    if category is not None:
        article.category = _category(category)
    if tags is not None:
        await _set_tags(session, article, tags)
    if floor_level is not None:
        if floor_level not in pictures.LEVELS:
            raise Invalid("The level is one of 1, 2, 4, 8 and 16.", code="bad_level")
        article.floor_level = floor_level
    if cover_image_id is not None:
        article.cover_image_id = await _cover(session, article, cover_image_id)
    await session.flush()
    await pictures.settle(session, article, text.read(article.content))
    if article.status == Status.PUBLISHED:
        await publish(session, ArticleChanged(article.id, article.person_id))
    return article


async def remove(session: AsyncSession, actor: Actor, *, article_id: int, reason: str = "") -> None:
    """Take one's article away for good; staff may, and say why. Twice is once. Raises NotFound, Forbidden."""
    actor.require(Scope.ARTICLES_DELETE)
    article = await found(session, actor, article_id)
    if article.person_id != actor.id:
        actor.require_moderator()
        await audit.record(
            session,
            actor,
            action="article.remove",
            reason=reason,
            person_id=article.person_id,
            subject_kind="article",
            subject_id=article.id,
        )
    article.deleted_at = clock.now()
    if article.status == Status.SCHEDULED:
        article.status, article.scheduled_at = Status.DRAFT.value, None
    if article.album_id is not None:
        await albums.remove(session, album_id=article.album_id)
    await session.flush()
    await publish(session, ArticleRemoved(article.id, article.person_id))


async def found(session: AsyncSession, actor: Actor, article_id: int) -> Article:
    """An article that the actor may see, held until the transaction ends. Raises NotFound."""
    article = None
    if 0 < article_id < 2**63:
        article = await session.scalar(
            select(Article)
            .where(Article.id == article_id, policy.visible_to(actor))
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
    if article is None:
        raise NotFound("There is no such article.", code="article_not_found")
    return article


async def editable(session: AsyncSession, actor: Actor, *, article_id: int) -> Article:
    """An article of the actor, held until the transaction ends. Raises NotFound, Forbidden."""
    policy.require_writer(actor)
    article = await found(session, actor, article_id)
    if not policy.can_edit(actor, article):
        raise Forbidden("Only its writer can change an article.", code="not_yours")
    return article


async def newest(session: AsyncSession, article_id: int) -> ArticleRevision:
    """What is being written: the last revision, of which there is always one."""
    return (
        await session.scalars(
            select(ArticleRevision)
            .where(ArticleRevision.article_id == article_id)
            .order_by(ArticleRevision.id.desc())
            .limit(1)
        )
    ).one()


async def history(session: AsyncSession, actor: Actor, *, article_id: int) -> Sequence[ArticleRevision]:
    """The revisions of one's article that are kept, the newest first. Raises NotFound, Forbidden."""
    article = await session.scalar(select(Article).where(Article.id == article_id, policy.visible_to(actor)))
    if article is None:
        raise NotFound("There is no such article.", code="article_not_found")
    if not policy.can_edit(actor, article):
        raise Forbidden("Only its writer sees the history of an article.", code="not_yours")
    rows = await session.scalars(
        select(ArticleRevision)
        .where(ArticleRevision.article_id == article_id)
        .order_by(ArticleRevision.id.desc())
        .limit(KEPT_REVISIONS + 1)
    )
    return rows.all()


def readable_title(title: str) -> str:
    """A title as it is kept. Raises Invalid (`title_too_long`)."""
    cleaned = clean_line(title[: MAX_TITLE * 20])
    if len(cleaned) > MAX_TITLE:
        told = f"A title has at most {MAX_TITLE} characters; this one has {len(cleaned)}."
        raise Invalid(told, code="title_too_long", fields={"title": told})
    return cleaned


def readable(content: str) -> str:
    """A text as it is kept. Raises Invalid (`article_too_long`)."""
    if len(content) > MAX_CONTENT:
        told = f"An article has at most {MAX_CONTENT:,} characters; this one has {len(content):,}."
        raise Invalid(told, code="article_too_long", fields={"content": told})
    return clean_markdown(content)


async def _add(
    session: AsyncSession, article: Article, *, title: str, content: str, kind: Saved
) -> ArticleRevision:
    made = ArticleRevision(
        article_id=article.id, title=title, content=content, kind=kind.value, saved_at=clock.now()
    )
    session.add(made)
    await session.flush()
    outdated = (
        select(ArticleRevision.id)
        .where(ArticleRevision.article_id == article.id, ArticleRevision.kind != Saved.PUBLISHED.value)
        .order_by(ArticleRevision.id.desc())
        .offset(KEPT_REVISIONS)
    )
    await session.execute(
        delete(ArticleRevision)
        .where(ArticleRevision.id.in_(outdated))
        .execution_options(synchronize_session=False)
    )
    return made


def _category(given: str) -> str | None:
    if not given:
        return None
    try:
        return Category(given.strip().lower()).value
    except ValueError:
        names = ", ".join(Category)
        raise Invalid(
            f"{given[:40]!r} is not a category of articles; choose one of {names}.",
            code="unknown_category",
            fields={"category": f"one of {names}"},
        ) from None


async def _set_tags(session: AsyncSession, article: Article, tags: Iterable[str]) -> None:
    wanted = list(dict.fromkeys(folded for tag in tags if (folded := fold_tag(tag))))
    if len(wanted) > MAX_TAGS or any(len(tag) > 60 for tag in wanted):
        told = f"At most {MAX_TAGS} tags of at most 60 characters."
        raise Invalid(f"These tags cannot be kept. {told}", code="bad_tags", fields={"tags": told})
    known = {category.key for category in categories()}
    if wanted:
        await session.execute(
            insert(Tag)
            .values([{"name": name, "is_category": name in known} for name in wanted])
            .on_conflict_do_nothing()
        )
    kept = select(Tag.id).where(Tag.name.in_(wanted))
    await session.execute(
        delete(ArticleTag).where(ArticleTag.article_id == article.id, ArticleTag.tag_id.not_in(kept))
    )
    await session.execute(
        insert(ArticleTag)
        .from_select(
            ["article_id", "tag_id"], select(literal(article.id), Tag.id).where(Tag.name.in_(wanted))
        )
        .on_conflict_do_nothing()
    )


async def _cover(session: AsyncSession, article: Article, image_id: int) -> int | None:
    if image_id == 0:
        return None
    usable = await session.scalar(
        select(Image.id)
        .join(Post, Post.id == Image.post_id)
        .where(Image.id == image_id, Image.kind == "image", pictures.usable_by(article.person_id))
    )
    if usable is None:
        told = "There is no picture of this number that you may use."
        raise Invalid(told, code="no_such_picture", fields={"cover": told})
    return int(usable)
