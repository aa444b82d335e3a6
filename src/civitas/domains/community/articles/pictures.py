"""The pictures of an article: pictures of the gallery that its text names. They decide how mature it is at least."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, and_, delete, func, or_, select
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import ALL_MASK, BLOCKED, PG, Actor
from civitas.domains.community.articles.tables import Article, ArticleImage
from civitas.domains.community.articles.text import Reference, Text
from civitas.domains.community.articles.types import MAX_PICTURES
from civitas.domains.gallery.tables import Image, Post
from civitas.kit import clock
from civitas.kit.errors import Invalid

LEVELS: Final = (1, 2, 4, 8, 16)
_LEVEL_ALL: Final = sql(
    """
    WITH bits AS (
        SELECT a.id, (a.floor_level | coalesce(bit_or(i.nsfw_level) FILTER (WHERE i.deleted_at IS NULL), 0)) & 31 AS all_bits
          FROM articles a
          JOIN article_images ai ON ai.article_id = a.id
          JOIN images i ON i.id = ai.image_id
         WHERE a.id IN (SELECT article_id FROM article_images WHERE image_id = :image)
         GROUP BY a.id
    ), levels AS (
        SELECT id, CASE WHEN all_bits >= 16 THEN 16 WHEN all_bits >= 8 THEN 8 WHEN all_bits >= 4 THEN 4
                        WHEN all_bits >= 2 THEN 2 ELSE 1 END AS level
          FROM bits
    )
    UPDATE articles a SET nsfw_level = l.level FROM levels l WHERE a.id = l.id AND a.nsfw_level <> l.level
    """
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture as an article shows it."""

    id: int
    key: str
    name: str
    width: int
    height: int
    blurhash: str | None
    level: int
    kind: str


def strictest(*levels: int) -> int:
    """The highest single level among the bits of all of these; PG when there is none."""
    bits = 0
    for level in levels:
        bits |= level & ALL_MASK
    return next((bit for bit in reversed(LEVELS) if bits & bit), PG)


def usable_by(person_id: int) -> ColumnElement[bool]:
    """Pictures that this person may put into an article: public ones, and their own."""
    return and_(
        Image.deleted_at.is_(None),
        Post.deleted_at.is_(None),
        Image.status == "ready",
        Image.nsfw_level.op("&")(BLOCKED) == 0,
        or_(Image.person_id == person_id, Post.published_at <= clock.now()),
    )


async def named(
    session: AsyncSession, references: Sequence[Reference], *, writer_id: int
) -> dict[Reference, Shown]:
    """The pictures behind references, those that are there and may be used; one query."""
    ids = {one.image_id for one in references if one.image_id is not None}
    keys = {one.key for one in references if one.key is not None}
    if not ids and not keys:
        return {}
    rows = await session.execute(
        select(
            Image.id,
            Image.key,
            Image.name,
            func.coalesce(Image.width, 1),
            func.coalesce(Image.height, 1),
            Image.blurhash,
            Image.nsfw_level,
            Image.kind,
        )
        .join(Post, Post.id == Image.post_id)
        .where(or_(Image.id.in_(ids), Image.key.in_(keys)), usable_by(writer_id))
    )
    found = [Shown(*row) for row in rows]
    by_id, by_key = {one.id: one for one in found}, {one.key: one for one in found}
    pairs = ((one, by_id.get(one.image_id or 0) or by_key.get(one.key or "")) for one in references)
    return {one: shown for one, shown in pairs if shown is not None}


def shown_to(found: Mapping[Reference, Shown], actor: Actor, *, writer_id: int) -> dict[Reference, Shown]:
    """Those of a level that this viewer asked for; unrated ones are the writer's and staff's alone."""
    if actor.is_moderator or actor.id == writer_id:
        return dict(found)
    return {one: shown for one, shown in found.items() if shown.level & actor.mask}


async def check(session: AsyncSession, article: Article, text: Text) -> None:
    """Raise Invalid (`too_many_pictures`) for a text with more pictures than an article may hold."""
    if len(text.references) > MAX_PICTURES:
        raise Invalid(f"An article shows at most {MAX_PICTURES} pictures.", code="too_many_pictures")


async def settle(session: AsyncSession, article: Article, text: Text) -> None:
    """Note which pictures the public text shows, and make the article as mature as they ask."""
    found = await named(session, text.references, writer_id=article.person_id)
    ids = {shown.id for shown in found.values()} | (
        {article.cover_image_id} if article.cover_image_id else set()
    )
    await session.execute(
        delete(ArticleImage).where(ArticleImage.article_id == article.id, ArticleImage.image_id.not_in(ids))
    )
    if ids:
        await session.execute(
            insert(ArticleImage)
            .values([{"article_id": article.id, "image_id": image_id} for image_id in sorted(ids)])
            .on_conflict_do_nothing()
        )
    await level_again(session, article)


async def level_again(session: AsyncSession, article: Article) -> None:
    """As mature as the most mature picture in it and as its writer says."""
    bits = await session.scalar(
        select(func.coalesce(func.bit_or(Image.nsfw_level), 0))
        .join(ArticleImage, ArticleImage.image_id == Image.id)
        .where(ArticleImage.article_id == article.id, Image.deleted_at.is_(None))
    )
    article.nsfw_level = strictest(article.floor_level, int(bits or 0))
    await session.flush()


async def level_all_with(session: AsyncSession, image_id: int) -> None:
    """Every article that shows a picture is as mature as its pictures now; one statement, twice changes nothing."""
    await session.execute(_LEVEL_ALL, {"image": image_id})
