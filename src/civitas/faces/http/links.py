"""Addresses of this instance as the caller reaches it."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request

from civitas.faces.http.state import state_of


def base_url(request: Request) -> str:
    """`https://host` without a slash: the configured one, or what the caller asked for."""
    configured = state_of(request).settings.site.base_url
    if configured:
        return configured.rstrip("/")
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
