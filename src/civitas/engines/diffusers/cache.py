"""Loaded models, kept while they fit into a budget of bytes; the one that was used longest ago leaves first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from civitas.engines.diffusers.errors import OutOfMemory


class Sized(Protocol):
    """Something that knows how many bytes it holds and can let go of them."""

    @property
    def size(self) -> int: ...

    def close(self) -> None: ...


Kept = TypeVar("Kept", bound=Sized)


@dataclass(frozen=True, slots=True)
class Tally:
    """What the cache did so far."""

    hits: int
    misses: int
    evictions: int
    bytes: int


class ModelCache(Generic[Kept]):
    """Least recently used models by key, at most `budget` bytes in all. Not for several threads at once."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self._hits = self._misses = self._evictions = 0

    def get(self, key: Hashable, load: Callable[[], Kept], *, expected: int) -> Kept:
        """The model of the key, loaded when it is not here; room for `expected` bytes is made before that.

        Raises `OutOfMemory` when the model alone is larger than the budget, and whatever `load` raises; then nothing
        is kept of it.
        """
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            self._hits += 1
            return found
        if expected > self.budget:
            raise OutOfMemory(
                f"The model needs about {expected / 2**20:,.0f} MiB and {self.budget / 2**20:,.0f} MiB are allowed; "
                "choose a smaller model or allow the agent more."
            )
        self._misses += 1
        self._make_room(self.budget - expected)
        made = load()
        self._make_room(self.budget - made.size)
        self._kept[key] = made
        return made

    def clear(self) -> None:
        """Let go of everything."""
        while self._kept:
            self._drop()

    @property
    def tally(self) -> Tally:
        return Tally(self._hits, self._misses, self._evictions, self._bytes())

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._kept

    def _bytes(self) -> int:
        return sum(kept.size for kept in self._kept.values())

    def _make_room(self, limit: int) -> None:
        while self._kept and self._bytes() > limit:
            self._drop()
            self._evictions += 1

    def _drop(self) -> None:
        _, gone = self._kept.popitem(last=False)
        gone.close()
