"""A model's life: versions in order, taking from view, archiving, deleting with undo, review, handing over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from civitas.domains.accounts import queries as people
from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import collaborators, oversight, removal, versions
from civitas.domains.catalog.collaborators import Collaborator
from civitas.domains.catalog.removal import UNPUBLISH_REASONS
from civitas.domains.catalog.types import Mode
from civitas.faces.http.state import state_of
from civitas.faces.web import forms, publish_frame
from civitas.faces.web.forms import Entered
from civitas.faces.web.publish_frame import Creator, Frame
from civitas.faces.web.templating import render
from civitas.faces.web.visits import redirect
from civitas.kit.errors import Fault, Invalid
from civitas.kit.ids import row_ids

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

_SAID: Final = {
    "unpublish": "It is out of view. Its page and files are yours alone again.",
    "archive": "It is archived: the page stays, the files are withheld.",
    "unarchive": "Its files are offered again.",
    "restore": "It is back.",
    "review": "The moderators are asked to look again.",
}


@dataclass(frozen=True, slots=True)
class ManagePage:
    """What can be done with the model as a whole."""

    frame: Frame
    form: Entered
    staff: bool
    admin: bool
    own: bool
    collaborators: tuple[Collaborator, ...] = ()
    reasons: tuple[str, ...] = UNPUBLISH_REASONS


@router.get("/models/{model_id:int}/manage")
async def show(request: Request, creator: Creator, model_id: int) -> Response:
    """Versions and what one can do with the model."""
    return await _page(request, creator, model_id, Entered())


@router.post("/models/{model_id:int}/versions/order")
async def order(request: Request, creator: Creator, model_id: int) -> Response:
    """Move a version by one place (`earlier`, `later`), or put all into the order of the fields `id`."""
    form = await forms.read(request)

    async def do(session: AsyncSession) -> str:
        frame = await publish_frame.load(session, creator, model_id=model_id, place="manage")
        ids = [tab.id for tab in frame.versions]
        for name, by in (("earlier", -1), ("later", 1)):
            given = form.get(name)
            if given.isdigit() and int(given) in ids:
                place = ids.index(int(given))
                ids.insert(min(max(place + by, 0), len(ids) - 1), ids.pop(place))
        if form.all("id"):
            ids = row_ids(form.all("id"))
        await versions.reorder(session, creator, model_id=model_id, version_ids=ids)
        return "The new order is saved."

    return await _done(request, creator, model_id, form, do)


@router.post("/models/{model_id:int}/versions/{number:int}/do/{deed}")
async def act_on_version(
    request: Request, creator: Creator, model_id: int, number: int, deed: str
) -> Response:
    """Take a version from view, delete it, or bring it back."""
    form = await forms.read(request)

    async def do(session: AsyncSession) -> str:
        if deed == "restore":
            await versions.restore(session, creator, version_id=number)
            return "The version is back."
        await publish_frame.load(session, creator, model_id=model_id, place="manage", version_id=number)
        if deed == "unpublish":
            await versions.unpublish(session, creator, version_id=number)
            return "The version is out of view."
        if deed == "delete":
            await versions.delete(session, creator, version_id=number)
            return "The version is deleted."
        raise _unknown()

    undo = f"?undo-version={number}" if deed == "delete" else ""
    return await _done(request, creator, model_id, form, do, f"/models/{model_id}/manage{undo}")


@router.post("/models/{model_id:int}/do/{deed}")
async def act(request: Request, creator: Creator, model_id: int, deed: str) -> Response:
    """Unpublish, archive, unarchive, restore, delete, or ask for a review."""
    form = await forms.read(request)

    async def do(session: AsyncSession) -> str:
        await _act(session, creator, model_id, deed, form)
        return _SAID.get(deed, "Done.")

    if deed == "delete":
        return await _delete(request, creator, model_id)
    return await _done(request, creator, model_id, form, do)


@router.post("/models/{model_id:int}/transfer")
async def transfer(request: Request, creator: Creator, model_id: int) -> Response:
    """Hand the model to another person; administrators only."""
    form = await forms.read(request)

    async def do(session: AsyncSession) -> str:
        creator.require_admin()
        to = await people.by_username(session, form.get("to"))
        await oversight.transfer(
            session, creator, model_id=model_id, to_person_id=to.id, reason=form.get("reason")
        )
        return f"It belongs to {to.username} now."

    return await _done(request, creator, model_id, form, do)


async def _act(session: AsyncSession, creator: Actor, model_id: int, deed: str, form: Entered) -> None:
    if deed == "unpublish" and form.get("reason") and creator.is_moderator:
        await oversight.unpublish(
            session, creator, model_id=model_id, reason=form.get("reason"), note=form.get("note")
        )
    elif deed == "unpublish":
        await removal.unpublish(session, creator, model_id=model_id)
    elif deed in ("archive", "unarchive"):
        mode = Mode.ARCHIVED if deed == "archive" else None
        await removal.set_mode(session, creator, model_id=model_id, mode=mode)
    elif deed == "restore":
        await removal.restore(session, creator, model_id=model_id)
    elif deed == "review":
        await removal.request_review(session, creator, model_id=model_id, note=form.get("note"))
    else:
        raise _unknown()


def _unknown() -> Invalid:
    return Invalid("There is nothing of this name to do here.", code="unknown_deed")


async def _delete(request: Request, creator: Actor, model_id: int) -> Response:
    async with state_of(request).database.unit() as session:
        model = await removal.delete(session, creator, model_id=model_id)
        own = model.person_id == creator.id
    if not own:
        return redirect(request, "/staff", text="The model is deleted.")
    return redirect(request, f"/studio?undo={model_id}")


async def _done(
    request: Request, creator: Actor, model_id: int, form: Entered, do: Any, here: str | None = None
) -> Response:
    """Do it in one transaction and show the page again, with what was wrong if anything was."""
    try:
        async with state_of(request).database.unit() as session:
            text = await do(session)
    except Fault as fault:
        if fault.kind in ("not_found", "forbidden", "unauthorised"):
            raise
        return await _page(request, creator, model_id, form.failed(fault), status=forms.status_of(fault))
    back = here or f"/models/{model_id}/manage"
    return redirect(request, form.get("back") if form.get("back") == "/studio" else back, text=text)


async def _page(
    request: Request, creator: Actor, model_id: int, form: Entered, *, status: int = 200
) -> Response:
    frame = await publish_frame.load_for(request, creator, model_id=model_id, place="manage")
    own = frame.editing is not None and frame.editing.row.person_id == creator.id
    async with state_of(request).database.reading() as session:
        people_on_it = await collaborators.of_model(session, creator, model_id=model_id)
    page = ManagePage(frame, form, creator.is_moderator, creator.is_admin, own, tuple(people_on_it))
    return render(request, "publish/manage.html", page, status=status)
