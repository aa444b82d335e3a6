"""`/search/suggest`: what the search palette offers while one types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import JSONResponse, Response

from civitas.domains.accounts.types import ALL_MASK, Actor, Scope
from civitas.domains.catalog import base_models, reading, search
from civitas.domains.catalog.search import Query
from civitas.domains.community.searches import keeping
from civitas.faces.http.actors import actor_of
from civitas.faces.http.limits import take
from civitas.faces.http.state import State, state_of
from civitas.faces.web import formats, suggest_gallery
from civitas.faces.web.cards import model_href
from civitas.faces.web.props import type_name
from civitas.infra.db.readpool import ReadPool
from civitas.kit.errors import NotFound
from civitas.kit.text import clean_line, fold

router = APIRouter(include_in_schema=False)

LIMIT: Final = 5
_ICONS: Final = {"model": "cube", "creator": "user", "tag": "tag"}
_LABELS: Final = {"model": "Models", "creator": "Creators", "tag": "Tags"}
_ID: Final = re.compile(r"#?(\d{1,18})")
_GALLERY: Final = re.compile(r"(?:^|/)(?:images|posts|articles|collections)/\d")
_VERSION: Final = re.compile(r"modelVersionId=(\d{1,18})|@(\d{1,18})")
Item = dict[str, Any]


@router.get("/search/suggest")
async def show(request: Request) -> Response:
    """Groups of links for the palette; a hash, an AIR, an address or an id leads straight to its model."""
    actor = await actor_of(request)
    await take(request, "read")
    text = clean_line(request.query_params.get("q", ""))[: search.MAX_QUERY]
    groups = await groups_of(state_of(request), actor, text) if text else []
    return JSONResponse({"groups": groups}, headers={"Cache-Control": "private, max-age=30"})


async def groups_of(state: State, actor: Actor, text: str) -> list[dict[str, Any]]:
    """The groups for what was typed; those without items are left out."""
    reads = state.reads
    query = search.parse(text)
    gallery = _GALLERY.search(text) is not None
    exact = [] if gallery else await _exact(reads, actor, text, query)
    found = await reading.suggest(reads, actor, text, mask=ALL_MASK, limit=LIMIT)
    by_kind: dict[str, list[Item]] = {"model": [], "creator": [], "tag": []}
    for item in found:
        by_kind[item["kind"]].append(_item(item))
    if text.startswith("@"):
        order = ("creator", "model", "tag")
    elif text.startswith("#"):
        order = ("tag", "model", "creator")
    else:
        order = ("model", "creator", "tag")
    async with state.database.reading() as session:
        exact += await suggest_gallery.by_address(session, actor, text)
        creators = {item["title"] for item in by_kind["creator"]}
        others = await suggest_gallery.by_words(session, actor, text, creators)
        kept = await _kept(session, actor, text)
    posted = await suggest_gallery.posts(reads, actor, text)
    groups = [
        ("Your searches", kept),
        ("Exactly", exact),
        *((_LABELS[kind], by_kind[kind]) for kind in order),
    ]
    groups.append(("Pictures", suggest_gallery.pictures_of([item["title"][1:] for item in by_kind["tag"]])))
    groups.extend([posted, *others])
    groups.append(("Base models", _base_models(text)))
    return [{"label": label, "items": items} for label, items in groups if items]


async def _kept(session: AsyncSession, actor: Actor, text: str) -> list[Item]:
    """One's own searches of this name."""
    if not actor.signed_in or Scope.USER_READ not in actor.scopes:
        return []
    found = await keeping.mine(session, actor, like=text, limit=3)
    return [
        {
            "title": one.name,
            "href": one.href,
            "subtitle": f"Saved search of {one.place.value}",
            "icon": "bookmark",
        }
        for one in found
    ]


def _item(found: Mapping[str, Any]) -> Item:
    kind, name, count = found["kind"], found["name"], found["count"]
    href, subtitle = f"/tag/{quote(name)}", formats.plural(count, "model")
    if kind == "model":
        href = model_href(found["id"], name)
        subtitle = f"{type_name(found['detail'])} · {formats.short(count)} downloads"
    elif kind == "creator":
        href = f"/user/{quote(name)}"
    shown = f"#{name}" if kind == "tag" else name
    return {"title": shown, "href": href, "subtitle": subtitle, "icon": _ICONS[kind]}


async def _exact(reads: ReadPool, actor: Actor, text: str, query: Query) -> list[Item]:
    """The model that a hash, an AIR, an address or a bare id names, if the viewer may see it."""
    value = query.wanted.hashes[0] if query.wanted.hashes else text
    if search.is_hash(value):
        return await _by_hash(reads, actor, value) or await _by_id(reads, actor, text)
    model_id = query.model_ids[0] if query.model_ids else None
    if model_id is None and (number := _ID.fullmatch(text)):
        model_id = int(number[1])
    if model_id is None:
        return []
    version = _VERSION.search(text)
    return await _by_id(
        reads, actor, str(model_id), int(version[1] or version[2]) if version is not None else None
    )


async def _by_hash(reads: ReadPool, actor: Actor, value: str) -> list[Item]:
    try:
        documents = await reading.version_by_hash(reads, value, mask=actor.mask)
    except NotFound:
        return []
    version = documents.objects("")[0]
    if not _may_see(version["nsfwLevel"], actor):
        return []
    name = version["model"]["name"]
    return [
        {
            "title": f"{name} {version['name']}",
            "href": model_href(version["modelId"], name, version["id"]),
            "subtitle": f"The file with the hash {value[:12].upper()}",
            "icon": "hash",
        }
    ]


async def _by_id(reads: ReadPool, actor: Actor, text: str, version_id: int | None = None) -> list[Item]:
    number = _ID.fullmatch(text)
    if number is None or not 0 < int(number[1]) < 2**63:
        return []
    try:
        documents = await reading.model(reads, int(number[1]), mask=actor.mask)
    except NotFound:
        return []
    model = documents.objects("")[0]
    if not _may_see(model["nsfwLevel"], actor):
        return []
    known = {version["id"] for version in model["modelVersions"]}
    return [
        {
            "title": model["name"],
            "href": model_href(model["id"], model["name"], version_id if version_id in known else None),
            "subtitle": f"{type_name(model['type'])} · model {model['id']}",
            "icon": "cube",
        }
    ]


def _may_see(level: int, actor: Actor) -> bool:
    return level == 0 or bool(level & actor.mask)


def _base_models(text: str) -> list[Item]:
    wanted = fold(text)
    if len(wanted) < 2:
        return []
    infos = [info for info in base_models.current().base_models if fold(info.name).startswith(wanted)]
    return [
        {
            "title": info.name,
            "href": f"/base-models/{quote(info.name)}",
            "subtitle": info.group,
            "icon": "layers",
        }
        for info in infos[:3]
    ]
