"""The guard against being sent into private networks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from civitas.infra.outbound.guard import OutboundClient, OutboundSettings
from civitas.kit.errors import Invalid, TooLarge, Unavailable


def resolving(*addresses: str) -> Callable[[str, int], Awaitable[list[str]]]:
    async def resolver(host: str, port: int) -> list[str]:
        return list(addresses)

    return resolver


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/x",
        "ftp://example.org",
        "https://user:pw@example.org/",
        "https:///nothing",
        "file:///etc/passwd",
    ],
)
async def test_only_plain_https_is_fetched(url: str) -> None:
    with pytest.raises(Invalid):
        await OutboundClient(resolver=resolving("93.184.216.34")).check(url)


async def test_one_private_address_among_public_ones_is_refused() -> None:
    with pytest.raises(Invalid, match="private"):
        await OutboundClient(resolver=resolving("93.184.216.34", "10.0.0.5")).check("https://example.org/")


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def answering(*answers: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server on loopback that gives the answers in turn and remembers what it was asked."""
    waiting, asked = list(answers), []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(waiting.pop(0))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


TRUSTED = OutboundSettings(trusted_hosts=frozenset({"inside.test"}), allow_http=True)


def ok(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)


async def test_the_checked_address_is_the_one_connected_to() -> None:
    async with answering(ok(b"hello")) as (port, asked):
        client = OutboundClient(TRUSTED, resolving("127.0.0.1"))
        assert await client.get(f"http://inside.test:{port}/path?q=1", max_bytes=100) == b"hello"
    assert b"GET /path?q=1 HTTP/1.1" in asked[0]
    assert f"Host: inside.test:{port}".lower().encode() in asked[0].lower()


async def test_a_redirect_into_a_private_network_is_refused() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.test/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    async with answering(moved) as (port, asked):
        client = OutboundClient(TRUSTED, resolving("127.0.0.1"))
        with pytest.raises(Invalid, match="private"):
            await client.get(f"http://inside.test:{port}/", max_bytes=100)
    assert len(asked) == 1


async def test_an_endless_answer_is_cut_off() -> None:
    async with answering(ok(b"x" * 100_000)) as (port, _):
        with pytest.raises(TooLarge):
            await OutboundClient(TRUSTED, resolving("127.0.0.1")).get(
                f"http://inside.test:{port}/", max_bytes=1000
            )


async def test_a_host_that_does_not_answer_is_unavailable() -> None:
    async with answering() as (port, _):
        pass
    with pytest.raises(Unavailable):
        await OutboundClient(TRUSTED, resolving("127.0.0.1")).get(
            f"http://inside.test:{port}/", max_bytes=1000
        )
