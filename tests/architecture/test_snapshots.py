"""The event table and the routes, written down: a change of either is a change of this folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.routing import Route

from civitas.app import faces, wiring
from civitas.faces.rest import openapi
from civitas.infra.queue.registry import REGISTRY
from civitas.infra.settings import Settings

HERE = Path(__file__).parent


def check(name: str, lines: list[str]) -> None:
    path = HERE / f"{name}.txt"
    text = "\n".join(lines) + "\n"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, "look at the difference, then UPDATE_SNAPSHOTS=1"


@pytest.fixture(scope="module")
def app() -> FastAPI:
    made = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    faces.include(made, Settings())
    return made


def routes_of(routes: Any, prefix: str = "") -> list[str]:
    found = []
    for route in routes:
        if isinstance(route, Route):
            methods = ",".join(sorted((route.methods or set()) - {"HEAD", "OPTIONS"}))
            found.append(f"{methods:7} {prefix}{route.path}")
        elif (inner := getattr(route, "original_router", None)) is not None:
            found += routes_of(inner.routes, prefix + route.include_context.prefix)
    return found


def test_the_event_table() -> None:
    lines = [
        f"{event}: {', '.join(heard)}"
        for event, heard in REGISTRY.event_table().items()
        # Other tests have events of their own.
        if event.partition(".")[0] in wiring.DOMAINS
    ]
    check("events", lines)


def test_the_routes(app: FastAPI) -> None:
    check("routes", sorted(routes_of(app.routes)))


def test_every_operation_of_the_api_is_named_and_told(app: FastAPI) -> None:
    document = openapi.document(app)
    names = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation.get("summary"), f"{method} {path} has no summary"
            assert operation["responses"], f"{method} {path} has no responses"
            names.append(operation["operationId"])
    assert len(names) == len(set(names))
