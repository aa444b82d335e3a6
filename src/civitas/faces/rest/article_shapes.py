"""Articles in the API's words."""

from __future__ import annotations

import uuid
from datetime import datetime
from html import escape
from typing import Any

from pydantic import Field

from civitas.domains.catalog.documents import image_path
from civitas.domains.community.articles.reads import Desk, Listed, Opened
from civitas.domains.community.articles.tables import ArticleFile
from civitas.domains.community.articles.text import Reference
from civitas.faces.http.portraits import portrait
from civitas.faces.rest.shapes import Answer, Body
from civitas.kit import clock
from civitas.kit.text import slug


class ArticleForm(Body):
    """A new draft."""

    title: str = Field(default="", max_length=2_000)
    content: str = ""
    category: str | None = Field(default=None, max_length=40)
    tags: list[str] = Field(default_factory=list, max_length=50)
    cover_image_id: int | None = None
    level: int | None = None


class ArticlePatch(Body):
    """What is to be changed; fields left out stay. `based_on` is the revision that one began with."""

    title: str | None = Field(default=None, max_length=2_000)
    content: str | None = None
    category: str | None = Field(default=None, max_length=40)
    tags: list[str] | None = Field(default=None, max_length=50)
    cover_image_id: int | None = None
    level: int | None = None
    based_on: int | None = None


class ArticleWhen(Body):
    """When to publish; now when left out."""

    publish_at: datetime | None = None


class ArticleRuling(Body):
    """Why staff do it."""

    reason: str = Field(max_length=5_000)


class NewArticlePicture(Body):
    """A finished upload to be shown in the article; as mature as the article is meant to be when nothing is said."""

    upload_id: uuid.UUID
    nsfw_level: int | None = Field(default=None, description="1 PG, 2 PG-13, 4 R, 8 X, 16 XXX.")


class NewArticleFile(Body):
    """A finished upload to be put beside the article."""

    upload_id: uuid.UUID


class ArticleFileShown(Answer):
    """A file beside an article; others get it once `scanStatus` is `clean`. `size` in bytes."""

    id: int
    name: str
    size: int
    scan_status: str
    scan_message: str | None
    created_at: datetime
    url: str


class OwnArticle(Answer):
    """One's article as it is being written. `ahead` when more is written than the public reads."""

    id: int
    title: str
    content: str
    category: str | None
    tags: list[str]
    cover_image_id: int | None
    status: str
    level: int
    nsfw_level: int
    revision_id: int
    saved_at: datetime
    ahead: bool
    scheduled_at: datetime | None
    published_at: datetime | None
    updated_at: datetime
    staff_note: str | None


class ArticleKept(Answer):
    """What a saving came to; `beside` when somebody saved something else meanwhile, and both are kept."""

    revision_id: int
    saved_at: datetime
    beside: bool


class ArticleRevisionShown(Answer):
    """What an article said, or is to say, at one time."""

    id: int
    title: str
    content: str
    kind: str
    saved_at: datetime


def told(one: Listed, base: str) -> dict[str, Any]:
    """An article of a list in the API's words."""
    cover = one.cover
    return {
        "id": one.id,
        "title": one.title,
        "summary": one.summary,
        "url": f"{base}/articles/{one.id}/{slug(one.title)}",
        "status": one.status,
        "category": one.category,
        "tags": list(one.tags),
        "nsfw": one.level > 2,
        "nsfwLevel": one.level,
        "readingMinutes": one.minutes,
        "publishedAt": clock.rfc3339(one.published_at) if one.published_at else None,
        "updatedAt": clock.rfc3339(one.updated_at),
        "user": {"username": one.username, "image": portrait(one.avatar_key)},
        "coverImage": None
        if cover is None
        else {
            "id": cover.id,
            "url": base + image_path(cover.key, cover.name, cover.kind),
            "width": cover.width,
            "height": cover.height,
            "hash": cover.blurhash,
            "nsfwLevel": cover.level,
        },
        "stats": {
            "viewCount": one.counts.views,
            "reactionCount": one.counts.reactions,
            "commentCount": one.counts.comments,
            "bookmarkCount": one.counts.bookmarks,
            "collectedCount": one.counts.collected,
        },
    }


def file_shown(file: ArticleFile, base: str) -> ArticleFileShown:
    """A file beside an article in the API's words."""
    return ArticleFileShown(
        id=file.id,
        name=file.name,
        size=file.size,
        scan_status=file.scan_status,
        scan_message=file.scan_message,
        created_at=file.created_at,
        url=f"{base}/articles/{file.article_id}/files/{file.id}",
    )


def html_of(found: Opened, base: str) -> str:
    """The text as HTML; pictures that this viewer may not see leave their words."""
    return "".join(
        _picture(piece, found, base) if isinstance(piece, Reference) else piece for piece in found.text.pieces
    )


def _picture(reference: Reference, found: Opened, base: str) -> str:
    shown = found.pictures.get(reference)
    alt = escape(reference.alt)
    if shown is None:
        return f"<em>{alt}</em>" if alt else ""
    address = escape(base + image_path(shown.key, shown.name, shown.kind, width=1280))
    return f'<img src="{address}" alt="{alt}" width="{shown.width}" height="{shown.height}">'


def own(desk: Desk) -> OwnArticle:
    """One's article as it is being written."""
    article, revision = desk.article, desk.revision
    return OwnArticle(
        id=article.id,
        title=revision.title,
        content=revision.content,
        category=article.category,
        tags=list(desk.tags),
        cover_image_id=article.cover_image_id,
        status=article.status,
        level=article.floor_level,
        nsfw_level=article.nsfw_level,
        revision_id=revision.id,
        saved_at=revision.saved_at,
        ahead=desk.ahead,
        scheduled_at=article.scheduled_at,
        published_at=article.published_at,
        updated_at=article.updated_at,
        staff_note=article.staff_note,
    )
