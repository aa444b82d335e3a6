"""The registry of base models: what a version was made for, and what follows from that.

Read once at start from `base_models.toml` and the operator's additions; frozen afterwards. Names match whatever
their case, because metadata in the wild is careless about it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from civitas.domains.catalog.licences import BaseLicence, describe, read_data
from civitas.domains.catalog.licences import load as load_licences
from civitas.kit.errors import Invalid

Support = Literal["generation", "training"]
Media = Literal["image", "video", "audio", "3d"]

_FROZEN = ConfigDict(frozen=True, extra="forbid")
_KEY = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$"


class Family(BaseModel):
    """Who makes a group of base models."""

    model_config = _FROZEN
    key: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    name: str = Field(min_length=1, max_length=80)


class Ecosystem(BaseModel):
    """Base models whose additions fit one another. `air` is its name in AIR identifiers."""

    model_config = _FROZEN
    key: str = Field(pattern=_KEY)
    name: str = Field(min_length=1, max_length=80)
    family: str | None = None
    parent: str | None = None
    air: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    support: frozenset[Support] = frozenset()


class _Entry(BaseModel):
    model_config = _FROZEN
    name: str = Field(min_length=1, max_length=60)
    ecosystem: str
    group: str | None = Field(default=None, max_length=60)
    licence: str | None = None
    media: tuple[Media, ...] = Field(default=("image",), min_length=1)
    support: frozenset[Support] | None = None
    hidden: bool = False
    forbidden_levels: int = Field(default=0, ge=0, le=31)


@dataclass(frozen=True, slots=True)
class BaseModelInfo:
    """One base model with everything that its names stand for looked up.

    `group` is the heading in pickers; `forbidden_levels` is a mask that includes what the licence forbids.
    """

    name: str
    ecosystem: Ecosystem
    family: Family | None
    group: str
    licence: BaseLicence | None
    media: tuple[Media, ...]
    support: frozenset[Support]
    hidden: bool
    forbidden_levels: int

    @property
    def air_ecosystem(self) -> str:
        """The first part of AIR identifiers of models made for it."""
        return self.ecosystem.air


class Registry:
    """All base models, ecosystems, families and licences; immutable."""

    def __init__(
        self,
        base_models: Sequence[BaseModelInfo],
        ecosystems: Mapping[str, Ecosystem],
        families: Mapping[str, Family],
        licences: Mapping[str, BaseLicence],
    ) -> None:
        self.base_models = tuple(base_models)
        self.ecosystems = MappingProxyType(dict(ecosystems))
        self.families = MappingProxyType(dict(families))
        self.licences = licences
        self._by_name = {info.name.casefold(): info for info in self.base_models}

    def find(self, name: str) -> BaseModelInfo | None:
        """The base model of this name, whatever its case."""
        return self._by_name.get(name.strip().casefold())

    def get(self, name: str) -> BaseModelInfo:
        """As `find`; raises Invalid (`unknown_base_model`) when there is none."""
        found = self.find(name)
        if found is None:
            raise Invalid(
                f"{name[:60]!r} is not a base model that this site knows; choose one of the list or Other.",
                code="unknown_base_model",
                fields={"baseModel": "unknown"},
            )
        return found

    def names(self, *, hidden: bool = True) -> tuple[str, ...]:
        """The names in the order of the data; without `hidden`, those offered for new uploads."""
        return tuple(info.name for info in self.base_models if hidden or not info.hidden)

    def in_ecosystem(self, key: str, *, children: bool = False) -> tuple[BaseModelInfo, ...]:
        """The base models of an ecosystem, with `children` also those of ecosystems that descend from it."""
        return tuple(
            info
            for info in self.base_models
            if info.ecosystem.key == key or (children and key in self.line(info.ecosystem.key))
        )

    def line(self, key: str) -> tuple[str, ...]:
        """An ecosystem's key and those of its ancestors, itself first; empty when unknown."""
        keys: list[str] = []
        at = self.ecosystems.get(key)
        while at is not None:
            keys.append(at.key)
            at = self.ecosystems.get(at.parent) if at.parent else None
        return tuple(keys)

    def groups(self, *, hidden: bool = False) -> tuple[tuple[str, tuple[BaseModelInfo, ...]], ...]:
        """Headings with their base models, in the order of the data: what a picker shows."""
        made: dict[str, list[BaseModelInfo]] = {}
        for info in self.base_models:
            if hidden or not info.hidden:
                made.setdefault(info.group, []).append(info)
        return tuple((group, tuple(infos)) for group, infos in made.items())


_Item = TypeVar("_Item", bound=BaseModel)


def load(extra: Path | None = None, *, extra_licences: Path | None = None) -> Registry:
    """Read and check the registry; entries of `extra` replace ours with the same key or name.

    Licences may stand in the same file, or in one of their own.
    Raises Invalid (`bad_data_file`) with what is wrong: an unknown field, or a reference to nothing.
    """
    families: dict[str, Family] = {}
    ecosystems: dict[str, Ecosystem] = {}
    entries: dict[str, _Entry] = {}
    for tree in read_data("base_models.toml", extra):
        families |= {item.key: item for item in _items(tree, "family", Family)}
        ecosystems |= {item.key: item for item in _items(tree, "ecosystem", Ecosystem)}
        entries |= {item.name.casefold(): item for item in _items(tree, "base_model", _Entry)}
    licences = load_licences(extra_licences or extra)
    for ecosystem in ecosystems.values():
        _check_ecosystem(ecosystem, ecosystems, families)
    infos = [_info(entry, ecosystems, families, licences) for entry in entries.values()]
    return Registry(infos, ecosystems, families, licences)


@cache
def packaged() -> Registry:
    """The registry that comes with the product, without an operator's additions."""
    return load()


_chosen: list[Registry] = []


def use(registry: Registry) -> None:
    """Make this the registry of the process; called once at start, when an operator has additions."""
    _chosen[:] = [registry]


def current() -> Registry:
    """The registry of the process: the one given to `use`, else `packaged`."""
    return _chosen[0] if _chosen else packaged()


def _bad(reason: str) -> Invalid:
    return Invalid(f"The base model data is wrong: {reason}.", code="bad_data_file")


def _items(tree: Mapping[str, Any], table: str, kind: type[_Item]) -> list[_Item]:
    entries = tree.get(table, [])
    try:
        return [kind.model_validate(entry) for entry in (entries if isinstance(entries, list) else [entries])]
    except ValidationError as error:
        raise _bad(f"{table}, {describe(error)}") from error


def _check_ecosystem(
    ecosystem: Ecosystem, ecosystems: Mapping[str, Ecosystem], families: Mapping[str, Family]
) -> None:
    if ecosystem.family is not None and ecosystem.family not in families:
        raise _bad(f"ecosystem {ecosystem.key} names family {ecosystem.family}, which does not exist")
    seen = {ecosystem.key}
    at = ecosystem
    while at.parent is not None:
        if at.parent not in ecosystems:
            raise _bad(f"ecosystem {at.key} names parent {at.parent}, which does not exist")
        if at.parent in seen:
            raise _bad(f"ecosystem {ecosystem.key} descends from itself")
        seen.add(at.parent)
        at = ecosystems[at.parent]


def _info(
    entry: _Entry,
    ecosystems: Mapping[str, Ecosystem],
    families: Mapping[str, Family],
    licences: Mapping[str, BaseLicence],
) -> BaseModelInfo:
    ecosystem = ecosystems.get(entry.ecosystem)
    if ecosystem is None:
        raise _bad(f"base model {entry.name} names ecosystem {entry.ecosystem}, which does not exist")
    if entry.licence is not None and entry.licence not in licences:
        raise _bad(f"base model {entry.name} names licence {entry.licence}, which does not exist")
    licence = licences[entry.licence] if entry.licence else None
    family = families[ecosystem.family] if ecosystem.family else None
    return BaseModelInfo(
        name=entry.name,
        ecosystem=ecosystem,
        family=family,
        group=entry.group or (family.name if family else ecosystem.name),
        licence=licence,
        media=entry.media,
        support=ecosystem.support if entry.support is None else entry.support,
        hidden=entry.hidden,
        forbidden_levels=entry.forbidden_levels | (licence.forbidden_levels if licence else 0),
    )
