"""Arranging the front of one's profile: which shelves, in which order, and what is pinned."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.contracts.subjects import Subject, resolve_all
from civitas.domains.accounts import profiles
from civitas.domains.accounts.profiles import ProfileEdit
from civitas.domains.accounts.types import Actor
from civitas.domains.catalog.tables import Model
from civitas.domains.gallery.collections import pictures as shots
from civitas.domains.gallery.collections.pictures import Seen
from civitas.faces.http.units import Reading, Unit
from civitas.faces.web import forms, pictures
from civitas.faces.web.pictures import Eyes
from civitas.faces.web.profile_front import Tile
from civitas.faces.web.templating import render
from civitas.faces.web.viewing import eyes_of
from civitas.faces.web.visits import Member, redirect
from civitas.kit.ids import row_id

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

OFFERED = 24
NAMES = {
    "showcase": "Showcase, what you pin",
    "popular": "Popular models",
    "models": "Newest models",
    "images": "Recent pictures",
    "posts": "Posts",
    "articles": "Articles",
    "collections": "Collections",
    "reviews": "Reviews that you wrote",
}


@dataclass(frozen=True, slots=True)
class FrontForm:
    """Shelves as (key, name, place or None), and what can be pinned with whether it is."""

    rows: tuple[tuple[str, str, int | None], ...]
    pins: tuple[tuple[Tile, bool], ...]
    most: int = profiles.MOST_PINNED


@router.get("/account/front")
async def show(request: Request, member: Member, session: Reading) -> Response:
    """The shelves and the pins."""
    text = await profiles.text_of(session, member.require())
    places = {key: at + 1 for at, key in enumerate(key for key in text.sections if key in NAMES)}
    keys = [*places, *(key for key in NAMES if key not in places)]
    rows = tuple((key, NAMES[key], places.get(key)) for key in keys)
    pins = await _pins(session, member, eyes_of(member), text.showcase)
    return render(request, "profile/front.html", FrontForm(rows, pins))


@router.post("/account/front")
async def save(request: Request, member: Member, session: Unit) -> Response:
    """Keep the order and the pins."""
    form = await forms.read(request)
    wanted = [key for key in NAMES if key in form.all("show")]
    wanted.sort(key=lambda key: _number(form.get(f"place-{key}")))
    kept = {f"{kind}:{number}": (kind, number) for kind, number in await _kept(session, member)}
    chosen = [kept.get(value) or _pin(value) for value in form.all("pin")]
    pins = list(dict.fromkeys(one for one in chosen if one is not None))[: profiles.MOST_PINNED]
    await profiles.edit(session, member, changes=ProfileEdit(sections=wanted, showcase=pins))
    return redirect(request, f"/user/{member.username}", text="This is your page now.")


async def _kept(session: AsyncSession, member: Actor) -> tuple[tuple[str, int], ...]:
    return (await profiles.text_of(session, member.require())).showcase


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 999


def _pin(value: str) -> tuple[str, int] | None:
    kind, _, number = value.partition(":")
    pinned = row_id(number)
    return (kind, pinned) if kind in profiles.PINNABLE and pinned else None


async def _pins(
    session: AsyncSession, member: Actor, eyes: Eyes, pinned: tuple[tuple[str, int], ...]
) -> tuple[tuple[Tile, bool], ...]:
    """What is pinned, then one's newest models and pictures."""
    person_id = member.require()
    models = await session.scalars(
        select(Model.id)
        .where(Model.person_id == person_id, Model.status == "Published")
        .order_by(Model.id.desc())
        .limit(OFFERED)
    )
    own = await shots.latest(session, member, kind="image", person_id=person_id, limit=OFFERED)
    wanted = [Subject(kind, number) for kind, number in pinned]
    wanted += [Subject("model", number) for number in models]
    wanted += [Subject("image", number) for number in own]
    subjects = list(dict.fromkeys(wanted))
    facts = await resolve_all(session, subjects)
    seen: dict[Subject, Seen] = {}
    for kind in ("model", "image", "post"):
        ids = [one.id for one in subjects if one.kind == kind]
        found = await shots.things(session, member, kind=kind, ids=ids)
        seen |= {Subject(kind, number): one for number, one in found.items()}
    made = []
    for one in subjects:
        if one in facts:
            shot = seen.get(one)
            picture = pictures.of_shot(shot.shot, eyes) if shot else None
            tile = Tile(one.kind, one.id, facts[one].path, facts[one].title, picture)
            made.append((tile, (one.kind, one.id) in pinned))
    return tuple(made)
