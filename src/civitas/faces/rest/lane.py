"""The fast lane's own door: well-formed requests for the hottest reads do not walk through the whole site.

Whatever is not plainly one of them, such as a wrong method or an id that is none, goes on to the app, which has
the same routes and answers the same way (held by a test).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from civitas.faces.http import errors
from civitas.faces.rest import downloads, fast

Handler = Callable[[Request], Awaitable[Response]]

_PATTERNS: Final = {
    "{id}": r"(?P<id>[0-9]{1,18})",
    "{version_id}": r"(?P<version_id>[0-9]{1,18})",
    "{hash}": r"(?P<hash>[0-9A-Fa-f]{8,64})",
    "{claim:int}": r"(?P<claim>[0-9]{1,18})",
    "{slot:int}": r"(?P<slot>[0-9]{1,9})",
}

# What every route of the lane begins with.
_BEGINNINGS: Final = ("/api/", "/v2/agents/")


def _compiled(route: Route) -> re.Pattern[str]:
    path = re.escape(route.path).replace(r"\{", "{").replace(r"\}", "}")
    for name, pattern in _PATTERNS.items():
        path = path.replace(name, pattern)
    return re.compile(path)


class FastLane:
    """An ASGI layer directly before the app, for its own routes and `more` of other faces."""

    def __init__(self, app: FastAPI, more: Iterable[Route] = ()) -> None:
        self.app = app
        self._inner: ASGIApp = app
        self._plain: dict[str, Route] = {}
        self._numbered: list[tuple[re.Pattern[str], Route]] = []
        for route in (*fast.routes, *downloads.routes, *more):
            if "{" in route.path:
                self._numbered.append((_compiled(route), route))
            else:
                self._plain[route.path] = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._find(scope) if scope["type"] == "http" else None
        if found is None:
            await self._inner(scope, receive, send)
            return
        route, values = found
        handler: Handler = route.endpoint
        scope.update(app=self.app, route=route, endpoint=handler, path_params=values)
        request = Request(scope, receive, send)
        try:
            response = await handler(request)
        except Exception as error:  # noqa: BLE001 - rendered and logged as the app's own handlers do it
            response = await errors.rendered(request, error)
        await response(scope, receive, send)

    def _find(self, scope: Scope) -> tuple[Route, dict[str, str]] | None:
        path: str = scope["path"]
        if not path.startswith(_BEGINNINGS):
            return None
        plain = self._plain.get(path)
        if plain is not None:
            return (plain, {}) if scope["method"] in (plain.methods or ()) else None
        for pattern, route in self._numbered:
            match = pattern.fullmatch(path)
            if match is not None:
                return (route, match.groupdict()) if scope["method"] in (route.methods or ()) else None
        return None
