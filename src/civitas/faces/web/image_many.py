"""What one does with many pictures of a feed at once: into a collection, tags, hiding, taking away, and back again.

Works as plain forms; with script the answer stands in the bar of the feed and the cards go from the wall.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.domains.accounts.types import Actor
from civitas.domains.gallery import own_many
from civitas.domains.gallery.collections import bookmarks, filling
from civitas.domains.gallery.collections.types import Kind
from civitas.domains.gallery.feeds import hiding
from civitas.faces.http.limits import take
from civitas.faces.http.state import state_of
from civitas.faces.web import forms
from civitas.faces.web.formats import plural
from civitas.faces.web.forms import Entered
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member, local_path, redirect
from civitas.kit import clock
from civitas.kit.errors import Fault, Forbidden, Invalid
from civitas.kit.ids import row_id, row_ids

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

UNDO_S: Final = 3600
UNDOING: Final = frozenset({"show", "restore"})


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it. `undo` is the deed that takes it back, of `ids`, for whoever holds `token` until `until`."""

    text: str
    back: str
    kind: str = "ok"
    undo: str | None = None
    ids: tuple[int, ...] = ()
    until: int = 0
    token: str = ""


@router.post("/images/many")
async def many(request: Request, member: Member) -> Response:
    """Do one of `collect`, `tag`, `hide`, `remove`, `show`, `restore` with the pictures in the fields `id`."""
    form = await forms.read(request)
    await take(request, "write")
    back = local_path(form.get("back"), "/images?select=1")
    gone: Sequence[int] = ()
    try:
        async with state_of(request).database.unit() as session:
            done, gone = await _do(request, session, member, form, back)
    except Fault as fault:
        if fault.kind not in ("invalid", "conflict", "forbidden", "not_found"):
            raise
        done = Done(fault.message, back, kind="danger")
    if form.get("do") in UNDOING and done.kind != "danger":
        return redirect(request, back, text=done.text)
    headers = {"HX-Trigger": json.dumps({"picked-gone": {"ids": list(gone)}})} if gone else None
    return render(request, "images/many.html", done, block="pick_told", headers=headers)


async def _do(
    request: Request, session: AsyncSession, member: Actor, form: Entered, back: str
) -> tuple[Done, Sequence[int]]:
    ids = row_ids(form.all("id"))
    if not ids:
        raise Invalid("Choose some pictures first.", code="nothing_named")
    if len(ids) > own_many.MOST:
        raise Invalid(f"At most {own_many.MOST} at once.", code="too_many_at_once")
    deed = form.get("do")
    if deed == "collect":
        return Done(await _collect(session, member, form, ids), back), ()
    if deed == "tag":
        tagged = await own_many.tag(session, member, image_ids=ids, tags=form.get("tags").split(","))
        rest = len(set(ids)) - len(tagged)
        others = f" {plural(rest, 'other')} stayed as they were: not yours, or full." if rest else ""
        return Done(f"{plural(len(tagged), 'picture')} tagged.{others}", back), ()
    if deed == "hide":
        hidden = await hiding.hide_images(session, member, image_ids=ids)
        return _undoable(
            request, member, f"{plural(len(hidden), 'picture')} hidden.", back, "show", hidden
        ), hidden
    if deed == "remove":
        gone = await own_many.remove(session, member, image_ids=ids)
        rest = len(set(ids)) - len(gone)
        others = f" {plural(rest, 'other')} not yours stayed." if rest else ""
        text = f"{plural(len(gone), 'picture')} taken away.{others}"
        return _undoable(request, member, text, back, "restore", gone), gone
    if deed == "show":
        await hiding.show_images(session, member, image_ids=ids)
        return Done("They are shown again.", back), ()
    if deed == "restore":
        _check(request, member, form, ids)
        found = await own_many.restore(session, member, image_ids=ids)
        return Done(f"{plural(len(found), 'picture')} back; they show once they were read again.", back), ()
    raise Invalid("There is nothing of this name to do.", code="unknown_deed")


async def _collect(session: AsyncSession, member: Actor, form: Entered, ids: list[int]) -> str:
    number = row_id(form.get("to"))
    if number is None:
        raise Invalid("Choose a collection.", code="no_collection")
    if number == 0:
        number = (await bookmarks.bookmark_of(session, person_id=member.require(), kind=Kind.IMAGE)).id
    added = await filling.add(session, member, collection_id=number, subject_ids=ids)
    number = len(added.accepted) + len(added.waiting)
    return f"{plural(number, 'picture')} added; what was in already stayed."


def _undoable(request: Request, member: Actor, text: str, back: str, undo: str, ids: Sequence[int]) -> Done:
    if not ids:
        return Done(text, back, kind="info")
    until = int(clock.now().timestamp()) + UNDO_S
    token = _token(request, member, undo, ids, until)
    return Done(text, back, undo=undo, ids=tuple(ids), until=until, token=token)


def _check(request: Request, member: Actor, form: Entered, ids: Sequence[int]) -> None:
    """Only what its owner took away a moment ago comes back by this: not what staff took."""
    until = int(form.get("until")) if form.get("until").isdigit() and len(form.get("until")) < 12 else 0
    right = _token(request, member, form.get("do"), ids, until)
    if until < clock.now().timestamp() or not hmac.compare_digest(right, form.get("token")):
        raise Forbidden("It is too late to take this back.", code="undo_expired")


def _token(request: Request, member: Actor, undo: str, ids: Sequence[int], until: int) -> str:
    told = f"many:{member.id}:{undo}:{until}:{','.join(map(str, sorted(ids)))}"
    return hmac.new(state_of(request).secret, told.encode(), hashlib.sha256).hexdigest()
