"""Cross-site request forgery: same origin, and for forms a token bound to the session."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request

from civitas.faces.http.sessions import visitor_of
from civitas.faces.http.state import state_of
from civitas.kit.errors import Forbidden

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FIELD = "csrf_token"
HEADER = "x-csrf-token"
_SIZE = hashlib.sha256().digest_size


def token_for(request: Request) -> str:
    """The token that forms of this visitor carry: keyed to the session or, before sign-in, the visitor cookie.

    It is another one each time, so that the size of a compressed page tells nothing of it.
    """
    mask = secrets.token_bytes(_SIZE)
    return (mask + _masked(_proof(request), mask)).hex()


def _proof(request: Request) -> bytes:
    return hmac.new(
        state_of(request).secret, b"csrf:" + visitor_of(request).encode(), hashlib.sha256
    ).digest()


def _masked(proof: bytes, mask: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(proof, mask, strict=True))


def _proves(token: str, request: Request) -> bool:
    try:
        given = bytes.fromhex(token)
    except ValueError:
        return False
    if len(given) != 2 * _SIZE:
        return False
    return hmac.compare_digest(_masked(given[_SIZE:], given[:_SIZE]), _proof(request))


def same_origin(request: Request) -> bool:
    """What the browser says of where the request came from; a client that says nothing is no browser."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in {"same-origin", "none"}:
        return False
    origin = request.headers.get("origin")
    if origin is None or origin == "null":
        return origin is None
    ours = {request.headers.get("host", ""), request.url.netloc}
    configured = state_of(request).settings.site.base_url
    if configured:
        ours.add(urlsplit(configured).netloc)
    return urlsplit(origin).netloc in ours


async def check_csrf(request: Request) -> None:
    """Refuse a changing request by cookie that is not from our own pages; keys in headers need no token.

    A program that sends neither cookie nor key borrows nobody's rights: the route itself asks it to sign in.
    """
    if request.method in SAFE_METHODS or "authorization" in request.headers:
        return
    refused = Forbidden(
        "This form is no longer valid, perhaps because you signed in or out meanwhile. Reload the page and try again.",
        code="csrf",
    )
    if not same_origin(request):
        raise refused
    given = request.headers.get(HEADER)
    is_form = request.headers.get("content-type", "").startswith(
        ("application/x-www-form-urlencoded", "multipart/form-data")
    )
    if not request.cookies and not is_form:
        return
    if given is None and is_form:
        value = (await request.form()).get(FIELD)
        given = value if isinstance(value, str) else None
    if given is None or not _proves(given, request):
        raise refused


CheckedForm = Depends(check_csrf)
CsrfToken = Annotated[str, Depends(token_for)]
