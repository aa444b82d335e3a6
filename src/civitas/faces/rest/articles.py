"""Articles over the API: reading as existing clients do (FEATURES R6), and everything that the pages can do."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from civitas.domains.accounts.types import ALL_MASK, ANONYMOUS, Actor, Scope
from civitas.domains.community.articles import attachments, publishing, reads, writing
from civitas.domains.community.articles.reads import Wanted
from civitas.domains.community.articles.types import Category, Period, Saved, Sort, Status
from civitas.faces.http.actors import Viewer
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.limits import take
from civitas.faces.http.links import base_url, with_query
from civitas.faces.http.units import Reading, Unit
from civitas.faces.rest.article_shapes import (
    ArticleForm,
    ArticleKept,
    ArticlePatch,
    ArticleRevisionShown,
    ArticleRuling,
    ArticleWhen,
    OwnArticle,
    file_shown,
    html_of,
    own,
    told,
)
from civitas.faces.rest.parameters import Parameters
from civitas.faces.rest.writing import Owner, Writer
from civitas.kit import paging

router = APIRouter(tags=["Articles"], dependencies=[CheckedForm])

DEFAULT_LIMIT = 20
Cursor = Annotated[str | None, Query(max_length=paging.MAX_CURSOR)]
_TEXT = {"type": "string", "maxLength": 300}
PARAMETERS: list[dict[str, Any]] = [
    {"name": name, "in": "query", "required": False, "schema": schema, "description": told}
    for name, schema, told in (
        ("limit", {"type": "integer", "minimum": 1, "maximum": 200, "default": 20}, "Entries a page."),
        (
            "cursor",
            {**_TEXT, "maxLength": paging.MAX_CURSOR},
            "Where the last page ended: its metadata.nextCursor.",
        ),
        ("query", _TEXT, "Words of the title."),
        ("tags", {"type": "array", "items": _TEXT}, "Only articles that carry all of these tags."),
        ("category", {"type": "string", "enum": [str(one) for one in Category]}, "What it is for."),
        ("username", _TEXT, "Articles by a person."),
        ("sort", {"type": "string", "enum": [str(one) for one in Sort]}, "The order."),
        ("period", {"type": "string", "enum": [str(one) for one in Period]}, "How far back."),
        (
            "nsfw",
            {"type": "string"},
            "None, Soft, Mature, X or a boolean; never more than your settings allow.",
        ),
        ("browsingLevel", {"type": "integer", "minimum": 0, "maximum": 63}, "Bits of the levels to show."),
    )
]


@router.get(
    "/articles",
    operation_id="listArticles",
    summary="List Articles",
    openapi_extra={"parameters": PARAMETERS},
)
async def list_articles(request: Request, actor: Viewer, session: Reading) -> dict[str, Any]:
    """Public articles; mature ones only for those who asked for them."""
    await take(request, "read")
    given = Parameters(request.query_params)
    limit = given.number("limit", DEFAULT_LIMIT, 1, reads.MAX_PAGE) or DEFAULT_LIMIT
    asked = given.mask()
    category = given.choice("category", Category)
    wanted = Wanted(
        mask=ALL_MASK if asked is None else asked,
        sort=given.choice("sort", Sort) or Sort.NEWEST,
        period=given.choice("period", Period) or Period.ALL_TIME,
        category=category.value if category else None,
        tags=given.texts("tags", "tag"),
        username=given.text("username"),
        query=given.text("query", 100) or "",
    )
    found = await reads.page(
        session, _eyes(actor), wanted=wanted, cursor=given.text("cursor", paging.MAX_CURSOR), limit=limit
    )
    base = base_url(request)
    return {
        "items": [told(one, base) for one in found.items],
        "metadata": {
            "nextCursor": found.next_cursor,
            "nextPage": with_query(request, cursor=found.next_cursor) if found.next_cursor else None,
            "pageSize": limit,
        },
    }


@router.get("/articles/mine", operation_id="listOwnArticles", summary="List Your Articles")
async def list_own(
    request: Request,
    owner: Owner,
    session: Reading,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=100)] = DEFAULT_LIMIT,
    status: Status | None = None,
) -> dict[str, Any]:
    """One's own articles, drafts among them, the newest first."""
    owner.require(Scope.ARTICLES_READ)
    await take(request, "read")
    found = await reads.own(session, owner, status=status, cursor=cursor, limit=limit)
    base = base_url(request)
    return {
        "items": [told(one, base) for one in found.items],
        "metadata": {"nextCursor": found.next_cursor, "pageSize": limit},
    }


@router.get("/articles/{article_id}", operation_id="getArticle", summary="Get An Article")
async def get_article(request: Request, article_id: int, actor: Viewer, session: Reading) -> dict[str, Any]:
    """An article with its text as safe HTML and as it was written."""
    await take(request, "read")
    found = await reads.opened(session, _eyes(actor), article_id=article_id)
    base = base_url(request)
    return told(found.about, base) | {
        "content": html_of(found, base),
        "markdown": found.source,
        "attachments": [
            file_shown(one, base).model_dump(by_alias=True, mode="json", exclude={"scan_message"})
            for one in await attachments.of_article(session, article_id)
            if one.scan_status == attachments.CLEAN
        ],
        "toc": [{"depth": one.depth, "anchor": one.anchor, "text": one.text} for one in found.text.headings],
    }


@router.get("/articles/{article_id}/draft", operation_id="getOwnArticle", summary="Get What You Are Writing")
async def get_own(article_id: int, owner: Owner, session: Reading) -> OwnArticle:
    """One's article as it is being written."""
    owner.require(Scope.ARTICLES_READ)
    return own(await reads.desk(session, owner, article_id=article_id))


@router.post("/articles", operation_id="createArticle", summary="Begin An Article", status_code=201)
async def create(body: ArticleForm, writer: Writer, session: Unit) -> OwnArticle:
    """A draft; nobody else sees it until it is published."""
    article = await writing.create(session, writer, title=body.title, content=body.content)
    await writing.describe(
        session,
        writer,
        article_id=article.id,
        category=body.category,
        tags=body.tags,
        cover_image_id=body.cover_image_id,
        floor_level=body.level,
    )
    return own(await reads.desk(session, writer, article_id=article.id))


@router.patch("/articles/{article_id}", operation_id="saveArticle", summary="Save What You Wrote")
async def save(article_id: int, body: ArticlePatch, writer: Writer, session: Unit) -> OwnArticle:
    """Keep what was written; the public reads it once it is published again. What it is about is in force at once."""
    if body.title is not None or body.content is not None:
        await writing.save(
            session,
            writer,
            article_id=article_id,
            title=body.title,
            content=body.content,
            based_on=body.based_on,
        )
    if any(one is not None for one in (body.category, body.tags, body.cover_image_id, body.level)):
        await writing.describe(
            session,
            writer,
            article_id=article_id,
            category=body.category,
            tags=body.tags,
            cover_image_id=body.cover_image_id,
            floor_level=body.level,
        )
    return own(await reads.desk(session, writer, article_id=article_id))


@router.post("/articles/{article_id}/autosave", operation_id="autosaveArticle", summary="Save While Writing")
async def autosave(article_id: int, body: ArticlePatch, writer: Writer, session: Unit) -> ArticleKept:
    """Keep what is being written; savings of one sitting are one revision, and nothing is ever lost."""
    kept = await writing.save(
        session,
        writer,
        article_id=article_id,
        title=body.title,
        content=body.content,
        based_on=body.based_on,
        kind=Saved.AUTO,
    )
    return ArticleKept.model_validate(kept)


@router.post("/articles/{article_id}/publish", operation_id="publishArticle", summary="Publish An Article")
async def publish(
    article_id: int, writer: Writer, session: Unit, when: ArticleWhen | None = None
) -> OwnArticle:
    """The public reads what is written now, or from a time ahead on."""
    at = when.publish_at if when else None
    await publishing.publish(session, writer, article_id=article_id, at=at)
    return own(await reads.desk(session, writer, article_id=article_id))


@router.post(
    "/articles/{article_id}/unpublish", operation_id="unpublishArticle", summary="Take An Article Back"
)
async def unpublish(article_id: int, writer: Writer, session: Unit) -> OwnArticle:
    """Others cannot read it any more, or it is off its schedule; nothing is lost."""
    await publishing.unpublish(session, writer, article_id=article_id)
    return own(await reads.desk(session, writer, article_id=article_id))


@router.delete(
    "/articles/{article_id}", operation_id="deleteArticle", summary="Delete An Article", status_code=204
)
async def delete(article_id: int, writer: Writer, session: Unit, reason: str = "") -> None:
    """It is gone; staff must say why."""
    await writing.remove(session, writer, article_id=article_id, reason=reason[:5_000])


@router.get(
    "/articles/{article_id}/revisions",
    operation_id="listArticleRevisions",
    summary="List What An Article Said",
)
async def revisions(article_id: int, owner: Owner, session: Reading) -> list[ArticleRevisionShown]:
    """The last fifty revisions of one's article, the newest first."""
    owner.require(Scope.ARTICLES_READ)
    found = await writing.history(session, owner, article_id=article_id)
    return [ArticleRevisionShown.model_validate(one) for one in found]


@router.post(
    "/articles/{article_id}/revisions/{revision_id}/restore",
    operation_id="restoreArticleRevision",
    summary="Write On From An Earlier Revision",
)
async def restore(article_id: int, revision_id: int, writer: Writer, session: Unit) -> OwnArticle:
    """What was newest stays in the history."""
    await writing.restore(session, writer, article_id=article_id, revision_id=revision_id)
    return own(await reads.desk(session, writer, article_id=article_id))


@router.post(
    "/staff/articles/{article_id}/unpublish",
    operation_id="staffUnpublishArticle",
    summary="Take An Article From View",
    status_code=204,
)
async def rule_unpublish(article_id: int, body: ArticleRuling, staff: Writer, session: Unit) -> None:
    """Staff only: nobody but its writer reads it, who is told why."""
    await publishing.take_from_view(session, staff, article_id=article_id, reason=body.reason)


@router.post(
    "/staff/articles/{article_id}/restore",
    operation_id="staffRestoreArticle",
    summary="Give An Article Back",
    status_code=204,
)
async def rule_restore(article_id: int, body: ArticleRuling, staff: Writer, session: Unit) -> None:
    """Staff only: its writer may publish it again."""
    await publishing.put_back(session, staff, article_id=article_id, reason=body.reason)


def _eyes(actor: Actor) -> Actor:
    """A key that may not read articles sees what a stranger sees."""
    return actor if Scope.ARTICLES_READ in actor.scopes else ANONYMOUS
