"""Staff make a collection a board, which gives Buzz for what is accepted, or one no more."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from civitas.domains.gallery.collections import giving
from civitas.faces.http.state import state_of
from civitas.faces.web import forms
from civitas.faces.web.collection_view import href_of
from civitas.faces.web.visits import Member, redirect
from civitas.kit.errors import Fault

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)


@router.post("/collections/{collection_id:int}/board")
async def arrange(request: Request, member: Member, collection_id: int) -> Response:
    """Turn it on or off, with a reason for the log."""
    form = await forms.read(request)
    on = form.get("on") == "true"
    try:
        async with state_of(request).database.unit() as session:
            await giving.arrange(
                session, member, collection_id=collection_id, on=on, reason=form.get("reason")
            )
    except Fault as fault:
        if fault.kind not in ("conflict", "invalid"):
            raise
        return redirect(request, href_of(collection_id), kind="danger", text=fault.message)
    text = "This is a board now." if on else "This is a board no more."
    return redirect(request, href_of(collection_id), text=text)
