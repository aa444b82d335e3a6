"""An HTTP client that resolves a name once, refuses private addresses and connects to the address it checked."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from socket import SOCK_STREAM, gaierror, getaddrinfo
from urllib.parse import SplitResult, urlsplit

import httpx

from civitas.kit.errors import Invalid, TooLarge, Unavailable
from civitas.kit.internet import is_public

MAX_REDIRECTS = 3
Resolve = Callable[[str, int], Awaitable[list[str]]]

# Its own threads: a name server that does not answer must hold up nobody but those who ask it.
_RESOLVING = ThreadPoolExecutor(32, thread_name_prefix="resolve")


@cache
def trust() -> ssl.SSLContext:
    """The certificates that are believed; reading them takes longer than most requests, so once."""
    return httpx.create_ssl_context(trust_env=False)


async def resolve(host: str, port: int) -> list[str]:
    """All addresses of a host name by the system's resolver."""
    try:
        found = await asyncio.get_running_loop().run_in_executor(
            _RESOLVING, lambda: getaddrinfo(host, port, type=SOCK_STREAM)
        )
    except (gaierror, UnicodeError) as error:
        raise Unavailable(f"The host {host} could not be found.", code="host_not_found") from error
    return [str(entry[4][0]) for entry in found]


@dataclass(frozen=True)
class OutboundSettings:
    """Which private hosts an operator trusts, by name; everything else private is refused."""

    trusted_hosts: frozenset[str] = frozenset()
    allow_http: bool = False


@dataclass(frozen=True)
class OutboundClient:
    """Fetches what users point at: https only, pinned address, bounded size and time, guarded redirects."""

    settings: OutboundSettings = field(default_factory=OutboundSettings)
    resolver: Resolve = resolve
    timeout_s: float = 20.0

    async def check(self, url: str) -> tuple[str, str]:
        """The URL and the address to connect to; Invalid when the URL may not be fetched."""
        parts, port = _parts(url)
        host = parts.hostname or ""
        trusted = host in self.settings.trusted_hosts
        if parts.scheme != "https" and not (parts.scheme == "http" and (self.settings.allow_http or trusted)):
            raise Invalid("Only https addresses can be fetched.", code="url_not_https")
        if not host or parts.username is not None or parts.password is not None:
            raise Invalid("This address has no plain host name.", code="url_invalid")
        addresses = await self.resolver(host, port or (443 if parts.scheme == "https" else 80))
        if not addresses or (not trusted and not all(is_public(address) for address in addresses)):
            raise Invalid("This address leads into a private network and is refused.", code="url_private")
        return url, addresses[0]

    async def get(self, url: str, *, max_bytes: int, headers: dict[str, str] | None = None) -> bytes:
        """The body of a URL; TooLarge past `max_bytes`, Unavailable when the host fails."""
        async with self.stream(url, headers=headers) as response:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > max_bytes:
                    raise TooLarge(f"The answer is larger than {max_bytes} bytes.", code="answer_too_large")
            return bytes(body)

    def line(self) -> httpx.AsyncClient:
        """Connections that are kept for several requests to one host (`stream`'s `over`).

        Never for two hosts: a connection is found again by the address alone, so the second host's certificate would not
        be looked at.
        """
        transport = httpx.AsyncHTTPTransport(verify=trust(), retries=0)
        return httpx.AsyncClient(transport=transport, timeout=self.timeout_s, trust_env=False)

    @asynccontextmanager
    async def stream(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        redirects: int = MAX_REDIRECTS,
        over: httpx.AsyncClient | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """One request whose body is read by the caller; each redirect is checked like the first URL.

        With `redirects=0` an answer that redirects is given as it is. `over` is a `line` to this host. Raises Invalid
        (`url_not_https`, `url_invalid`, `url_private`, `too_many_redirects`), Unavailable (`host_not_found`,
        `host_unavailable`).
        """
        for _ in range(redirects + 1):
            _, address = await self.check(url)
            async with nullcontext(over) if over is not None else self.line() as client:
                request = _request(client, method, url, address, headers or {}, content)
                try:
                    response = await client.send(request, stream=True)
                except httpx.HTTPError as error:
                    raise Unavailable(
                        f"{request.headers['host']} did not answer.", code="host_unavailable"
                    ) from error
                try:
                    if not redirects or not response.has_redirect_location:
                        yield response
                        return
                    url = _joined(url, response.headers["location"])
                finally:
                    await response.aclose()
        raise Invalid("The address redirects too often.", code="too_many_redirects")


class CallbackClient(OutboundClient):
    """What calls receivers of callbacks: an operator's development hosts may be private and plain."""


class PushClient(OutboundClient):
    """What calls push services of browsers."""


class MediaClient(OutboundClient):
    """What fetches foreign media."""


def _parts(url: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url)
        return parts, parts.port
    except ValueError as error:
        raise Invalid("This is no address.", code="url_invalid") from error


def _request(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    address: str,
    headers: Mapping[str, str],
    content: bytes | None,
) -> httpx.Request:
    parts = urlsplit(url)
    try:
        return client.build_request(
            method,
            httpx.URL(url).copy_with(host=address),
            headers={**headers, "Host": parts.netloc.rsplit("@", 1)[-1]},
            content=content,
            extensions={"sni_hostname": parts.hostname or ""},
        )
    except (httpx.InvalidURL, UnicodeError) as error:
        raise Invalid("This is no address.", code="url_invalid") from error


def _joined(url: str, location: str) -> str:
    try:
        return str(httpx.URL(url).join(location))
    except httpx.InvalidURL as error:
        raise Invalid("The address redirects to what is no address.", code="url_invalid") from error
