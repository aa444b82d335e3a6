"""Several servers: which one is to do the next job."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager

import structlog

from civitas.engines.agent.engine import JobFailed, JobRejected
from civitas.engines.comfy.server import Away, ComfyServer

log = structlog.get_logger(__name__)


class Fleet:
    """Servers of one agent. The least busy that has what a job needs takes it."""

    def __init__(self, urls: Sequence[str], *, silent_s: float) -> None:
        self.servers = [ComfyServer(url, silent_s=silent_s) for url in dict.fromkeys(urls)]
        self._choosing = asyncio.Lock()

    async def open(self) -> None:
        """Meet all that answer; the others are met when they do."""
        await asyncio.gather(*(_met(server) for server in self.servers))

    async def aclose(self) -> None:
        """Close all connections."""
        for server in self.servers:
            await server.aclose()

    @asynccontextmanager
    async def taken(
        self, nodes: Collection[str], *, loads: str = "", vram_gb: float = 0
    ) -> AsyncIterator[ComfyServer]:
        """A server that has these classes of nodes and so much memory, counted as busier meanwhile.

        Raises JobRejected when none answers, or none of those that do has it.
        """
        async with self._choosing:
            server = await self._best(nodes, loads, vram_gb)
            server.running += 1
            server.loaded = loads or server.loaded
        try:
            yield server
        finally:
            server.running -= 1

    async def _best(self, nodes: Collection[str], loads: str, vram_gb: float) -> ComfyServer:
        busy = await asyncio.gather(*(_busy(server) for server in self.servers))
        there = [
            (queue, server) for queue, server in zip(busy, self.servers, strict=True) if queue is not None
        ]
        if not there:
            raise JobRejected("No ComfyUI server behind this agent answers.")
        able = [one for one in there if not lacking(one[1], nodes)]
        if not able:
            # Somebody may have installed it since.
            await asyncio.gather(*(_met(server) for _, server in there))
            able = [one for one in there if not lacking(one[1], nodes)]
        if not able:
            missing = min((lacking(server, nodes) for _, server in there), key=len)
            raise JobRejected(f"No ComfyUI server behind this agent has the node {', '.join(missing)[:300]}.")
        able = [one for one in able if one[1].vram_gb >= vram_gb]
        if not able:
            raise JobRejected(f"No ComfyUI server behind this agent has {vram_gb:g} GB of memory on its GPU.")
        return min(able, key=lambda one: (one[0], bool(loads) and one[1].loaded != loads))[1]


def lacking(server: ComfyServer, nodes: Collection[str]) -> list[str]:
    """The classes of nodes that a server does not have."""
    return sorted(set(nodes) - server.nodes)


async def _met(server: ComfyServer) -> None:
    try:
        await server.meet()
        log.info("comfy.server", url=server.called, nodes=len(server.nodes))
    except (Away, JobFailed) as trouble:
        log.warning("comfy.server", url=server.called, trouble=str(trouble))


async def _busy(server: ComfyServer) -> int | None:
    """How much a server has to do, counting what we sent and it does not tell yet; None when it does not answer."""
    try:
        if not server.nodes:
            await server.meet()
        return max(server.running, await server.waiting())
    except (Away, JobFailed):
        return None
