"""An HTTP client that resolves a name once, refuses private addresses and connects to the address it checked."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx

from civitas.kit.errors import Invalid, TooLarge, Unavailable

MAX_REDIRECTS = 3
# RFC 6052 and RFC 8215: addresses that a translator turns into IPv4.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.ip_network("64:ff9b:1::/48")
Resolve = Callable[[str, int], Awaitable[list[str]]]


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the open internet (RFC 6890 and its kin say which do not)."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip in _NAT64_LOCAL:
            return False
    return ip.is_global and not ip.is_multicast


async def resolve(host: str, port: int) -> list[str]:
    """All addresses of a host name by the system's resolver."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
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
        parts = urlsplit(url)
        host = parts.hostname or ""
        trusted = host in self.settings.trusted_hosts
        if parts.scheme != "https" and not (parts.scheme == "http" and (self.settings.allow_http or trusted)):
            raise Invalid("Only https addresses can be fetched.", code="url_not_https")
        if not host or parts.username or parts.password:
            raise Invalid("This address has no plain host name.", code="url_invalid")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        addresses = await self.resolver(host, port)
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

    @asynccontextmanager
    async def stream(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        content: bytes | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """One request whose body is read by the caller; each redirect is checked like the first URL."""
        for _ in range(MAX_REDIRECTS + 1):
            _, address = await self.check(url)
            parts = urlsplit(url)
            pinned = httpx.URL(url).copy_with(host=address)
            transport = httpx.AsyncHTTPTransport(retries=0)
            async with httpx.AsyncClient(
                transport=transport, timeout=self.timeout_s, trust_env=False
            ) as client:
                request = client.build_request(
                    method,
                    pinned,
                    headers={**(headers or {}), "Host": parts.netloc.rsplit("@", 1)[-1]},
                    content=content,
                    extensions={"sni_hostname": parts.hostname or ""},
                )
                try:
                    response = await client.send(request, stream=True)
                except httpx.HTTPError as error:
                    raise Unavailable(f"{parts.hostname} did not answer.", code="host_unavailable") from error
                try:
                    if not response.has_redirect_location:
                        yield response
                        return
                    url = str(httpx.URL(url).join(response.headers["location"]))
                finally:
                    await response.aclose()
        raise Invalid("The address redirects too often.", code="too_many_redirects")
