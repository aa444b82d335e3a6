"""The server behind the engine: its address, its calls, and what its refusals mean for a job."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from civitas.engines.agent.engine import JobFailed, JobRejected

MOST_JSON: Final = 64 * 1024 * 1024
MOST_BYTES: Final = 256 * 1024 * 1024
MOST_EVENT: Final = 32 * 1024 * 1024
# What servers call a refusal by their own rules.
_BLOCKED: Final = ("content_policy_violation", "moderation_blocked", "content_filter")


@dataclass(frozen=True, slots=True)
class Server:
    """A server and what the operator lets it do."""

    base_url: str
    api_key: str | None = field(default=None, repr=False)
    chat_model: str | None = None
    vision_model: str | None = None
    # The server's model for each model of the API.
    image_models: Mapping[str, str] = field(default_factory=dict)
    speech_model: str | None = None
    voices: Mapping[str, str] = field(default_factory=dict)
    voice: str = "alloy"
    transcription_model: str | None = None
    timeout_s: float = 300.0


class Caller:
    """Calls a server. Every call raises JobFailed or JobRejected with a sentence, and nothing else."""

    def __init__(self, server: Server, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._http = httpx.AsyncClient(
            base_url=server.base_url.rstrip("/"),
            headers={"authorization": f"Bearer {server.api_key}"} if server.api_key else {},
            timeout=httpx.Timeout(20.0, read=server.timeout_s, write=server.timeout_s),
            transport=transport,
            trust_env=False,
        )
        self._timeout_s = server.timeout_s

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def models(self) -> list[str]:
        """The names of the models that the server has."""
        said = await self.json("GET", "/models")
        listed = said.get("data")
        return (
            [str(one["id"]) for one in listed if isinstance(one, dict) and "id" in one]
            if isinstance(listed, list)
            else []
        )

    async def json(self, method: str, path: str, **what: Any) -> dict[str, Any]:
        """A call answered with one JSON object."""
        async with self._answered(method, path, **what) as answer:
            return _object(await _whole(answer, MOST_JSON))

    async def bytes(self, method: str, path: str, **what: Any) -> tuple[bytes, str]:
        """A call answered with bytes, and their type."""
        async with self._answered(method, path, **what) as answer:
            media_type = answer.headers.get("content-type", "").partition(";")[0].strip()
            return await _whole(answer, MOST_BYTES), media_type

    async def events(self, path: str, said: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """A call whose answer streams; one that does not stream is a single event."""
        async with self._answered("POST", path, json=dict(said)) as answer:
            if "text/event-stream" not in answer.headers.get("content-type", ""):
                yield _object(await _whole(answer, MOST_JSON))
                return
            async for data in _data_lines(answer):
                if data == "[DONE]":
                    return
                event = _object(data.encode())
                if "error" in event:
                    raise _refusal(400, event)
                yield event

    @asynccontextmanager
    async def _answered(self, method: str, path: str, **what: Any) -> AsyncIterator[httpx.Response]:
        try:
            async with self._http.stream(method, path, **what) as answer:
                if not answer.is_success:
                    raise _refusal(answer.status_code, _maybe(await _whole(answer, MOST_JSON)))
                yield answer
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            # It never began: somebody else may take it, and nothing counts as tried.
            raise JobRejected("The server behind this agent does not answer.") from error
        except httpx.TimeoutException as error:
            raise JobFailed(f"The server said nothing for {self._timeout_s:g} s.", transient=True) from error
        except httpx.HTTPError as error:
            raise JobFailed(
                f"The server broke off: {error or type(error).__name__}.", transient=True
            ) from error


async def _whole(answer: httpx.Response, most: int) -> bytes:
    body = bytearray()
    async for piece in answer.aiter_bytes():
        body += piece
        if len(body) > most:
            raise JobFailed("The server's answer is larger than this agent takes.")
    return bytes(body)


async def _data_lines(answer: httpx.Response) -> AsyncIterator[str]:
    """The data of server-sent events, each bounded."""
    pending = ""
    async for text in answer.aiter_text():
        pending += text
        *lines, pending = pending.split("\n")
        if len(pending) > MOST_EVENT:
            raise JobFailed("The server's answer is larger than this agent takes.")
        for line in lines:
            if line.startswith("data:"):
                yield line[5:].strip()
    if pending.startswith("data:"):
        yield pending[5:].strip()


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise JobFailed("The server's answer is not what the protocol says.", transient=True)
    return said


def _maybe(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except ValueError:
        return {"error": body[:300].decode("utf-8", "replace")}
    return said if isinstance(said, dict) else {}


def _refusal(status: int, said: Mapping[str, Any]) -> JobFailed | JobRejected:
    error = said.get("error") or said.get("detail") or said.get("message") or ""
    words = error if isinstance(error, dict) else {"message": error}
    message, code = str(words.get("message") or f"status {status}")[:500], str(words.get("code") or "")
    if status in {401, 403}:
        return JobRejected(f"The server behind this agent refuses its key: {message}")
    if code in _BLOCKED:
        return JobFailed(f"The server's rules forbid this: {message}", blocked_reason=code)
    transient = status in {408, 409, 425, 429} or status >= 500
    return JobFailed(f"The server refused: {message}", transient=transient)
