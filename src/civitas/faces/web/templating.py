"""Pages from templates: one environment, one `render`, fragments as named blocks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from starlette.requests import Request
from starlette.responses import HTMLResponse

from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.economy.rules import Colour
from civitas.domains.buzz.types import Currency
from civitas.faces.web import formats, props, prose
from civitas.faces.web.assets import assets
from civitas.faces.web.shell import CSRF_FIELD, CSRF_HEADER, FlashKind, shell_of
from civitas.kit import money

TEMPLATES = Path(__file__).parent / "templates"
VARY = "HX-Request, HX-Target"


@cache
def environment() -> Environment:
    """The one Jinja environment: autoescaping, and an unknown name is an error rather than nothing."""
    env = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.globals.update(buzz_colour=_buzz_colour)
    env.globals.update(
        asset=assets().url,
        csrf_field_name=CSRF_FIELD,
        csrf_header_name=CSRF_HEADER,
    )
    env.filters.update(
        short=formats.short,
        number=formats.number,
        bytes=formats.size,
        plural=formats.plural,
        relative=formats.relative,
        ago=formats.ago,
        date=formats.date,
        hash_colour=formats.hash_colour,
        buzz=money.shown,
        dollars=money.dollars,
        pigment=formats.pigment,
        markdown=prose.markdown,
        type_name=props.type_name,
        type_pigment=props.type_pigment,
    )
    return env


def _buzz_colour(colour: str) -> Colour:
    """The rules of a colour in force now: its label and its hue."""
    return economy.current().colours[Currency(colour)]


def render(
    request: Request,
    template: str,
    context: object = None,
    *,
    block: str | Sequence[str] | None = None,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """The page `template`, or one of its blocks when htmx asks for just that.

    `context` is a frozen dataclass or a mapping; its fields are the template's names, beside `shell`. `block`
    names the blocks that may be sent alone: `HX-Target: file-list` chooses the block `file_list`. A boosted
    request or a history restore always gets the whole page.
    """
    names = {**_names(context), "shell": shell_of(request)}
    chosen = _chosen_block(request, (block,) if isinstance(block, str) else block or ())
    found = environment().get_template(template)
    html = found.render(names) if chosen is None else _render_block(found, chosen, names)
    response = HTMLResponse(html, status_code=status, headers=dict(headers or {}))
    response.headers.append("Vary", VARY)
    return response


def fragment(
    request: Request,
    template: str,
    block: str,
    context: object = None,
    *,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """One block of a template and nothing else, whatever it is to replace: for targets whose ids are made as they go."""
    names = {**_names(context), "shell": shell_of(request)}
    html = _render_block(environment().get_template(template), block, names)
    response = HTMLResponse(html, headers=dict(headers or {}))
    response.headers.append("Vary", VARY)
    return response


def toast_header(kind: FlashKind, text: str) -> dict[str, str]:
    """A response header that makes the page show `text` as a toast after an htmx request."""
    return {"HX-Trigger": json.dumps({"toast": {"kind": kind, "text": text}})}


def _names(context: object) -> dict[str, Any]:
    if context is None:
        return {}
    if isinstance(context, Mapping):
        return dict(context)
    if is_dataclass(context) and not isinstance(context, type):
        return {item.name: getattr(context, item.name) for item in fields(context)} | {"page": context}
    raise TypeError(f"a template context is a dataclass or a mapping, not {type(context).__name__}")


def _render_block(template: Template, block: str, names: dict[str, Any]) -> str:
    context = template.new_context(names)
    # What a template imports at its top is bound by its root function before that yields anything but blanks,
    # so beginning the page gives the block the macros that it has in a whole page.
    for piece in template.root_render_func(context):
        if piece.strip():
            break
    return "".join(context.blocks[block][0](context))


def _chosen_block(request: Request, allowed: Sequence[str]) -> str | None:
    asked = request.headers
    if asked.get("hx-request") != "true":
        return None
    if "hx-boosted" in asked or asked.get("hx-history-restore-request") == "true":
        return None
    target = asked.get("hx-target", "").replace("-", "_")
    return target if target in allowed else None
