"""The API's own OpenAPI 3.1 document: what FastAPI knows of its routes, and the fast lane's operations beside it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from starlette.responses import JSONResponse

from civitas import __version__
from civitas.faces.http.links import base_url
from civitas.faces.rest import operations

router = APIRouter(include_in_schema=False)

PREFIX = "/api/v1"
DESCRIPTION = """Browse, search, download and publish generative-AI models.

Reads answer as tools made for other hubs of this kind expect them; change their base URL and they work. Send an API
key as `Authorization: Bearer KEY` (or `?token=KEY`); without one you see what is public. Lists are paged by
`metadata.nextCursor`. Errors are `{"error": sentence, "code": ...}`; 429 comes with `Retry-After`.
"""
FAULT: dict[str, Any] = {
    "type": "object",
    "required": ["error", "code"],
    "properties": {
        "error": {
            "anyOf": [{"type": "string"}, {"type": "object"}],
            "description": "What happened and what to do, in one sentence; in some reads the issues that "
            "clients know from other hubs, with the sentence in `message`.",
        },
        "message": {"type": "string"},
        "code": {"type": "string", "description": "Stable and machine-readable."},
        "fields": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


def document(app: FastAPI) -> dict[str, Any]:
    """The whole document with paths below `/api/v1`; a fresh copy."""
    made = get_openapi(
        title="Civitas Site API",
        version=__version__,
        openapi_version="3.1.0",
        description=DESCRIPTION,
        routes=app.routes,
    )
    made["paths"] = {path: item for path, item in made["paths"].items() if path.startswith(PREFIX)}
    components = made.setdefault("components", {})
    components.setdefault("securitySchemes", {})["BearerAuth"] = {
        "type": "http",
        "scheme": "bearer",
        "description": "A personal API key, made in the account's settings.",
    }
    components.setdefault("schemas", {})["Fault"] = FAULT
    for path in made["paths"].values():
        for operation in path.values():
            _complete(operation)
    operations.merge(made)
    for unused in ("HTTPValidationError", "ValidationError"):
        made["components"]["schemas"].pop(unused, None)
    made["info"]["license"] = {
        "name": "AGPL-3.0-or-later",
        "url": "https://www.gnu.org/licenses/agpl-3.0.html",
    }
    return made


def _complete(operation: dict[str, Any]) -> None:
    """Say how faults look: FastAPI's own 422 never leaves here, it is our 400."""
    operation.setdefault("security", [{"BearerAuth": []}, {}])
    responses = operation["responses"]
    responses.pop("422", None)
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Fault"}}}
    for status, told in (
        ("400", "The input cannot be accepted as it is."),
        ("401", "Sign in or send a key; or the key does not hold."),
        ("403", "Not allowed."),
        ("404", "There is no such thing, or you may not know of it."),
        ("409", "The thing is not in a state that allows this."),
        ("413", "The body is too large."),
        ("429", "Too many requests; Retry-After says how long to wait."),
    ):
        responses.setdefault(status, {"description": told, "content": content})


@lru_cache(maxsize=4)
def _cached(app: FastAPI, base: str) -> dict[str, Any]:
    return {**document(app), "servers": [{"url": base}]}


@router.get("/openapi.json")
async def show(request: Request) -> JSONResponse:
    """The document, naming this instance as its server."""
    return JSONResponse(
        _cached(request.app, base_url(request)), headers={"Cache-Control": "public, max-age=300"}
    )
