"""`/create/kept`: presets and snippets, to be looked through, renamed, written and removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.domains.accounts.types import Actor
from civitas.domains.studio import presets, snippets
from civitas.domains.studio.snippets import Listed
from civitas.domains.studio.tables import Preset
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import forms
from civitas.faces.web.forms import Entered
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member, redirect
from civitas.kit import paging
from civitas.kit.errors import Conflict, Fault, Invalid, NotFound

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

HERE: Final = "/create/kept"
# A thousand entries of five hundred characters, with the ends of their lines.
LONGEST: Final = 520_000


@dataclass(frozen=True, slots=True)
class KeptPage:
    """What one keeps. `form` is the set that is being written; `changes` when it is there already."""

    presets: Sequence[Preset]
    next_href: str | None
    sets: Sequence[Listed]
    shared: Sequence[Listed]
    form: Entered
    changes: bool
    may_share: bool
    longest: int = snippets.LONGEST_ENTRY


@router.get(HERE)
async def show(
    request: Request,
    member: Member,
    session: Reading,
    name: Annotated[str, Query(alias="set", max_length=40)] = "",
    everybody: Annotated[str, Query(max_length=1)] = "",
    cursor: Annotated[str | None, Query(max_length=paging.MAX_CURSOR)] = None,
) -> Response:
    """Presets, the newest first; sets by name, and the one that is to be changed in the form."""
    form = Entered()
    if name:
        entries = await snippets.entries_of(session, member, name=name, for_everybody=bool(everybody))
        if entries is None:
            raise NotFound("There is no set of this name.", code="no_such_set")
        form = Entered({"name": (name,), "entries": ("\n".join(entries),), "everybody": (everybody,)})
    return render(request, "create/kept.html", await _page(session, member, form, cursor))


@router.post(f"{HERE}/presets/{{preset_id:int}}")
async def preset(request: Request, member: Member, preset_id: int) -> Response:
    """Rename a preset, or remove it."""
    form = await forms.read(request)
    try:
        async with state_of(request).database.unit() as session:
            if form.get("do") == "remove":
                await presets.remove(session, member, preset_id=preset_id)
                return redirect(request, HERE, text="Removed.")
            kept = await presets.change(session, member, preset_id=preset_id, name=form.get("name"))
    except (Invalid, Conflict) as fault:
        return redirect(request, HERE, kind="danger", text=fault.message)
    return redirect(request, HERE, text=f"It is called {kept.name} now.")


@router.post(f"{HERE}/snippets")
async def save(request: Request, member: Member) -> Response:
    """Make a set, or replace the entries of the one of this name; remove it."""
    form = await forms.read(request, LONGEST)
    name, everybody = form.get("name"), bool(form.get("everybody"))
    try:
        async with state_of(request).database.unit() as session:
            if form.get("do") == "remove":
                await snippets.remove(session, member, name=name, for_everybody=everybody)
                return redirect(request, HERE, text="Removed.")
            entries = form.get("entries").splitlines()
            kept = await snippets.save(session, member, name=name, entries=entries, for_everybody=everybody)
    except NotFound:
        raise
    except Fault as fault:
        async with state_of(request).database.reading() as session:
            page = await _page(session, member, form.failed(fault), None)
        return render(request, "create/kept.html", page, status=forms.status_of(fault))
    text = f"#{kept.name} has {len(kept.entries)} {'entry' if len(kept.entries) == 1 else 'entries'}."
    return redirect(request, f"{HERE}#set-{kept.name}", text=text)


async def _page(session: AsyncSession, member: Actor, form: Entered, cursor: str | None) -> KeptPage:
    found = await presets.page(session, member, cursor=cursor)
    sets = await snippets.listed(session, member)
    name, everybody = form.get("name").lower(), bool(form.get("everybody"))
    return KeptPage(
        presets=found.items,
        next_href=f"{HERE}?cursor={found.next_cursor}" if found.next_cursor else None,
        sets=[one for one in sets if not one.shared],
        shared=[one for one in sets if one.shared],
        form=form,
        changes=any(one.name == name and one.shared == everybody for one in sets),
        may_share=member.is_moderator,
    )
