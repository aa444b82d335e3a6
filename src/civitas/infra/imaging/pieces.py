"""A file put together of ranges of another one and of new bytes, without copying the ranges."""

from __future__ import annotations

from collections.abc import Iterator


class Unreadable(Exception):
    """The structure of a file is not what its format allows."""


class Pieces:
    """Ranges of `source` and new bytes, in order; neighbours are joined."""

    def __init__(self, source: bytes) -> None:
        self._source = memoryview(source)
        self._parts: list[tuple[int, int] | bytes] = []

    def copy(self, start: int, end: int) -> None:
        """Go on with the source's bytes from `start` to before `end`. Raises Unreadable outside of it."""
        if not 0 <= start <= end <= len(self._source):
            raise Unreadable
        if self._parts and isinstance(last := self._parts[-1], tuple) and last[1] == start:
            self._parts[-1] = (last[0], end)
        elif start < end:
            self._parts.append((start, end))

    def add(self, data: bytes) -> None:
        """Go on with new bytes."""
        self._parts.append(data)

    def extend(self, other: Pieces) -> None:
        """Go on with all of another's, which is of the same source."""
        self._parts += other._parts

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(part[1] - part[0] if isinstance(part, tuple) else len(part) for part in self._parts)

    @property
    def unchanged(self) -> bool:
        """Whether the result is, byte for byte, the source."""
        at = 0
        for piece in self:
            if self._source[at : at + len(piece)] != piece:
                return False
            at += len(piece)
        return at == len(self._source)

    def __iter__(self) -> Iterator[memoryview]:
        for part in self._parts:
            yield self._source[part[0] : part[1]] if isinstance(part, tuple) else memoryview(part)
