"""A person's page: who they are, what they published, who follows them; and what one decides about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from civitas.domains.accounts import following, queries
from civitas.domains.accounts.following import Related
from civitas.domains.accounts.queries import ProfileView
from civitas.domains.accounts.types import Actor, Relation
from civitas.domains.catalog import reading
from civitas.domains.catalog.listing import Filters, Sort
from civitas.faces.http.links import base_url
from civitas.faces.http.portraits import portrait
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading, Unit
from civitas.faces.web import forms
from civitas.faces.web.cards import cards_of
from civitas.faces.web.props import Creator, ModelCard
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


@dataclass(frozen=True, slots=True)
class ProfilePage:
    """The head of the page, and one of its tabs."""

    person: ProfileView
    own: bool
    avatar_url: str | None
    cover_url: str | None
    tab: Literal["models", "followers", "following"]
    base: str
    canonical: str
    sort: str = "newest"
    sorts: tuple[tuple[str, str, bool], ...] = ()
    cards: tuple[ModelCard, ...] = ()
    people: tuple[Creator, ...] = ()
    next_href: str | None = None


@router.get("/user/{username}")
async def show(
    request: Request,
    visitor: Visitor,
    session: Reading,
    username: str,
    sort: str = "newest",
    cursor: Cursor = None,
) -> Response:
    """The person and their models."""
    person = await queries.profile(session, visitor, username=username)
    if person.username != username:
        return RedirectResponse(f"/user/{person.username}", status_code=301)
    chosen = next((found for found in SORTS if found[0] == sort), SORTS[0])
    base = f"/user/{person.username}"
    cards: tuple[ModelCard, ...] = ()
    next_href = None
    if not person.banned:
        filters = Filters(usernames=(person.username,), mask=visitor.mask)
        found = await reading.models(
            state_of(request).reads, visitor, filters, sort=chosen[2], limit=PAGE, cursor=cursor
        )
        cards = cards_of(found.objects(""), await eyes_of(request, visitor))
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
    return render(request, "profile/profile.html", page, block=("results", "person_actions"))


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
    base = f"/user/{person.username}/{tab}"
    page = _page(
        request,
        visitor,
        person,
        tab,
        people=tuple(creator_of(one) for one in found.items),
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
    page = _page(request, member, person, "models")
    return render(
        request, "profile/profile.html", page, block="person_actions", headers=toast_header("ok", text)
    )


def creator_of(person: Related) -> Creator:
    """A person of a list as a line."""
    return Creator(person.username, portrait(person.avatar_key))


def _page(
    request: Request,
    visitor: Actor,
    person: ProfileView,
    tab: Literal["models", "followers", "following"],
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
