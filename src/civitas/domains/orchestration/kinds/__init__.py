"""The step types: each is declared in one of these modules, and found here by its name."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from civitas.domains.orchestration.kinds import graphs, images, inhouse, language, moving
from civitas.domains.orchestration.kinds.kind import Kind

ALL: Final = MappingProxyType(
    {
        kind.type: kind
        for kind in (*inhouse.KINDS, *images.KINDS, *moving.KINDS, *language.KINDS, *graphs.KINDS)
    }
)


def of(type: str) -> Kind | None:
    """The kind of a step type; None for one that is not known."""
    return ALL.get(type)


def known(type: str) -> Kind:
    """The kind of a type that was checked before. Raises KeyError."""
    return ALL[type]
