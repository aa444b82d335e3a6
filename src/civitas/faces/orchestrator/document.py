"""`/v2/openapi.json`: the Orchestration API's own OpenAPI 3.1 document, made of the published schemas."""

from __future__ import annotations

import re
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

import orjson
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from civitas import __version__
from civitas.domains.orchestration.schemas import interface
from civitas.faces.http.limits import take
from civitas.faces.http.links import base_url

router = APIRouter(include_in_schema=False)

DESCRIPTION: Final = """Submit workflows of steps; agents run them. Send an API key as `Authorization: Bearer KEY`.

Errors are problem documents (RFC 9457) whose `errors` name wrong fields by their path.
"""
_TOLD: Final = {
    "200": "Done.",
    "201": "Made.",
    "202": "Accepted, and still under way.",
    "204": "Done; there is nothing to say.",
    "308": "The bytes are there.",
    "400": "The input cannot be accepted as it is.",
    "401": "Send a key; or the key does not hold.",
    "403": "Not allowed, or not paid for.",
    "404": "There is no such thing, or you may not know of it.",
    "410": "It can be had no longer.",
    "413": "It is too large.",
    "415": "Nobody reads this type here.",
    "422": "The bytes are not what they are said to be.",
    "429": "Too many; Retry-After says how long to wait.",
    "500": "A mistake of ours.",
    "default": "Something else went wrong.",
}
_OPEN: Final = ("/v2/services", "/v2/resources")


@lru_cache(maxsize=4)
def document(base: str) -> dict[str, Any]:
    """The whole document for an instance that is reached under `base`."""
    raw = orjson.loads(files(interface.__package__ or "").joinpath("interface.json").read_bytes())
    schemas = {name: _plain(schema) for name, schema in raw["schemas"].items()}
    for name, parts in ((interface.STEP, ("input", "output")), (interface.TEMPLATE, ("input",))):
        schemas |= _steps(raw, schemas, name, parts)
    paths: dict[str, dict[str, Any]] = {}
    for one in raw["operations"]:
        paths.setdefault(one["path"], {})[one["method"].lower()] = _operation(one)
    return {
        "openapi": "3.1.1",
        "info": {"title": "Civitas Orchestration API", "version": __version__, "description": DESCRIPTION},
        "servers": [{"url": base}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"BearerAuth": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"BearerAuth": []}],
    }


def _steps(raw: dict[str, Any], schemas: dict[str, Any], base: str, parts: tuple[str, ...]) -> dict[str, Any]:
    """The base of steps as a choice, and each kind's own schema beside it."""
    plain, made, mapping = schemas[base], {}, {}
    ending = base.removeprefix("Workflow")
    for kind, told in raw["steps"].items():
        name = f"{kind[0].upper()}{kind[1:]}{ending}"
        own = {"$type": {"type": "string", "enum": [kind]}} | {part: _plain(told[part]) for part in parts}
        made[name] = {
            **plain,
            "properties": plain["properties"] | own,
            "required": sorted({*plain["required"], "$type", "input"}),
        }
        mapping[kind] = f"#/components/schemas/{name}"
    made[base] = _choice("$type", mapping)
    return made


def _plain(schema: Any) -> Any:
    """A compact schema in the words of OpenAPI."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(schema.get("$ref"), str):
        return {"$ref": f"#/components/schemas/{schema['$ref']}"}
    told = schema.get("discriminator")
    if isinstance(told, dict) and isinstance(told.get("mapping"), dict):
        mapping = {value: f"#/components/schemas/{name}" for value, name in told["mapping"].items()}
        return _choice(told["propertyName"], mapping)
    return {name: one if name in ("default", "enum") else _plain(one) for name, one in schema.items()}


def _choice(name: str, mapping: dict[str, str]) -> dict[str, Any]:
    return {
        "oneOf": [{"$ref": reference} for reference in dict.fromkeys(mapping.values())],
        "discriminator": {"propertyName": name, "mapping": mapping},
    }


def _operation(one: dict[str, Any]) -> dict[str, Any]:
    words = re.sub(r"StepTemplate$", "", one["id"])
    made: dict[str, Any] = {
        "operationId": one["id"],
        "summary": re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", words),
        "tags": [one["tag"]],
        "parameters": [{**told, "schema": _plain(told["schema"])} for told in one["parameters"]],
        "responses": {},
    }
    if one["path"].startswith(_OPEN):
        made["security"] = []
    if one["body"]:
        kind = "application/json-patch+json" if one["method"] == "PATCH" else "application/json"
        made["requestBody"] = {"required": True, "content": {kind: {"schema": _plain(one["body"])}}}
    for status, schema in one["answers"].items():
        told: dict[str, Any] = {"description": _TOLD.get(status, "An answer.")}
        if status[:1] in "45" or status == "default":
            problem = {"$ref": "#/components/schemas/ProblemDetails"}
            told["content"] = {"application/problem+json": {"schema": problem}}
        elif schema:
            told["content"] = {"application/json": {"schema": _plain(schema)}}
        made["responses"][status] = told
    return made


@router.get("/v2/openapi.json")
async def show(request: Request) -> JSONResponse:
    """The document, naming this instance as its server."""
    await take(request, "read")
    return JSONResponse(document(base_url(request)), headers={"Cache-Control": "public, max-age=300"})
