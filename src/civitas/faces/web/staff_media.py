"""`/staff/media`: media of workflows that may be neither used nor shown, and may again."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from civitas.domains.orchestration.media import blocking
from civitas.faces.http.state import state_of
from civitas.faces.web import forms
from civitas.faces.web.staff import Staff
from civitas.faces.web.visits import redirect
from civitas.kit.errors import Fault

router = APIRouter(prefix="/staff/media", dependencies=forms.CHECKED, include_in_schema=False)

# The form is on the page of unrated outputs, where most of them are found.
BACK: Final = "/staff/outputs"


@router.post("")
async def rule(request: Request, staff: Staff) -> Response:
    """Block a blob and what looks like it, or allow it again."""
    form = await forms.read(request)
    allow = form.get("deed") == "unblock"
    # People paste addresses as well as ids.
    blob_id = form.get("blob").strip().partition("?")[0].rstrip("/").rpartition("/")[2]
    try:
        async with state_of(request).database.unit() as session:
            deed = blocking.unblock if allow else blocking.block
            count = await deed(session, staff, blob_id=blob_id, reason=form.get("reason"))
    except Fault as fault:
        return redirect(request, BACK, kind="danger", text=fault.message)
    files = f"{count:,} file{'' if count == 1 else 's'}"
    told = f"Allowed again: {files}." if allow else f"Blocked: {files}. What looks like it will be, too."
    return redirect(request, BACK, text=told)
