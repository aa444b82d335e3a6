"""Reads of articles: lists as keyset pages, one to read, one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import exists, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.tables import Follow, Person
from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import hidden_tags, words
from civitas.domains.catalog.tables import Tag
from civitas.domains.catalog.wish_tables import HiddenTag
from civitas.domains.community.articles import pictures, policy, text
from civitas.domains.community.articles.pictures import Shown
from civitas.domains.community.articles.tables import Article, ArticleRevision, ArticleTag
from civitas.domains.community.articles.text import Reference, Text
from civitas.domains.community.articles.types import SPANS, Period, Sort, Status
from civitas.domains.gallery.tables import Image
from civitas.kit import clock, paging
from civitas.kit.errors import NotFound
from civitas.kit.paging import Page

MAX_PAGE = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list asks for; empty fields do not filter. `mask` narrows what the viewer may see anyway."""

    mask: int
    sort: Sort = Sort.NEWEST
    period: Period = Period.ALL_TIME
    category: str | None = None
    tags: Sequence[str] = ()
    username: str | None = None
    query: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """The figures of an article."""

    views: int
    reactions: int
    comments: int
    bookmarks: int
    collected: int


@dataclass(frozen=True, slots=True)
class Listed:
    """An article in a list."""

    id: int
    title: str
    summary: str
    category: str | None
    status: str
    level: int
    minutes: int
    published_at: datetime | None
    updated_at: datetime
    scheduled_at: datetime | None
    person_id: int
    username: str | None
    avatar_key: str | None
    cover: Shown | None
    tags: tuple[str, ...]
    counts: Counts


@dataclass(frozen=True, slots=True)
class Opened:
    """An article to be read, with its text and the pictures that this viewer may see."""

    about: Listed
    text: Text
    pictures: dict[Reference, Shown]
    source: str
    floor_level: int
    staff_note: str | None


@dataclass(frozen=True, slots=True)
class Desk:
    """One's article as it is being written."""

    article: Article
    revision: ArticleRevision
    tags: tuple[str, ...]

    @property
    def ahead(self) -> bool:
        """Whether more is written than the public reads."""
        return (self.revision.title, self.revision.content) != (self.article.title, self.article.content)


_COLUMN = {
    Sort.NEWEST: Article.published_at,
    Sort.RECENTLY_UPDATED: Article.updated_at,
    Sort.MOST_REACTIONS: Article.reaction_count,
    Sort.MOST_COMMENTS: Article.comment_count,
    Sort.MOST_BOOKMARKS: Article.bookmark_count,
    Sort.MOST_COLLECTED: Article.collected_count,
}


async def page(
    session: AsyncSession, actor: Actor, *, wanted: Wanted, cursor: str | None, limit: int
) -> Page[Listed]:
    """Public articles that the viewer asked for, without those of people they hid or who blocked them.

    Two statements. Raises Invalid (`bad_cursor`).
    """
    column = _COLUMN[wanted.sort]
    narrow = (
        select(Article.id, column.label("key"))
        .where(policy.listed(), Article.nsfw_level.op("&")(actor.mask & wanted.mask) != 0)
        .order_by(column.desc(), Article.id.desc())
        .limit(limit + 1)
    )
    narrow = _filtered(narrow, actor, wanted)
    if cursor:
        narrow = narrow.where(_after(column, cursor))
    chosen = narrow.subquery()
    rows = (
        await session.execute(
            _cards().join(chosen, chosen.c.id == Article.id).order_by(chosen.c.key.desc(), Article.id.desc())
        )
    ).all()
    items = await _listed(session, rows[:limit])
    if len(rows) <= limit:
        return Page(items, None)
    last: Article = rows[limit - 1][0]
    return Page(items, paging.encode(getattr(last, column.key), last.id))


async def own(
    session: AsyncSession, actor: Actor, *, status: Status | None = None, cursor: str | None, limit: int
) -> Page[Listed]:
    """One's own articles, drafts among them, the newest first, under the titles that are being written."""
    person = actor.require()
    query = _cards().where(Article.person_id == person, Article.deleted_at.is_(None))
    if status is not None:
        query = query.where(Article.status == status.value)
    if cursor:
        query = query.where(Article.id < paging.decode(cursor, int)[0])
    rows = (await session.execute(query.order_by(Article.id.desc()).limit(limit + 1))).all()
    items = await _listed(session, rows[:limit], written=True)
    return Page(items, paging.encode(items[-1].id) if len(rows) > limit else None)


async def opened(session: AsyncSession, actor: Actor, *, article_id: int) -> Opened:
    """An article as the public reads it; its writer sees a draft as it would be. Raises NotFound."""
    row = None
    if 0 < article_id < 2**63:
        row = (
            await session.execute(_cards().where(Article.id == article_id, policy.visible_to(actor)))
        ).first()
    if row is None:
        raise NotFound("There is no such article.", code="article_not_found")
    article: Article = row[0]
    private = article.status not in (Status.PUBLISHED, Status.VIOLATION)
    (about,) = await _listed(session, [row], written=private)
    source = article.content
    if private:
        source = (
            await session.scalar(
                select(ArticleRevision.content)
                .where(ArticleRevision.article_id == article.id)
                .order_by(ArticleRevision.id.desc())
                .limit(1)
            )
            or ""
        )
    shown = text.read(source)
    found = await pictures.named(session, shown.references, writer_id=article.person_id)
    return Opened(
        about,
        shown,
        pictures.shown_to(found, actor, writer_id=article.person_id),
        source,
        article.floor_level,
        article.staff_note if policy.can_edit(actor, article) or actor.is_moderator else None,
    )


async def desk(session: AsyncSession, actor: Actor, *, article_id: int) -> Desk:
    """One's article with what is being written. Raises NotFound."""
    article = await session.scalar(
        select(Article).where(
            Article.id == article_id, Article.person_id == actor.require(), Article.deleted_at.is_(None)
        )
    )
    if article is None:
        raise NotFound("There is no such article of yours.", code="article_not_found")
    revision = await session.scalar(
        select(ArticleRevision)
        .where(ArticleRevision.article_id == article.id)
        .order_by(ArticleRevision.id.desc())
        .limit(1)
    )
    assert revision is not None
    return Desk(article, revision, (await _tags(session, [article.id])).get(article.id, ()))


def _cards() -> Any:
    return (
        select(Article, Person.username, Person.avatar_key, Image)
        .join(Person, Person.id == Article.person_id)
        .outerjoin(Image, (Image.id == Article.cover_image_id) & Image.deleted_at.is_(None))
    )


async def _listed(session: AsyncSession, rows: Sequence[Any], *, written: bool = False) -> list[Listed]:
    ids = [row[0].id for row in rows]
    tags = await _tags(session, ids)
    texts: dict[int, tuple[str, str]] = {row[0].id: (row[0].title, row[0].content) for row in rows}
    if written and ids:
        latest = (
            select(func.max(ArticleRevision.id))
            .where(ArticleRevision.article_id.in_(ids))
            .group_by(ArticleRevision.article_id)
        )
        found = await session.scalars(select(ArticleRevision).where(ArticleRevision.id.in_(latest)))
        texts |= {one.article_id: (one.title, one.content) for one in found}
    return [_one(row, texts[row[0].id], tags.get(row[0].id, ())) for row in rows]


def _one(row: Any, words: tuple[str, str], tags: tuple[str, ...]) -> Listed:
    article, username, avatar_key, image = row
    cover = None
    if image is not None and image.status == "ready":
        cover = Shown(
            image.id,
            image.key,
            image.name,
            image.width or 1,
            image.height or 1,
            image.blurhash,
            image.nsfw_level,
            image.kind,
        )
    return Listed(
        article.id,
        words[0],
        text.read(words[1]).summary,
        article.category,
        article.status,
        article.nsfw_level,
        article.reading_minutes,
        article.published_at,
        article.updated_at,
        article.scheduled_at,
        article.person_id,
        username,
        avatar_key,
        cover,
        tags,
        Counts(
            article.view_count,
            article.reaction_count,
            article.comment_count,
            article.bookmark_count,
            article.collected_count,
        ),
    )


async def _tags(session: AsyncSession, ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
    rows = await session.execute(
        select(ArticleTag.article_id, Tag.name)
        .join(Tag, Tag.id == ArticleTag.tag_id)
        .where(ArticleTag.article_id.in_(ids))
        .order_by(ArticleTag.article_id, Tag.name)
    )
    found: dict[int, tuple[str, ...]] = {}
    for article_id, name in rows:
        found[article_id] = (*found.get(article_id, ()), name)
    return found


async def named_like(
    session: AsyncSession, actor: Actor, text: str, *, limit: int, mask: int | None = None
) -> list[tuple[int, str, str]]:
    """(id, title, writer) of articles whose titles have these words, for a palette: the newest first. One statement.

    `mask` narrows the levels further.
    """
    wanted = words.prefix_query(text)
    levels = actor.mask if mask is None else actor.mask & mask
    if not wanted:
        return []
    title = func.to_tsvector(literal_column("'simple'::regconfig"), Article.title)
    query = (
        select(Article.id, Article.title, Person.username)
        .join(Person, Person.id == Article.person_id)
        .where(
            policy.listed(),
            Article.nsfw_level.op("&")(levels) != 0,
            title.op("@@")(func.to_tsquery(literal_column("'simple'::regconfig"), wanted)),
        )
        .order_by(Article.published_at.desc(), Article.id.desc())
        .limit(limit)
    )
    rows = await session.execute(_filtered(query, actor, Wanted(mask=levels)))
    return [(row[0], row[1], row[2] or "") for row in rows]


def _filtered(query: Any, actor: Actor, wanted: Wanted) -> Any:
    if wanted.category:
        query = query.where(Article.category == wanted.category)
    for name in wanted.tags:
        query = query.where(
            exists().where(ArticleTag.article_id == Article.id, ArticleTag.tag_id == Tag.id, Tag.name == name)
        )
    if wanted.username:
        writer = select(Person.id).where(Person.username_folded == wanted.username.lower()).scalar_subquery()
        query = query.where(Article.person_id == writer)
    if (span := SPANS.get(wanted.period)) is not None:
        query = query.where(Article.published_at >= clock.now() - span)
    if wanted.query:
        query = query.where(Article.title.icontains(wanted.query, autoescape=True))
    if actor.id is not None:
        query = query.where(
            ~exists().where(
                Follow.person_id == actor.id,
                Follow.target_id == Article.person_id,
                Follow.kind.in_(["hide", "block"]),
            ),
            ~exists().where(
                Follow.person_id == Article.person_id, Follow.target_id == actor.id, Follow.kind == "block"
            ),
            ~exists().where(
                ArticleTag.article_id == Article.id,
                ArticleTag.tag_id == HiddenTag.tag_id,
                HiddenTag.person_id == actor.id,
            ),
        )
        if actor.themes:
            query = query.where(
                ~exists().where(
                    ArticleTag.article_id == Article.id,
                    ArticleTag.tag_id == Tag.id,
                    Tag.name.in_(hidden_tags.tags_of(actor.themes)),
                )
            )
    return query


def _after(column: Any, cursor: str) -> Any:
    timed = column in (Article.published_at, Article.updated_at)
    key, last = paging.decode(cursor, datetime if timed else int, int)
    value: Any = datetime.fromisoformat(str(key)) if timed else key
    return (column < value) | ((column == value) & (Article.id < last))
