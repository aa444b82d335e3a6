"""What a graph may deliver: nobody knows before what it saves, so there is room for some of each kind."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from civitas.contracts.wire.jobs import MediaKind

_OTHERS: Final = (MediaKind.VIDEO,) * 2 + (MediaKind.AUDIO,) * 2

# The kind of each slot of a job, by step type.
GRAPH_SLOTS: Final = MappingProxyType(
    {"comfy": (MediaKind.IMAGE,) * 8 + _OTHERS, "customComfy": (MediaKind.IMAGE,) * 16 + _OTHERS}
)
