"""Choosing a version of the catalogue: a list to search, then which version; for the generator and for pictures of posts.

Without script these are two pages, a list of links and a form; with it both stand in a dialog (`js/picker.js`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from civitas.domains.catalog import reading, search
from civitas.domains.catalog.listing import Filters, Sort
from civitas.domains.studio import families, stacking
from civitas.faces.http.state import state_of
from civitas.faces.web.cards import first_picture
from civitas.faces.web.pictures import Eyes
from civitas.faces.web.props import Picture
from civitas.faces.web.templating import render
from civitas.faces.web.viewing import eyes_of
from civitas.faces.web.visits import Visitor
from civitas.kit.errors import NotFound

router = APIRouter(include_in_schema=False)

HERE: Final = "/versions/choose"
MOST: Final = 24
# What belongs to each kind of choice; no types are all of them.
TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "checkpoint": ("Checkpoint",),
    "network": ("LORA", "LoCon", "DoRA", "TextualInversion"),
    "vae": ("VAE",),
    "control": ("Controlnet",),
    "resource": (),
}
TITLES: Final = {
    "checkpoint": "Choose a model",
    "network": "Add styles, characters and concepts",
    "vae": "Choose a VAE",
    "control": "Choose a ControlNet",
    "resource": "Choose a model of this site",
}
Number = Annotated[int | None, Query(ge=1, le=2**53)]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is chosen, and for what: `post` and `image` when it is for a picture of a post, otherwise the generator."""

    kind: str
    base_model: str
    post: int | None
    image: int | None

    @property
    def for_picture(self) -> bool:
        """Whether the choice is named on a picture."""
        return self.post is not None and self.image is not None

    @property
    def query(self) -> str:
        """The same as a query."""
        told = {"kind": self.kind, "base_model": self.base_model, "post": self.post, "image": self.image}
        return urlencode({name: value for name, value in told.items() if value})


@dataclass(frozen=True, slots=True)
class Fitting:
    """A version that can be chosen."""

    id: int
    name: str
    base_model: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A model with its versions that can be chosen, the newest first; there is at least one."""

    model_id: int
    name: str
    type: str
    creator: str | None
    picture: Picture | None
    versions: tuple[Fitting, ...]

    @property
    def first(self) -> Fitting:
        """The newest of them."""
        return self.versions[0]


@dataclass(frozen=True, slots=True)
class PickerPage:
    """The list to search."""

    asked: Asked
    title: str
    q: str
    offers: tuple[Offer, ...]
    next_href: str | None

    def href(self, offer: Offer) -> str:
        """Where a model leads without script: to the choice of its version, or straight to the generator."""
        if not self.asked.for_picture and len(offer.versions) == 1:
            return f"/create?version={offer.first.id}"
        return f"{HERE}/{offer.model_id}?{self.asked.query}"

    def at_once(self, offer: Offer) -> int | None:
        """The version when there is nothing more to ask."""
        return offer.first.id if not self.asked.for_picture and len(offer.versions) == 1 else None


@dataclass(frozen=True, slots=True)
class WhichPage:
    """A model's versions, one of them to be chosen."""

    asked: Asked
    title: str
    offer: Offer

    @property
    def options(self) -> list[tuple[str, str]]:
        """Versions as a field offers them."""
        return [(str(one.id), f"{one.name} · {one.base_model}") for one in self.offer.versions]


@router.get(HERE)
async def choose(
    request: Request,
    visitor: Visitor,
    kind: str = "checkpoint",
    q: Annotated[str, Query(max_length=200)] = "",
    base_model: Annotated[str, Query(max_length=60)] = "",
    post: Number = None,
    image: Number = None,
    cursor: Annotated[str | None, Query(max_length=600)] = None,
) -> Response:
    """Models to choose from, most used first; only what fits `base_model` for what is laid over a checkpoint."""
    asked = Asked(_known(kind), base_model, post, image)
    query = search.parse(q) if q.strip() else None
    filters = Filters(types=TYPES[kind], base_models=_fitting(asked), mask=visitor.mask, query=query)
    sort = Sort.RELEVANCE if query is not None and query.has_text else Sort.MOST_DOWNLOADED
    found = await reading.models(
        state_of(request).reads, visitor, filters, sort=sort, limit=MOST, cursor=cursor
    )
    eyes = eyes_of(visitor)
    offers = tuple(
        offer
        for document in found.objects("")
        if (offer := _offer(document, filters.base_models, eyes)) is not None
    )
    next_href = None
    if found.next_cursor:
        next_href = f"{HERE}?{asked.query}&{urlencode({'q': q, 'cursor': found.next_cursor})}"
    page = PickerPage(asked, TITLES[kind], q, offers, next_href)
    return render(request, "picker/choose.html", page, block=("picker", "picker_list"))


@router.get(HERE + "/{model_id:int}")
async def which(
    request: Request,
    visitor: Visitor,
    model_id: int,
    kind: str = "checkpoint",
    base_model: Annotated[str, Query(max_length=60)] = "",
    post: Number = None,
    image: Number = None,
) -> Response:
    """Which version of a model, and how strongly when it is for a picture."""
    asked = Asked(_known(kind), base_model, post, image)
    filters = Filters(types=TYPES[kind], base_models=_fitting(asked), ids=(model_id,), mask=visitor.mask)
    found = await reading.models(state_of(request).reads, visitor, filters, limit=1)
    eyes = eyes_of(visitor)
    offers = [_offer(document, filters.base_models, eyes) for document in found.objects("")]
    if not offers or offers[0] is None:
        raise NotFound("This model is not here, or has no version that fits.", code="model_not_found")
    page = WhichPage(asked, TITLES[kind], offers[0])
    return render(request, "picker/which.html", page, block="picker")


def _known(kind: str) -> str:
    if kind not in TYPES:
        raise NotFound("There is nothing of this kind to choose.", code="no_such_kind")
    return kind


def _fitting(asked: Asked) -> tuple[str, ...]:
    if asked.kind == "checkpoint":
        return tuple(name for key in families.families() for name in stacking.made_with(key))
    return stacking.compatible_base_models(asked.base_model) if asked.base_model else ()


def _offer(document: Mapping[str, Any], base_models: tuple[str, ...], eyes: Eyes) -> Offer | None:
    """A model with its versions that fit; None when none does."""
    versions = tuple(
        Fitting(version["id"], version["name"], version["baseModel"])
        for version in document["modelVersions"]
        if not base_models or version["baseModel"] in base_models
    )
    if not versions:
        return None
    return Offer(
        document["id"],
        document["name"],
        document["type"],
        (document["creator"] or {}).get("username"),
        first_picture(document, eyes),
        versions,
    )
