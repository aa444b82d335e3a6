"""A person's page: who they are, what they published, who follows them; and what one decides about them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from civitas.domains.accounts import badges as accounts_badges
from civitas.domains.accounts import following, queries
from civitas.domains.accounts.following import Related
from civitas.domains.accounts.queries import ProfileView
from civitas.domains.accounts.types import Actor, Relation
from civitas.domains.buzz.shop import cosmetics
from civitas.domains.buzz.shop.types import CosmeticType
from civitas.domains.catalog import reading
from civitas.domains.catalog.listing import Filters, Sort
from civitas.domains.community.reviews import reading as review_reads
from civitas.domains.community.reviews.reading import ReviewTold
from civitas.domains.gallery.collections import reads as collection_reads
from civitas.faces.http.links import base_url
from civitas.faces.http.portraits import portrait
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading, Unit
from civitas.faces.web import forms, profile_front
from civitas.faces.web.cards import cards_of
from civitas.faces.web.collection_view import CollectionCard
from civitas.faces.web.collection_view import cards as collection_cards
from civitas.faces.web.profile_front import Figures, Section
from civitas.faces.web.props import Creator, ModelCard
from civitas.faces.web.shop import Piece, piece
from civitas.faces.web.templating import render, toast_header
from civitas.faces.web.viewing import eyes_of
from civitas.faces.web.visits import Member, Visitor, redirect
from civitas.kit import paging

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

PAGE = 48
SORTS = (("newest", "Newest", Sort.NEWEST), ("downloads", "Most downloaded", Sort.MOST_DOWNLOADED))
Cursor = Annotated[str | None, Query(max_length=paging.MAX_CURSOR)]

_SAID = {
    (Relation.FOLLOW, True): "You follow {name} from now on.",
    (Relation.FOLLOW, False): "You do not follow {name} any more.",
    (Relation.HIDE, True): "You do not see the work of {name} in lists any more.",
    (Relation.HIDE, False): "You see the work of {name} again.",
    (Relation.BLOCK, True): "{name} is blocked: neither of you can write to the other.",
    (Relation.BLOCK, False): "{name} is not blocked any more.",
}


Tab = Literal["front", "models", "collections", "reviews", "followers", "following"]


@dataclass(frozen=True, slots=True)
class ProfilePage:
    """The head of the page, and one of its tabs."""

    person: ProfileView
    own: bool
    avatar_url: str | None
    cover_url: str | None
    tab: Tab
    base: str
    canonical: str
    sections: tuple[Section, ...] = ()
    figures: Figures | None = None
    collections: tuple[CollectionCard, ...] = ()
    reviews: tuple[ReviewTold, ...] = ()
    sort: str = "newest"
    sorts: tuple[tuple[str, str, bool], ...] = ()
    cards: tuple[ModelCard, ...] = ()
    people: tuple[Creator, ...] = ()
    next_href: str | None = None
    plate: str | None = None
    worn_badge: Piece | None = None


@router.get("/user/{username}")
async def show(request: Request, visitor: Visitor, session: Reading, username: str) -> Response:
    """The person, and the shelves that they chose."""
    person = await queries.profile(session, visitor, username=username)
    if person.username != username:
        return RedirectResponse(f"/user/{person.username}", status_code=301)
    page = _page(request, visitor, person, "front")
    if not person.banned:
        eyes = eyes_of(visitor)
        page = replace(
            page,
            sections=await profile_front.sections(request, session, visitor, eyes, person),
            figures=await profile_front.figures(session, person.id),
        )
    page = await _dressed(session, page)
    return render(request, "profile/profile.html", page, block=("results", "person_actions"))


@router.get("/user/{username}/models")
async def models(
    request: Request,
    visitor: Visitor,
    session: Reading,
    username: str,
    sort: str = "newest",
    cursor: Cursor = None,
) -> Response:
    """All of the person's models."""
    person = await queries.profile(session, visitor, username=username)
    chosen = next((found for found in SORTS if found[0] == sort), SORTS[0])
    base = f"/user/{person.username}/models"
    cards: tuple[ModelCard, ...] = ()
    next_href = None
    if not person.banned:
        filters = Filters(usernames=(person.username,), mask=visitor.mask)
        found = await reading.models(
            state_of(request).reads, visitor, filters, sort=chosen[2], limit=PAGE, cursor=cursor
        )
        cards = cards_of(found.objects(""), eyes_of(visitor))
        if found.next_cursor:
            next_href = f"{base}?sort={chosen[0]}&cursor={quote(found.next_cursor)}"
    page = _page(
        request,
        visitor,
        person,
        "models",
        sort=chosen[0],
        sorts=tuple((f"{base}?sort={name}", label, name == chosen[0]) for name, label, _ in SORTS),
        cards=cards,
        next_href=next_href,
    )
    page = await _dressed(session, page)
    return render(request, "profile/profile.html", page, block=("results", "person_actions"))


@router.get("/user/{username}/collections")
async def collections(
    request: Request, visitor: Visitor, session: Reading, username: str, cursor: Cursor = None
) -> Response:
    """The person's public collections."""
    person = await queries.profile(session, visitor, username=username)
    page = _page(request, visitor, person, "collections")
    if not person.banned:
        found = await collection_reads.public(
            session, visitor, person_id=person.id, cursor=cursor, limit=PAGE
        )
        base = f"/user/{person.username}/collections"
        page = replace(
            page,
            collections=await collection_cards(session, visitor, eyes_of(visitor), found.items),
            next_href=f"{base}?cursor={quote(found.next_cursor)}" if found.next_cursor else None,
        )
    page = await _dressed(session, page)
    return render(request, "profile/profile.html", page, block=("results", "person_actions"))


@router.get("/user/{username}/reviews")
async def reviews(
    request: Request, visitor: Visitor, session: Reading, username: str, cursor: Cursor = None
) -> Response:
    """What the person thinks of others' work."""
    person = await queries.profile(session, visitor, username=username)
    page = _page(request, visitor, person, "reviews")
    if not person.banned:
        found = await review_reads.page(session, visitor, person_id=person.id, cursor=cursor)
        base = f"/user/{person.username}/reviews"
        page = replace(
            page,
            reviews=tuple(found.items),
            next_href=f"{base}?cursor={quote(found.next_cursor)}" if found.next_cursor else None,
        )
    page = await _dressed(session, page)
    return render(request, "profile/profile.html", page, block=("results", "person_actions"))


async def _dressed(session: AsyncSession, page: ProfilePage) -> ProfilePage:
    """The page with what the person wears beside their name."""
    worn = (await cosmetics.worn_by(session, [page.person.id])).get(page.person.id, {})
    plate, badge = worn.get(CosmeticType.NAME_PLATE), worn.get(CosmeticType.BADGE)
    return replace(page, plate=plate.plate if plate else None, worn_badge=piece(badge) if badge else None)


@router.get("/user/{username}/{tab}")
async def people(
    request: Request,
    visitor: Visitor,
    session: Reading,
    username: str,
    tab: Literal["followers", "following"],
    cursor: Cursor = None,
) -> Response:
    """Who follows the person, or whom they follow."""
    person = await queries.profile(session, visitor, username=username)
    lister = following.followers if tab == "followers" else following.following
    found = await lister(session, person_id=person.id, cursor=cursor)
    badges = await accounts_badges.of_names(state_of(request).reads, [one.username for one in found.items])
    base = f"/user/{person.username}/{tab}"
    page = _page(
        request,
        visitor,
        person,
        tab,
        people=tuple(creator_of(one, badges.get(one.username.lower())) for one in found.items),
        next_href=f"{base}?cursor={quote(found.next_cursor)}" if found.next_cursor else None,
    )
    return render(request, "profile/profile.html", page, block="results")


@router.post("/user/{username}/{relation}")
async def decide(
    request: Request, member: Member, session: Unit, username: str, relation: Relation
) -> Response:
    """Follow, hide or block; with the field `undo` take it back."""
    form = await forms.read(request)
    person = await queries.by_username(session, username)
    wanted = not form.flag("undo")
    change = following.decide if wanted else following.undo
    await change(session, member, target_id=person.id, relation=relation)
    text = _SAID[relation, wanted].format(name=person.username)
    back = (
        form.get("back")
        if form.get("back").startswith(("/account/people", "/models/"))
        else f"/user/{person.username}"
    )
    if request.headers.get("hx-target") != "person-actions":
        return redirect(request, back, text=text)
    return await _actions(request, member, session, person.username, text)


async def _actions(
    request: Request, member: Actor, session: AsyncSession, username: str, text: str
) -> Response:
    """The buttons as they are now, for a page that stays."""
    person = await queries.profile(session, member, username=username)
    page = _page(request, member, person, "front")
    return render(
        request, "profile/profile.html", page, block="person_actions", headers=toast_header("ok", text)
    )


def creator_of(person: Related, badge: str | None = None) -> Creator:
    """A person of a list as a line."""
    return Creator(person.username, portrait(person.avatar_key), badge=badge)


def _page(
    request: Request,
    visitor: Actor,
    person: ProfileView,
    tab: Tab,
    *,
    sort: str = "newest",
    sorts: tuple[tuple[str, str, bool], ...] = (),
    cards: tuple[ModelCard, ...] = (),
    people: tuple[Creator, ...] = (),
    next_href: str | None = None,
) -> ProfilePage:
    base = f"/user/{person.username}"
    return ProfilePage(
        person=person,
        own=visitor.id == person.id,
        avatar_url=portrait(person.avatar_key, 320),
        cover_url=portrait(person.text.cover_key, 1600),
        tab=tab,
        base=base,
        canonical=base_url(request) + base,
        sort=sort,
        sorts=sorts,
        cards=cards,
        people=people,
        next_href=next_href,
    )
