"""One prompt from its submission to its outputs: progress, previews, its end, and its end on our wish."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Mapping
from typing import Any, Final

import structlog

from civitas.engines.agent.engine import Desk, JobFailed
from civitas.engines.comfy.graphs import weights
from civitas.engines.comfy.server import Away, ComfyServer, Graph, Said, title

log = structlog.get_logger(__name__)

# How often to look where nothing is heard: the connection may have been away when it was said.
LOOK_S: Final = 3.0
CONNECT_S: Final = 5.0
AGAIN_S: Final = 1.0
STOP_S: Final = 10.0
# A prompt's record comes a moment after the word that it ended.
RECORD_S: Final = 10.0
_OUT_OF_MEMORY: Final = ("outofmemory", "out of memory", "memoryerror")


async def outputs_of(
    server: ComfyServer, graph: Graph, desk: Desk, *, extra: Mapping[str, Any], silent_s: float
) -> Mapping[str, Any]:
    """Run a graph and return what its nodes made, by node.

    Raises JobRejected or JobFailed as the server refuses it, JobFailed with the title of the node that failed, and as
    transient when the server went away. Cancelled, it takes the prompt back or interrupts it.
    """
    watch = _Watch(server, graph, desk, silent_s)
    listening = asyncio.create_task(watch.listen())
    try:
        await watch.connected()
        prompt = await _submitted(server, graph, watch.client, extra)
        try:
            return await watch.until_ended(prompt)
        except (asyncio.CancelledError, Away):
            await _stop(server, prompt)
            raise
    except Away as away:
        raise JobFailed(
            f"The ComfyUI server {server.called} broke off: {away}"[:1000], transient=True
        ) from away
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def _submitted(server: ComfyServer, graph: Graph, client: str, extra: Mapping[str, Any]) -> str:
    sending = asyncio.create_task(server.submit(graph, client, extra))
    try:
        return await asyncio.shield(sending)
    except asyncio.CancelledError:
        # It may be there already, and then it has to go again.
        with contextlib.suppress(Exception):
            await _stop(server, await sending)
        raise


async def _stop(server: ComfyServer, prompt: str) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STOP_S):
            await server.stop(prompt)


class _Watch:
    def __init__(self, server: ComfyServer, graph: Graph, desk: Desk, silent_s: float) -> None:
        self.client = uuid.uuid4().hex
        self._server, self._graph, self._desk, self._silent_s = server, graph, desk, silent_s
        self._weights = weights(graph)
        self._done = dict.fromkeys(graph, 0.0)
        self._now: str | None = None
        self._heard: asyncio.Queue[Said] = asyncio.Queue(1_000)
        self._listens = asyncio.Event()

    async def listen(self) -> None:
        """Hear what the server says to this client, again and again when the connection breaks."""
        while True:
            with contextlib.suppress(Away):
                async with self._server.listening(self.client) as said:
                    self._listens.set()
                    async for one in said:
                        await self._heard.put(one)
            await asyncio.sleep(AGAIN_S)

    async def connected(self) -> None:
        """Wait for the connection; without it the job runs as well, only without news."""
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._listens.wait()
        except TimeoutError:
            log.warning("comfy.deaf", url=self._server.called)

    async def until_ended(self, prompt: str) -> Mapping[str, Any]:
        """What the prompt made. Raises JobFailed, and Away when the server is silent for too long."""
        await self._desk.progress(0, "Waiting for ComfyUI", phase="preparing")
        answered = looked = time.monotonic()
        record: Mapping[str, Any] | None
        while True:
            if said := await self._next(looked + LOOK_S - time.monotonic()):
                if not await self._hear(said, prompt):
                    continue
                record = await self._record(prompt)
            else:
                looked = time.monotonic()
                try:
                    record = await self._look(prompt)
                    answered = looked
                except Away:
                    if looked - answered > self._silent_s:
                        raise
                    continue
            if record is not None:
                return _outputs(record, self._graph)

    async def _next(self, seconds: float) -> Said | None:
        if seconds <= 0:
            return None
        try:
            async with asyncio.timeout(seconds):
                return await self._heard.get()
        except TimeoutError:
            return None

    async def _look(self, prompt: str) -> Mapping[str, Any] | None:
        """The prompt's record when it has ended. Raises JobFailed when the server knows nothing of it any more."""
        if record := await self._server.past(prompt):
            return record
        if await self._server.knows(prompt):
            return None
        if record := await self._server.past(prompt):
            return record
        raise JobFailed("The ComfyUI server lost the job: it was started again.", transient=True)

    async def _record(self, prompt: str) -> Mapping[str, Any]:
        until = time.monotonic() + RECORD_S
        while time.monotonic() < until:
            if record := await self._server.past(prompt):
                return record
            await asyncio.sleep(0.1)
        raise JobFailed("The ComfyUI server has no record of the job.", transient=True)

    async def _hear(self, said: Said, prompt: str) -> bool:
        """Take in a word; whether it says that all is done. Raises JobFailed when it says what went wrong."""
        data = said.data
        if data.get("prompt_id", prompt) != prompt:
            return False
        match said.type:
            case "execution_success":
                return True
            case "execution_error":
                raise failure(data, self._graph)
            case "execution_interrupted":
                raise interrupted()
            case "executing":
                if data.get("node") is None:
                    return "prompt_id" in data
                await self._turn(str(data["node"]))
            case "execution_cached":
                await self._tell(dict.fromkeys(map(str, data.get("nodes") or []), 1.0))
            case "executed":
                await self._tell({str(data.get("node")): 1.0})
            case "progress":
                await self._tell({str(data.get("node") or self._now): _part(data)}, _counted(data))
            case "progress_state":
                nodes = data.get("nodes")
                await self._tell({name: _part(one) for name, one in dict(nodes or {}).items()})
            case "preview":
                await self._desk.preview(said.image, str(data.get("media_type")))
        return False

    async def _turn(self, node: str) -> None:
        before, self._now = self._now, node
        await self._tell({before: 1.0} if before and before != node else {})

    async def _tell(self, parts: Mapping[str, float], counted: str = "") -> None:
        for node, part in parts.items():
            if node in self._done:
                self._done[node] = max(self._done[node], part)
        whole = sum(self._weights.values())
        done = sum(self._weights[node] * part for node, part in self._done.items())
        note = title(self._graph, self._now) if self._now else None
        await self._desk.progress(done / whole, f"{note} {counted}".strip() if note else None)


def _part(facts: Any) -> float:
    """How far a node is by its own count."""
    if not isinstance(facts, Mapping):
        return 0.0
    if facts.get("state") == "finished":
        return 1.0
    value, most = facts.get("value"), facts.get("max")
    if not isinstance(value, int | float) or not isinstance(most, int | float) or most <= 0:
        return 0.0
    return min(1.0, max(0.0, value / most))


def _counted(data: Mapping[str, Any]) -> str:
    value, most = data.get("value"), data.get("max")
    return f"{value} of {most}" if isinstance(value, int) and isinstance(most, int) else ""


def _outputs(record: Mapping[str, Any], graph: Graph) -> Mapping[str, Any]:
    """What a record says was made. Raises JobFailed when it says that it went wrong."""
    status = record.get("status")
    if isinstance(status, Mapping) and status.get("status_str") == "error":
        for message in status.get("messages") or []:
            match message:
                case ["execution_error", dict() as data]:
                    raise failure(data, graph)
                case ["execution_interrupted", *_]:
                    raise interrupted()
        raise JobFailed("ComfyUI failed at this graph and does not say why.")
    outputs = record.get("outputs")
    return outputs if isinstance(outputs, Mapping) else {}


def failure(data: Mapping[str, Any], graph: Graph) -> JobFailed:
    """Which node failed, and why."""
    why = str(data.get("exception_message") or data.get("exception_type") or "it does not say why").strip()
    words = f"{data.get('exception_type')} {why}".lower()
    return JobFailed(
        f"{title(graph, data.get('node_id'))} failed: {why}"[:1000],
        transient=any(word in words for word in _OUT_OF_MEMORY),
    )


def interrupted() -> JobFailed:
    """Somebody at the server stopped it."""
    return JobFailed("The job was interrupted on the ComfyUI server.", transient=True)
