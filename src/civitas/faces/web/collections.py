"""Pages of collections: those of everybody, one's own, those one follows; and each of them."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import format_datetime
from typing import Annotated, Literal
from urllib.parse import urlencode
from xml.sax.saxutils import escape

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.domains.accounts.types import ANONYMOUS, SYSTEM_ID, Actor
from civitas.domains.gallery.collections import contests, entries, giving, people, reads
from civitas.domains.gallery.collections.contests import EntryTag
from civitas.domains.gallery.collections.giving import Board, Line
from civitas.domains.gallery.collections.reads import Shown
from civitas.domains.gallery.collections.types import Contest, Kind, Mode, Order, Sort, WriteBy
from civitas.faces.http.links import base_url
from civitas.faces.http.units import Reading, Unit
from civitas.faces.web import forms
from civitas.faces.web.collection_view import (
    NOUNS,
    PLURALS,
    CollectionCard,
    EntryCard,
    cards,
    creator_of,
    entry_cards,
    href_of,
)
from civitas.faces.web.pictures import Eyes
from civitas.faces.web.props import Creator
from civitas.faces.web.templating import render, toast_header
from civitas.faces.web.viewing import eyes_of
from civitas.faces.web.visits import Member, Visitor, redirect
from civitas.kit import clock, paging
from civitas.kit.errors import NotFound

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

PAGE = 48
Cursor = Annotated[str | None, Query(max_length=paging.MAX_CURSOR)]
Tab = Literal["everybody", "mine", "following"]
ORDERS = ((Order.NEWEST, "Newest"), (Order.OLDEST, "Oldest"), (Order.RANDOM, "Shuffled"))


@dataclass(frozen=True, slots=True)
class CollectionList:
    """A grid of collections."""

    tab: Tab
    cards: tuple[CollectionCard, ...]
    next_href: str | None
    kind: str
    sort: str
    kinds: tuple[tuple[str, str, bool], ...]
    sorts: tuple[tuple[str, str, bool], ...]
    tabs: tuple[tuple[str, str, bool], ...]


@dataclass(frozen=True, slots=True)
class CollectionPage:
    """One collection with a page of what is in it."""

    collection: Shown
    creator: Creator | None
    noun: str
    plural: str
    base: str
    canonical: str
    items: tuple[EntryCard, ...]
    next_href: str | None
    order: str
    orders: tuple[tuple[str, str, bool], ...]
    selecting: bool
    targets: tuple[tuple[str, str], ...]
    contest: Contest | None
    phase: str
    voting: bool
    tags: tuple[EntryTag, ...]
    tag_id: int | None
    picture_url: str | None
    board: Board | None
    gifts: tuple[Line, ...]
    may_board: bool


def _query(**parts: str | None) -> str:
    kept = {name: value for name, value in parts.items() if value}
    return f"?{urlencode(kept)}" if kept else ""


@router.get("/collections")
async def listed(
    request: Request,
    visitor: Visitor,
    session: Reading,
    tab: Tab = "everybody",
    kind: Kind | None = None,
    sort: Sort = Sort.NEWEST,
    cursor: Cursor = None,
) -> Response:
    """Collections of everybody, one's own, or those one follows."""
    if not visitor.signed_in:
        tab = "everybody"
    if tab == "mine":
        found = await reads.mine(session, visitor, kind=kind, cursor=cursor, limit=PAGE)
    elif tab == "following":
        found = await reads.followed(session, visitor, cursor=cursor, limit=PAGE)
    else:
        found = await reads.public(session, visitor, kind=kind, sort=sort, cursor=cursor, limit=PAGE)
    eyes = eyes_of(visitor)
    place = None if tab == "everybody" else tab
    chosen = kind.value if kind else None
    ordered = None if sort is Sort.NEWEST else sort.value

    def at(**changes: str | None) -> str:
        return "/collections" + _query(**({"tab": place, "kind": chosen, "sort": ordered} | changes))

    page = CollectionList(
        tab=tab,
        cards=await cards(session, visitor, eyes, found.items),
        next_href=at(cursor=found.next_cursor) if found.next_cursor else None,
        kind=chosen or "",
        sort=sort.value,
        kinds=(
            ("Everything", at(kind=None), kind is None),
            *((PLURALS[one].capitalize(), at(kind=one.value), one is kind) for one in Kind),
        ),
        sorts=(
            ("Newest", at(sort=None), sort is Sort.NEWEST),
            ("Most followed", at(sort=Sort.POPULAR.value), sort is Sort.POPULAR),
        ),
        tabs=(
            ("Everybody's", "/collections", tab == "everybody"),
            ("Yours", "/collections?tab=mine", tab == "mine"),
            ("Following", "/collections?tab=following", tab == "following"),
        )
        if visitor.signed_in
        else (),
    )
    return render(request, "collections/list.html", page, block="results")


@router.get("/collections/{collection_id:int}")
async def show(
    request: Request,
    visitor: Visitor,
    session: Reading,
    collection_id: int,
    order: Order | None = None,
    tag: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
    select: bool = False,
    cursor: Cursor = None,
) -> Response:
    """A collection and what is in it."""
    found = await reads.one(session, visitor, collection_id=_number(collection_id))
    page = await _page(request, visitor, session, found, order, tag, select, cursor)
    return render(request, "collections/collection.html", page, block=("results", "collection_actions"))


def _number(collection_id: int) -> int:
    if not 0 < collection_id < 2**63:
        raise NotFound("This collection was not found.", code="collection_not_found")
    return collection_id


async def _page(
    request: Request,
    visitor: Actor,
    session: AsyncSession,
    found: Shown,
    order: Order | None,
    tag: int | None,
    select: bool,
    cursor: str | None,
) -> CollectionPage:
    eyes = eyes_of(visitor)
    listed = await entries.page(
        session, visitor, collection=found, order=order, tag_id=tag, cursor=cursor, limit=PAGE
    )
    chosen = order or Order(found.order_by)
    selecting = select and found.rights.manage
    base = href_of(found.id)
    kept = {"tag": str(tag) if tag else None, "select": "1" if selecting else None}

    def at(wanted: Order, cursor: str | None = None) -> str:
        named = None if wanted == found.order_by else wanted.value
        return base + _query(order=named, **kept, cursor=cursor)

    rules = await contests.rules_of(session, found.id) if found.mode is Mode.CONTEST else None
    orders = ORDERS + (((Order.BEST, "Best"),) if rules else ())
    # What is not reviewed is given for by no board.
    reviewed = found.mode is Mode.STANDARD and found.write_by == WriteBy.REVIEW
    board = await giving.board_of(session, found.id) if reviewed else None
    items = await entry_cards(request, session, visitor, eyes, found.kind, listed.items)
    return CollectionPage(
        collection=found,
        creator=creator_of(found),
        noun=NOUNS[found.kind],
        plural=PLURALS[found.kind],
        base=base,
        canonical=base_url(request) + base,
        items=items,
        next_href=at(chosen, listed.next_cursor) if listed.next_cursor else None,
        order=chosen.value,
        orders=tuple((label, at(one), one is chosen) for one, label in orders),
        selecting=selecting,
        targets=await _targets(session, visitor, found) if selecting else (),
        contest=rules,
        phase=_phase(rules) if rules else "",
        voting=bool(rules and _open_for_votes(rules)),
        tags=tuple(await contests.tags_of(session, found.id)) if rules else (),
        tag_id=tag,
        picture_url=_share(request, items),
        board=board,
        gifts=tuple(await giving.lines(session, found.id)) if board and found.rights.manage else (),
        may_board=visitor.is_moderator and reviewed and found.person_id in (visitor.id, SYSTEM_ID),
    )


async def _targets(session: AsyncSession, visitor: Actor, found: Shown) -> tuple[tuple[str, str], ...]:
    offered = await reads.fillable(session, visitor, kind=found.kind, besides=found.id)
    return tuple((str(number), name) for number, name in offered)


def _share(request: Request, items: tuple[EntryCard, ...]) -> str | None:
    """The picture that stands for the page where it is shared: a clear one, or none."""
    for one in items:
        picture = one.picture or (one.model.picture if one.model else None)
        if picture is not None and picture.level in ("PG", "PG-13"):
            return base_url(request) + picture.src
    return None


def _phase(rules: Contest) -> str:
    now = clock.now()
    if rules.ended_at or (rules.ends_at and now >= rules.ends_at):
        return "over" if rules.ended_at or not _open_for_votes(rules) else "voting"
    return "coming" if rules.starts_at and now < rules.starts_at else "open"


def _open_for_votes(rules: Contest) -> bool:
    now = clock.now()
    early = rules.votes_from is not None and now < rules.votes_from
    late = rules.votes_until is not None and now >= rules.votes_until
    return rules.voting and rules.ended_at is None and not early and not late


@router.post("/collections/{collection_id:int}/follow")
async def follow(request: Request, member: Member, session: Unit, collection_id: int) -> Response:
    """Follow a collection, or no longer."""
    form = await forms.read(request)
    on = not form.flag("undo")
    await people.follow(session, member, collection_id=_number(collection_id), on=on)
    text = "You see here what comes into it from now on." if on else "You do not follow it any more."
    if request.headers.get("hx-target") != "collection-actions":
        return redirect(request, href_of(collection_id), text=text)
    await session.flush()
    found = await reads.one(session, member, collection_id=collection_id)
    page = await _page(request, member, session, found, None, None, False, None)
    return render(
        request,
        "collections/collection.html",
        page,
        block="collection_actions",
        headers=toast_header("ok", text),
    )


@router.post("/collections/{collection_id:int}/entries/{item_id:int}/vote")
async def vote(request: Request, member: Member, session: Unit, collection_id: int, item_id: int) -> Response:
    """Vote for an entry of a contest, or no longer."""
    form = await forms.read(request)
    on = not form.flag("undo")
    await contests.vote(session, member, collection_id=_number(collection_id), item_id=item_id, on=on)
    return redirect(
        request, form.get("back") or href_of(collection_id), text="Voted." if on else "Your vote is back."
    )


@router.post("/collections/{collection_id:int}/entries/{item_id:int}/score")
async def score(
    request: Request, member: Member, session: Unit, collection_id: int, item_id: int
) -> Response:
    """Give an entry points, as a judge."""
    form = await forms.read(request)
    given = form.get("points")
    points = int(given) if given.isascii() and given.isdigit() and len(given) < 3 else 0
    await contests.score(
        session, member, collection_id=_number(collection_id), item_id=item_id, points=points
    )
    return redirect(request, form.get("back") or href_of(collection_id), text=f"{points} points given.")


@router.get("/collections/{collection_id:int}/feed.xml")
async def feed(request: Request, visitor: Visitor, session: Reading, collection_id: int) -> Response:
    """What came into a public collection last, as RSS 2.0: what a stranger sees, whoever asks."""
    found = await reads.one(session, ANONYMOUS, collection_id=_number(collection_id))
    listed = await entries.page(session, ANONYMOUS, collection=found, order=Order.NEWEST, limit=50)
    items = await entry_cards(request, session, ANONYMOUS, Eyes(ANONYMOUS.mask), found.kind, listed.items)
    times = {one.id: one.created_at for one in listed.items}
    base = base_url(request)
    body = "".join(
        f"<item><title>{escape(one.title)}</title><link>{escape(base + one.href)}</link>"
        f'<guid isPermaLink="false">{base}/collections/{found.id}#{one.item_id}</guid>'
        f"<pubDate>{format_datetime(times[one.item_id])}</pubDate>"
        + (f"<description>{escape(one.note)}</description>" if one.note else "")
        + "</item>"
        for one in items
    )
    head = (
        f"<title>{escape(found.name)}</title><link>{base}{href_of(found.id)}</link>"
        f"<description>{escape(found.description or found.name)}</description>"
    )
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0"><channel>{head}{body}</channel></rss>'
    return Response(
        text,
        media_type="application/rss+xml; charset=utf-8",
        headers={"Cache-Control": "public, max-age=600"},
    )
