"""A search as it is kept: the parameters of a list's address, and what the lists are asked for them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeVar
from urllib.parse import urlencode

from civitas.domains.catalog import base_models, listing, search
from civitas.domains.catalog.listing import Filters
from civitas.domains.catalog.types import CheckpointType, CommercialUse, FileFormat, ModelType
from civitas.domains.gallery.feeds.types import FeedFilter, ImagePeriod, ImageSort
from civitas.kit.errors import Invalid
from civitas.kit.ids import row_id
from civitas.kit.text import clean_line, fold

MOST_PAIRS: Final = 60
MOST_VALUES: Final = 20
LONGEST: Final = 300
Pairs = Sequence[tuple[str, str]]
_E = TypeVar("_E", bound=StrEnum)


class Place(StrEnum):
    """The lists that can be searched."""

    MODELS = "models"
    IMAGES = "images"
    VIDEOS = "videos"
    POSTS = "posts"


_MODEL_NAMES: Final = frozenset(
    {
        "q", "types", "baseModels", "tag", "withoutTag", "fileFormats", "allowCommercialUse", "checkpointType", "period",
        "sort", "earlyAccess", "favorites", "hidden",
    }
)  # fmt: skip
_FEED_NAMES: Final = frozenset(
    {
        "types", "baseModels", "tag", "withoutTag", "tool", "user", "modelVersionId", "modelId", "period", "sort", "seed",
        "withMeta", "fromPlatform", "originals", "remixes", "followed", "unseen",
    }
)  # fmt: skip
_MEDIA: Final = ("image", "video", "audio")
# What orders or bounds a page in time is kept for who opens the search, and does not matter for what is new.
_OF_PAGES: Final = frozenset({"sort", "period", "seed"})


@dataclass(frozen=True, slots=True)
class _Asked:
    """The values by name."""

    values: Mapping[str, tuple[str, ...]]

    def all(self, name: str) -> tuple[str, ...]:
        return self.values.get(name, ())

    def tags(self, name: str) -> tuple[str, ...]:
        """Names of tags as the gallery knows them."""
        return tuple(dict.fromkeys(fold(value) for value in self.all(name)))

    def one(self, name: str) -> str:
        return next(iter(self.all(name)), "")

    def on(self, name: str) -> bool:
        return self.one(name).lower() in {"true", "1", "on", "yes"}

    def known(self, name: str, choices: Iterable[str]) -> tuple[str, ...]:
        """The values as they are known. Raises Invalid for others."""
        by_name = {str(one).casefold(): str(one) for one in choices}
        found = []
        for value in self.all(name):
            if value.casefold() not in by_name:
                raise _wrong(name, f"{value[:60]!r} is not known.")
            found.append(by_name[value.casefold()])
        return tuple(found)

    def choice(self, name: str, kind: type[_E]) -> _E | None:
        try:
            return kind(self.one(name)) if self.one(name) else None
        except ValueError:
            raise _wrong(name, f"{self.one(name)[:60]!r} is not known.") from None

    def number(self, name: str) -> int | None:
        text = self.one(name)
        if not text:
            return None
        found = row_id(text)
        if found is None:
            raise _wrong(name, "This is no number.")
        return found


def read(place: Place, given: Iterable[tuple[str, str]]) -> Pairs:
    """Parameters as they are kept: known ones, each value once. Raises Invalid (`bad_filters`) that names the wrong one."""
    names = _MODEL_NAMES if place is Place.MODELS else _FEED_NAMES
    found: dict[tuple[str, str], None] = {}
    for name, raw in given:
        if name not in names:
            raise _wrong(name[:40], "There is no such filter of this list.")
        if len(raw) > LONGEST:
            raise _wrong(name, f"A filter has {LONGEST} characters at most.")
        if value := clean_line(raw):
            found[name, value] = None
    for name in names:
        if sum(1 for other, _ in found if other == name) > MOST_VALUES:
            raise _wrong(name, f"A filter has {MOST_VALUES} values at most.")
    if len(found) > MOST_PAIRS:
        raise _wrong("filters", f"A search has {MOST_PAIRS} filters at most.")
    pairs = tuple(found)
    # What the list could not be asked is refused now, not when somebody waits for it.
    if place is Place.MODELS:
        models(pairs, mask=0)
    else:
        feed(place, pairs, mask=0)
    return pairs


def href(place: str, pairs: Iterable[Sequence[str]]) -> str:
    """The address of the list with these filters."""
    query = urlencode([(name, value) for name, value in pairs])
    return f"/{place}?{query}" if query else f"/{place}"


def matters(pairs: Iterable[Sequence[str]]) -> bool:
    """Whether anything is filtered at all."""
    return any(name not in _OF_PAGES for name, _ in pairs)


def models(pairs: Iterable[Sequence[str]], *, mask: int, since: datetime | None = None) -> Filters:
    """What the catalogue is asked. Raises Invalid (`bad_filters`)."""
    asked = _asked(pairs)
    asked.choice("sort", listing.Sort)
    asked.choice("period", listing.Period)
    words = asked.one("q")[: search.MAX_QUERY]
    return Filters(
        types=asked.known("types", ModelType),
        base_models=asked.known("baseModels", base_models.current().names()),
        tags=asked.all("tag"),
        without_tags=asked.all("withoutTag"),
        checkpoint_type=asked.choice("checkpointType", CheckpointType),
        file_formats=asked.known("fileFormats", FileFormat),
        commercial_uses=asked.known("allowCommercialUse", CommercialUse),
        early_access=asked.on("earlyAccess"),
        favourites=asked.on("favorites"),
        hidden=asked.on("hidden"),
        mask=mask,
        query=search.parse(words) if words else None,
        since=since,
    )


def feed(
    place: Place, pairs: Iterable[Sequence[str]], *, mask: int, since: datetime | None = None
) -> FeedFilter:
    """What the gallery is asked, the newest first. Raises Invalid (`bad_filters`)."""
    asked = _asked(pairs)
    asked.choice("sort", ImageSort)
    asked.choice("period", ImagePeriod)
    version, model = asked.number("modelVersionId"), asked.number("modelId")
    originals, remixes = asked.on("originals"), asked.on("remixes")
    return FeedFilter(
        mask=mask,
        kinds=("video",) if place is Place.VIDEOS else asked.known("types", _MEDIA),
        base_models=asked.known("baseModels", base_models.current().names()),
        tags=asked.tags("tag"),
        without_tags=asked.tags("withoutTag"),
        tools=asked.all("tool"),
        usernames=asked.all("user"),
        version_ids=(version,) if version is not None else (),
        model_ids=(model,) if model is not None else (),
        with_meta=asked.on("withMeta"),
        made_here=asked.on("fromPlatform"),
        remixes=None if originals == remixes else remixes,
        followed=asked.on("followed"),
        unseen=asked.on("unseen"),
        since=since,
    )


def _asked(pairs: Iterable[Sequence[str]]) -> _Asked:
    values: dict[str, tuple[str, ...]] = {}
    for name, value in pairs:
        values[name] = (*values.get(name, ()), value)
    return _Asked(values)


def _wrong(name: str, told: str) -> Invalid:
    return Invalid("These filters cannot be saved.", code="bad_filters", fields={name: told})
