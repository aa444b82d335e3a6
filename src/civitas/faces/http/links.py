"""Addresses of this instance as the caller reaches it."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode

from starlette.requests import HTTPConnection, Request

from civitas.faces.http.state import state_of

_OWN_MACHINE = frozenset({"localhost", "127.0.0.1", "[::1]"})
_PLAIN_HOST = re.compile(rb"[A-Za-z0-9._\-]+(?::[0-9]+)?")


def host_of(connection: HTTPConnection) -> str:
    """The host name that was asked for, without its port and in small letters; empty when there is none."""
    given = next((value for name, value in connection.scope["headers"] if name == b"host"), b"")
    text = given.decode("latin-1").lower()
    return text.partition("]")[0] + "]" if text.startswith("[") else text.partition(":")[0]


def is_safe_site(connection: HTTPConnection) -> bool:
    """Whether this is the safe-for-work twin, by the host name that was asked for."""
    hosts = state_of(connection).settings.site.safe_hosts
    return bool(hosts) and host_of(connection) in hosts


def twin_url(request: Request) -> str | None:
    """The address of the other site: of the safe twin from the main one, and back. None when it cannot be reached.

    Names below `localhost` exist on the visitor's own machine only, so they are told to nobody else.
    """
    site = state_of(request).settings.site
    scheme, port = request.scope["scheme"], request.url.netloc.partition("]")[2] or request.url.netloc
    port = f":{port.rpartition(':')[2]}" if ":" in port else ""
    if is_safe_site(request):
        if site.base_url:
            return site.base_url.rstrip("/")
        return f"{scheme}://localhost{port}" if host_of(request).endswith(".localhost") else None
    here = host_of(request) in _OWN_MACHINE
    host = next((name for name in site.safe_hosts if here or not name.endswith(".localhost")), None)
    return f"{scheme}://{host}{port}" if host else None


def base_url(request: Request) -> str:
    """`https://host` without a slash: the configured one, or what the caller asked for."""
    configured = state_of(request).settings.site.base_url
    if configured and not is_safe_site(request):
        return configured.rstrip("/")
    for name, value in request.scope["headers"]:
        if name == b"host" and _PLAIN_HOST.fullmatch(value):
            return f"{request.scope['scheme']}://{value.decode()}"
    return f"{request.url.scheme}://{request.url.netloc}"


def with_query(request: Request, **changes: str | None) -> str:
    """The absolute URL of this request with some parameters set, or removed by None; all others are kept.

    A `token` in the query is never repeated in a link.
    """
    pairs = [(k, v) for k, v in parse_qsl(request.url.query, keep_blank_values=True) if k not in changes]
    pairs = [pair for pair in pairs if pair[0] != "token"]
    pairs += [(key, value) for key, value in changes.items() if value is not None]
    query = urlencode(pairs)
    return f"{base_url(request)}{request.url.path}{'?' + query if query else ''}"


def client_address(request: Request) -> str:
    """The caller's address; trusted proxies have been looked through before."""
    return request.client.host if request.client else "unknown"


def absolute(request: Request, url: str) -> str:
    """A link that the local store made without a host, with this instance's; others stay as they are."""
    return f"{base_url(request)}{url}" if url.startswith("/") else url
