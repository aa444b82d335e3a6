"""A small orchestrator that speaks `contracts.wire`, in this process: what an agent under test talks to."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from civitas.contracts.wire.jobs import Job, MediaLink, ResourceLink

TOKEN = "agent-token"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest().upper()


@dataclass
class Claim:
    job: Job
    progress: list[dict[str, Any]] = field(default_factory=list)
    previews: list[bytes] = field(default_factory=list)
    blobs: dict[int, bytes] = field(default_factory=dict)
    result: dict[str, Any] | None = None
    lost: bool = False


class Body(httpx.AsyncByteStream):
    """Bytes in pieces, breaking off after `upto` of them when that is given."""

    def __init__(self, data: bytes, upto: int | None = None) -> None:
        self._data, self._upto = data, upto

    async def __aiter__(self) -> AsyncIterator[bytes]:
        data = self._data if self._upto is None else self._data[: self._upto]
        for start in range(0, len(data), 65_536):
            yield data[start : start + 65_536]
        if self._upto is not None:
            raise httpx.ReadError("the line went dead")


class Site(httpx.AsyncBaseTransport):
    """The other side. `away` answers nothing; `breaks` says after how many bytes the next downloads break off."""

    def __init__(self) -> None:
        self.away = False
        self.wish = "work"
        self.known = True
        self.heartbeat_s = 0.05
        self.registrations: list[dict[str, Any]] = []
        self.heartbeats: list[dict[str, Any]] = []
        self.queue: list[Job] = []
        self.claims: dict[int, Claim] = {}
        self.files: dict[str, bytes] = {}
        self.downloads: list[tuple[str, str | None]] = []
        # How many results came in each call that told several.
        self.together: list[int] = []
        self.breaks: list[int] = []
        self.refuse_uploads = 0
        self.token = TOKEN
        self._next = 1
        self._news = asyncio.Event()

    def media(self, data: bytes, media_type: str, *, digest: bool = True) -> MediaLink:
        """Bytes that a job may fetch."""
        name = f"/files/{len(self.files)}"
        self.files[name] = data
        return MediaLink(
            url=f"http://site{name}",
            media_type=media_type,
            size=len(data),
            sha256=sha256(data) if digest else None,
        )

    def resource(self, air: str, data: bytes) -> ResourceLink:
        """A model file that a job may fetch."""
        name = f"/files/{len(self.files)}"
        self.files[name] = data
        return ResourceLink(
            air=air,
            url=f"http://site{name}",
            sha256=sha256(data),
            size=len(data),
            filename="weights.safetensors",
            type="LORA",
            base_model="SD 1.5",
        )

    def submit(self, step_type: str, given: dict[str, Any], **more: Any) -> Claim:
        """A job for whoever asks next; the claim it will become."""
        number, self._next = self._next, self._next + 1
        job = Job.model_validate(
            {
                "id": f"job-{number}",
                "claim": number,
                "step_type": step_type,
                "capability": more.pop("capability", step_type),
                "input": given,
                "slots": 1,
                "most_bytes": 50_000_000,
                "leased_until": datetime.now(UTC) + timedelta(seconds=30),
                **more,
            }
        )
        claim = Claim(job)
        self.claims[number] = claim
        self.queue.append(job)
        self._news.set()
        return claim

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.away:
            raise httpx.ConnectError("nobody there")
        path = request.url.path
        if path.startswith("/files/"):
            return self._download(path, request.headers.get("range"))
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return httpx.Response(401, json={"title": "The token does not hold."})
        body = await request.aread()
        for pattern, answer in self._routes():
            if found := re.fullmatch(pattern, path):
                return await answer(found, body)
        return httpx.Response(404)

    def _routes(self) -> list[tuple[str, Callable[[re.Match[str], bytes], Any]]]:
        claim = r"/v2/agents/claims/(\d+)"
        return [
            (r"/v2/agents/register", self._register),
            (r"/v2/agents/heartbeat", self._heartbeat),
            (r"/v2/agents/claims", self._claim),
            (claim + "/progress", self._progress),
            (claim + "/preview", self._preview),
            (claim + r"/blobs/(\d+)", self._blob),
            (claim + "/result", self._result),
            (r"/v2/agents/results", self._results),
        ]

    def _download(self, path: str, asked: str | None) -> httpx.Response:
        self.downloads.append((path, asked))
        data, status = self.files[path], 200
        if asked is not None:
            data, status = data[int(asked.removeprefix("bytes=").rstrip("-")) :], 206
        upto = self.breaks.pop(0) if self.breaks else None
        return httpx.Response(status, stream=Body(data, upto))

    async def _register(self, _: re.Match[str], body: bytes) -> httpx.Response:
        self.registrations.append(json.loads(body))
        self.known = True
        # Whoever registers has nothing claimed.
        for claim in self.claims.values():
            if claim.job not in self.queue and claim.result is None:
                claim.lost = True
        return httpx.Response(200, json={"agentId": 7, "heartbeatS": self.heartbeat_s, "leaseS": 1.0})

    async def _heartbeat(self, _: re.Match[str], body: bytes) -> httpx.Response:
        said = json.loads(body)
        self.heartbeats.append(said)
        if not self.known:
            return httpx.Response(404, json={"title": "Unknown agent."})
        lost = [number for number in said["claims"] if self.claims[number].lost]
        return httpx.Response(200, json={"wish": self.wish, "lost": lost})

    async def _claim(self, _: re.Match[str], body: bytes) -> httpx.Response:
        if not self.known:
            return httpx.Response(404, json={"title": "Unknown agent."})
        asked = json.loads(body)
        if not self.queue:
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), asked["waitS"])
        given, self.queue = self.queue[: asked["free"]], self.queue[asked["free"] :]
        jobs = [job.model_dump(mode="json", by_alias=True) for job in given]
        return httpx.Response(200, json={"wish": self.wish, "jobs": jobs})

    def _live(self, found: re.Match[str]) -> Claim | None:
        claim = self.claims[int(found[1])]
        return None if claim.lost or claim.result is not None else claim

    async def _progress(self, found: re.Match[str], body: bytes) -> httpx.Response:
        if (claim := self._live(found)) is None:
            return httpx.Response(410)
        claim.progress.append(json.loads(body))
        return httpx.Response(204)

    async def _preview(self, found: re.Match[str], body: bytes) -> httpx.Response:
        if (claim := self._live(found)) is None:
            return httpx.Response(410)
        claim.previews.append(body)
        return httpx.Response(204)

    async def _blob(self, found: re.Match[str], body: bytes) -> httpx.Response:
        if (claim := self._live(found)) is None:
            return httpx.Response(410)
        if self.refuse_uploads:
            self.refuse_uploads -= 1
            return httpx.Response(503)
        claim.blobs[int(found[2])] = body
        return httpx.Response(200, json={"slot": int(found[2]), "size": len(body), "sha256": sha256(body)})

    async def _results(self, _: re.Match[str], body: bytes) -> httpx.Response:
        heard = []
        for said in json.loads(body)["results"]:
            claim = self.claims[said["claim"]]
            live = not claim.lost and claim.result is None
            claim.result = said["result"] if live else claim.result
            heard.append({"claim": said["claim"], "status": 204 if live else 410})
        self.together.append(len(heard))
        return httpx.Response(200, json={"results": heard})

    async def _result(self, found: re.Match[str], body: bytes) -> httpx.Response:
        if (claim := self._live(found)) is None:
            return httpx.Response(410)
        claim.result = json.loads(body)["result"]
        return httpx.Response(204)


async def until(true: Callable[[], Any], within_s: float = 5.0) -> Any:
    """Wait until something holds; fails the test when it does not in time."""
    async with asyncio.timeout(within_s):
        while not (answer := true()):
            await asyncio.sleep(0.005)
        return answer
