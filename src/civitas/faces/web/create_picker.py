"""Choosing models for the generator: a picker that lists what fits, and the lines of what was chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import reading, search
from civitas.domains.catalog.listing import Filters, Sort
from civitas.domains.studio import families, picking, stacking
from civitas.domains.studio.stacking import Usable
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import pictures
from civitas.faces.web.cards import first_picture
from civitas.faces.web.pictures import Eyes
from civitas.faces.web.props import Picture
from civitas.faces.web.templating import fragment, render
from civitas.faces.web.viewing import eyes_of
from civitas.faces.web.visits import Visitor
from civitas.kit.errors import NotFound

router = APIRouter(include_in_schema=False)

PICKED: Final = 24
THUMB: Final = (160, 320)
TYPES: Final = {
    "checkpoint": ("Checkpoint",),
    "network": ("LORA", "LoCon", "DoRA", "TextualInversion"),
    "vae": ("VAE",),
}
TITLES: Final = {
    "checkpoint": "Choose a model",
    "network": "Add styles, characters and concepts",
    "vae": "Choose a VAE",
}


@dataclass(frozen=True, slots=True)
class Picked:
    """A version that was chosen, with its picture and strength as the form has it."""

    usable: Usable
    picture: Picture | None
    strength: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A version that can be chosen."""

    version_id: int
    name: str
    version: str
    type: str
    base_model: str
    picture: Picture | None


@dataclass(frozen=True, slots=True)
class PickerPage:
    """What the picker shows."""

    kind: str
    title: str
    q: str
    base_model: str
    offers: tuple[Offer, ...]
    next_href: str | None


@dataclass(frozen=True, slots=True)
class ChosenRow:
    """One line of the form for a version just chosen."""

    kind: str
    picked: Picked


@router.get("/create/picker")
async def picker(
    request: Request,
    visitor: Visitor,
    kind: str = "checkpoint",
    q: Annotated[str, Query(max_length=200)] = "",
    base_model: Annotated[str, Query(max_length=60)] = "",
    cursor: Annotated[str | None, Query(max_length=600)] = None,
) -> Response:
    """Models to choose from, most used first; only what fits `base_model` for what is laid over a checkpoint."""
    if kind not in TYPES:
        raise NotFound("There is nothing of this kind to choose.", code="no_such_kind")
    asked = search.parse(q) if q.strip() else None
    filters = Filters(
        types=TYPES[kind], base_models=_fitting(kind, base_model), mask=visitor.mask, query=asked
    )
    sort = Sort.RELEVANCE if asked is not None and asked.has_text else Sort.MOST_DOWNLOADED
    found = await reading.models(
        state_of(request).reads, visitor, filters, sort=sort, limit=PICKED, cursor=cursor
    )
    eyes = await eyes_of(request, visitor)
    offers = tuple(
        offer
        for document in found.objects("")
        if (offer := _offer(document, filters.base_models, eyes)) is not None
    )
    next_href = None
    if found.next_cursor:
        next_href = str(
            request.url.include_query_params(cursor=found.next_cursor).replace(scheme="", netloc="")
        )
    page = PickerPage(kind, TITLES[kind], q, base_model, offers, next_href)
    return render(request, "create/picker.html", page, block=("picker", "picker_list"))


@router.get("/create/chosen")
async def chosen(
    request: Request, visitor: Visitor, session: Reading, version: int, kind: str = "network"
) -> Response:
    """The line of the form for a version: with its strength, its trigger words, a way to take it out."""
    found = await picked(request, session, visitor, [version], {})
    if kind not in TYPES or version not in found:
        raise NotFound("This version is not here, or is not public.", code="version_not_found")
    row = ChosenRow(kind, found[version])
    if request.headers.get("hx-request") == "true":
        return fragment(request, "create/chosen.html", "chosen", row)
    return render(request, "create/chosen.html", row)


async def picked(
    request: Request,
    session: AsyncSession,
    actor: Actor,
    version_ids: Sequence[int],
    strengths: Mapping[int, str],
) -> dict[int, Picked]:
    """These versions as the form shows them, by id; unknown ones are left out."""
    known = await stacking.usable(session, actor, version_ids)
    shots = await picking.shots(session, actor, list(known))
    eyes = await eyes_of(request, actor)
    return {
        version_id: Picked(
            one,
            pictures.of_shot(shots[version_id], eyes, alt="", widths=THUMB) if version_id in shots else None,
            strengths.get(version_id) or f"{one.strength:g}",
        )
        for version_id, one in known.items()
    }


def _fitting(kind: str, base_model: str) -> tuple[str, ...]:
    if kind == "checkpoint":
        return tuple(name for key in families.families() for name in stacking.made_with(key))
    return stacking.compatible_base_models(base_model) if base_model else ()


def _offer(document: Mapping[str, Any], base_models: Sequence[str], eyes: Eyes) -> Offer | None:
    """The newest version of a model that fits."""
    for version in document["modelVersions"]:
        if not base_models or version["baseModel"] in base_models:
            return Offer(
                version["id"],
                document["name"],
                version["name"],
                document["type"],
                version["baseModel"],
                first_picture(document, eyes),
            )
    return None
