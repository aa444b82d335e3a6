"""Who is asking: a Bearer key, `?token=`, or the session's cookie."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import unquote_plus

from fastapi import Depends, Request

from civitas.domains.accounts import keys, signing_in
from civitas.domains.accounts.types import ANONYMOUS, Actor, Scope
from civitas.faces.http.links import is_safe_site
from civitas.faces.http.sessions import session_token
from civitas.faces.http.state import state_of
from civitas.kit.errors import Unauthorised

MAX_SECRET = 256
# Set and taken back by a key that anybody can reach in a moment (static/js/shortcuts.js).
DISCREET = "discreet"


def key_of(request: Request) -> str | None:
    """The API key in the Authorization header or, under `/api`, the `token` parameter; the header wins.

    On pages `token` is what a mailed link carries.
    """
    header = request.headers.get("authorization", "")
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer" and value.strip():
        return value.strip()[: MAX_SECRET + 1]
    if not request.url.path.startswith("/api/"):
        return None
    return request.query_params.get("token") or None


def discreet(request: Request) -> bool:
    """Whether this browser asked, until it is closed, to be shown nothing that is mature."""
    return request.cookies.get(DISCREET) == "1"


async def actor_of(request: Request) -> Actor:
    """The actor of this request, found once; a key that does not hold is Unauthorised, a stale cookie a stranger."""
    found = getattr(request.state, "actor", None)
    if isinstance(found, Actor):
        return found
    actor = await _find(request)
    if is_safe_site(request):
        actor = actor.on_safe_site()
    elif discreet(request):
        actor = actor.discreet()
    request.state.actor = actor
    return actor


def _shows_nothing(request: Request) -> bool:
    """Whether there is plainly no key, token or cookie: most requests, and the quickest to be told."""
    if any(name in (b"authorization", b"cookie") for name, _ in request.scope["headers"]):
        return False
    query: bytes = request.scope["query_string"]
    # A name may be written with percent signs.
    return b"token" not in query and (
        b"%" not in query or "token" not in unquote_plus(query.decode("latin-1"))
    )


async def _find(request: Request) -> Actor:
    if _shows_nothing(request):
        return ANONYMOUS
    key = key_of(request)
    if key is not None:
        fault = Unauthorised("This API key does not exist, has expired or was revoked.", code="invalid_token")
        if len(key) > MAX_SECRET:
            raise fault
        by_key, unseen = await keys.actor_seen(state_of(request).reads, key)
        if unseen:
            async with state_of(request).database.unit() as session:
                by_key = await keys.actor_of_key(session, key)
        if by_key is None:
            raise fault
        return by_key
    token = session_token(request)
    if not token or len(token) > MAX_SECRET:
        return ANONYMOUS
    async with state_of(request).database.unit() as session:
        by_session = await signing_in.actor_of_session(session, token)
    return by_session or ANONYMOUS


async def signed_in(request: Request) -> Actor:
    """The actor, who must be a person."""
    actor = await actor_of(request)
    actor.require()
    return actor


def with_scope(scope: Scope) -> object:
    """A dependency that yields an actor whose key or session has `scope`."""

    async def checked(request: Request) -> Actor:
        actor = await actor_of(request)
        actor.require(scope)
        return actor

    return Depends(checked)


Viewer = Annotated[Actor, Depends(actor_of)]
Member = Annotated[Actor, Depends(signed_in)]
