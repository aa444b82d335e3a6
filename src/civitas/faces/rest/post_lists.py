"""`GET /api/v1/posts`: public posts with the filters and orders of feeds."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from fastapi import APIRouter, Request

from civitas.domains.gallery.feeds import cards, pages
from civitas.domains.gallery.feeds.types import ImageSort
from civitas.faces.http.actors import Viewer
from civitas.faces.http.limits import take
from civitas.faces.http.links import base_url, with_query
from civitas.faces.http.state import state_of
from civitas.faces.rest import images
from civitas.faces.rest.parameters import Parameters
from civitas.faces.rest.shapes import Answer
from civitas.kit import paging

router = APIRouter(tags=["Posts"])

DEFAULT_LIMIT: Final = 20
MOST: Final = 100
# What says something of single pictures, or of an order that posts do not have.
_NOT_OF_POSTS: Final = frozenset({"limit", "page", "imageId", "postId", "unseen", "seed", "sort"})
_SORTS: Final = [str(one) for one in ImageSort if one is not ImageSort.RANDOM]
PARAMETERS: Final[list[dict[str, Any]]] = [
    {"name": name, "in": "query", "required": False, "schema": schema, "description": told}
    for name, schema, told in (
        (
            "limit",
            {"type": "integer", "minimum": 1, "maximum": MOST, "default": DEFAULT_LIMIT},
            "Entries a page.",
        ),
        ("sort", {"type": "string", "enum": _SORTS}, "The order; newest when left out."),
    )
] + [one for one in images.PARAMETERS if one["name"] not in _NOT_OF_POSTS]


class PostLine(Answer):
    """A post of a list: its first pictures by number, those only that the caller may see."""

    id: int
    title: str | None
    username: str
    published_at: datetime
    image_count: int
    image_ids: list[int]
    url: str


class PostListMetadata(Answer):
    """Where the next page begins."""

    next_cursor: str | None
    next_page: str | None
    page_size: int


class PostList(Answer):
    """A page of posts."""

    items: list[PostLine]
    metadata: PostListMetadata


@router.get(
    "/posts", operation_id="listPosts", summary="List Posts", openapi_extra={"parameters": PARAMETERS}
)
async def list_posts(request: Request, actor: Viewer) -> PostList:
    """Public posts whose pictures together meet the filters; `GET /posts/{id}` tells all of one."""
    await take(request, "read")
    given = Parameters(request.query_params)
    limit = given.number("limit", DEFAULT_LIMIT, 1, MOST) or DEFAULT_LIMIT
    wanted = images.understood(given, actor)
    reads = state_of(request).reads
    found = await pages.posts(
        reads, actor, wanted, limit=limit, cursor=given.text("cursor", paging.MAX_CURSOR)
    )
    base = base_url(request)
    return PostList(
        items=[
            PostLine(
                id=one.id,
                title=one.title,
                username=one.username,
                published_at=one.published_at,
                image_count=one.count,
                image_ids=list(one.image_ids),
                url=f"{base}/posts/{one.id}",
            )
            for one in await cards.posts(reads, found.ids, mask=wanted.mask)
        ],
        metadata=PostListMetadata(
            next_cursor=found.next_cursor,
            next_page=with_query(request, cursor=found.next_cursor) if found.next_cursor else None,
            page_size=limit,
        ),
    )
