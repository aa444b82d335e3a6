"""Working on a model together: the owner's list of collaborators, and what others shared with oneself."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response

from civitas.domains.catalog import collaborators
from civitas.domains.catalog.collaborators import Collaboration
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import forms
from civitas.faces.web.publish_frame import Creator
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member, redirect
from civitas.kit.errors import Fault

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

HERE = "/studio/shared"


@dataclass(frozen=True, slots=True)
class SharedPage:
    """Invitations first, then the models on which one works."""

    invitations: tuple[Collaboration, ...]
    models: tuple[Collaboration, ...]


@router.get(HERE)
async def show(request: Request, member: Member, session: Reading) -> Response:
    """What others shared."""
    found = await collaborators.mine(session, member)
    asked = tuple(one for one in found if one.status == collaborators.PENDING)
    page = SharedPage(asked, tuple(one for one in found if one.status == collaborators.ACCEPTED))
    return render(request, "studio/shared.html", page)


@router.post(f"{HERE}/{{model_id:int}}/{{deed}}")
async def decide(request: Request, creator: Creator, model_id: int, deed: str) -> Response:
    """Accept, decline or leave."""
    async with state_of(request).database.unit() as session:
        if deed == "leave":
            await collaborators.remove(session, creator, model_id=model_id, username=creator.username or "")
            text = "You no longer work on it."
        else:
            accept = deed == "accept"
            await collaborators.answer(session, creator, model_id=model_id, accept=accept)
            text = "You work on it from now on." if accept else "You said no. Its owner is not asked again."
    return redirect(request, HERE, text=text)


@router.post("/models/{model_id:int}/collaborators")
async def change(request: Request, creator: Creator, model_id: int) -> Response:
    """Invite the person of the field `username`, or remove the one of `remove`."""
    form = await forms.read(request)
    gone = form.get("remove")
    here = f"/models/{model_id}/manage"
    try:
        async with state_of(request).database.unit() as session:
            if gone:
                await collaborators.remove(session, creator, model_id=model_id, username=gone)
            else:
                await collaborators.invite(
                    session, creator, model_id=model_id, username=form.get("username").lstrip("@ ")
                )
    except Fault as fault:
        return redirect(request, here, kind="danger", text=fault.message)
    told = f"{gone} is off the model." if gone else "They are asked by mail, and see it among their models."
    return redirect(request, here, text=told)
