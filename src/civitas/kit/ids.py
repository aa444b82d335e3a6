"""Identifiers and secrets that are not database sequences."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Iterable
from typing import Final

# So many digits fit into a bigint whatever they are.
MOST_DIGITS: Final = 18


def new_uuid() -> uuid.UUID:
    """A random version-4 UUID (RFC 9562)."""
    return uuid.uuid4()


def new_secret(nbytes: int = 32) -> str:
    """A URL-safe secret with `nbytes` bytes of entropy; shown once, stored only as `digest`."""
    return secrets.token_urlsafe(nbytes)


def digest(secret: str) -> bytes:
    """SHA-256 of a high-entropy secret, 32 bytes: what the database keeps of tokens and keys."""
    return hashlib.sha256(secret.encode()).digest()


def row_id(text: str) -> int | None:
    """The number of a row as forms and addresses have it: at most 18 digits of ASCII and nothing else; None otherwise."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS else None


def row_ids(texts: Iterable[str]) -> list[int]:
    """Those of these texts that are numbers of rows, in their order."""
    return [number for text in texts if (number := row_id(text)) is not None]
