"""What is known of bytes that came in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["image", "video", "audio", "model3d", "file"]


@dataclass(frozen=True, slots=True)
class Arrived:
    """Bytes that were judged and lie in the store. `phash` is 16 hex digits; `level` is None when nobody rated it.

    `blocked` is why whoever rated it says that it may not be shown.
    """

    storage_key: str
    kind: Kind
    media_type: str
    size: int
    sha256: bytes
    width: int | None = None
    height: int | None = None
    phash: str | None = None
    level: str | None = None
    blocked: str | None = None
