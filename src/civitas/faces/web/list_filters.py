"""The filters of a list of models as they stand in the address: read with tolerance, written canonically."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from civitas.domains.catalog import base_models, search
from civitas.domains.catalog.listing import Filters, Period, Sort
from civitas.domains.catalog.types import CheckpointType, CommercialUse, FileFormat, ModelType
from civitas.faces.web.props import type_name, type_pigment
from civitas.kit.text import clean_line

MAX_VALUES: Final = 20
MAX_TAG: Final = 60

TYPES: Final = tuple(ModelType)
SORTS: Final = (
    (Sort.NEWEST, "Newest"),
    (Sort.MOST_DOWNLOADED, "Most downloaded"),
    (Sort.HIGHEST_RATED, "Highest rated"),
    (Sort.MOST_LIKED, "Most liked"),
    (Sort.MOST_COLLECTED, "Most collected"),
    (Sort.MOST_DISCUSSED, "Most discussed"),
    (Sort.MOST_IMAGES, "Most images"),
    (Sort.OLDEST, "Oldest"),
)
PERIODS: Final = (
    (Period.ALL_TIME, "All time"),
    (Period.YEAR, "This year"),
    (Period.MONTH, "This month"),
    (Period.WEEK, "This week"),
    (Period.DAY, "Today"),
)
USES: Final = (
    (CommercialUse.IMAGE, "Sell images"),
    (CommercialUse.RENT_CIVIT, "Paid generation here"),
    (CommercialUse.RENT, "Paid generation elsewhere"),
    (CommercialUse.SELL, "Sell the model"),
)
_Choice = TypeVar("_Choice", bound=str)


@dataclass(frozen=True, slots=True)
class Applied:
    """A filter that is on: what it says, and the address without it."""

    label: str
    remove_href: str
    prefix: str | None = None


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What is asked of a list. Unknown words in an address are passed over, so that old links keep working."""

    path: str
    q: str = ""
    types: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    checkpoint: str = ""
    period: Period = Period.ALL_TIME
    sort: Sort | None = None
    early: bool = False
    favourites: bool = False
    hidden: bool = False

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The parameters that differ from an address without any, in a fixed order."""
        found = [("q", self.q)] if self.q else []
        for name, values in (
            ("types", self.types),
            ("baseModels", self.bases),
            ("tag", self.tags),
            ("withoutTag", self.without),
            ("fileFormats", self.formats),
            ("allowCommercialUse", self.uses),
        ):
            found += [(name, value) for value in values]
        if self.checkpoint:
            found.append(("checkpointType", self.checkpoint))
        if self.period is not Period.ALL_TIME:
            found.append(("period", self.period.value))
        if self.sort is not None:
            found.append(("sort", self.sort.value))
        flags = (("earlyAccess", self.early), ("favorites", self.favourites), ("hidden", self.hidden))
        return found + [(name, "true") for name, on in flags if on]

    def href(self, *further: tuple[str, str]) -> str:
        """The address of this list."""
        query = urlencode([*self.pairs, *further])
        return f"{self.path}?{query}" if query else self.path

    @property
    def count(self) -> int:
        """How many filters are on, order and words not counted."""
        return sum(1 for name, _ in self.pairs if name not in {"q", "sort"})

    def toggled_type(self, kind: str) -> str:
        """The address with one type more or less."""
        kinds = tuple(k for k in self.types if k != kind) if kind in self.types else (*self.types, kind)
        return replace(self, types=kinds).href()

    def sorted_by(self, sort: str) -> str:
        """The address in another order."""
        return replace(self, sort=None if sort == Sort.RELEVANCE else Sort(sort)).href()

    def cleared(self) -> str:
        """The address with the words only."""
        return ListQuery(self.path, q=self.q).href()

    def filters(self, mask: int) -> Filters:
        """What the catalogue is asked. Raises Invalid (`query_too_long`)."""
        return Filters(
            types=self.types,
            base_models=self.bases,
            tags=self.tags,
            without_tags=self.without,
            checkpoint_type=self.checkpoint or None,
            file_formats=self.formats,
            commercial_uses=self.uses,
            early_access=self.early,
            favourites=self.favourites,
            hidden=self.hidden,
            period=self.period,
            mask=mask,
            query=search.parse(self.q) if self.q else None,
        )

    def applied(self) -> tuple[Applied, ...]:
        """The filters that are on, each with its way out."""
        found = [Applied(type_name(t), self.toggled_type(t)) for t in self.types]
        ways: tuple[tuple[tuple[str, ...], str | None, Callable[[tuple[str, ...]], ListQuery]], ...] = (
            (self.bases, None, lambda rest: replace(self, bases=rest)),
            (self.tags, "#", lambda rest: replace(self, tags=rest)),
            (self.without, "without #", lambda rest: replace(self, without=rest)),
            (self.formats, "file", lambda rest: replace(self, formats=rest)),
        )
        for values, prefix, having in ways:
            for value in values:
                rest = tuple(other for other in values if other != value)
                found.append(Applied(value, having(rest).href(), prefix))
        labels = dict(USES)
        for use in self.uses:
            rest = tuple(other for other in self.uses if other != use)
            found.append(Applied(labels[CommercialUse(use)], replace(self, uses=rest).href(), "may"))
        if self.checkpoint:
            found.append(Applied(self.checkpoint, replace(self, checkpoint="").href(), "checkpoint"))
        if self.period is not Period.ALL_TIME:
            label = dict(PERIODS)[self.period]
            found.append(Applied(label, replace(self, period=Period.ALL_TIME).href()))
        for on, label, without in (
            (self.early, "Early access", replace(self, early=False)),
            (self.favourites, "Your favourites", replace(self, favourites=False)),
            (self.hidden, "Hidden by you", replace(self, hidden=False)),
        ):
            if on:
                found.append(Applied(label, without.href()))
        return tuple(found)

    def type_chips(self, kinds: Sequence[str]) -> tuple[tuple[str, str, bool, str], ...]:
        """(label, address, whether it is on, pigment) for a row of types."""
        return tuple((type_name(k), self.toggled_type(k), k in self.types, type_pigment(k)) for k in kinds)


def read(path: str, params: QueryParams) -> ListQuery:
    """Read an address's parameters; lists may be repeated or comma-separated."""
    sort = _one(params, "sort", Sort)
    return ListQuery(
        path,
        q=clean_line(params.get("q") or params.get("query") or "")[: search.MAX_QUERY],
        types=_some(params, ("types", "type"), TYPES),
        bases=_some(params, ("baseModels", "baseModel"), base_models.current().names()),
        tags=_free(params, ("tag", "tags")),
        without=_free(params, ("withoutTag",)),
        formats=_some(params, ("fileFormats", "fileFormat"), tuple(FileFormat)),
        uses=_some(params, ("allowCommercialUse",), tuple(use for use, _ in USES)),
        checkpoint=_one(params, "checkpointType", CheckpointType) or "",
        period=_one(params, "period", Period) or Period.ALL_TIME,
        sort=None if sort is Sort.RELEVANCE else sort,
        early=_flag(params, "earlyAccess"),
        favourites=_flag(params, "favorites"),
        hidden=_flag(params, "hidden"),
    )


def _values(params: QueryParams, names: tuple[str, ...]) -> list[str]:
    given = [value for name in names for value in params.getlist(name)][: MAX_VALUES * 2]
    return [part.strip() for value in given for part in value[:1000].split(",") if part.strip()]


def _some(params: QueryParams, names: tuple[str, ...], known: Sequence[str]) -> tuple[str, ...]:
    by_name = {str(value).casefold(): str(value) for value in known}
    found = [by_name[value.casefold()] for value in _values(params, names) if value.casefold() in by_name]
    return tuple(dict.fromkeys(found))[:MAX_VALUES]


def _free(params: QueryParams, names: tuple[str, ...]) -> tuple[str, ...]:
    found = [clean_line(value.lstrip("#"))[:MAX_TAG] for value in _values(params, names)]
    return tuple(dict.fromkeys(value for value in found if value))[:MAX_VALUES]


def _one(params: QueryParams, name: str, kind: type[_Choice]) -> _Choice | None:
    try:
        return kind(params.get(name, ""))
    except ValueError:
        return None


def _flag(params: QueryParams, name: str) -> bool:
    return params.get(name, "").lower() in {"true", "1", "on", "yes"}
