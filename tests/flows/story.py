"""What people do over HTTP, in few words: upload, draft, show, publish."""

from __future__ import annotations

import hashlib
from io import BytesIO
from itertools import count
from typing import Any

import httpx
import numpy as np
from PIL import Image
from safetensors.numpy import save
from tests.factories.accounts import make_person
from tests.factories.http import Client

from civitas.domains.accounts.types import ALL_MASK, Scope
from civitas.domains.catalog import tasks as catalog_tasks
from civitas.kit import clock

API = "/api/v1"
_numbers = count(1)


def weights(**metadata: str) -> bytes:
    """A small true safetensors file, unlike every other one."""
    number = next(_numbers)
    tensors = {"lora_unet_down.weight": np.full((4, 8), number, dtype=np.float16)}
    return save(tensors, {"ss_network_dim": "4", "made": str(number)} | metadata)


def drawing(width: int = 64, height: int = 48) -> bytes:
    """A small true PNG, unlike every other one."""
    number = next(_numbers)
    file = BytesIO()
    Image.new("RGB", (width, height), (number % 256, number // 256 % 256, 99)).save(file, "PNG")
    return file.getvalue()


def ok(response: httpx.Response, status: int = 200) -> Any:
    """The JSON of an answer that must have this status."""
    assert response.status_code == status, f"{response.request.method} {response.url}: {response.text}"
    return response.json() if response.content else None


async def person(client: Client, username: str | None = None, *, mature: bool = False, **columns: Any) -> int:
    """A new person; `mature` ones have asked to see everything."""
    if mature:
        columns |= {"show_mature": True, "adult_confirmed_at": clock.now(), "browsing_level": ALL_MASK}
    async with client.house.database.unit() as session:
        return await make_person(session, username, **columns)


async def new_member(client: Client, username: str | None = None, **options: Any) -> int:
    """A new person at this client's browser."""
    person_id = await person(client, username, **options)
    client.sign_out()
    await client.sign_in(person_id)
    return person_id


async def new_program(client: Client, *, scopes: Scope = Scope.FULL, **options: Any) -> int:
    """A new person whose key this client sends."""
    person_id = await person(client, **options)
    client.sign_out()
    await client.use_key(person_id, scopes=scopes)
    return person_id


async def become(client: Client, person_id: int | None, *, by_key: bool = True) -> None:
    """Be this person again, or a stranger."""
    client.sign_out()
    if person_id is None:
        return
    if by_key:
        await client.use_key(person_id)
    else:
        await client.sign_in(person_id)


async def announce(client: Client, data: bytes, filename: str = "model.safetensors", **fields: Any) -> Any:
    """An upload that is open."""
    body = {"filename": filename, "size": len(data)} | fields
    return ok(await client.post(f"{API}/uploads", json=body), 201)


async def send_parts(client: Client, upload: Any, data: bytes) -> list[dict[str, Any]]:
    """Put every part where its link says; the parts as `complete` wants them."""
    sent = []
    for part in upload["parts"]:
        piece = data[part["offset"] : part["offset"] + part["size"]]
        answer = await client.put(part["url"], content=piece, headers=part["headers"])
        ok(answer)
        sent.append({"number": part["number"], "etag": answer.headers["etag"]})
    return sent


async def upload(client: Client, data: bytes, filename: str = "model.safetensors", **fields: Any) -> str:
    """The id of an upload that was sent, completed and verified."""
    begun = await announce(client, data, filename, **fields)
    parts = await send_parts(client, begun, data)
    ok(await client.post(f"{API}/uploads/{begun['id']}/complete", json={"parts": parts}), 202)
    await client.run_tasks()
    found = ok(await client.get(f"{API}/uploads/{begun['id']}"))
    assert found["status"] == "done", found
    assert found["digests"]["SHA256"] == hashlib.sha256(data).hexdigest().upper()
    return str(begun["id"])


async def draft(client: Client, **fields: Any) -> Any:
    """A draft of a model with a tag."""
    body = {"name": f"Story {next(_numbers)}", "type": "LORA", "tags": ["story"]} | fields
    return ok(await client.post(f"{API}/models", json=body), 201)


async def version(client: Client, model_id: int, **fields: Any) -> Any:
    """A draft version."""
    body = {"name": f"v{next(_numbers)}", "baseModel": "SDXL 1.0"} | fields
    return ok(await client.post(f"{API}/models/{model_id}/versions", json=body), 201)


async def file(
    client: Client, version_id: int, data: bytes | None = None, filename: str = "model.safetensors", **fields: Any
) -> Any:  # fmt: skip
    """An uploaded file of a version, scanned as far as the scanner goes."""
    upload_id = await upload(client, data if data is not None else weights(), filename)
    url = f"{API}/model-versions/{version_id}/files"
    made = ok(await client.post(url, json={"uploadId": upload_id} | fields), 201)
    await client.run_tasks()
    return made


async def picture(client: Client, version_id: int, data: bytes | None = None, **fields: Any) -> Any:
    """An uploaded picture of a version, decoded."""
    upload_id = await upload(
        client, data if data is not None else drawing(), "picture.png", purpose="image"
    )  # fmt: skip
    url = f"{API}/model-versions/{version_id}/images"
    made = ok(await client.post(url, json={"uploadId": upload_id} | fields), 201)
    await client.run_tasks()
    return made


async def ready(
    client: Client, *, level: int = 1, content: bytes | None = None, **fields: Any
) -> tuple[int, int]:
    """A draft that can be published: the ids of model and version."""
    model = await draft(client, **fields)
    made = await version(client, model["id"])
    await file(client, made["id"], content)
    await picture(client, made["id"], nsfwLevel=level)
    return int(model["id"]), int(made["id"])


async def published(
    client: Client, *, level: int = 1, content: bytes | None = None, **fields: Any
) -> tuple[int, int]:
    """A model that everybody sees: the ids of model and version."""
    model_id, version_id = await ready(client, level=level, content=content, **fields)
    ok(await client.post(f"{API}/models/{model_id}/publish"))
    await client.run_tasks()
    return model_id, version_id


async def download(client: Client, version_id: int, query: str = "") -> bytes:
    """The bytes behind the download link."""
    answer = await client.get(f"/api/download/models/{version_id}{query}")
    assert answer.status_code == 307, answer.text
    found = await client.get(answer.headers["location"])
    assert found.status_code == 200, found.text
    return found.content


async def a_minute_later(client: Client) -> None:
    """What the schedule does every minute: counts and known words follow."""
    await catalog_tasks.fold_counts(client.context)
