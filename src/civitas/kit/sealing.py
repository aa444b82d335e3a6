"""Texts that only this instance can read, bound to whom and what they are for (AES-256-GCM, RFC 5116)."""

from __future__ import annotations

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_FORMAT = b"\x01"
_NONCE = 12


def seal(secret: bytes, purpose: bytes, owner: int, text: str) -> bytes:
    """Encrypt `text` with a key derived from the instance's `secret` for one purpose; it opens for this owner only."""
    nonce = secrets.token_bytes(_NONCE)
    return _FORMAT + nonce + _key(secret, purpose).encrypt(nonce, text.encode(), str(owner).encode())


def unseal(secret: bytes, purpose: bytes, owner: int, sealed: bytes) -> str | None:
    """What was sealed; None when it was altered, is another's, or the instance's secret has changed."""
    if sealed[:1] != _FORMAT:
        return None
    nonce, rest = sealed[1 : 1 + _NONCE], sealed[1 + _NONCE :]
    try:
        return _key(secret, purpose).decrypt(nonce, rest, str(owner).encode()).decode()
    except InvalidTag:
        return None


def _key(secret: bytes, purpose: bytes) -> AESGCM:
    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(secret))
