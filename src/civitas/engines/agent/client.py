"""The orchestrator as an agent sees it: every call of the protocol, and what its answers mean."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from civitas.contracts.wire.agents import Beat, Heartbeat, Registered, Registration
from civitas.contracts.wire.jobs import AllHeard, Ask, Claimed, Progress, Result, Uploaded

BASE: Final = "/v2/agents"
# Of a transfer: how long may pass without a byte.
SILENCE_S: Final = 60.0
CHUNK: Final = 1024 * 1024
# Results that are told in one call, and about how long such a call may be.
MOST_TOGETHER: Final = 32
LONGEST_TOGETHER: Final = 4 * 1024 * 1024
# Refusals of an upload that did not arrive as it was sent; the same bytes may be sent again.
GARBLED: Final = frozenset({"bad_upload", "broken_off", "stalled"})

_M = TypeVar("_M", bound=BaseModel)


class ServerAway(Exception):
    """The orchestrator does not answer, or not now; the same call may be made again."""


class ClaimLost(Exception):
    """The claim is no longer this agent's (410); whatever is done for it is in vain."""


class NotRegistered(Exception):
    """The orchestrator does not know this agent (404, 409); it has to register again."""


class TokenRefused(Exception):
    """The token does not hold (401, 403); only a person can change that."""


class CallRefused(Exception):
    """The orchestrator understood and said no; saying it again changes nothing. `code` is its stable word for why."""

    def __init__(self, why: str, code: str = "") -> None:
        super().__init__(why)
        self.code = code


@dataclass(slots=True)
class _Untold:
    """A result that somebody waits to have told."""

    claim: int
    said: dict[str, Any]
    heard: asyncio.Future[None]

    @property
    def size(self) -> int:
        """About how long it is on the wire."""
        return len(str(self.said))

    def ends(self, error: Exception | None) -> None:
        """Let whoever waits go on."""
        if self.heard.done():
            return
        if error is None:
            self.heard.set_result(None)
        else:
            self.heard.set_exception(error)


class Orchestrator:
    """Calls the orchestrator at `server` with an agent's token. Every call raises the five above and nothing else."""

    def __init__(self, server: str, token: str, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._http = httpx.AsyncClient(
            base_url=server.rstrip("/") + BASE,
            headers={"authorization": f"Bearer {token}", "accept": "application/json"},
            timeout=httpx.Timeout(15.0, read=30.0),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=8),
            transport=transport,
            trust_env=False,
        )
        self._untold: deque[_Untold] = deque()
        self._telling: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def register(self, registration: Registration) -> Registered:
        """Say what this agent can do; again and again is fine."""
        return await self._said("POST", "/register", Registered, registration)

    async def heartbeat(self, heartbeat: Heartbeat) -> Beat:
        """Stay in touch, renew leases, hear what is wished for."""
        return await self._said("POST", "/heartbeat", Beat, heartbeat)

    async def claim(self, ask: Ask) -> Claimed:
        """Wait for work, as long as `ask` says."""
        return await self._said("POST", "/claims", Claimed, ask, read_s=ask.wait_s + 20)

    async def progress(self, claim: int, progress: Progress) -> None:
        """Say how far a job is."""
        await self._send("POST", f"/claims/{claim}/progress", json=_plain(progress))

    async def preview(self, claim: int, data: bytes, media_type: str) -> None:
        """Show how it looks so far."""
        await self._send(
            "PUT", f"/claims/{claim}/preview", content=data, headers={"content-type": media_type}
        )

    async def upload(
        self, claim: int, slot: int, what: bytes | Path, *, size: int, sha256: str, media_type: str
    ) -> Uploaded:
        """Put what was made into a slot. The digest travels along, so that the other side can check what it got."""
        try:
            answer = await self._send(
                "PUT",
                f"/claims/{claim}/blobs/{slot}",
                content=what if isinstance(what, bytes) else _chunks(what),
                headers={
                    "content-type": media_type,
                    "content-length": str(size),
                    "x-content-sha256": sha256.lower(),
                },
                timeout=httpx.Timeout(15.0, read=SILENCE_S * 2, write=SILENCE_S),
            )
        except CallRefused as refused:
            if refused.code in GARBLED:
                raise ServerAway(str(refused)) from refused
            raise
        return _read(answer, Uploaded)

    async def result(self, claim: int, result: Result) -> None:
        """Say how a job ended. Results that come while others are being told are told together, in one call."""
        heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._untold.append(_Untold(claim, _plain(result), heard))
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell_on())
        await heard

    async def _tell_on(self) -> None:
        while self._untold:
            few = self._few()
            try:
                await self._tell(few)
            except Exception as error:  # noqa: BLE001 - it is whoever waits for its result that hears of it
                for one in few:
                    one.ends(error)

    def _few(self) -> list[_Untold]:
        """Those that are told next: not too many, and together not too long."""
        few, size = [self._untold.popleft()], 0
        while self._untold and len(few) < MOST_TOGETHER:
            size += self._untold[0].size + (few[0].size if not size else 0)
            if size > LONGEST_TOGETHER:
                break
            few.append(self._untold.popleft())
        return few

    async def _tell(self, few: list[_Untold]) -> None:
        told: AllHeard | None = None
        if len(few) > 1:
            said = {"results": [{"claim": one.claim, **one.said} for one in few]}
            # A site that does not know this call takes them one by one.
            with contextlib.suppress(NotRegistered, CallRefused):
                told = _read(await self._send("POST", "/results", json=said), AllHeard)
        if told is None:
            for one in few:
                await self._tell_alone(one)
            return
        answers = {one.claim: one for one in told.results}
        for one in few:
            answer = answers.get(one.claim)
            if answer is None:
                one.ends(ServerAway("the result was not spoken of"))
            elif answer.status < 300:
                one.ends(None)
            else:
                one.ends(_meant(answer.status, answer.detail or "", answer.code or "", claim=True))

    async def _tell_alone(self, one: _Untold) -> None:
        try:
            await self._send("POST", f"/claims/{one.claim}/result", json=one.said)
        except (ServerAway, ClaimLost, TokenRefused, CallRefused) as error:
            one.ends(error)
        else:
            one.ends(None)

    async def _said(
        self, method: str, path: str, shape: type[_M], said: BaseModel, *, read_s: float = 30.0
    ) -> _M:
        answer = await self._send(
            method, path, json=_plain(said), timeout=httpx.Timeout(15.0, read=max(read_s, 30.0))
        )
        return _read(answer, shape)

    async def _send(self, method: str, path: str, **what: Any) -> httpx.Response:
        try:
            answer = await self._http.request(method, path, **what)
        except (httpx.HTTPError, OSError) as error:
            raise ServerAway(str(error) or type(error).__name__) from error
        if answer.is_success:
            return answer
        raise _meaning(answer, claim=path.startswith("/claims/"))


def _plain(message: BaseModel) -> dict[str, Any]:
    return message.model_dump(mode="json", by_alias=True)


def _read(answer: httpx.Response, shape: type[_M]) -> _M:
    try:
        return shape.model_validate_json(answer.content)
    except ValidationError as error:
        raise ServerAway(
            f"{answer.url.path} answered what cannot be read: {error.error_count()} errors"
        ) from error


def _meaning(answer: httpx.Response, *, claim: bool) -> Exception:
    return _meant(answer.status_code, _why(answer), _texts(answer).get("code", ""), claim=claim)


def _meant(status: int, why: str, code: str, *, claim: bool) -> Exception:
    if status in {401, 403}:
        return TokenRefused(why)
    if claim and status in {404, 410}:
        return ClaimLost(why)
    if status in {404, 409, 410} and not claim:
        return NotRegistered(why)
    if status in {408, 425, 429} or status >= 500:
        return ServerAway(f"{status} {why}")
    return CallRefused(f"{status} {why}", code)


def _why(answer: httpx.Response) -> str:
    """The problem document's own words, else the start of the body."""
    said = _texts(answer)
    return next(
        (said[name] for name in ("detail", "title", "error", "message") if name in said), answer.text[:200]
    )


def _texts(answer: httpx.Response) -> dict[str, str]:
    """The texts of a JSON answer."""
    try:
        said = answer.json()
    except ValueError:
        return {}
    return (
        {name: text for name, text in said.items() if isinstance(text, str)} if isinstance(said, dict) else {}
    )


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk
