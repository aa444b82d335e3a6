"""Lists of models: browse, search, a tag's page, a base model's page. One template, one grid, endless by a link."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request
from starlette.responses import Response

from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import base_models, reading, showing
from civitas.domains.catalog.base_models import BaseModelInfo
from civitas.domains.catalog.listing import Filters, Sort
from civitas.domains.catalog.types import CheckpointType, FileFormat
from civitas.faces.http.links import base_url
from civitas.faces.http.state import state_of
from civitas.faces.web import list_filters
from civitas.faces.web.cards import cards_of, with_badges
from civitas.faces.web.list_filters import Applied, ListQuery
from civitas.faces.web.props import ModelCard
from civitas.faces.web.templating import render
from civitas.faces.web.viewing import eyes_of
from civitas.faces.web.visits import Visitor, redirect
from civitas.kit.errors import NotFound, Unauthorised
from civitas.kit.text import clean_line, fold

router = APIRouter(include_in_schema=False)

PAGE: Final = 48
CHIP_TYPES: Final = (
    "Checkpoint", "LORA", "DoRA", "LoCon", "TextualInversion", "VAE", "Controlnet", "Upscaler", "ComfyWorkflows",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Landing:
    """What heads a list that has a subject of its own; `facts` are short lines below the title."""

    eyebrow: str
    title: str
    lead: str = ""
    facts: tuple[tuple[str, str, str | None], ...] = ()


@dataclass(frozen=True, slots=True)
class Choices:
    """What the filter form offers."""

    types: tuple[str, ...]
    base_models: tuple[tuple[str, tuple[BaseModelInfo, ...]], ...]
    formats: tuple[str, ...]
    checkpoints: tuple[str, ...]
    uses: tuple[tuple[str, str], ...]
    periods: tuple[tuple[str, str], ...]
    sorts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ModelList:
    """What the list's template takes."""

    query: ListQuery
    sort: str
    cards: tuple[ModelCard, ...]
    next_href: str | None
    applied: tuple[Applied, ...]
    type_chips: tuple[tuple[str, str, bool, str], ...]
    choices: Choices
    landing: Landing | None
    searching: bool
    corrected: str | None
    corrected_href: str | None
    panel_open: bool
    first_page: bool
    canonical: str
    save_href: str | None


@router.get("/models")
async def browse(request: Request, actor: Visitor) -> Response:
    """All models, filtered."""
    return await _answer(request, actor, list_filters.read("/models", request.query_params))


@router.get("/search")
async def search(request: Request, actor: Visitor) -> Response:
    """Models by words; a hash, an AIR or an address that names one model leads straight to it."""
    query = list_filters.read("/search", request.query_params)
    return await _answer(request, actor, query, searching=True)


@router.get("/tag/{name:path}")
async def tag(request: Request, actor: Visitor, name: str) -> Response:
    """Models with a tag."""
    shown = clean_line(name.strip("/"))[: list_filters.MAX_TAG]
    if not shown:
        raise NotFound("There is no tag without a name.", code="tag_not_found")
    query = list_filters.read(f"/tag/{quote(shown)}", request.query_params)
    landing = Landing("Tag", f"#{fold(shown)}")
    return await _answer(request, actor, query, fixed=Filters(tags=(shown,)), landing=landing)


@router.get("/base-models/{name:path}")
async def base_model(request: Request, actor: Visitor, name: str) -> Response:
    """Models made for one base model, with what it is and its licence."""
    info = base_models.current().find(name.strip("/")[:100])
    if info is None:
        raise NotFound("This base model is not known here.", code="base_model_not_found")
    query = list_filters.read(f"/base-models/{quote(info.name)}", request.query_params)
    fixed = Filters(base_models=(info.name,))
    return await _answer(request, actor, query, fixed=fixed, landing=_about(info))


def _about(info: BaseModelInfo) -> Landing:
    facts: list[tuple[str, str, str | None]] = [("Ecosystem", info.ecosystem.name, None)]
    if info.family is not None:
        facts.append(("By", info.family.name, None))
    facts.append(("Makes", ", ".join(info.media), None))
    if info.licence is not None:
        facts.append(("Licence", info.licence.name, str(info.licence.url) if info.licence.url else None))
    lead = (info.licence.notice or "") if info.licence is not None else ""
    return Landing("Base model", info.name, lead, tuple(facts))


async def _answer(
    request: Request,
    actor: Actor,
    query: ListQuery,
    *,
    fixed: Filters | None = None,
    landing: Landing | None = None,
    searching: bool = False,
) -> Response:
    if (query.favourites or query.hidden) and not actor.signed_in:
        raise Unauthorised("Sign in to see your own lists.", code="sign_in_needed")
    if any(value == "" and name != "q" for name, value in request.query_params.multi_items()):
        # What a form sends for fields that were left empty has no place in an address that people share.
        return redirect(request, query.href())
    reads = state_of(request).reads
    filters = query.filters(actor.mask)
    if fixed is not None:
        filters = replace(
            filters,
            tags=(*fixed.tags, *filters.tags),
            base_models=fixed.base_models or filters.base_models,
        )
    has_text = filters.query is not None and filters.query.has_text
    sort = query.sort or (Sort.RELEVANCE if has_text else Sort.NEWEST)
    cursor = request.query_params.get("cursor") or None
    page = await reading.models(reads, actor, filters, sort=sort, limit=PAGE, cursor=cursor)
    cards = await with_badges(reads, cards_of(page.objects(""), eyes_of(actor)))
    if _names_one(query, filters) and len(cards) == 1:
        return redirect(request, cards[0].href)
    corrected = None
    if has_text and filters.query is not None and cursor is None:
        corrected = await showing.corrected(reads, filters.query)
    context = ModelList(
        query=query,
        sort=sort.value,
        cards=cards,
        next_href=query.href(("cursor", page.next_cursor)) if page.next_cursor else None,
        applied=query.applied(),
        type_chips=query.type_chips(CHIP_TYPES),
        choices=choices(has_text),
        landing=landing,
        searching=searching,
        corrected=corrected,
        corrected_href=replace(query, q=corrected).href() if corrected else None,
        panel_open=request.query_params.get("panel") == "filters",
        first_page=cursor is None,
        canonical=base_url(request) + query.href(),
        save_href=_save_href(query, fixed),
    )
    return render(request, "models/list.html", context, block="results")


def _save_href(query: ListQuery, fixed: Filters | None) -> str | None:
    """Where this list is saved under a name; None when it has no filters."""
    pairs = query.pairs
    if fixed is not None:
        pairs += [("tag", tag) for tag in fixed.tags]
        pairs += [("baseModels", name) for name in fixed.base_models if not query.bases]
    if not any(name != "sort" for name, _ in pairs):
        return None
    return f"/searches/new?{urlencode([('place', 'models'), *pairs])}"


def _names_one(query: ListQuery, filters: Filters) -> bool:
    """Whether the words of a search are nothing but one hash or one model's name for machines."""
    asked = filters.query
    if asked is None or query.count or query.path != "/search":
        return False
    named = len(asked.model_ids) + len(asked.wanted.hashes)
    others = asked.wanted.tags or asked.wanted.users or asked.wanted.types or asked.wanted.bases
    return named == 1 and not asked.has_text and not others


def choices(has_text: bool = False) -> Choices:
    """What the filter form offers; relevance only where there are words."""
    sorts = [(sort.value, label) for sort, label in list_filters.SORTS]
    if has_text:
        sorts.insert(0, (Sort.RELEVANCE.value, "Relevance"))
    return Choices(
        types=tuple(list_filters.TYPES),
        base_models=base_models.current().groups(),
        formats=tuple(FileFormat),
        checkpoints=tuple(CheckpointType),
        uses=tuple((use.value, label) for use, label in list_filters.USES),
        periods=tuple((period.value, label) for period, label in list_filters.PERIODS),
        sorts=tuple(sorts),
    )
