"""Short-lived notes that a browser keeps for us between two pages: encrypted, so that it can neither read nor change
them, and bound to a name and a moment.

For what must survive a redirect and belongs in no address: a half-done sign-in, a secret that is shown once.
"""

from __future__ import annotations

import base64
import binascii
import os
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from fastapi import Request
from starlette.responses import Response

from civitas.faces.http import sessions
from civitas.faces.http.state import state_of
from civitas.kit import clock

PREFIX = "civitas_note_"
# Browsers keep at least 4096 bytes of a cookie with its name and attributes (RFC 6265bis 5.5).
LONGEST = 3500


def seal(request: Request, name: str, value: dict[str, Any], *, seconds: int) -> str:
    """A note as text for an address or a cookie. ValueError when it is too long for either."""
    until = int(clock.now().timestamp()) + seconds
    nonce = os.urandom(12)
    sealed = _cipher(request).encrypt(nonce, orjson.dumps([until, value]), name.encode())
    text = base64.urlsafe_b64encode(nonce + sealed).decode()
    if len(text) > LONGEST:
        raise ValueError(f"the note {name} is too long")
    return text


def unseal(request: Request, name: str, text: str) -> dict[str, Any] | None:
    """What `seal` was given, or None when it has expired or is not ours."""
    if not text or len(text) > LONGEST:
        return None
    try:
        raw = base64.urlsafe_b64decode(text)
        until, value = orjson.loads(_cipher(request).decrypt(raw[:12], raw[12:], name.encode()))
    except (InvalidTag, binascii.Error, ValueError, TypeError):
        return None
    return value if until > clock.now().timestamp() and isinstance(value, dict) else None


def put(request: Request, response: Response, name: str, value: dict[str, Any], *, seconds: int) -> None:
    """Give the browser a note. ValueError when it is too long for a cookie."""
    response.set_cookie(
        PREFIX + name,
        seal(request, name, value, seconds=seconds),
        max_age=seconds,
        path="/",
        httponly=True,
        samesite="lax",
        secure=sessions.is_secure(request),
    )


def look(request: Request, name: str) -> dict[str, Any] | None:
    """The note, or None when there is none, it has expired or is not ours."""
    return unseal(request, name, request.cookies.get(PREFIX + name, ""))


def drop(request: Request, name: str) -> None:
    """Take the note back with this response, whatever response it is."""
    if PREFIX + name in request.cookies:
        request.scope.setdefault("state", {}).setdefault("spent_cookies", []).append(PREFIX + name)


def take(request: Request, name: str) -> dict[str, Any] | None:
    """The note, for the last time."""
    found = look(request, name)
    drop(request, name)
    return found


def _cipher(request: Request) -> AESGCM:
    secret = state_of(request).secret
    return AESGCM(
        HKDF(algorithm=SHA256(), length=32, salt=None, info=b"civitas browser notes").derive(secret)
    )
