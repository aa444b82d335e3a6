"""Every operation of the OpenAPI document with a request that its owner could make, so that new routes are covered."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy import select, update
from tests.factories.accounts import make_key, make_person
from tests.factories.catalog import (
    make_blob,
    make_file,
    make_model,
    make_published_model,
    make_upload,
    make_version,
)
from tests.factories.http import Client

from civitas.app.web import create_app
from civitas.domains.accounts import sessions
from civitas.domains.accounts.tables import ApiKey
from civitas.domains.blobs import references
from civitas.domains.catalog import rebuilding
from civitas.domains.catalog.tables import FileHash, FileHeader, Model, ModelFile
from civitas.domains.gallery.tables import Image, Post
from civitas.faces.rest import openapi
from civitas.infra.settings import Settings
from civitas.kit import clock

SECRET = "xyzzy plugh"
READING_POSTS = {"getModelVersionsByHashes", "getModelVersionIdsByHashes"}
# What others may do with somebody's public model.
OPEN_TO_ALL = {
    "favoriteModel", "unfavoriteModel", "hiddenModel", "unhiddenModel", "notifyModel", "unnotifyModel", "forkModel",
    "downloadModelVersion", "describeModelVersionDownload",
}  # fmt: skip
# Taking back a wish of one's own, or a line of one's own history, that may not be there changes and tells nothing.
HARMLESS = {
    "unfavoriteModel", "unhiddenModel", "unnotifyModel", "hideDownload",
    "hide_download_api_v1_me_downloads__version_id__delete",
}  # fmt: skip


@dataclass(frozen=True)
class Operation:
    """One operation as the document has it."""

    method: str
    path: str
    name: str
    parameters: tuple[dict[str, Any], ...]
    body: dict[str, Any] | None
    body_needed: bool

    @property
    def writes(self) -> bool:
        return self.method not in {"GET", "HEAD"} and self.name not in READING_POSTS

    @property
    def of_something(self) -> bool:
        return "{" in self.path and self.name != "getModelVersionByHash" and "/users/" not in self.path

    def __str__(self) -> str:
        return self.name


@lru_cache(1)
def app() -> FastAPI:
    """The app without adapters: only its routes are looked at."""
    found: Any = create_app(Settings(home=Path("unused")), lambda: None)  # type: ignore[arg-type, return-value]
    while not isinstance(found, FastAPI):
        found = found.app
    return found


@lru_cache(1)
def document() -> dict[str, Any]:
    return openapi.document(app())


@lru_cache(1)
def operations() -> tuple[Operation, ...]:
    made = []
    for path, item in document()["paths"].items():
        for method, found in item.items():
            body = found.get("requestBody", {})
            content = body.get("content", {})
            schema = content.get("application/json", {}).get("schema")
            made.append(
                Operation(
                    method.upper(), path, found["operationId"], tuple(found.get("parameters", ())),
                    schema if schema is not None else ({} if content else None), bool(body.get("required")),
                )
            )  # fmt: skip
    return tuple(made)


@dataclass
class Owned:
    """Somebody's things of every kind."""

    person: int
    model: int
    version: int
    second: int
    file: int
    image: int
    upload: uuid.UUID
    key: int
    session: int
    sha256: str

    def path_value(self, operation: Operation, name: str) -> str:
        """What stands for this name in the path; a KeyError asks whoever adds a route to say what its name means."""
        known: dict[str, Any] = {
            "model_id": self.model, "modelId": self.model, "version_id": self.version, "versionId": self.version,
            "file_id": self.file, "image_id": self.image, "upload_id": self.upload, "key_id": self.key,
            "hash": self.sha256, "username": "somebody_else", "verb": "follow",
            "session_id": self.session,
        }  # fmt: skip
        if name == "id":
            prefixes = {"/models/": self.model, "/model-versions/": self.version, "/model-files/": self.file}
            return str(next(value for prefix, value in prefixes.items() if prefix in operation.path))
        return str(known[name])

    def body(self, operation: Operation) -> Any:
        """A body that its owner could send."""
        known: dict[str, Any] = {
            "setVersionOrigins": {"recommended": []},
            "updateModel": {"name": "changed"},
            "createModel": {"name": "made", "type": "LORA"},
            "createVersion": {"name": "made", "baseModel": "SDXL 1.0"},
            "updateVersion": {"name": "changed"},
            "orderVersions": {"ids": [self.second, self.version]},
            "addFile": {"uploadId": str(self.upload)},
            "updateFile": {"name": "changed.safetensors"},
            "createUpload": {"filename": "a.safetensors", "size": 9},
            "signUploadParts": {"numbers": [1]},
            "addVersionImage": {"uploadId": str(self.upload)},
            "orderVersionImages": {"ids": [self.image]},
            "rateImage": {"nsfwLevel": 2},
            "setBrowsing": {"showMature": False, "browsingLevel": 3},
            "changePreferences": {"content": {"left_handed": True}},
            "getModelVersionsByHashes": [self.sha256],
            "getModelVersionIdsByHashes": [self.sha256],
        }
        if operation.name in known:
            return known[operation.name]
        return sample(operation.body or {}) if operation.body_needed else None

    def query(self, operation: Operation) -> dict[str, Any]:
        """The parameters that must be there."""
        known = {"left": self.version, "right": self.second, "entityType": "Model"}
        found = {
            p["name"]: known.get(p["name"]) or sample(p["schema"])
            for p in operation.parameters
            if p["in"] == "query" and p.get("required")
        }
        return found | ({"entityIds": self.model} if operation.name == "checkPermissions" else {})


def sample(schema: dict[str, Any]) -> Any:
    """A small value that a schema allows."""
    if "$ref" in schema:
        return sample(document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return sample(schema[choice][0])
    if "default" in schema:
        return schema["default"]
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        return {name: sample(schema["properties"][name]) for name in schema.get("required", ())}
    if kind == "array":
        return [sample(schema.get("items", {}))] * schema.get("minItems", 0)
    if kind in {"integer", "number"}:
        return max(1, schema.get("minimum", 1))
    return {"boolean": True, "null": None}.get(str(kind), "x" * max(4, schema.get("minLength", 0)))


async def ask(client: Client, operation: Operation, owned: Owned, **changes: Any) -> httpx.Response:
    """Make the request of the owner as whoever the client is now."""
    path = operation.path
    for parameter in operation.parameters:
        if parameter["in"] == "path":
            value = owned.path_value(operation, parameter["name"])
            path = path.replace(f"{{{parameter['name']}}}", value)
    options: dict[str, Any] = {"params": owned.query(operation) or None}
    if operation.body is not None and operation.method not in {"GET", "HEAD"}:
        body = owned.body(operation)
        if body is not None:
            options["json"] = body
    return await client.request(operation.method, path, **(options | changes))


async def make_owned(client: Client, *, public: bool) -> Owned:
    """A person with a model, two versions, a file, a picture, an upload and a key; drafts, or all of it public."""
    async with client.house.database.unit() as session:
        person = await make_person(session, "owner_of_all")
        await make_person(session, "somebody_else")
        browser = await sessions.open_session(session, person, method="password")
        if public:
            model, (version, second) = await make_published_model(
                session, person, versions=2, name=f"Public {SECRET}", version={"description": SECRET}
            )
            file = await session.scalar(select(ModelFile.id).where(ModelFile.version_id == version))
            session.add(FileHeader(file_id=file, metadata_={}, tensors=[], tensor_count=0, parameter_count=0))
        else:
            model = await make_model(session, person, name=f"Draft {SECRET}", description=SECRET)
            version = await make_version(session, model, name=f"One {SECRET}", description=SECRET)
            second = await make_version(session, model, name=f"Two {SECRET}", position=1)
            file = await make_file(session, version, name=f"{SECRET}.safetensors")
        upload = await make_upload(session, person, f"{SECRET}.safetensors")
        blob = await make_blob(session)
        post = Post(person_id=person, version_id=version, showcase=True, published_at=clock.now())
        session.add(post)
        await session.flush()
        image = Image(
            post_id=post.id, person_id=person, blob_id=blob, key=str(uuid.uuid4()), name=f"{SECRET}.png",
            nsfw_level=1, status="ready", width=64, height=64, variants=[],
        )  # fmt: skip
        session.add(image)
        await session.flush()
        await references.add(session, blob_id=blob, kind="image", subject_id=image.id)
        await make_key(session, person)
        key = await session.scalar(select(ApiKey.id).where(ApiKey.person_id == person))
        sha256 = await session.scalar(
            select(FileHash.value).where(FileHash.file_id == file, FileHash.kind == "SHA256")
        )
        await session.execute(update(Model).where(Model.id == model).values(updated_at=clock.now()))
        await rebuilding.rebuild(session, [model])
        assert file is not None and key is not None and sha256 is not None
        return Owned(
            person, model, version, second, file, image.id, upload, key, browser.actor.session_id or 0, sha256
        )
