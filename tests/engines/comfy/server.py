"""A small ComfyUI: the same protocol on a port of its own, a handful of nodes, one prompt at a time; for tests."""

from __future__ import annotations

import asyncio
import io
import json
import socket
import struct
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import uvicorn
from PIL import Image, PngImagePlugin
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

MODELS = {
    "ckpt_name": "checkpoints",
    "lora_name": "loras",
    "vae_name": "vae",
    "control_net_name": "controlnet",
}
NODES = [
    "CheckpointLoaderSimple",
    "LoraLoader",
    "VAELoader",
    "CLIPSetLastLayer",
    "CLIPTextEncode",
    "EmptyLatentImage",
    "LoadImage",
    "ImageScale",
    "VAEEncode",
    "KSampler",
    "VAEDecode",
    "SaveImage",
    "PreviewImage",
    "SaveFiles",
    "ControlNetLoader",
    "ControlNetApplyAdvanced",
    "Breaks",
    "Waits",
]


class Interrupted(Exception):
    pass


class Broken(Exception):
    def __init__(self, node: str, kind: str, message: str) -> None:
        self.node, self.kind, self.message = node, kind, message


class SmallComfy:
    """What was asked of it, and what it is to do. `files` are what `SaveFiles` saves."""

    def __init__(self, models: Path | None = None) -> None:
        self.url = ""
        self.models = models
        self.nodes = list(NODES)
        self.prompts: list[dict[str, Any]] = []
        self.extra: list[dict[str, Any]] = []
        self.uploads: dict[str, bytes] = {}
        self.made: dict[tuple[str, str], bytes] = {}
        self.files: dict[str, bytes] = {}
        self.history: dict[str, Any] = {}
        self.running: str | None = None
        self.pending: list[tuple[str, dict[str, Any], str]] = []
        self.sockets: dict[str, WebSocket] = {}
        self.interrupts: list[Any] = []
        self.deleted: list[str] = []
        self.going = asyncio.Event()
        self.going.set()
        self.more = asyncio.Event()
        # Connections break before the end is told; it then has to be looked for.
        self.drops = False
        self.forgets = False
        self.strangers = 0
        self._stop = asyncio.Event()

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                WebSocketRoute("/ws", self._listen),
                Route("/object_info", self._object_info),
                Route("/system_stats", self._stats),
                Route("/prompt", self._prompt, methods=["POST"]),
                Route("/queue", self._queue, methods=["GET", "POST"]),
                Route("/interrupt", self._interrupt, methods=["POST"]),
                Route("/history/{prompt}", self._past),
                Route("/upload/image", self._upload, methods=["POST"]),
                Route("/view", self._view),
            ]
        )

    async def _listen(self, socket: WebSocket) -> None:
        await socket.accept()
        client = socket.query_params["clientId"]
        self.sockets[client] = socket
        await socket.send_json({"type": "status", "data": {"status": {}, "sid": client}})
        with suppress(WebSocketDisconnect):
            while True:
                await socket.receive_text()

    async def _object_info(self, request: Request) -> Response:
        return JSONResponse({name: {"input": {}} for name in self.nodes})

    async def _stats(self, request: Request) -> Response:
        return JSONResponse({"devices": [{"name": "cuda:0", "vram_total": 24 * 2**30}]})

    async def _prompt(self, request: Request) -> Response:
        said = await request.json()
        graph = said["prompt"]
        if trouble := self._troubles(graph):
            return JSONResponse(trouble, 400)
        prompt = str(uuid.uuid4())
        self.prompts.append(graph)
        self.extra.append(said["extra_data"])
        self.pending.append((prompt, graph, said["client_id"]))
        self.more.set()
        return JSONResponse({"prompt_id": prompt, "number": len(self.prompts), "node_errors": {}})

    def _troubles(self, graph: dict[str, Any]) -> dict[str, Any] | None:
        for number, node in graph.items():
            if node["class_type"] not in self.nodes:
                return {"error": {"type": "missing_node_type", "message": "Node not found"}}
            for name, value in node["inputs"].items():
                wrong = None
                if name in MODELS and not (self._folder(name) / str(value)).exists():
                    wrong = ("value_not_in_list", "Value not in list", f"{name}: {value!r} not in []")
                if node["class_type"] == "LoadImage" and name == "image" and value not in self.uploads:
                    wrong = ("custom_validation_failed", "Invalid image file", f"image: {value}")
                if isinstance(value, list) and value[0] not in graph:
                    wrong = ("bad_linked_input", "Bad linked input", name)
                if name == "steps" and value > 100:
                    wrong = ("value_bigger_than_max", "Value bigger than max", f"steps: {value}")
                if wrong:
                    error = {"type": wrong[0], "message": wrong[1], "details": wrong[2]}
                    return {
                        "error": {"type": "prompt_outputs_failed_validation", "message": "Prompt failed"},
                        "node_errors": {number: {"errors": [error], "class_type": node["class_type"]}},
                    }
        return None

    def _folder(self, name: str) -> Path:
        assert self.models is not None
        return self.models / MODELS[name]

    async def _queue(self, request: Request) -> Response:
        if request.method == "POST":
            gone = (await request.json()).get("delete", [])
            self.deleted += gone
            self.pending = [one for one in self.pending if one[0] not in gone]
            return Response()
        running = [[0, self.running, {}]] if self.running else []
        waiting = [[number, one[0], {}] for number, one in enumerate(self.pending)]
        waiting += [[99, "another's", {}]] * self.strangers
        return JSONResponse({"queue_running": running, "queue_pending": waiting})

    async def _interrupt(self, request: Request) -> Response:
        prompt = (await request.json()).get("prompt_id")
        self.interrupts.append(prompt)
        if prompt in (None, self.running):
            self._stop.set()
        return Response()

    async def _past(self, request: Request) -> Response:
        prompt = request.path_params["prompt"]
        return JSONResponse({prompt: self.history[prompt]} if prompt in self.history else {})

    async def _upload(self, request: Request) -> Response:
        async with request.form() as form:
            file, folder = form["image"], str(form["subfolder"])
            assert not isinstance(file, str)
            self.uploads[f"{folder}/{file.filename}"] = await file.read()
            return JSONResponse({"name": file.filename, "subfolder": folder, "type": "input"})

    async def _view(self, request: Request) -> Response:
        asked = request.query_params
        data = self.made.get((asked["type"], asked["filename"]))
        return Response(data, media_type="image/png") if data is not None else Response(status_code=404)

    async def work(self) -> None:
        """Run what waits, one after another."""
        while True:
            await self.more.wait()
            self.more.clear()
            while self.pending:
                prompt, graph, client = self.pending.pop(0)
                self.running = prompt
                await self._run(prompt, graph, client)
                self.running = None

    async def _run(self, prompt: str, graph: dict[str, Any], client: str) -> None:
        self._stop.clear()
        outputs: dict[str, Any] = {}
        status: dict[str, Any] = {"status_str": "success", "completed": True, "messages": []}
        await self._tell(client, "execution_start", prompt_id=prompt)
        await self._tell(client, "execution_cached", nodes=[], prompt_id=prompt)
        try:
            for number, node in graph.items():
                await self._tell(client, "executing", node=number, prompt_id=prompt)
                if made := await self._do(number, node, graph, client, prompt):
                    outputs[number] = made
                    await self._tell(client, "executed", node=number, output=made, prompt_id=prompt)
            end: tuple[str, dict[str, Any]] = ("execution_success", {})
        except Broken as broken:
            facts = {
                "node_id": broken.node,
                "exception_type": broken.kind,
                "exception_message": broken.message,
            }
            end = ("execution_error", facts)
        except Interrupted:
            end = ("execution_interrupted", {})
        if end[0] != "execution_success":
            status = {
                "status_str": "error",
                "completed": False,
                "messages": [[end[0], {"prompt_id": prompt, **end[1]}]],
            }
        if self.drops:
            await self.sockets[client].close()
        await self._tell(client, end[0], prompt_id=prompt, **end[1])
        await asyncio.sleep(0.02)
        if not self.forgets:
            self.history[prompt] = {"prompt": [], "outputs": outputs, "status": status}
        await self._tell(client, "executing", node=None, prompt_id=prompt)

    async def _do(
        self, number: str, node: dict[str, Any], graph: dict[str, Any], client: str, prompt: str
    ) -> dict[str, Any] | None:
        match node["class_type"]:
            case "KSampler":
                for step in range(1, 5):
                    await self._tell(client, "progress", node=number, value=step, max=4, prompt_id=prompt)
                    await self._send(client, struct.pack(">II", 1, 1) + b"\xff\xd8preview")
                    await self._go_on()
            case "Waits":
                await self._go_on()
            case "Breaks":
                raise Broken(
                    number, node["inputs"].get("error", "ValueError"), str(node["inputs"]["message"])
                )
            case "SaveImage" | "PreviewImage":
                kind = "output" if node["class_type"] == "SaveImage" else "temp"
                name = f"{node['inputs'].get('filename_prefix', 'ComfyUI').replace('/', '_')}_00001_.png"
                self.made[kind, name] = self._painted(node, graph)
                return {"images": [{"filename": name, "subfolder": "", "type": kind}]}
            case "SaveFiles":
                for name, data in self.files.items():
                    self.made["output", name] = data
                return {
                    "files": [{"filename": name, "subfolder": "", "type": "output"} for name in self.files]
                }
        return None

    async def _go_on(self) -> None:
        waits = [asyncio.create_task(self.going.wait()), asyncio.create_task(self._stop.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if self._stop.is_set():
            raise Interrupted

    def _painted(self, node: dict[str, Any], graph: dict[str, Any]) -> bytes:
        """A picture in the size that was asked for, whose colour is the seed."""
        decode = graph[node["inputs"]["images"][0]]["inputs"]
        sampler = graph[decode["samples"][0]]["inputs"] if "samples" in decode else {"seed": 0}
        size = {"width": 64, "height": 64}
        if "latent_image" in sampler:
            latent = graph[sampler["latent_image"][0]]
            scaled = latent["inputs"].get("pixels")
            size = graph[scaled[0]]["inputs"] if scaled else latent["inputs"]
        colour = (sampler["seed"] % 256, 40, 80)
        about = PngImagePlugin.PngInfo()
        about.add_text("prompt", json.dumps(graph))
        out = io.BytesIO()
        Image.new("RGB", (size["width"], size["height"]), colour).save(out, "PNG", pnginfo=about)
        return out.getvalue()

    async def _tell(self, client: str, type: str, **data: Any) -> None:
        await self._send(client, json.dumps({"type": type, "data": data}))

    async def _send(self, client: str, what: str | bytes) -> None:
        if client in self.sockets:
            with suppress(RuntimeError, WebSocketDisconnect):
                if isinstance(what, str):
                    await self.sockets[client].send_text(what)
                else:
                    await self.sockets[client].send_bytes(what)


@asynccontextmanager
async def running(comfy: SmallComfy) -> AsyncIterator[SmallComfy]:
    """The server at work; `comfy.url` is where."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        comfy.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            comfy.app(), log_config=None, access_log=False, lifespan="off", ws="websockets-sansio"
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve(sockets=[listener]))
        working = asyncio.create_task(comfy.work())
        try:
            yield comfy
        finally:
            working.cancel()
            server.should_exit = True
            await asyncio.gather(serving, working, return_exceptions=True)
