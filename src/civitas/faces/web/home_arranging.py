"""Arranging the home page: the site's, by staff, and one's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.domains.accounts.types import Actor
from civitas.domains.community.boards import reading as boards
from civitas.domains.gallery.home import blocks
from civitas.domains.gallery.home.blocks import TITLES, Block, BlockKind
from civitas.domains.gallery.home.tables import HomeBlock
from civitas.faces.http.units import Reading, Unit
from civitas.faces.web import forms
from civitas.faces.web.forms import Entered
from civitas.faces.web.home import kept_of
from civitas.faces.web.staff import Staff
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member, redirect
from civitas.kit.errors import Invalid, NotFound

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

NAMES: Mapping[BlockKind, str] = {
    BlockKind.NEW_MODELS: "New models",
    BlockKind.POPULAR_MODELS: "Most downloaded models",
    BlockKind.FEATURED_MODELS: "Chosen models (their numbers)",
    BlockKind.TAG: "Models of a tag (its name, or empty for the largest category)",
    BlockKind.IMAGES: "Fresh pictures",
    BlockKind.POSTS: "Posts",
    BlockKind.ARTICLES: "Articles",
    BlockKind.COLLECTION: "One collection (its number)",
    BlockKind.COLLECTIONS: "Collections",
    BlockKind.CREATORS: "Creators",
    BlockKind.LEADERBOARD: "A leaderboard (its name in the address, or empty for overall)",
    BlockKind.ANNOUNCEMENTS: "Announcements, in place of those above the page",
    BlockKind.TEXT: "Words of yours (Markdown)",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One block in the form."""

    kind: str
    title: str
    value: str


@dataclass(frozen=True, slots=True)
class Arranging:
    """The form; `own` when it is for one person, `set` when something other than the usual stands."""

    rows: tuple[Row, ...]
    kinds: tuple[tuple[str, str], ...]
    action: str
    own: bool
    set: bool
    problem: str | None = None


@router.get("/staff/home")
async def site(request: Request, staff: Staff, session: Reading) -> Response:
    """The blocks that everybody sees."""
    return await _show(request, session, None)


@router.post("/staff/home")
async def set_site(request: Request, staff: Staff, session: Unit) -> Response:
    """Set them."""
    return await _save(request, session, staff, None)


@router.get("/account/home")
async def own(request: Request, member: Member, session: Reading) -> Response:
    """The blocks that one sees oneself."""
    return await _show(request, session, member.require())


@router.post("/account/home")
async def set_own(request: Request, member: Member, session: Unit) -> Response:
    """Set them."""
    return await _save(request, session, member, member.require())


async def _show(
    request: Request,
    session: AsyncSession,
    person_id: int | None,
    *,
    rows: tuple[Row, ...] | None = None,
    problem: str | None = None,
) -> Response:
    owner = HomeBlock.person_id.is_(None) if person_id is None else HomeBlock.person_id == person_id
    stands = await session.scalar(select(HomeBlock.id).where(owner).limit(1))
    found = await blocks.of(session, person_id)
    page = Arranging(
        rows=rows or tuple(Row(one.kind.value, one.title, _written(one.settings)) for one in found),
        kinds=tuple((kind.value, NAMES[kind]) for kind in BlockKind),
        action="/staff/home" if person_id is None else "/account/home",
        own=person_id is not None,
        set=stands is not None,
        problem=problem,
    )
    return render(request, "home/arrange.html", page, status=400 if problem else 200)


async def _save(request: Request, session: AsyncSession, actor: Actor, person_id: int | None) -> Response:
    form = await forms.read(request)
    rows = _rows(form)
    try:
        chosen = () if form.get("do") == "reset" else tuple(_block(row) for row in rows)
        async with session.begin_nested():
            await blocks.arrange(session, actor, blocks=chosen, site=person_id is None)
    except (Invalid, NotFound) as fault:
        return await _show(request, session, person_id, rows=rows, problem=fault.message)
    kept_of(request).pages.clear()
    return redirect(request, "/", text="This is the home page now.")


def _rows(form: Entered) -> tuple[Row, ...]:
    """The rows that stay, by the place that was written beside each."""
    found: list[tuple[int, int, Row]] = []
    for at in range(blocks.MOST + 1):
        kind = form.get(f"kind-{at}")
        if not kind or form.flag(f"drop-{at}"):
            continue
        place = form.get(f"place-{at}")
        order = int(place) if place.isascii() and place.isdigit() and len(place) < 4 else 999
        found.append((order, at, Row(kind, form.get(f"title-{at}"), form.get(f"value-{at}"))))
    return tuple(row for _, _, row in sorted(found, key=lambda one: one[:2]))


def _block(row: Row) -> Block:
    if row.kind not in set(BlockKind):
        raise Invalid("There is no such block.", code="bad_block")
    kind = BlockKind(row.kind)
    numbers = [int(one) for one in re.findall(r"[0-9]{1,18}", row.value)]
    settings: dict[str, Any] = {}
    if kind is BlockKind.COLLECTION:
        settings = {"collection": numbers[-1]} if numbers else {}
    elif kind is BlockKind.FEATURED_MODELS:
        settings = {"models": numbers}
    elif kind is BlockKind.TAG:
        settings = {"tag": row.value}
    elif kind is BlockKind.LEADERBOARD:
        key = row.value.strip().rpartition("/")[2].lower()
        settings = {"board": boards.board_of(key).key} if key else {}
    elif kind is BlockKind.TEXT:
        settings = {"text": row.value}
    title = "" if row.title == TITLES[kind] else row.title
    return Block(kind, title, settings)


def _written(settings: Mapping[str, Any]) -> str:
    """What a block needs, as the form has it."""
    value = next(iter(settings.values()), "")
    return " ".join(str(one) for one in value) if isinstance(value, list) else str(value)
