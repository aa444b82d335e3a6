"""Which routes can answer a path at all, known by its first words, so that not every route is tried for every request.

A router tries its routes one after the other, and a site of hundreds of them spends more time on that than on many an
answer. The order among those that remain is kept, and so is everything else: the same router, with fewer routes.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute
from starlette.types import Receive, Scope, Send

# As many words of a path are looked at: `/api/v1/models` has three.
DEPTH: Final = 3
Words = tuple[str, ...]


def leading(path: str) -> Words:
    """The words of a route's path before its first parameter, three at most."""
    words: list[str] = []
    for word in path.strip("/").split("/")[:DEPTH]:
        if "{" in word or not word:
            break
        words.append(word)
    return tuple(words)


class Directory:
    """Stands before a router's routes. What was not noted is tried for every path."""

    def __init__(self) -> None:
        self._leading: dict[int, set[Words]] = {}
        self._places: dict[Words, list[int]] = {}
        self._narrowed: dict[tuple[Words, ...], APIRouter] = {}
        self._router: APIRouter | None = None

    def include(self, app: FastAPI, router: APIRouter, *, prefix: str = "") -> None:
        """Include a router, and note what its paths begin with."""
        app.include_router(router, prefix=prefix)
        paths = [getattr(route, "path", "") for route in router.routes]
        self.note(app.router.routes[-1], (prefix + path if path else "" for path in paths))

    def note(self, route: BaseRoute, paths: Iterable[str]) -> None:
        """This route answers nothing but these paths."""
        self._leading[id(route)] = {leading(path) for path in paths}

    def open(self, app: FastAPI) -> None:
        """Stand before all routes that the app has now; none may be added later."""
        self._router = app.router
        for place, route in enumerate(app.router.routes):
            for words in self._leading.get(id(route), {()}):
                self._places.setdefault(words, []).append(place)
        app.router.middleware_stack = self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        router = self._router
        if router is None:
            raise RuntimeError("the directory is not open")
        if scope["type"] != "http" or scope.get("root_path"):
            await router.app(scope, receive, send)
            return
        # Links are made by the whole router.
        scope["router"] = router
        await self._for(router, scope["path"]).app(scope, receive, send)

    def _for(self, router: APIRouter, path: str) -> APIRouter:
        words = tuple(path.strip("/").split("/", DEPTH)[:DEPTH])
        known = tuple(words[:n] for n in range(len(words) + 1) if words[:n] in self._places)
        narrowed = self._narrowed.get(known)
        if narrowed is None:
            places = sorted({place for found in known for place in self._places[found]})
            narrowed = self._narrowed[known] = _with_routes(router, [router.routes[n] for n in places])
        return narrowed


def _with_routes(router: APIRouter, routes: list[BaseRoute]) -> APIRouter:
    few: Any = copy.copy(router)
    few.routes = routes
    made: APIRouter = few
    return made
