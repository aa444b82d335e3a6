"""`/images`, `/videos` and `/posts`: feeds that go on, with their filters in the address, and as Atom."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from civitas.domains.accounts.types import ANONYMOUS, Actor
from civitas.domains.catalog import base_models
from civitas.domains.catalog.base_models import BaseModelInfo
from civitas.domains.gallery.collections import bookmarks
from civitas.domains.gallery.collections.types import Kind
from civitas.domains.gallery.feeds import cards, pages
from civitas.domains.gallery.feeds.types import ImageSort
from civitas.faces.http.links import base_url
from civitas.faces.http.state import state_of
from civitas.faces.web import atom, image_cards, image_filters
from civitas.faces.web.image_cards import ImageCard, PostCard
from civitas.faces.web.image_filters import FeedQuery
from civitas.faces.web.list_filters import Applied
from civitas.faces.web.templating import render
from civitas.faces.web.viewing import eyes_of
from civitas.faces.web.visits import Visitor, redirect
from civitas.kit.errors import Unauthorised
from civitas.kit.ids import new_uuid

router = APIRouter(include_in_schema=False)

PAGE: Final = 48
# What is seen first comes first: a phone has it in half the time.
FIRST: Final = 24
SELECT: Final = (("select", "1"),)
HEADINGS: Final = {"/images": "Images", "/videos": "Videos", "/posts": "Posts"}


@dataclass(frozen=True, slots=True)
class Choices:
    """What the filter form offers."""

    base_models: tuple[tuple[str, tuple[BaseModelInfo, ...]], ...]
    kinds: tuple[tuple[str, str], ...]
    periods: tuple[tuple[str, str], ...]
    sorts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Feed:
    """What a feed's template takes; one of `cards` and `posts` is filled."""

    heading: str
    query: FeedQuery
    cards: tuple[ImageCard, ...]
    posts: tuple[PostCard, ...]
    next_href: str | None
    applied: tuple[Applied, ...]
    chips: tuple[tuple[str, str, bool], ...]
    choices: Choices
    panel_open: bool
    first_page: bool
    canonical: str
    atom_href: str
    # Choosing many: whether one is, where that begins or ends, and collections to put them into.
    selecting: bool = False
    select_href: str | None = None
    targets: tuple[tuple[str, str], ...] = ()


@router.get("/images")
async def images(request: Request, actor: Visitor) -> Response:
    """Everybody's pictures."""
    return await _answer(request, actor, "/images")


@router.get("/videos")
async def videos(request: Request, actor: Visitor) -> Response:
    """Everybody's videos."""
    return await _answer(request, actor, "/videos")


@router.get("/posts")
async def posts(request: Request, actor: Visitor) -> Response:
    """Everybody's posts."""
    return await _answer(request, actor, "/posts")


@router.get("/images/feed.atom")
async def images_atom(request: Request) -> Response:
    """The newest pictures with the same filters, for readers of feeds: as strangers see them."""
    return await _atom(request, "/images")


@router.get("/videos/feed.atom")
async def videos_atom(request: Request) -> Response:
    """The newest videos, as strangers see them."""
    return await _atom(request, "/videos")


async def _answer(request: Request, actor: Actor, path: str) -> Response:
    query = image_filters.read(path, request.query_params)
    if (query.followed or query.unseen) and not actor.signed_in:
        raise Unauthorised("Sign in to see this feed.", code="sign_in_needed")
    if any(value == "" for value in request.query_params.values()):
        # What a form sends for fields that were left empty has no place in an address that people share.
        return redirect(request, query.href())
    if query.sort is ImageSort.RANDOM and "seed" not in request.query_params:
        return redirect(request, replace(query, seed=new_uuid().int % 2**31).href())
    reads = state_of(request).reads
    cursor = request.query_params.get("cursor") or None
    limit = PAGE if cursor else FIRST
    eyes = eyes_of(actor)
    wanted = query.filters(actor.mask)
    shown: tuple[ImageCard, ...] = ()
    asked = request.query_params.get("select") == "1" and actor.signed_in and path != "/posts"
    selected = SELECT if asked else ()
    made: tuple[PostCard, ...] = ()
    if path == "/posts":
        found = await pages.posts(reads, actor, wanted, limit=limit, cursor=cursor)
        rows = await cards.posts(reads, found.ids, mask=actor.mask)
        covers = await cards.images(reads, [row.image_ids[0] for row in rows])
        made = image_cards.posts_of(rows, covers, eyes)
    else:
        found = await pages.page(reads, actor, wanted, limit=limit, cursor=cursor)
        shown = image_cards.cards_of(await cards.images(reads, found.ids), eyes, query)
    atom_query = f"?{query.query}" if query.query else ""
    context = Feed(
        heading=HEADINGS[path],
        query=query,
        cards=shown,
        posts=made,
        next_href=query.href(*selected, ("cursor", found.next_cursor)) if found.next_cursor else None,
        selecting=bool(selected),
        select_href=query.href(*(() if selected else SELECT))
        if actor.signed_in and path != "/posts"
        else None,
        targets=await picking_targets(request, actor) if selected else (),
        applied=query.applied(),
        chips=query.chips(actor.signed_in),
        choices=_choices(path),
        panel_open=request.query_params.get("panel") == "filters",
        first_page=cursor is None,
        canonical=base_url(request) + query.href(),
        atom_href=f"{'/images' if path == '/posts' else path}/feed.atom{atom_query}",
    )
    return render(request, "images/list.html", context, block="results")


async def picking_targets(request: Request, actor: Actor) -> tuple[tuple[str, str], ...]:
    """Collections into which chosen pictures can be put."""
    async with state_of(request).database.reading() as session:
        offers = await bookmarks.offers(session, actor, kind=Kind.IMAGE, subject_id=0)
    return tuple((str(one.id), one.name) for one in offers if not one.tags)


def _choices(path: str) -> Choices:
    sorts = [one for one in image_filters.SORTS if path != "/posts" or one[0] is not ImageSort.RANDOM]
    return Choices(
        base_models=base_models.current().groups(),
        kinds=() if path == "/videos" else image_filters.KINDS,
        periods=tuple((period.value, label) for period, label in image_filters.PERIODS),
        sorts=tuple((sort.value, label) for sort, label in sorts),
    )


async def _atom(request: Request, path: str) -> Response:
    query = replace(image_filters.read(path, request.query_params), followed=False, unseen=False)
    reads = state_of(request).reads
    found = await pages.page(reads, ANONYMOUS, query.filters(ANONYMOUS.mask), limit=PAGE)
    return atom.answer(
        base=base_url(request),
        title=f"{HEADINGS[path]} · {state_of(request).settings.site.name}",
        path=query.href(),
        own=f"{path}/feed.atom{f'?{query.query}' if query.query else ''}",
        found=await cards.images(reads, found.ids),
    )
