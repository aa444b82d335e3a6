"""`/api/docs`: the API's own document as a page to read, with a command to copy for every operation."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from civitas.faces.http.links import base_url
from civitas.faces.http.state import state_of
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Visitor
from civitas.kit.errors import NotFound
from civitas.kit.text import slug

router = APIRouter(include_in_schema=False)

MAX_DEPTH = 4


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter or a field of a body."""

    name: str
    type: str
    place: str
    required: bool
    description: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that the API does."""

    anchor: str
    method: str
    path: str
    summary: str
    description: str
    fields: tuple[Field, ...]
    answers: tuple[tuple[str, str], ...]
    example: str
    command: str


@dataclass(frozen=True, slots=True)
class Chapter:
    """Operations of one tag."""

    name: str
    anchor: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class ApiDocs:
    """What the template takes."""

    title: str
    version: str
    description: str
    base: str
    chapters: tuple[Chapter, ...]


@router.get("/api/docs")
async def show(request: Request, actor: Visitor) -> Response:
    """The whole API on one page."""
    make = state_of(request).api_document
    if make is None:
        raise NotFound("This instance has no API document.", code="route_not_found")
    document = make(request.app)
    context = ApiDocs(
        title=document["info"]["title"],
        version=document["info"]["version"],
        description=document["info"].get("description", ""),
        base=base_url(request),
        chapters=tuple(_chapters(document, base_url(request))),
    )
    return render(request, "api/docs.html", context)


def _chapters(document: Mapping[str, Any], base: str) -> Iterator[Chapter]:
    by_tag: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if not isinstance(operation, dict) or "responses" not in operation:
                continue
            tag = (operation.get("tags") or ["Other"])[0]
            by_tag.setdefault(tag, []).append(_operation(document, path, method, operation, base))
    for tag in sorted(by_tag):
        yield Chapter(tag, slug(tag), tuple(by_tag[tag]))


def _operation(
    document: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any], base: str
) -> Operation:
    fields = [_parameter(document, given) for given in operation.get("parameters", ())]
    body = _json_schema(operation.get("requestBody", {}))
    if body is not None:
        fields += list(_body_fields(document, body))
    answer: Mapping[str, Any] = next(
        (a for code, a in operation["responses"].items() if str(code).startswith("2")), {}
    )
    schema = _json_schema(answer)
    example = json.dumps(_example(document, schema, 0), indent=2) if schema is not None else ""
    return Operation(
        anchor=operation.get("operationId") or slug(f"{method} {path}"),
        method=method.upper(),
        path=path,
        summary=operation.get("summary", ""),
        description=operation.get("description", ""),
        fields=tuple(fields),
        answers=tuple(
            (str(code), found.get("description", "")) for code, found in operation["responses"].items()
        ),
        example=example,
        command=_command(document, method, f"{base}{path}", body),
    )


def _resolve(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: Any = document
    for part in str(reference).removeprefix("#/").split("/"):
        found = found[part]
    return _resolve(document, found)


def _json_schema(holder: Mapping[str, Any]) -> Mapping[str, Any] | None:
    found = holder.get("content", {}).get("application/json", {}).get("schema")
    return found if isinstance(found, dict) and found else None


def _parameter(document: Mapping[str, Any], given: Mapping[str, Any]) -> Field:
    schema = given.get("schema", {})
    description = given.get("description") or schema.get("description") or ""
    return Field(
        given["name"], _type(document, schema), given["in"], bool(given.get("required")), description
    )


def _body_fields(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[Field]:
    whole = _resolve(document, _choice(document, schema))
    required = set(whole.get("required", ()))
    for name, inner in whole.get("properties", {}).items():
        yield Field(name, _type(document, inner), "body", name in required, inner.get("description", ""))
    if whole.get("type") == "array":
        yield Field("(the body)", _type(document, whole), "body", True, whole.get("description", ""))


def _choice(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first of several shapes that is not null."""
    options = schema.get("anyOf") or schema.get("oneOf")
    if not options:
        return schema
    return next((option for option in options if option.get("type") != "null"), options[0])


def _type(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return " or ".join(dict.fromkeys(_type(document, option) for option in options))
    if "$ref" in schema:
        resolved = _resolve(document, schema)
        return _type(document, resolved) if "enum" in resolved else str(schema["$ref"]).rsplit("/", 1)[-1]
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    kind = schema.get("type", "any")
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind == "array":
        return f"list of {_type(document, schema.get('items', {}))}"
    return f"{kind} ({schema['format']})" if "format" in schema else str(kind)


def _example(document: Mapping[str, Any], schema: Mapping[str, Any], depth: int) -> Any:
    found = _resolve(document, _choice(document, schema))
    if "example" in found or "default" in found:
        return found.get("example", found.get("default"))
    if "enum" in found:
        return found["enum"][0]
    kind = found.get("type")
    if isinstance(kind, list):
        kind = next(option for option in kind if option != "null")
    if kind == "object" or "properties" in found:
        if depth >= MAX_DEPTH:
            return {}
        return {
            name: _example(document, inner, depth + 1) for name, inner in found.get("properties", {}).items()
        }
    if kind == "array":
        return [_example(document, found.get("items", {}), depth + 1)] if depth < MAX_DEPTH else []
    plain: dict[Any, Any] = {"integer": 1, "number": 1.0, "boolean": True, "string": "text"}
    return "2026-01-31T12:00:00Z" if found.get("format") == "date-time" else plain.get(kind)


def _command(document: Mapping[str, Any], method: str, url: str, body: Mapping[str, Any] | None) -> str:
    parts = ["curl"]
    if method == "head":
        parts.append("--head")
    elif method != "get":
        parts.append(f"-X {method.upper()}")
    parts.append('-H "Authorization: Bearer $CIVITAS_KEY"')
    if body is not None:
        sample = json.dumps(_example(document, body, MAX_DEPTH - 2))
        parts.append(f"-H 'Content-Type: application/json' -d '{sample}'")
    parts.append(f'"{url}"')
    return " ".join(parts)
