"""The directory leaves out only what could not answer."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from starlette.routing import Match, Route
from tests.factories.http import Client

from civitas.faces.http.directory import Directory, leading


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/", ()),
        ("/models/{id}", ("models",)),
        ("/api/v1/models/{id}/versions", ("api", "v1", "models")),
        ("/user/{name}/", ("user",)),
        ("/img-{size}/x", ()),
        ("/a/b/c/d", ("a", "b", "c")),
    ],
)
def test_words_before_the_first_parameter(path: str, words: tuple[str, ...]) -> None:
    assert leading(path) == words


def small() -> FastAPI:
    app, directory = FastAPI(), Directory()
    for number, paths in enumerate((["/a/{x}"], ["/{y}/b"], ["/a/b", "/c"], ["/"])):
        router = APIRouter()
        for path in paths:
            router.add_api_route(path, lambda number=number: number, name=f"{number}{path}")
        directory.include(app, router, prefix="/p" if paths == ["/"] else "")
    app.router.routes.append(Route("/unnoted/{x:path}", lambda request: None, name="unnoted"))
    directory.open(app)
    return app


async def test_the_first_that_fits_answers_as_before() -> None:
    app = small()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://civitas.test"
    ) as client:
        found = {path: (await client.get(path)).json() for path in ("/a/b", "/z/b", "/c", "/p/")}
        assert found == {"/a/b": 0, "/z/b": 1, "/c": 2, "/p/": 3}
        assert (await client.get("/nothing/there")).status_code == 404
        assert (await client.post("/c")).status_code == 405
        assert (await client.get("/c/")).headers["location"] == "http://civitas.test/c"
    assert app.url_path_for("unnoted", x="1") == "/unnoted/1"


async def test_every_route_of_the_site_is_found_among_those_left(client: Client) -> None:
    router = client.app.router
    directory = router.middleware_stack
    assert isinstance(directory, Directory)
    paths = {str(getattr(route, "path", "")) for route in router.routes}
    for included in router.routes:
        inner = getattr(included, "original_router", None)
        prefix = getattr(getattr(included, "include_context", None), "prefix", "")
        paths |= {prefix + getattr(route, "path", "") for route in getattr(inner, "routes", [])}
    assert len(paths) > 300
    for path in sorted(paths):
        address = re.sub(r"\{[^}]*\}", "7", path) or "/"
        for method in ("GET", "POST"):
            scope: dict[str, Any] = {
                "type": "http",
                "method": method,
                "path": address,
                "headers": [],
                "app": client.app,
            }
            everybody = [route for route in router.routes if route.matches(dict(scope))[0] is not Match.NONE]
            few = directory._for(router, address).routes
            assert [route for route in few if route.matches(dict(scope))[0] is not Match.NONE] == everybody, (
                path
            )
