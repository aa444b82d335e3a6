"""What goes over the socket: a length of four bytes, then JSON; each reply bears the number of its request. Pure."""

from __future__ import annotations

from asyncio import IncompleteReadError, StreamReader
from typing import Any, Final

import orjson

LARGEST: Final = 16 * 2**20


def framed(message: dict[str, Any]) -> bytes:
    """A message as it travels."""
    body = orjson.dumps(message)
    return len(body).to_bytes(4, "big") + body


async def read(reader: StreamReader) -> dict[str, Any] | None:
    """The next message; None at the end. Raises ValueError for what is none."""
    try:
        size = int.from_bytes(await reader.readexactly(4), "big")
        if size > LARGEST:
            raise ValueError(f"a message of {size:,} bytes")
        made = orjson.loads(await reader.readexactly(size))
    except IncompleteReadError:
        return None
    if not isinstance(made, dict):
        raise ValueError("a message that is no object")
    return made
