"""A very small application around the style guide, for the tests of this room."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import orjson
from jinja2 import ChoiceLoader, DictLoader
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from civitas.faces.web import styleguide
from civitas.faces.web.assets import static_routes
from civitas.faces.web.error_pages import error_page
from civitas.faces.web.props import ModelCard
from civitas.faces.web.shell import Flash, Shell, Viewer, theme_of
from civitas.faces.web.templating import environment, render

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)


@contextmanager
def held_template(name: str, source: str) -> Iterator[None]:
    """Let the environment know one more template for a moment."""
    env = environment()
    own = env.loader
    assert own is not None
    env.loader = ChoiceLoader([own, DictLoader({name: source})])
    try:
        yield
    finally:
        env.loader = own


async def _with_policy(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    signed_in = "stranger" not in request.query_params
    request.state.shell = Shell(
        viewer=Viewer(1, "mira.vell", unread=3) if signed_in else None,
        csrf_token="token",
        theme=theme_of(request),
        flash=(Flash("ok", "Welcome back"),) if "flash" in request.query_params else (),
        path=request.url.path,
        direction="rtl" if "rtl" in request.query_params else "ltr",
    )
    response = await call_next(request)
    response.headers["Content-Security-Policy"] = POLICY
    return response


async def _error(request: Request) -> Response:
    status = int(request.path_params["status"])
    return error_page(request, status, retry_after=12 if status == 429 else None, request_id="01J9ZK4T")


_LIST = """
{% extends "layout.html" %}
{% from "components/card.html" import card_grid %}
{% from "components/nav.html" import load_more %}
{% block content %}
  <div class="container page"><h1>List</h1>
    {% block results %}
      <div id="results" data-infinite>
        <ul class="card-grid" role="list" data-items>{{ card_grid(cards) }}</ul>
        {{ load_more(next_href) }}
      </div>
    {% endblock results %}
  </div>
{% endblock content %}
"""


async def _list(request: Request) -> Response:
    first = int(request.query_params.get("cursor", "0"))
    # One card comes twice, as when something is published between two pages.
    ids = range(max(0, first - 1), first + 12)
    context = {
        "cards": [ModelCard(n, f"Model {n}", f"/models/{n}", "LORA") for n in ids],
        "next_href": f"/list?cursor={first + 12}" if first < 48 else None,
    }
    with held_template("test-list.html", _LIST):
        return render(request, "test-list.html", context, block="results")


async def _model(request: Request) -> Response:
    return error_page(request, 404)


async def _suggest(request: Request) -> Response:
    word = request.query_params["q"]
    items = [
        {"title": f"{word} one", "href": "/models/1", "subtitle": "LoRA", "icon": "cube"},
        {"title": f"{word} elsewhere", "href": "https://example.org/"},
    ]
    return Response(
        orjson.dumps({"groups": [{"label": "Models", "items": items}]}), media_type="application/json"
    )


async def _quiet(request: Request) -> Response:
    # An event source that is told so asks no more.
    return Response(status_code=204)


def make_app() -> Starlette:
    """The style guide, the error pages and the static files under the policy that the product sends."""
    return Starlette(
        routes=[
            Route("/styleguide", styleguide.show),
            Route("/error/{status:int}", _error),
            Route("/list", _list),
            Route("/models/{id:int}", _model),
            Route("/search/suggest", _suggest),
            Route("/api/live/notices", _quiet),
            *static_routes(),
        ],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=_with_policy)],
    )


app = make_app()
