"""What the query of a list means: found out once for strangers, who ask the same things again and again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeVar
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import QueryParams

from civitas.domains.accounts.types import ANONYMOUS, SAFE_MASK, Actor
from civitas.domains.catalog import search
from civitas.domains.catalog.listing import Filters, Period, Sort
from civitas.domains.catalog.types import CheckpointType, CommercialUse, FileFormat, ModelType
from civitas.faces.rest.parameters import Parameters
from civitas.kit import paging
from civitas.kit.errors import Invalid, Limited

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 200
MAX_OFFSET: Final = 1000
# Longer ones are not remembered: a memory of them could be filled up.
_SHORT: Final = 500

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Asked:
    """A list that somebody asks for. `link` is the query of the next page without its cursor."""

    filters: Filters
    sort: Sort | None
    limit: int
    page: int
    offset: int
    cursor: str | None
    only_primary: bool
    link: str


def understood(query: bytes, actor: Actor) -> Asked:
    """What this query asks for. Raises Invalid in the shape that clients know, Limited for pages too deep."""
    return _of_stranger(query) if actor is ANONYMOUS and len(query) <= _SHORT else _read(query, actor)


def _read(query: bytes, actor: Actor) -> Asked:
    text = query.decode("latin-1")
    parameters = Parameters(QueryParams(text))
    limit = parameters.number("limit", DEFAULT_LIMIT, 0, MAX_LIMIT) or 0
    page, offset = _place(parameters, limit)
    kept = [
        pair for pair in parse_qsl(text, keep_blank_values=True) if pair[0] not in ("cursor", "page", "token")
    ]
    return Asked(
        filters=filters_of(parameters, actor),
        sort=parameters.choice("sort", Sort, hidden=(Sort.RELEVANCE,)),
        limit=limit,
        page=page,
        offset=offset,
        cursor=parameters.text("cursor", paging.MAX_CURSOR),
        only_primary=bool(parameters.flag("primaryFileOnly")),
        link=f"{urlencode(kept)}&" if kept else "",
    )


@lru_cache(maxsize=2000)
def _of_stranger(query: bytes) -> Asked:
    return _read(query, ANONYMOUS)


def mask_of(parameters: Parameters, actor: Actor) -> int:
    """The levels to show: what was asked for, safe ones otherwise, never more than the viewer may see."""
    asked = parameters.mask()
    return actor.mask & (SAFE_MASK if asked is None else asked)


def filters_of(parameters: Parameters, actor: Actor) -> Filters:
    """Every filter of the list of models (FEATURES R1)."""
    tags = parameters.texts("tag", "tags")
    query = parameters.text("query", search.MAX_QUERY)
    return Filters(
        types=parameters.choices(ModelType, "types", "type"),
        base_models=parameters.texts("baseModels", "baseModel"),
        tags=tuple(tag for tag in tags if not tag.startswith("-")),
        without_tags=tuple(tag[1:] for tag in tags if tag.startswith("-") and tag != "-")
        + parameters.texts("excludedTags"),
        usernames=parameters.texts("username", "usernames"),
        ids=parameters.numbers("ids"),
        checkpoint_type=parameters.choice("checkpointType", CheckpointType),
        file_formats=parameters.choices(FileFormat, "fileFormats", "fileFormat"),
        commercial_uses=parameters.choices(CommercialUse, "allowCommercialUse"),
        allow_no_credit=parameters.flag("allowNoCredit"),
        allow_derivatives=parameters.flag("allowDerivatives"),
        allow_different_licence=_either(
            parameters.flag("allowDifferentLicenses"), parameters.flag("allowDifferentLicense")
        ),
        from_platform=bool(parameters.flag("fromPlatform")),
        supports_generation=bool(parameters.flag("supportsGeneration")),
        early_access=bool(parameters.flag("earlyAccess")),
        favourites=bool(parameters.flag("favorites")),
        hidden=bool(parameters.flag("hidden")),
        min_stars=parameters.decimal("rating"),
        period=parameters.choice("period", Period) or Period.ALL_TIME,
        mask=mask_of(parameters, actor),
        query=search.parse(query) if query else None,
    )


def _either(first: E | None, second: E | None) -> E | None:
    return second if first is None else first


def _place(parameters: Parameters, limit: int) -> tuple[int, int]:
    """(page, offset) of the old way of paging, which ends early: cursors go on for ever."""
    page = parameters.number("page", None, 1, 10**9)
    if page is None:
        return 1, 0
    if parameters.text("query") is not None:
        raise Invalid(
            "`page` cannot be used together with `query`; use `cursor` and metadata.nextCursor.",
            code="page_with_query",
        )
    if page * limit > MAX_OFFSET:
        raise Limited(
            f"Pages end at entry {MAX_OFFSET}; use cursors (metadata.nextCursor) to go deeper.",
            retry_after=60,
            code="page_too_deep",
        )
    return page, (page - 1) * limit
