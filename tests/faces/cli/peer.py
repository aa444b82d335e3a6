"""A small server that keeps the wire contract of the Site API, and breaks it where a test asks it to."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import re
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

KEY = "test-key-0123456789"
RANGE = re.compile(r"bytes=(\d+)-(\d*)")
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABh6FO1AAAAABJRU5ErkJggg=="
)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest().upper()


@dataclass
class Knobs:
    """What goes wrong, and how often."""

    cut_after: int = 0
    cuts: int = 0
    chunk_delay: float = 0.0
    api_429: int = 0
    retry_after: str = "0"
    storage_503: int = 0
    download_status: int = 0
    download_body: dict[str, Any] = field(default_factory=dict)
    html: bool = False
    ranges: bool = True
    expire_links_after: int = 0
    lie_about_hash: bool = False
    corrupt_first: int = 0
    part_503: int = 0
    part_403: int = 0
    part_delay: float = 0.0
    scan_result: str = "clean"
    scan_polls: int = 1
    part_size: int = 1024 * 1024
    verify_error: str = ""
    pictures_late: int = 0
    ids_as_map: bool = False
    base_models: tuple[str, ...] = ()


class Peer:
    """The server's state; tests read and change it directly."""

    def __init__(self) -> None:
        self.url = ""
        self.knobs = Knobs()
        self.models: dict[int, dict[str, Any]] = {}
        self.blobs: dict[int, bytes] = {}
        self.uploads: dict[str, dict[str, Any]] = {}
        self.log: list[tuple[str, str, dict[str, str]]] = []
        self.links: Counter[str] = Counter()
        self.images: dict[int, dict[str, Any]] = {}
        self.polls: Counter[int] = Counter()
        self.ids = itertools.count(1)
        self.link_ids = itertools.count(1)

    def add_model(
        self,
        name: str,
        data: bytes,
        *,
        filename: str = "model.safetensors",
        type: str = "LORA",
        versions: int = 1,
        base_model: str = "SDXL 1.0",
        **facts: Any,
    ) -> int:
        model_id = next(self.ids)
        self.models[model_id] = {
            "id": model_id,
            "name": name,
            "type": type,
            "description": "<p>Hello <b>there</b></p>",
            "nsfw": False,
            "tags": ["style", "test"],
            "creator": {"username": "maker"},
            "stats": {"downloadCount": 1234},
            "allowNoCredit": False,
            "allowCommercialUse": ["Image"],
            "allowDerivatives": True,
            "allowDifferentLicense": False,
            "status": "Published",
            "modelVersions": [],
            **facts,
        }
        for number in range(versions):
            body = data if number == 0 else data + b"#%d" % number
            self.add_version(
                model_id, f"v{number + 1}", body, filename=filename, base_model=base_model, day=number + 1
            )
        return model_id

    def add_version(
        self, model_id: int, name: str, data: bytes, *, filename: str, base_model: str, day: int, **facts: Any
    ) -> int:
        version_id = next(self.ids)
        version = {
            "id": version_id,
            "modelId": model_id,
            "name": name,
            "baseModel": base_model,
            "publishedAt": f"2026-01-{day:02d}T00:00:00.000Z",
            "trainedWords": ["sks style"],
            "availability": "Public",
            "air": f"urn:air:sdxl:lora:civitai:{model_id}@{version_id}",
            "files": [],
            "images": [
                {
                    "url": f"{self.url}/image/abc/width=1024/1.png",
                    "nsfwLevel": 1,
                    "type": "image",
                    "meta": {"prompt": "a cat"},
                }
            ],
            "downloadUrl": f"{self.url}/api/download/models/{version_id}",
            **facts,
        }
        self.models[model_id]["modelVersions"].insert(0, version)
        self.add_file(version, filename, data, primary=True)
        return version_id

    def add_file(self, version: dict[str, Any], filename: str, data: bytes, **facts: Any) -> int:
        file_id = next(self.ids)
        self.blobs[file_id] = data
        version["files"].append(
            {
                "id": file_id,
                "name": filename,
                "sizeKB": len(data) / 1024,
                "type": "Model",
                "metadata": {"format": "SafeTensor", "size": "full", "fp": "fp16"},
                "pickleScanResult": "Success",
                "virusScanResult": "Success",
                "hashes": {"SHA256": sha(data), "AutoV2": sha(data)[:10]},
                "downloadUrl": f"{self.url}/api/download/models/{version['id']}?type=Model",
                "primary": False,
                **facts,
            }
        )
        return file_id

    def versions(self) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        for model in self.models.values():
            for version in model["modelVersions"]:
                yield model, version

    def version_view(self, model: dict[str, Any], version: dict[str, Any]) -> dict[str, Any]:
        return {**version, "model": {key: model[key] for key in ("name", "type", "nsfw")}}

    def requests(self, part: str) -> list[tuple[str, str, dict[str, str]]]:
        return [row for row in self.log if part in row[1]]

    # -- the read API ---------------------------------------------------------------------------------------

    async def me(self, request: Request) -> Response:
        if denied := self.denied(request):
            return denied
        return JSONResponse({"id": 7, "username": "tester", "tier": "free"})

    def denied(self, request: Request) -> Response | None:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return JSONResponse({"error": "Unauthorized"}, 401)
        return None

    async def list_models(self, request: Request) -> Response:
        if self.knobs.api_429 > 0:
            self.knobs.api_429 -= 1
            return JSONResponse({"error": "slow"}, 429, headers={"Retry-After": self.knobs.retry_after})
        query = request.query_params
        found = list(self.models.values())
        if query.get("query"):
            found = [m for m in found if query["query"].lower() in m["name"].lower()]
        if query.get("types"):
            found = [m for m in found if m["type"] in query.getlist("types")]
        if query.get("ids"):
            found = [m for m in found if str(m["id"]) in query["ids"].split(",")]
        if query.get("username"):
            found = [m for m in found if m["creator"]["username"] == query["username"]]
        start, limit = int(query.get("cursor") or 0), min(int(query.get("limit", 100)), 2)
        page = found[start : start + limit]
        meta = {"nextCursor": str(start + limit)} if start + limit < len(found) else {}
        return JSONResponse({"items": page, "metadata": meta})

    async def one_model(self, request: Request) -> Response:
        model = self.models.get(request.path_params["id"])
        if model is None:
            return JSONResponse({"error": "No model with that id"}, 404)
        return JSONResponse(model)

    async def one_version(self, request: Request) -> Response:
        for model, version in self.versions():
            if (
                version["id"] == request.path_params["id"]
                and version.get("status", "Published") == "Published"
            ):
                return JSONResponse(self.version_view(model, version))
        return JSONResponse({"error": "Version not found"}, 404)

    async def own_model(self, request: Request) -> Response:
        if denied := self.denied(request):
            return denied
        model = self.models.get(request.path_params["id"])
        if model is None or model["creator"]["username"] != "tester":
            return JSONResponse({"error": "This model was not found.", "code": "model_not_found"}, 404)
        self.polls[model["id"]] += 1
        done = self.polls[model["id"]] > self.knobs.scan_polls
        state = {"scanStatus": self.knobs.scan_result if done else "pending", "scanMessage": "os.system"}
        versions = [
            {**version, "files": [{**file, **state} for file in version["files"]]}
            for version in model["modelVersions"]
        ]
        return JSONResponse({**model, "modelVersions": versions})

    async def own_images(self, request: Request) -> Response:
        rows = [
            {"id": number, "name": "picture", "status": "ready", "failure": None}
            for number, image in self.images.items()
            if image["version"] == request.path_params["id"]
        ]
        return JSONResponse(rows)

    def find_hash(self, digest: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
        for model, version in self.versions():
            for file in version["files"]:
                if digest.upper() in (value.upper() for value in file["hashes"].values()):
                    return model, version
        return None

    async def by_hash(self, request: Request) -> Response:
        found = self.find_hash(request.path_params["hash"])
        if found is None:
            return JSONResponse({"error": "Model not found"}, 404)
        return JSONResponse(self.version_view(*found))

    async def by_hashes(self, request: Request) -> Response:
        digests = await request.json()
        if len(digests) > 100:
            return JSONResponse({"error": "at most 100"}, 400)
        found = [self.find_hash(digest) for digest in digests]
        return JSONResponse([self.version_view(*pair) for pair in found if pair])

    async def ids_by_hashes(self, request: Request) -> Response:
        digests = await request.json()
        if len(digests) > 10_000:
            return JSONResponse({"error": "at most 10000"}, 400)
        pairs = [(digest, self.find_hash(digest)) for digest in digests]
        if self.knobs.ids_as_map:
            return JSONResponse({digest: pair[1]["id"] for digest, pair in pairs if pair})
        return JSONResponse(
            [{"hash": d, "modelId": p[0]["id"], "modelVersionId": p[1]["id"]} for d, p in pairs if p]
        )

    # -- downloads ------------------------------------------------------------------------------------------

    async def download(self, request: Request) -> Response:
        knobs = self.knobs
        if knobs.html:
            return Response("<html>sign in</html>", 200, media_type="text/html")
        if knobs.download_status:
            headers = {"Retry-After": knobs.retry_after} if knobs.download_status == 429 else {}
            return JSONResponse(
                knobs.download_body or {"error": "no"}, knobs.download_status, headers=headers
            )
        file_id = int(request.query_params["fileId"])
        link = f"{next(self.link_ids)}"
        name = f"/storage/{link}/{file_id}/model.bin?response-content-disposition=attachment"
        return RedirectResponse(name, 307, headers={"Cache-Control": "no-store"})

    async def storage(self, request: Request) -> Response:
        knobs, link = self.knobs, request.path_params["link"]
        if "authorization" in request.headers:
            return PlainTextResponse("only one auth mechanism allowed", 400)
        self.links[link] += 1
        if knobs.expire_links_after and self.links[link] > knobs.expire_links_after:
            return PlainTextResponse("expired", 403)
        if knobs.storage_503 > 0:
            knobs.storage_503 -= 1
            return PlainTextResponse("busy", 503)
        data = self.blobs[request.path_params["file"]]
        etag = f'"{sha(data)[:16]}"'
        headers = {"ETag": etag, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
        start, end, status = 0, len(data), 200
        wanted = RANGE.match(request.headers.get("range", ""))
        if wanted and knobs.ranges and request.headers.get("if-range", etag) == etag:
            start = int(wanted[1])
            end = min(len(data), int(wanted[2] or len(data)) + 1)
            if start >= len(data):
                return Response(status_code=416, headers={"Content-Range": f"bytes */{len(data)}"})
            status = 206
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
        headers["Content-Length"] = str(end - start)
        body = data[start:end]
        if knobs.corrupt_first > 0 and end - start > 1:
            knobs.corrupt_first -= 1
            body = b"\0" * len(body)
        return StreamingResponse(self.pour(body), status, headers=headers)

    async def pour(self, body: bytes) -> AsyncIterator[bytes]:
        sent = 0
        for place in range(0, len(body), 64 * 1024):
            if self.knobs.cuts > 0 and sent >= self.knobs.cut_after and len(body) > 1:
                self.knobs.cuts -= 1
                raise ConnectionResetError("the line broke")
            piece = body[place : place + 64 * 1024]
            yield piece
            sent += len(piece)
            if self.knobs.chunk_delay:
                await asyncio.sleep(self.knobs.chunk_delay)

    async def image(self, request: Request) -> Response:
        return Response(PNG, media_type="image/png")

    # -- the write API --------------------------------------------------------------------------------------

    async def create_model(self, request: Request) -> Response:
        if denied := self.denied(request):
            return denied
        body = await request.json()
        model_id = next(self.ids)
        self.models[model_id] = {
            **body,
            "id": model_id,
            "creator": {"username": "tester"},
            "status": "Draft",
            "modelVersions": [],
        }
        return JSONResponse(self.models[model_id], 201)

    async def patch_model(self, request: Request) -> Response:
        model = self.models[request.path_params["id"]]
        model.update(await request.json())
        return JSONResponse(model)

    async def patch_version(self, request: Request) -> Response:
        for _model, version in self.versions():
            if version["id"] == request.path_params["id"]:
                version.update(await request.json())
                return JSONResponse(version)
        return JSONResponse({"error": "no such version", "code": "not_found"}, 404)

    async def delete_file(self, request: Request) -> Response:
        for _model, version in self.versions():
            version["files"] = [f for f in version["files"] if f["id"] != request.path_params["id"]]
        return Response(status_code=204)

    async def create_version(self, request: Request) -> Response:
        model = self.models[request.path_params["id"]]
        if self.knobs.base_models and (await request.json())["baseModel"] not in self.knobs.base_models:
            return JSONResponse({"error": "unknown base model", "code": "unknown_base_model"}, 400)
        version = {
            "publishedAt": None,
            "files": [],
            "images": [],
            **await request.json(),
            "id": next(self.ids),
            "modelId": model["id"],
            "status": "Draft",
            "ours": True,
        }
        model["modelVersions"].insert(0, version)
        return JSONResponse(version, 201)

    async def create_upload(self, request: Request) -> Response:
        if denied := self.denied(request):
            return denied
        body = await request.json()
        upload_id = f"up-{next(self.ids)}"
        count = -(-body["size"] // self.knobs.part_size)
        self.uploads[upload_id] = {**body, "id": upload_id, "status": "open", "count": count, "held": {}}
        return JSONResponse(
            {
                "id": upload_id,
                "partSize": self.knobs.part_size,
                "partCount": count,
                "expiresAt": "2030-01-01T00:00:00Z",
                "received": [],
                "parts": [],
            },
            201,
        )

    def part_link(self, upload_id: str, part: dict[str, Any]) -> dict[str, Any]:
        """A link that carries its checksum in its signature, as S3's do."""
        url = f"/parts/{upload_id}/{part['number']}?signature={next(self.link_ids)}"
        return {"number": part["number"], "url": url, "headers": {"x-amz-checksum-sha256": part["checksum"]}}

    async def show_upload(self, request: Request) -> Response:
        upload = self.uploads.get(request.path_params["id"])
        if upload is None:
            return JSONResponse({"error": "no such upload"}, 404)
        received = [
            {"number": n, "size": len(b), "etag": f"etag-{n}", "checksum": None}
            for n, b in upload["held"].items()
        ]
        answer = {
            "id": upload["id"],
            "status": upload["status"],
            "filename": upload["filename"],
            "size": upload["size"],
            "partSize": self.knobs.part_size,
            "partCount": upload["count"],
            "received": received,
        }
        if upload["status"] == "failed":
            answer["error"] = {"code": "sha256_mismatch", "message": self.knobs.verify_error}
        return JSONResponse(answer)

    async def more_parts(self, request: Request) -> Response:
        parts = (await request.json())["parts"]
        return JSONResponse([self.part_link(request.path_params["id"], part) for part in parts])

    async def put_part(self, request: Request) -> Response:
        if "authorization" in request.headers:
            return PlainTextResponse("only one auth mechanism allowed", 400)
        body = await request.body()
        if len(body) != int(request.headers["content-length"]):
            return PlainTextResponse("lengths differ", 400)
        if self.knobs.part_403 > 0:
            self.knobs.part_403 -= 1
            return PlainTextResponse("expired", 403)
        if self.knobs.part_503 > 0:
            self.knobs.part_503 -= 1
            return PlainTextResponse("busy", 503)
        if self.knobs.part_delay:
            await asyncio.sleep(self.knobs.part_delay)
        wanted = base64.b64encode(hashlib.sha256(body).digest()).decode()
        if request.headers.get("x-amz-checksum-sha256") != wanted:
            return PlainTextResponse("bad checksum", 400)
        number = request.path_params["number"]
        self.uploads[request.path_params["id"]]["held"][number] = body
        return Response(status_code=200, headers={"ETag": f'"etag-{number}"'})

    async def complete(self, request: Request) -> Response:
        upload = self.uploads[request.path_params["id"]]
        parts = (await request.json())["parts"]
        expected = [{"number": n, "etag": f"etag-{n}"} for n in range(1, upload["count"] + 1)]
        if parts != expected or len(upload["held"]) != upload["count"]:
            return JSONResponse({"error": "parts are missing", "code": "bad_parts"}, 409)
        data = b"".join(upload["held"][n] for n in range(1, upload["count"] + 1))
        right = len(data) == upload["size"] and sha(data) == (upload.get("sha256") or sha(data)).upper()
        upload["status"] = "done" if right and not self.knobs.verify_error else "failed"
        upload["data"] = data
        return JSONResponse({"id": upload["id"], "status": upload["status"]}, 202)

    async def delete_upload(self, request: Request) -> Response:
        self.uploads.pop(request.path_params["id"], None)
        return Response(status_code=204)

    async def attach_file(self, request: Request) -> Response:
        body = await request.json()
        if "uploadId" in body:
            data = self.uploads[body["uploadId"]]["data"]
        else:
            data = next((blob for blob in self.blobs.values() if sha(blob) == body["sha256"]), None)
            if data is None:
                return JSONResponse({"error": "no such file", "code": "not_found"}, 404)
        for _model, version in self.versions():
            if version["id"] == request.path_params["id"]:
                kept = {key: body[key] for key in ("type",) if key in body}
                file_id = self.add_file(version, body["name"], data, **kept)
                version["files"][-1]["body"] = body
                return JSONResponse({"id": file_id}, 201)
        return JSONResponse({"error": "no such version"}, 404)

    async def attach_image(self, request: Request) -> Response:
        body = await request.json()
        image_id = next(self.ids)
        self.images[image_id] = {**body, "version": request.path_params["id"]}
        return JSONResponse({"id": image_id}, 201)

    async def publish_model(self, request: Request) -> Response:
        model = self.models[request.path_params["id"]]
        if self.knobs.pictures_late > 0:
            self.knobs.pictures_late -= 1
            return JSONResponse(
                {"error": "not yet", "code": "not_ready", "missing": [{"code": "no-posts"}]}, 400
            )
        model["status"] = "Published"
        for version in model["modelVersions"]:
            version["status"] = "Published"
        return JSONResponse(model)

    async def publish_version(self, request: Request) -> Response:
        for _model, version in self.versions():
            if version["id"] == request.path_params["id"]:
                version["status"] = "Published"
                return JSONResponse(version)
        return JSONResponse({"error": "no such version"}, 404)

    def app(self) -> Starlette:
        v1 = "/api/v1"
        get, post = ["GET"], ["POST"]
        routes = [
            Route(f"{v1}/me", self.me),
            Route(f"{v1}/models", self.list_models, methods=get),
            Route(f"{v1}/models", self.create_model, methods=post),
            Route(f"{v1}/models/{{id:int}}", self.one_model, methods=get),
            Route(f"{v1}/me/models/{{id:int}}", self.own_model, methods=get),
            Route(f"{v1}/models/{{id:int}}", self.patch_model, methods=["PATCH"]),
            Route(f"{v1}/model-versions/{{id:int}}", self.patch_version, methods=["PATCH"]),
            Route(f"{v1}/model-files/{{id:int}}", self.delete_file, methods=["DELETE"]),
            Route(f"{v1}/models/{{id:int}}/versions", self.create_version, methods=post),
            Route(f"{v1}/models/{{id:int}}/publish", self.publish_model, methods=post),
            Route(f"{v1}/model-versions/by-hash", self.by_hashes, methods=post),
            Route(f"{v1}/model-versions/by-hash/ids", self.ids_by_hashes, methods=post),
            Route(f"{v1}/model-versions/by-hash/{{hash}}", self.by_hash, methods=get),
            Route(f"{v1}/model-versions/{{id:int}}", self.one_version, methods=get),
            Route(f"{v1}/model-versions/{{id:int}}/images", self.own_images, methods=get),
            Route(f"{v1}/model-versions/{{id:int}}/files", self.attach_file, methods=post),
            Route(f"{v1}/model-versions/{{id:int}}/images", self.attach_image, methods=post),
            Route(f"{v1}/model-versions/{{id:int}}/publish", self.publish_version, methods=post),
            Route(f"{v1}/uploads", self.create_upload, methods=post),
            Route(f"{v1}/uploads/{{id}}", self.show_upload, methods=get),
            Route(f"{v1}/uploads/{{id}}", self.delete_upload, methods=["DELETE"]),
            Route(f"{v1}/uploads/{{id}}/parts", self.more_parts, methods=post),
            Route(f"{v1}/uploads/{{id}}/complete", self.complete, methods=post),
            Route("/parts/{id}/{number:int}", self.put_part, methods=["PUT"]),
            Route("/api/download/models/{id:int}", self.download, methods=["GET", "HEAD"]),
            Route("/storage/{link}/{file:int}/{name}", self.storage),
            Route("/image/{rest:path}", self.image),
        ]
        return Starlette(routes=routes)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            headers = {key.decode(): value.decode() for key, value in scope["headers"]}
            path = scope["path"] + ("?" + scope["query_string"].decode() if scope["query_string"] else "")
            self.log.append((scope["method"], path, headers))
        await self._app(scope, receive, send)

    @contextmanager
    def serving(self) -> Iterator[Peer]:
        self._app = self.app()
        config = uvicorn.Config(
            self, host="127.0.0.1", port=0, log_level="critical", lifespan="off", ws="none"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        try:
            yield self
        finally:
            server.should_exit = True
            server.force_exit = True
            thread.join(5)
