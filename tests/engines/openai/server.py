"""A small server that speaks the OpenAI protocol, on a port of its own, for tests."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route


@dataclass
class Spoken:
    """What was asked of the server, and what it is to answer."""

    url: str = ""
    asked: list[tuple[str, Any]] = field(default_factory=list)
    files: list[tuple[str, bytes]] = field(default_factory=list)
    texts: list[str] = field(default_factory=lambda: ["Hello there."])
    message: dict[str, Any] = field(default_factory=dict)
    streams: bool = True
    picture: bytes = b""
    pictures_by_url: bool = False
    speech: bytes = b""
    transcript: dict[str, Any] = field(default_factory=dict)
    refusal: tuple[int, dict[str, Any]] | None = None
    breaks_off: bool = False
    key: str = "sk-test"


def app_of(spoken: Spoken) -> Starlette:
    """The server."""

    def refused(request: Request) -> Response | None:
        if request.headers.get("authorization") != f"Bearer {spoken.key}":
            return JSONResponse({"error": {"message": "Incorrect API key.", "code": "invalid_api_key"}}, 401)
        if spoken.refusal is not None and request.method == "POST":
            return JSONResponse(spoken.refusal[1], spoken.refusal[0])
        return None

    async def models(request: Request) -> Response:
        names = ("tiny-chat", "vendor/seeing", "painter")
        return refused(request) or JSONResponse({"data": [{"id": name} for name in names]})

    async def chat(request: Request) -> Response:
        said = await request.json()
        spoken.asked.append(("chat", said))
        if no := refused(request):
            return no
        text = spoken.texts.pop(0) if len(spoken.texts) > 1 else spoken.texts[0]
        head = {
            "id": "chatcmpl-1",
            "created": 1_700_000_000,
            "model": said["model"],
            "system_fingerprint": "fp",
        }
        usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
        if not (said.get("stream") and spoken.streams):
            message = {"role": "assistant", "content": text, **spoken.message}
            choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
            return JSONResponse({**head, "object": "chat.completion", "choices": choices, "usage": usage})
        return StreamingResponse(events(head, text, said, usage), media_type="text/event-stream")

    async def events(
        head: dict[str, Any], text: str, said: dict[str, Any], usage: dict[str, int]
    ) -> AsyncIterator[bytes]:
        for index in range(said.get("n") or 1):
            for word in text.split(" "):
                delta = {"content": word + " "}
                yield event({**head, "choices": [{"index": index, "delta": delta, "finish_reason": None}]})
            if spoken.breaks_off:
                raise ConnectionError("gone")
            if spoken.message:
                yield event({**head, "choices": [{"index": index, "delta": spoken.message}]})
            yield event({**head, "choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]})
        yield event({**head, "choices": [], "usage": usage})
        yield b"data: [DONE]\n\n"

    async def draw(request: Request) -> Response:
        if request.headers["content-type"].startswith("application/json"):
            said = await request.json()
        else:
            form = await request.form()
            said = {name: value for name, value in form.items() if isinstance(value, str)}
            for name, value in form.multi_items():
                if not isinstance(value, str):
                    spoken.files.append((name, await value.read()))
            await form.close()
        spoken.asked.append((request.url.path, said))
        if no := refused(request):
            return no
        one = (
            {"url": f"{spoken.url}/picture.png"}
            if spoken.pictures_by_url
            else {"b64_json": base64.b64encode(spoken.picture).decode()}
        )
        return JSONResponse({"created": 1, "data": [one] * int(said.get("n") or 1)})

    async def picture(request: Request) -> Response:
        return Response(spoken.picture, media_type="image/png")

    async def speak(request: Request) -> Response:
        spoken.asked.append(("speech", await request.json()))
        return refused(request) or Response(spoken.speech, media_type="audio/mpeg")

    async def transcribe(request: Request) -> Response:
        form = await request.form()
        spoken.asked.append(("transcribe", [item for item in form.multi_items() if isinstance(item[1], str)]))
        sent = form["file"]
        assert not isinstance(sent, str)
        spoken.files.append((str(sent.filename), await sent.read()))
        await form.close()
        return refused(request) or JSONResponse(spoken.transcript)

    return Starlette(
        routes=[
            Route("/v1/models", models),
            Route("/v1/chat/completions", chat, methods=["POST"]),
            Route("/v1/images/generations", draw, methods=["POST"]),
            Route("/v1/images/edits", draw, methods=["POST"]),
            Route("/v1/picture.png", picture),
            Route("/v1/audio/speech", speak, methods=["POST"]),
            Route("/v1/audio/transcriptions", transcribe, methods=["POST"]),
        ]
    )


def event(said: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(said).encode() + b"\n\n"


@asynccontextmanager
async def running(spoken: Spoken) -> AsyncIterator[Spoken]:
    """The server on a port of its own; `spoken.url` is where."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        spoken.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        config = uvicorn.Config(app_of(spoken), log_config=None, access_log=False, lifespan="off", ws="none")
        server = uvicorn.Server(config)
        task = asyncio.create_task(server._serve(sockets=[listener]))
        try:
            yield spoken
        finally:
            server.should_exit = True
            await task
