"""The filters of feeds as they stand in the address: read with tolerance, written canonically."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from civitas.domains.catalog import base_models
from civitas.domains.gallery.feeds.types import FeedFilter, ImagePeriod, ImageSort
from civitas.faces.web.list_filters import Applied
from civitas.kit.ids import row_id
from civitas.kit.text import clean_line, fold

MAX_VALUES: Final = 20
MAX_TAG: Final = 60
KINDS: Final = (("image", "Pictures"), ("video", "Videos"), ("audio", "Sounds"))
SORTS: Final[tuple[tuple[ImageSort, str], ...]] = (
    (ImageSort.NEWEST, "Newest"),
    (ImageSort.MOST_REACTIONS, "Most reactions"),
    (ImageSort.MOST_COMMENTS, "Most comments"),
    (ImageSort.MOST_COLLECTED, "Most collected"),
    (ImageSort.OLDEST, "Oldest"),
    (ImageSort.RANDOM, "Random"),
)
PERIODS: Final = (
    (ImagePeriod.ALL_TIME, "All time"),
    (ImagePeriod.YEAR, "This year"),
    (ImagePeriod.MONTH, "This month"),
    (ImagePeriod.WEEK, "This week"),
    (ImagePeriod.DAY, "Today"),
)
_FLAGS: Final = (
    ("meta", "withMeta", "Tells its recipe"),
    ("here", "fromPlatform", "Made here"),
    ("originals", "originals", "Originals"),
    ("remixes", "remixes", "Remixes"),
    ("followed", "followed", "People you follow"),
    ("unseen", "unseen", "Not seen yet"),
)


@dataclass(frozen=True, slots=True)
class FeedQuery:
    """What is asked of a feed. Unknown words in an address are passed over, so that old links keep working."""

    path: str
    kinds: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    username: str = ""
    version_id: int | None = None
    model_id: int | None = None
    period: ImagePeriod = ImagePeriod.ALL_TIME
    sort: ImageSort = ImageSort.NEWEST
    seed: int = 0
    meta: bool = False
    here: bool = False
    originals: bool = False
    remixes: bool = False
    followed: bool = False
    unseen: bool = False

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The parameters that differ from an address without any, in a fixed order."""
        found: list[tuple[str, str]] = []
        for name, values in (
            ("types", self.kinds),
            ("baseModels", self.bases),
            ("tag", self.tags),
            ("withoutTag", self.without),
            ("tool", self.tools),
        ):
            found += [(name, value) for value in values]
        if self.username:
            found.append(("user", self.username))
        for name, number in (("modelVersionId", self.version_id), ("modelId", self.model_id)):
            if number is not None:
                found.append((name, str(number)))
        if self.period is not ImagePeriod.ALL_TIME:
            found.append(("period", self.period.value))
        if self.sort is not ImageSort.NEWEST:
            found.append(("sort", self.sort.value))
        if self.sort is ImageSort.RANDOM:
            found.append(("seed", str(self.seed)))
        return found + [(name, "1") for field, name, _ in _FLAGS if getattr(self, field)]

    @property
    def query(self) -> str:
        """The parameters as they stand behind the question mark."""
        return urlencode(self.pairs)

    def href(self, *further: tuple[str, str]) -> str:
        """The address of this feed."""
        query = urlencode([*self.pairs, *further])
        return f"{self.path}?{query}" if query else self.path

    def image_href(self, image_id: int) -> str:
        """The address of a picture, with the feed that it was opened from."""
        pairs = [*self.pairs, *([("in", self.path[1:])] if self.path != "/images" else [])]
        return f"/images/{image_id}" + (f"?{urlencode(pairs)}" if pairs else "")

    @property
    def count(self) -> int:
        """How many filters are on, the order not counted."""
        return sum(1 for name, _ in self.pairs if name not in {"sort", "seed"})

    def sorted_by(self, sort: str) -> str:
        """The address in another order."""
        return replace(self, sort=ImageSort(sort)).href()

    def cleared(self) -> str:
        """The address without filters."""
        return FeedQuery(self.path).href()

    def filters(self, mask: int) -> FeedFilter:
        """What the gallery is asked."""
        kinds = ("video",) if self.path == "/videos" else self.kinds
        return FeedFilter(
            mask=mask,
            kinds=kinds,
            base_models=self.bases,
            tags=self.tags,
            without_tags=self.without,
            tools=self.tools,
            usernames=(self.username,) if self.username else (),
            version_ids=(self.version_id,) if self.version_id is not None else (),
            model_ids=(self.model_id,) if self.model_id is not None else (),
            with_meta=self.meta,
            made_here=self.here,
            remixes=None if self.originals == self.remixes else self.remixes,
            followed=self.followed,
            unseen=self.unseen,
            period=self.period,
            sort=self.sort,
            seed=self.seed,
        )

    def applied(self) -> tuple[Applied, ...]:
        """The filters that are on, each with its way out."""
        found: list[Applied] = []
        for field, prefix in (
            ("kinds", None), ("bases", None), ("tags", "#"), ("without", "without #"), ("tools", "with"),
        ):  # fmt: skip
            values: tuple[str, ...] = getattr(self, field)
            for value in values:
                rest: Any = {field: tuple(other for other in values if other != value)}
                label = dict(KINDS).get(value, value) if field == "kinds" else value
                found.append(Applied(label, replace(self, **rest).href(), prefix))
        if self.username:
            found.append(Applied(self.username, replace(self, username="").href(), "by"))
        if self.version_id is not None:
            found.append(Applied("One version", replace(self, version_id=None).href()))
        if self.model_id is not None:
            found.append(Applied("One model", replace(self, model_id=None).href()))
        if self.period is not ImagePeriod.ALL_TIME:
            label = dict(PERIODS)[self.period]
            found.append(Applied(label, replace(self, period=ImagePeriod.ALL_TIME).href()))
        for field, _, label in _FLAGS:
            if getattr(self, field):
                off: Any = {field: False}
                found.append(Applied(label, replace(self, **off).href()))
        return tuple(found)

    def chips(self, signed_in: bool) -> tuple[tuple[str, str, bool], ...]:
        """(label, address, whether it is on) of what is chosen most."""
        made = []
        for field, _, label in _FLAGS:
            if signed_in or field not in {"followed", "unseen"}:
                on = bool(getattr(self, field))
                turned: Any = {field: not on}
                made.append((label, replace(self, **turned).href(), on))
        return tuple(made)


def read(path: str, params: QueryParams) -> FeedQuery:
    """Read an address's parameters; lists may be repeated or comma-separated."""
    flags: dict[str, Any] = {
        field: params.get(name, "").lower() in {"true", "1", "on", "yes"} for field, name, _ in _FLAGS
    }
    return FeedQuery(
        path,
        kinds=_some(params, ("types", "type"), [kind for kind, _ in KINDS]),
        bases=_some(params, ("baseModels", "baseModel"), base_models.current().names()),
        tags=_free(params, ("tag", "tags")),
        without=_free(params, ("withoutTag",)),
        tools=tuple(dict.fromkeys(value[:MAX_TAG] for value in _values(params, ("tool",)))),
        username=clean_line(params.get("user", ""))[:40],
        version_id=row_id(params.get("modelVersionId", "")),
        model_id=row_id(params.get("modelId", "")),
        period=_one(params.get("period", ""), ImagePeriod) or ImagePeriod.ALL_TIME,
        sort=_one(params.get("sort", ""), ImageSort) or ImageSort.NEWEST,
        seed=(row_id(params.get("seed", "").lstrip("-")) or 0) % 2**31,
        **flags,
    )


def _values(params: QueryParams, names: tuple[str, ...]) -> list[str]:
    given = [value for name in names for value in params.getlist(name)][: MAX_VALUES * 2]
    found = [part.strip() for value in given for part in value[:1000].split(",") if part.strip()]
    return found[:MAX_VALUES]


def _some(params: QueryParams, names: tuple[str, ...], known: Sequence[str]) -> tuple[str, ...]:
    by_name = {value.casefold(): value for value in known}
    found = [by_name[value.casefold()] for value in _values(params, names) if value.casefold() in by_name]
    return tuple(dict.fromkeys(found))


def _free(params: QueryParams, names: tuple[str, ...]) -> tuple[str, ...]:
    found = [fold(clean_line(value.lstrip("#")))[:MAX_TAG] for value in _values(params, names)]
    return tuple(dict.fromkeys(value for value in found if value))


def _one(value: str, kind: Any) -> Any:
    try:
        return kind(value)
    except ValueError:
        return None
