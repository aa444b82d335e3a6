"""`/tags`: the words that models carry, the most used first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request
from starlette.responses import Response

from civitas.domains.catalog import directory
from civitas.domains.catalog.tagging import categories
from civitas.faces.http.state import state_of
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Visitor
from civitas.kit.text import clean_line

router = APIRouter(include_in_schema=False)

PAGE: Final = 200
LAST_PAGE: Final = 500
_SIZES: Final = 5


@dataclass(frozen=True, slots=True)
class TagWord:
    """A tag; `size` from 1 to 5 says how often it is used beside the others of the page."""

    name: str
    href: str
    count: int
    size: int


@dataclass(frozen=True, slots=True)
class TagList:
    """The context of the template."""

    q: str
    categories: tuple[TagWord, ...]
    tags: tuple[TagWord, ...]
    next_href: str | None
    first_page: bool


@router.get("/tags")
async def show(request: Request, actor: Visitor) -> Response:
    """Tags in use; `q` is the beginning of a tag."""
    q = clean_line(request.query_params.get("q", ""))[:60].lstrip("#")
    asked = request.query_params.get("page", "1")
    page = min(int(asked), LAST_PAGE) if asked.isascii() and asked.isdigit() and 0 < len(asked) < 6 else 1
    page = max(1, page)
    found, total = await directory.tags(state_of(request).reads, actor, query=q, limit=PAGE, page=page)
    known = {category.key: category.name for category in categories()}
    words = _sized([(name, name, count) for name, count in found if name not in known])
    heads = _sized([(known[name], name, count) for name, count in found if name in known])
    more = page < LAST_PAGE and page * PAGE < total
    query = {"q": q} if q else {}
    following = f"/tags?{urlencode({**query, 'page': page + 1})}" if more else None
    return render(request, "tags/tags.html", TagList(q, heads, words, following, page == 1), block="results")


def _sized(found: list[tuple[str, str, int]]) -> tuple[TagWord, ...]:
    most = max((count for _, _, count in found), default=1)
    return tuple(
        TagWord(name, f"/tag/{quote(tag)}", count, max(1, round(_SIZES * (count / most) ** 0.5)))
        for name, tag, count in found
    )
