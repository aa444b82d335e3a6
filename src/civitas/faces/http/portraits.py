"""Pictures of people: an avatar and the wide cover of a profile, decoded at the door and kept as small copies.

Their key says what they are (`portrait-<32 hex>-<width>`), so that they are served without asking the database.
The file that was sent is not kept: it may hold where it was taken.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from pathlib import Path
from typing import Final, Literal

from civitas.domains.gallery.queries import Deliverable
from civitas.faces.http.state import State
from civitas.infra.imaging.port import FORMATS
from civitas.infra.imaging.transforms import widths_for
from civitas.kit.errors import TooLarge
from civitas.kit.ids import new_uuid

Kind = Literal["portrait", "cover", "artwork"]

WIDTHS: Final[dict[str, tuple[int, ...]]] = {
    "portrait": (96, 320),
    "cover": (640, 1600),
    "artwork": (96, 320),
}
MOST_BYTES: Final = 8 * 2**20
_KEY = re.compile(r"(portrait|cover|artwork)-[0-9a-f]{32}-([0-9]{1,5})", re.ASCII)


def portrait(key: str | None, width: int = 96) -> str | None:
    """The address of a picture of a person at about this width; None without one."""
    return f"/img/{key}/width={width}/{'avatar' if width <= 320 else 'cover'}.webp" if key else None


def deliverable(key: str) -> Deliverable | None:
    """What the image routes need to send such a picture; None for a key of another kind."""
    found = _KEY.fullmatch(key)
    if found is None:
        return None
    width = int(found[2])
    if width < 1:
        return None
    variants = [
        {"width": size, "format": form} for size in widths_for(width, WIDTHS[found[1]]) for form in FORMATS
    ]
    return Deliverable(key, None, "", width, variants, hide_meta=True)


async def keep(state: State, body: bytes, kind: Kind) -> str:
    """Decode a picture in the sandbox and store its copies; the key. Raises as `keep_known` does."""
    return (await keep_known(state, body, kind))[0]


async def keep_known(state: State, body: bytes, kind: Kind) -> tuple[str, str]:
    """Decode a picture in the sandbox and store its copies; the key, and the perceptual hash (16 hex digits).

    Raises Invalid for what is no acceptable picture, TooLarge beyond `MOST_BYTES`, Unavailable when no decoder
    or no storage answers.
    """
    if len(body) > MOST_BYTES:
        raise TooLarge(f"A picture has at most {MOST_BYTES // 2**20} MiB.", code="picture_too_large")
    with tempfile.TemporaryDirectory(prefix="civitas-portrait-") as folder:
        done = await state.imaging.process(body, Path(folder), widths=WIDTHS[kind])
        key = f"{kind}-{new_uuid().hex}-{done.facts.width}"
        for variant in done.variants:
            data = await asyncio.to_thread(variant.path.read_bytes)
            await state.store.put(f"media/{key}/{variant.width}.{variant.format}", data, variant.mime)
    return key, done.facts.phash


async def discard(state: State, key: str | None) -> None:
    """Delete the copies of a picture that nobody shows any more."""
    if key is not None and _KEY.fullmatch(key):
        found = [item.key async for item in state.store.list_prefix(f"media/{key}")]
        await state.store.delete_many(found)
