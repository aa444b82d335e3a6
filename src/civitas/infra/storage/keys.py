"""Object keys: ours, never a person's text, so that a key is safe as a path and as a URL."""

from __future__ import annotations

import re
from types import MappingProxyType

MAX_KEY = 512
MAX_SEGMENT = 200

_KEY = re.compile(r"[a-z0-9_-][a-z0-9_.-]*(/[a-z0-9_-][a-z0-9_.-]*)*", re.ASCII)

_TYPES = MappingProxyType(
    {
        "avif": "image/avif",
        "flac": "audio/flac",
        "gif": "image/gif",
        "jpeg": "image/jpeg",
        "jpg": "image/jpeg",
        "json": "application/json",
        "m4a": "audio/mp4",
        "mp3": "audio/mpeg",
        "mp4": "video/mp4",
        "ogg": "audio/ogg",
        "png": "image/png",
        "txt": "text/plain; charset=utf-8",
        "wav": "audio/wav",
        "webm": "video/webm",
        "webp": "image/webp",
        "zip": "application/zip",
    }
)


def check_key(key: str) -> str:
    """Return `key` when it is one of ours: `[a-z0-9/_.-]+`, no empty segment, none that starts with a dot.

    At most 512 characters, 200 a segment. Raises ValueError: a wrong key is a mistake of the program.
    """
    if (
        len(key) > MAX_KEY
        or not _KEY.fullmatch(key)
        or any(len(segment) > MAX_SEGMENT for segment in key.split("/"))
    ):
        raise ValueError(f"not an object key: {key[:80]!r}")
    return key


def is_key(key: str) -> bool:
    """Whether `check_key` accepts it; for keys that come in by URL."""
    try:
        check_key(key)
    except ValueError:
        return False
    return True


def content_type_of(key: str) -> str:
    """The media type that the key's ending stands for; never one that a browser would run as a page."""
    return _TYPES.get(key.rpartition("/")[2].rpartition(".")[2], "application/octet-stream")
