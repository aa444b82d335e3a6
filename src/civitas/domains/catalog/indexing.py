"""By what a model is listed and found: its facets, its words and its place in time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from civitas.domains.accounts.types import PG, R
from civitas.domains.catalog import words
from civitas.domains.catalog.base_models import Registry
from civitas.domains.catalog.documents import Row, Sources, can_generate
from civitas.domains.catalog.search import MAX_NAME
from civitas.domains.catalog.types import Availability, Mode, Status, UploadType
from civitas.kit.text import fold

MAX_TERMS = 120

CREDIT, DERIVE, RELICENSE = "+credit", "+derive", "+relicense"
GENERATES, MADE_HERE, POI, MINOR = "+generates", "+here", "+poi", "+minor"


def type_facet(type_: str) -> str:
    """The facet of a model type."""
    return f"t:{type_.lower()}"


def base_facet(base_model: str) -> str:
    """The facet of a base model of any version."""
    return f"b:{fold(base_model)}"


def pair_facet(type_: str, base_model: str) -> str:
    """Type and base model together, the commonest of all filters: one list instead of two to intersect."""
    return f"tb:{type_.lower()}|{fold(base_model)}"


def tag_facet(tag: str) -> str:
    """The facet of a tag or category."""
    return f"#{fold(tag).strip()}"


def format_facet(format_: str) -> str:
    """The facet of a file format of any version."""
    return f"f:{format_.lower()}"


def checkpoint_facet(checkpoint_type: str) -> str:
    """The facet of how a checkpoint was made."""
    return f"c:{checkpoint_type.lower()}"


def use_facet(use: str) -> str:
    """The facet of a commercial use that is allowed."""
    return f"u:{use.lower()}"


@dataclass(frozen=True, slots=True)
class Listing:
    """The columns of a listed model."""

    model_id: int
    person_id: int
    name: str
    level: int
    facets: tuple[str, ...]
    terms: str
    words: frozenset[str]
    tags: frozenset[str]
    early_access_until: datetime | None
    last_version_at: datetime


def folded_name(name: str) -> str:
    """A name as exact matches compare it: its folded words without what is between them."""
    return "".join(words.split(name))[:MAX_NAME]


def listing_of(sources: Sources, registry: Registry) -> Listing | None:
    """How the model is listed; None for one that only a direct link shows, or that nobody may see."""
    model = sources.model
    versions = [v for v in sources.versions if v["status"] == Status.PUBLISHED]
    searchable = model["availability"] in (Availability.PUBLIC, Availability.EARLY_ACCESS)
    if model["status"] != Status.PUBLISHED or not searchable or not versions:
        return None
    if model["mode"] == Mode.TAKEN_DOWN:
        return None
    tags = frozenset(fold(t).strip() for t in (model["tags"] or ())) | (
        {fold(model["category"]).strip()} if model["category"] else frozenset()
    )
    vector, found = _terms(model, versions, sorted(tags))
    ends = [v["early_access_ends_at"] for v in versions if v["early_access_ends_at"]]
    return Listing(
        model_id=model["id"],
        person_id=model["person_id"],
        name=folded_name(model["name"]),
        # Without rated pictures there is nothing to hide, unless the creator says so.
        level=model["nsfw_level"] or (R if model["nsfw"] else PG),
        facets=tuple(sorted(_facets(sources, versions, tags, registry))),
        terms=vector,
        words=found,
        tags=tags,
        early_access_until=max(ends, default=None),
        last_version_at=model["last_version_at"] or model["published_at"] or model["created_at"],
    )


def _facets(sources: Sources, versions: Sequence[Row], tags: Iterable[str], registry: Registry) -> set[str]:
    model = sources.model
    facets = {type_facet(model["type"])} | {f"#{tag}" for tag in tags}
    for version in versions:
        facets |= {base_facet(version["base_model"]), pair_facet(model["type"], version["base_model"])}
        facets |= {
            format_facet(f["format"])
            for f in sources.files.get(version["id"], ())
            if f["removed_at"] is None and f["visibility"] != "Private"
        }
    if model["checkpoint_type"]:
        facets.add(checkpoint_facet(model["checkpoint_type"]))
    facets |= {use_facet(use) for use in model["allow_commercial_use"]}
    flags = {
        CREDIT: model["allow_no_credit"],
        DERIVE: model["allow_derivatives"],
        RELICENSE: model["allow_different_license"],
        GENERATES: any(can_generate(v, registry) for v in versions),
        MADE_HERE: model["upload_type"] == UploadType.TRAINED,
        POI: model["poi"],
        MINOR: model["minor"],
    }
    return facets | {flag for flag, holds in flags.items() if holds}


def _terms(model: Row, versions: Sequence[Row], tags: Sequence[str]) -> tuple[str, frozenset[str]]:
    name = words.split(model["name"])
    spellings = words.spellings(model["name"])
    fields = [name, words.split(model["username"] or ""), words.split(model["type"])]
    fields += [words.split(tag) for tag in tags]
    fields += [words.split(base) for base in {v["base_model"]: None for v in versions}]
    fields += [words.split(word) for v in versions for word in v["trained_words"]]
    kept, count = [], 0
    for field in fields:
        kept.append(field[: max(0, MAX_TERMS - count)])
        count += len(field)
    found = frozenset(word for field in kept for word in field) | spellings
    return words.vector(kept, {*name, *spellings}, spellings), found
