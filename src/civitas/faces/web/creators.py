"""`/creators`: people who publish, each with some of their work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import Response

from civitas.domains.accounts import badges as accounts_badges
from civitas.domains.accounts import queries
from civitas.domains.catalog import showing
from civitas.faces.http.state import state_of
from civitas.faces.web import formats, pictures
from civitas.faces.web.pictures import THUMB_WIDTHS, avatar_url
from civitas.faces.web.props import Creator, Picture
from civitas.faces.web.templating import render
from civitas.faces.web.viewing import eyes_of
from civitas.faces.web.visits import Visitor
from civitas.kit.text import clean_line

router = APIRouter(include_in_schema=False)

PAGE: Final = 24
EACH: Final = 3


@dataclass(frozen=True, slots=True)
class CreatorCard:
    """A person with some of their work; pictures that would be blurred are left out."""

    who: Creator
    works: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class CreatorList:
    """The context of the template."""

    q: str
    cards: tuple[CreatorCard, ...]
    next_href: str | None
    first_page: bool


@router.get("/creators")
async def show(request: Request, actor: Visitor) -> Response:
    """People with published models, those with the most first; `q` is the beginning of a name."""
    q = clean_line(request.query_params.get("q", ""))[:25].lstrip("@")
    cursor = request.query_params.get("cursor") or None
    state = state_of(request)
    async with state.database.reading() as session:
        page = await queries.creators(session, actor, query=q, cursor=cursor, limit=PAGE)
    eyes = eyes_of(actor)
    works = await showing.pictures_of(
        state.reads, actor, usernames=[found.username for found in page.items], each=EACH
    )
    badges = await accounts_badges.of_names(state.reads, [found.username for found in page.items])
    cards = tuple(
        CreatorCard(
            Creator(
                found.username,
                avatar_url(found.avatar_key),
                f"{formats.plural(found.model_count, 'model')} · "
                f"{formats.plural(found.follower_count, 'follower')}",
                badges.get(found.username.lower()),
            ),
            tuple(
                pictures.of_shot(shot, eyes, widths=THUMB_WIDTHS)
                for shot in works.get(found.username.lower(), ())
                if not eyes.blurs(shot.level)
            ),
        )
        for found in page.items
    )
    query = {"q": q} if q else {}
    following = f"/creators?{urlencode({**query, 'cursor': page.next_cursor})}" if page.next_cursor else None
    context = CreatorList(q, cards, following, cursor is None)
    return render(request, "creators/creators.html", context, block="results")
