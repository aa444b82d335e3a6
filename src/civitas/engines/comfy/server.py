"""One ComfyUI server: its calls over HTTP, what it says over its WebSocket, and what its refusals mean for a job."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from civitas.engines.agent.engine import JobFailed, JobRejected

MOST_JSON: Final = 64 * 1024 * 1024
MOST_MESSAGE: Final = 32 * 1024 * 1024
OPEN_S: Final = 15.0
CHUNK: Final = 1024 * 1024
# Binary messages begin with what they are; of those with pictures, then the picture's format.
_PREVIEW, _PREVIEW_WITH_FACTS = 1, 4
_FORMATS: Final = {1: "image/jpeg", 2: "image/png"}
# What a server lacks, and another may have.
_LACKING: Final = frozenset({"value_not_in_list", "missing_node_type"})

Graph = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Said:
    """Something that a server said of a prompt; `image` when it was a picture of the work so far."""

    type: str
    data: Mapping[str, Any]
    image: bytes = b""


class Away(Exception):
    """The server does not answer, or broke off."""


class ComfyServer:
    """A server by its address. Calls raise Away when it does not answer and JobFailed for answers that make no sense."""

    def __init__(self, url: str, *, silent_s: float) -> None:
        self.url = url.rstrip("/")
        self.running = 0
        self.nodes: frozenset[str] = frozenset()
        self.vram_gb = 0.0
        # What the last prompt loaded: with everything else equal, work goes where its models are.
        self.loaded = ""
        self._http = httpx.AsyncClient(
            base_url=self.url,
            timeout=httpx.Timeout(OPEN_S, read=silent_s, write=silent_s),
            trust_env=False,
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    @property
    def called(self) -> str:
        """The address without what is secret in it."""
        url = httpx.URL(self.url)
        return f"{url.host}:{url.port}" if url.port else url.host

    async def meet(self) -> None:
        """Ask what nodes it has, and how much memory its largest GPU has."""
        self.nodes = frozenset(await self._object("/object_info"))
        devices = (await self._object("/system_stats")).get("devices")
        sizes = [one.get("vram_total") for one in devices or [] if isinstance(one, dict)]
        self.vram_gb = max((size / 2**30 for size in sizes if isinstance(size, int | float)), default=0.0)

    async def waiting(self) -> int:
        """How many prompts it runs and keeps, whoever sent them."""
        queue = await self._object("/queue")
        return sum(len(queue.get(name) or []) for name in ("queue_running", "queue_pending"))

    async def knows(self, prompt: str) -> bool:
        """Whether a prompt runs or waits there."""
        queue = await self._object("/queue")
        return any(prompt in ids_in(queue.get(name)) for name in ("queue_running", "queue_pending"))

    async def submit(self, graph: Graph, client: str, extra: Mapping[str, Any]) -> str:
        """Put a graph into its queue; the prompt's id. Raises JobRejected for what it lacks, JobFailed for bad graphs."""
        said = {"prompt": graph, "client_id": client, "extra_data": dict(extra)}
        status, answer = await self._json("POST", "/prompt", json=said)
        if status != 200 or not isinstance(answer.get("prompt_id"), str):
            raise refusal(answer, graph, self.called, status)
        return str(answer["prompt_id"])

    async def past(self, prompt: str) -> dict[str, Any] | None:
        """What became of a prompt; None while it has not ended."""
        entry = (await self._object(f"/history/{prompt}")).get(prompt)
        return entry if isinstance(entry, dict) else None

    async def upload(self, path: Path, name: str, media_type: str) -> str:
        """Put a file among its inputs; how its nodes name it."""
        data = await asyncio.to_thread(path.read_bytes)
        status, answer = await self._json(
            "POST",
            "/upload/image",
            data={"subfolder": "civitas", "type": "input", "overwrite": "true"},
            files={"image": (name, data, media_type)},
        )
        if status != 200 or not isinstance(answer.get("name"), str):
            raise JobFailed(f"The ComfyUI server took no file: status {status}.", transient=status >= 500)
        folder = answer.get("subfolder")
        return f"{folder}/{answer['name']}" if folder else str(answer["name"])

    async def view(self, file: Mapping[str, Any], path: Path, most: int) -> None:
        """Fetch a file that a node made. Raises JobFailed when it is more than `most` bytes, 0 being no bound."""
        asked = {name: str(file.get(name) or "") for name in ("filename", "subfolder", "type")}
        have = 0
        try:
            async with self._http.stream("GET", "/view", params=asked) as answer:
                if answer.status_code != 200:
                    raise JobFailed(
                        f"The ComfyUI server has no {asked['filename']:.80} any more.", transient=True
                    )
                with path.open("wb") as out:
                    async for piece in answer.aiter_bytes(CHUNK):
                        have += len(piece)
                        if most and have > most:
                            raise JobFailed(f"The result {asked['filename']:.80} has more than {most} bytes.")
                        await asyncio.to_thread(out.write, piece)
        except httpx.HTTPError as error:
            raise Away(str(error) or type(error).__name__) from error

    async def stop(self, prompt: str) -> None:
        """Take a prompt out of the queue, or interrupt it when it runs; the prompts of others go on."""
        with contextlib.suppress(Away, JobFailed):
            await self._call("POST", "/queue", json={"delete": [prompt]})
            # A server from before it could be told which would end whatever it runs.
            if prompt in ids_in((await self._object("/queue")).get("queue_running")):
                await self._call("POST", "/interrupt", json={"prompt_id": prompt})

    @contextlib.asynccontextmanager
    async def listening(self, client: str) -> AsyncIterator[AsyncIterator[Said]]:
        """What is said to this client; the iterator ends when the connection does. Raises Away when there is none."""
        address = "ws" + self.url.removeprefix("http") + f"/ws?clientId={client}"
        try:
            socket = await connect(
                address, open_timeout=OPEN_S, close_timeout=2, max_size=MOST_MESSAGE, proxy=None
            )
        except (OSError, TimeoutError, WebSocketException) as error:
            raise Away(str(error) or type(error).__name__) from error
        try:
            yield _said(socket)
        finally:
            await socket.close()

    async def _object(self, path: str) -> dict[str, Any]:
        status, answer = await self._json("GET", path)
        if status != 200:
            raise Away(f"status {status}")
        return answer

    async def _json(self, method: str, path: str, **what: Any) -> tuple[int, dict[str, Any]]:
        status, body = await self._call(method, path, **what)
        try:
            answer = json.loads(body)
        except ValueError:
            answer = None
        if isinstance(answer, dict):
            return status, answer
        if status == 200:
            raise JobFailed("The ComfyUI server's answer is not what its protocol says.", transient=True)
        return status, {"error": body[:300].decode("utf-8", "replace")}

    async def _call(self, method: str, path: str, **what: Any) -> tuple[int, bytes]:
        body = bytearray()
        try:
            async with self._http.stream(method, path, **what) as answer:
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > MOST_JSON:
                        raise JobFailed("The ComfyUI server's answer is larger than this agent takes.")
                return answer.status_code, bytes(body)
        except httpx.HTTPError as error:
            raise Away(str(error) or type(error).__name__) from error


async def _said(socket: Any) -> AsyncIterator[Said]:
    try:
        async for message in socket:
            heard = _picture(message) if isinstance(message, bytes) else _event(message)
            if heard is not None:
                yield heard
    except WebSocketException:
        return


def _event(text: str) -> Said | None:
    try:
        message = json.loads(text)
    except ValueError:
        return None
    if not isinstance(message, dict) or not isinstance(message.get("data"), dict):
        return None
    return Said(str(message.get("type")), message["data"])


def _picture(message: bytes) -> Said | None:
    """A preview: `type, format, bytes`, or `type, length, JSON, bytes` from newer servers."""
    if len(message) < 8:
        return None
    kind, second = struct.unpack(">II", message[:8])
    if kind == _PREVIEW:
        return Said("preview", {"media_type": _FORMATS.get(second, "image/jpeg")}, message[8:])
    if kind == _PREVIEW_WITH_FACTS and 8 + second <= len(message):
        try:
            facts = json.loads(message[8 : 8 + second])
        except ValueError:
            return None
        if isinstance(facts, dict):
            media_type = str(facts.get("image_type") or "image/jpeg")
            return Said("preview", {**facts, "media_type": media_type}, message[8 + second :])
    return None


def ids_in(entries: Any) -> set[str]:
    """The ids of prompts in a list of a server's queue, whose entries are `[number, id, ...]`."""
    return {str(entry[1]) for entry in entries or [] if isinstance(entry, list | tuple) and len(entry) > 1}


def title(graph: Graph, node: object) -> str:
    """A node as people know it: its title, else its class, and its number."""
    one = graph.get(str(node)) or {}
    meta = one.get("_meta")
    name = (meta.get("title") if isinstance(meta, dict) else None) or one.get("class_type") or "node"
    return f"{str(name)[:80]} (node {str(node)[:20]})"


def refusal(answer: Mapping[str, Any], graph: Graph, called: str, status: int) -> JobFailed | JobRejected:
    """Why a server took no graph: the first trouble of each node, by its title."""
    found, kinds = [], set[str]()
    nodes = answer.get("node_errors")
    for node, trouble in (nodes if isinstance(nodes, dict) else {}).items():
        errors = trouble.get("errors") if isinstance(trouble, dict) else None
        for error in [one for one in errors or [] if isinstance(one, dict)]:
            kinds.add(str(error.get("type")))
            told = ": ".join(str(error[key]) for key in ("message", "details") if error.get(key))
            found.append(f"{title(graph, node)}: {told[:300]}")
    whole = answer.get("error")
    if isinstance(whole, dict):
        kinds.add(str(whole.get("type")))
        if not found:
            found.append(": ".join(str(whole[key]) for key in ("message", "details") if whole.get(key))[:500])
    told = "; ".join(found[:3]) or str(whole or f"status {status}")[:300]
    if kinds & _LACKING:
        return JobRejected(f"The ComfyUI server {called} lacks something. {told}"[:1000])
    return JobFailed(f"ComfyUI does not take this graph. {told}"[:1000], transient=status >= 500)
