"""The API's own document: everything that is published is in it, and every reference leads somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fastapi.routing import APIRoute
from tests.factories.http import Client

from civitas.domains.orchestration.schemas.interface import published
from civitas.faces.orchestrator.routes import ROUTERS


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        mapping = value.get("mapping")
        if isinstance(mapping, dict) and "propertyName" in value:
            yield from mapping.values()
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


async def test_the_document_is_whole(client: Client) -> None:
    found = (await client.get("/v2/openapi.json")).json()
    assert found["openapi"].startswith("3.1") and found["servers"] == [{"url": "http://localhost:8000"}]
    told = {(method.upper(), path) for path, item in found["paths"].items() for method in item}
    assert told == {(one.method, one.path) for one in published().operations}
    names = {f"#/components/schemas/{name}" for name in found["components"]["schemas"]}
    pointed = set(references(found))
    assert pointed <= names, sorted(pointed - names)
    step = found["components"]["schemas"]["WorkflowStepTemplate"]
    assert len(step["discriminator"]["mapping"]) == len(published().steps)
    assert found["paths"]["/v2/services"]["get"]["security"] == []


def test_every_published_operation_has_its_route() -> None:
    """Names, paths and methods are the published ones, whatever else there is."""
    there = {
        (route.operation_id, method, re.sub(r"\{.*?\}", "{}", route.path))
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
    wanted = {(one.id, one.method, re.sub(r"\{.*?\}", "{}", one.path)) for one in published().operations}
    assert wanted <= there, wanted - there
