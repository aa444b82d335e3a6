"""What goes over the socket: a length of four bytes, then JSON; each reply bears the number of its request. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson

LARGEST: Final = 16 * 2**20
HEAD: Final = 4


def framed(message: dict[str, Any]) -> bytes:
    """A message as it travels."""
    body = orjson.dumps(message)
    return len(body).to_bytes(HEAD, "big") + body


class Frames:
    """What comes over a socket, put together to messages."""

    def __init__(self) -> None:
        self._rest = b""

    def taken(self, data: bytes) -> Iterator[dict[str, Any]]:
        """The messages that are whole now. Raises ValueError for what is none."""
        data, at = self._rest + data if self._rest else data, 0
        self._rest = b""
        while len(data) - at >= HEAD:
            size = int.from_bytes(data[at : at + HEAD], "big")
            if size > LARGEST:
                raise ValueError(f"a message of {size:,} bytes")
            if len(data) - at - HEAD < size:
                break
            at += HEAD + size
            made = orjson.loads(data[at - size : at])
            if not isinstance(made, dict):
                raise ValueError("a message that is no object")
            yield made
        self._rest = data[at:]
