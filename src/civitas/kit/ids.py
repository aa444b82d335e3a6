"""Identifiers and secrets that are not database sequences."""

from __future__ import annotations

import hashlib
import secrets
import uuid


def new_uuid() -> uuid.UUID:
    """A random version-4 UUID (RFC 9562)."""
    return uuid.uuid4()


def new_secret(nbytes: int = 32) -> str:
    """A URL-safe secret with `nbytes` bytes of entropy; shown once, stored only as `digest`."""
    return secrets.token_urlsafe(nbytes)


def digest(secret: str) -> bytes:
    """SHA-256 of a high-entropy secret, 32 bytes: what the database keeps of tokens and keys."""
    return hashlib.sha256(secret.encode()).digest()
