"""The front page: what is new, what is loved, who makes it. Pictures first, words few."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import Response

from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import base_models, reading, showing
from civitas.domains.catalog.listing import Filters, Period, Sort
from civitas.domains.catalog.tagging import categories
from civitas.faces.http.state import state_of
from civitas.faces.web.cards import cards_of
from civitas.faces.web.pictures import Eyes, avatar_url
from civitas.faces.web.props import Creator, ModelCard
from civitas.faces.web.templating import render
from civitas.faces.web.viewing import eyes_of
from civitas.faces.web.visits import Visitor
from civitas.infra.db.readpool import ReadPool
from civitas.kit.text import fold

router = APIRouter(include_in_schema=False)

SHELF: Final = 14
MIN_SHELF: Final = 4
HUNG: Final = 5


@dataclass(frozen=True, slots=True)
class Shelf:
    """One row of models with the address of the whole list."""

    title: str
    href: str
    cards: tuple[ModelCard, ...]


@dataclass(frozen=True, slots=True)
class Home:
    """What the front page's template takes. `hung` are the models whose pictures greet a first visitor."""

    hung: tuple[ModelCard, ...]
    shelves: tuple[Shelf, ...]
    creators: tuple[Creator, ...]
    categories: tuple[tuple[str, str, int], ...]
    base_models: tuple[tuple[str, str], ...]

    @property
    def empty(self) -> bool:
        """Whether nobody has published anything yet."""
        return not self.shelves


@router.get("/")
async def home(request: Request, actor: Visitor) -> Response:
    """The front page, for strangers with a word about what this place is."""
    context = await _gather(state_of(request).reads, actor, await eyes_of(request, actor))
    return render(request, "home/home.html", context)


async def _gather(reads: ReadPool, actor: Actor, eyes: Eyes) -> Home:
    front = await showing.front(reads, actor)
    names = {category.key: category.name for category in categories()}
    bases = _base_models(front.base_models)
    wanted: list[tuple[str, str, Filters, Sort]] = [
        ("New", "/models", Filters(mask=actor.mask), Sort.NEWEST),
        (
            "Most downloaded this month",
            "/models?period=Month&sort=Most+Downloaded",
            Filters(mask=actor.mask, period=Period.MONTH),
            Sort.MOST_DOWNLOADED,
        ),
    ]
    if front.categories:
        key, _ = front.categories[0]
        wanted.append(
            (names.get(key, key), f"/tag/{key}", Filters(mask=actor.mask, tags=(key,)), Sort.HIGHEST_RATED)
        )
    if len(bases) > 1:
        name, href = bases[0]
        wanted.append(
            (f"Made for {name}", href, Filters(mask=actor.mask, base_models=(name,)), Sort.MOST_DOWNLOADED)
        )
    pages = await asyncio.gather(
        *(reading.models(reads, actor, filters, sort=sort, limit=SHELF) for _, _, filters, sort in wanted)
    )
    shelves = [
        Shelf(title, href, cards_of(page.objects(""), eyes))
        for (title, href, _, _), page in zip(wanted, pages, strict=True)
    ]
    newest = shelves[0]
    kept = [shelf for shelf in shelves if shelf is newest or len(shelf.cards) >= MIN_SHELF]
    clear = [card for card in newest.cards if card.picture is not None and not card.picture.blurred]
    return Home(
        hung=tuple(clear[:HUNG]),
        shelves=tuple(kept) if newest.cards else (),
        creators=tuple(
            Creator(name, avatar_url(key), f"{models} {'model' if models == 1 else 'models'}")
            for name, key, models, _ in front.creators
        ),
        categories=tuple((names.get(key, key), f"/tag/{key}", count) for key, count in front.categories),
        base_models=bases,
    )


def _base_models(found: Sequence[tuple[str, int]]) -> tuple[tuple[str, str], ...]:
    known = {fold(name): name for name in base_models.current().names()}
    named = [known[folded] for folded, _ in found if folded in known]
    return tuple((name, f"/base-models/{quote(name)}") for name in named)
