"""The front page: what is new, what is loved, who makes it. Pictures first, words few."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import Response

from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import base_models
from civitas.domains.catalog.tagging import categories
from civitas.domains.gallery.home import blocks
from civitas.faces.http.links import is_safe_site
from civitas.faces.http.state import State, state_of
from civitas.faces.web.home_shelves import Making, Shelf, front_of, shelves
from civitas.faces.web.props import ModelCard
from civitas.faces.web.templating import render
from civitas.faces.web.viewing import eyes_of
from civitas.faces.web.visits import Visitor
from civitas.kit.text import fold

router = APIRouter(include_in_schema=False)

HUNG: Final = 5
# How long strangers are shown the same page: they are many, and it is the same for all of them.
KEPT_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Home:
    """What the front page's template takes. `hung` are the models whose pictures greet a first visitor."""

    hung: tuple[ModelCard, ...]
    shelves: tuple[Shelf, ...]
    categories: tuple[tuple[str, str, int], ...]
    base_models: tuple[tuple[str, str], ...]

    @property
    def news(self) -> bool:
        """Whether announcements stand in a block of their own, so that the frame leaves them out."""
        return any(shelf.news for shelf in self.shelves)

    @property
    def empty(self) -> bool:
        """Whether nobody has published anything yet."""
        return not self.shelves


@dataclass
class Kept:
    """What strangers were shown last, by the levels they may see and the site; one for each process."""

    state: State
    pages: dict[tuple[int, bool], tuple[float, Home]] = field(default_factory=dict)

    def get(self, place: tuple[int, bool]) -> Home | None:
        """The page, unless it is old."""
        made, page = self.pages.get(place, (0.0, None))
        return page if page is not None and time.monotonic() - made < KEPT_S else None

    def put(self, place: tuple[int, bool], page: Home) -> None:
        """Show this from now on. What nobody has published yet is looked for again each time."""
        if not page.empty:
            self.pages[place] = (time.monotonic(), page)


def kept_of(request: Request) -> Kept:
    """What this process keeps."""
    state = state_of(request)
    found = getattr(request.app.state, "home_kept", None)
    if not isinstance(found, Kept) or found.state is not state:
        found = request.app.state.home_kept = Kept(state)
    return found


@router.get("/")
async def home(request: Request, actor: Visitor) -> Response:
    """The front page, for strangers with a word about what this place is."""
    kept = kept_of(request)
    place = (actor.mask, is_safe_site(request))
    page = kept.get(place) if actor.id is None else None
    if page is None:
        page = await _gather(request, actor)
        if actor.id is None:
            kept.put(place, page)
    return render(request, "home/home.html", page)


async def _gather(request: Request, actor: Actor) -> Home:
    state = state_of(request)
    eyes = eyes_of(actor)
    front = await front_of(state.reads, actor)
    async with state.database.reading() as session:
        chosen = await blocks.of(session, actor.id)
        found = await shelves(Making(state.reads, session, actor, eyes, front, is_safe_site(request)), chosen)
    names = {category.key: category.name for category in categories()}
    cards = next((shelf.cards for shelf in found if shelf.cards), ())
    clear = [card for card in cards if card.picture is not None and not card.picture.blurred]
    return Home(
        hung=tuple(clear[:HUNG]),
        shelves=found,
        categories=tuple((names.get(key, key), f"/tag/{key}", count) for key, count in front.categories),
        base_models=_base_models(front.base_models),
    )


def _base_models(found: Sequence[tuple[str, int]]) -> tuple[tuple[str, str], ...]:
    known = {fold(name): name for name in base_models.current().names()}
    named = [known[folded] for folded, _ in found if folded in known]
    return tuple((name, f"/base-models/{quote(name)}") for name in named)
