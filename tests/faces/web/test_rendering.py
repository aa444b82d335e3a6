from __future__ import annotations

import json
import re
from dataclasses import dataclass

import httpx
import pytest
from jinja2 import UndefinedError
from starlette.requests import Request
from tests.faces.web.gallery_app import held_template, make_app

from civitas.faces.web import templating
from civitas.faces.web.error_pages import error_page
from civitas.faces.web.shell import Shell, Viewer, theme_of
from civitas.faces.web.templating import environment, render, toast_header


def _request(path: str = "/styleguide", query: str = "", **headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request(
        {"type": "http", "method": "GET", "path": path, "query_string": query.encode(), "headers": raw}
    )


@dataclass(frozen=True)
class _Context:
    status: int
    words: object
    detail: str | None = None
    retry_after: int | None = None
    request_id: str | None = None


@dataclass(frozen=True)
class _Words:
    title: str = "<b>title</b>"
    text: str = "text"
    action: str = "Go"
    href: str = "/"


PAGE = _Context(404, _Words())


def test_a_whole_page_varies_by_htmx() -> None:
    answer = render(_request(), "errors/error.html", PAGE)
    assert answer.headers["vary"] == "HX-Request, HX-Target"
    assert answer.body.lstrip().startswith(b"<!DOCTYPE html>")
    assert b"&lt;b&gt;title" in answer.body


def test_htmx_gets_the_block_it_targets() -> None:
    answer = render(
        _request(hx_request="true", hx_target="content"), "errors/error.html", PAGE, block="content"
    )
    assert b"<!DOCTYPE" not in answer.body
    assert b"error-page" in answer.body
    assert answer.headers["vary"] == "HX-Request, HX-Target"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"hx_target": "content"},
        {"hx_request": "true"},
        {"hx_request": "true", "hx_target": "elsewhere"},
        {"hx_request": "true", "hx_target": "title"},
        {"hx_request": "true", "hx_target": "content", "hx_boosted": "true"},
        {"hx_request": "true", "hx_target": "content", "hx_history_restore_request": "true"},
    ],
)
def test_everything_else_gets_the_page(headers: dict[str, str]) -> None:
    answer = render(_request(**headers), "errors/error.html", PAGE, block=("content",))
    assert b"<!DOCTYPE html>" in answer.body


def test_a_missing_name_is_an_error_and_so_is_a_strange_context() -> None:
    with pytest.raises(UndefinedError):
        render(_request(), "errors/error.html", {"status": 404})
    with pytest.raises(TypeError):
        render(_request(), "errors/error.html", ["status"])


def test_a_block_knows_what_its_template_imports_wherever_that_stands() -> None:
    source = """

    {% extends "layout.html" %}
    {% from "components/button.html" import button %}
    {% block content %}whole {% block part %}{{ button("Go") }}{% endblock part %}{% endblock content %}"""
    asked = _request(hx_request="true", hx_target="part")
    with held_template("test-part.html", source):
        answer = render(asked, "test-part.html", block=["part", "other"])
    assert answer.body.startswith(b"<button")
    assert b"whole" not in answer.body


def test_the_theme_comes_from_the_cookie() -> None:
    assert theme_of(_request(cookie="theme=dark")) == "dark"
    assert theme_of(_request(cookie="theme=evil")) == "system"
    assert b'data-theme="dark"' in render(_request(cookie="theme=dark"), "errors/error.html", PAGE).body


def test_signing_in_comes_back_here() -> None:
    body = render(_request("/models", "types=LORA&x=1"), "errors/error.html", PAGE).body.decode()
    assert "/login?returnUrl=/models%3Ftypes%3DLORA%26x%3D1" in body


def test_where_one_is() -> None:
    shell = Shell(viewer=Viewer(1, "mira"), path="/models/12/x")
    assert shell.inside("/models") and not shell.inside("/model") and not shell.inside("/")
    assert shell.viewer is not None and shell.viewer.url == "/user/mira"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 413, 418, 429, 500, 502, 503])
def test_each_error_has_words_and_a_way_on(status: int) -> None:
    answer = error_page(_request("/gone", "a=1"), status, detail="<i>because</i>", request_id="01J")
    body = answer.body.decode()
    assert answer.status_code == status
    assert "&lt;i&gt;because" in body and "Request 01J" in body
    assert 'class="button primary' in body


def test_a_limit_says_when_to_come_back() -> None:
    answer = error_page(_request(), 429, retry_after=12)
    assert answer.headers["retry-after"] == "12"
    assert b"Try again in 12 seconds." in answer.body


def test_an_error_reaches_htmx_as_a_toast() -> None:
    answer = error_page(_request(hx_request="true"), 403, detail="Nicht für dich\r\nX: y")
    sent = json.loads(answer.headers["hx-trigger"])
    assert sent == {"toast": {"kind": "danger", "text": "Nicht für dich\r\nX: y"}}
    assert toast_header("ok", "ü")["HX-Trigger"].isascii()


def test_no_template_needs_what_the_policy_forbids() -> None:
    # A block of JSON-LD is data: no policy runs or refuses it (HTML standard, "data block").
    forbidden = re.compile(
        r"\son[a-z]+=|\sstyle=|<style|javascript:|hx-on|hx-vals=.js:"
        r'|<script(?![^>]*\s(?:src=|type="application/ld\+json"))'
    )
    for path in sorted(templating.TEMPLATES.rglob("*.html")):
        assert not forbidden.search(path.read_text()), path.name


def test_every_icon_named_in_a_template_is_in_the_sprite() -> None:
    sprite = (templating.TEMPLATES.parent / "static" / "icons" / "sprite.svg").read_text()
    drawn = set(re.findall(r'<symbol id="([a-z-]+)"', sprite))
    for path in sorted(templating.TEMPLATES.rglob("*.html")):
        named = set(re.findall(r"(?:icon|draw)\(['\"]([a-z-]+)['\"]", path.read_text()))
        assert named <= drawn, f"{path.name}: {named - drawn}"


def test_every_template_compiles() -> None:
    names = [name for name in environment().list_templates() if name.endswith(".html")]
    assert "layout.html" in names
    for name in names:
        environment().get_template(name)


async def test_the_style_guide_answers() -> None:
    transport = httpx.ASGITransport(make_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://civitas.test") as client:
        answer = await client.get("/styleguide?flash=1")
    assert answer.status_code == 200
    assert "Welcome back" in answer.text
    assert "alert(&#34;never" not in answer.text and "<script>alert" not in answer.text
