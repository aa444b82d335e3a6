"""What staff decide about files that a scan holds back and models that were taken from view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import Response

from civitas.domains.catalog import oversight
from civitas.domains.catalog.oversight import HELD, HeldFile, WaitingModel
from civitas.domains.catalog.types import ScanStatus
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import forms
from civitas.faces.web.publish_files import SCAN_STATES
from civitas.faces.web.staff import Cursor, Staff
from civitas.faces.web.templating import render
from civitas.faces.web.visits import redirect
from civitas.kit.errors import Conflict, Forbidden, Invalid

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

FILES: Final = "/staff/files"
MODELS: Final = "/staff/models"


@dataclass(frozen=True, slots=True)
class FilesPage:
    """Files that others cannot have."""

    files: tuple[HeldFile, ...]
    state: str
    tabs: tuple[tuple[str, str, bool, int | None], ...]
    next_href: str | None
    states: tuple[tuple[str, str], ...] = tuple((str(k), v) for k, v in SCAN_STATES.items())

    def state_of(self, file: HeldFile) -> str:
        """How the badge of a file looks."""
        return SCAN_STATES[file.scan_status]


@dataclass(frozen=True, slots=True)
class ModelsPage:
    """Models that staff took from view."""

    models: tuple[WaitingModel, ...]
    everything: bool
    tabs: tuple[tuple[str, str, bool], ...]
    next_href: str | None


@router.get(FILES)
async def files(
    request: Request, staff: Staff, session: Reading, state: str = "", cursor: Cursor = None
) -> Response:
    """Suspicious and dangerous files, and those whose check could not finish, with the reasons."""
    known = ScanStatus(state) if state in HELD else None
    found = await oversight.held_files(session, staff, state=known, cursor=cursor)
    counts = (await oversight.load(session, staff)).held
    tabs = [("All", FILES, known is None, sum(counts.values()))]
    tabs += [
        (name.capitalize(), f"{FILES}?state={name}", known == name, counts.get(name, 0)) for name in HELD
    ]
    next_href = None
    if found.next_cursor:
        pairs = [("state", str(known))] if known else []
        next_href = f"{FILES}?{urlencode([*pairs, ('cursor', found.next_cursor)])}"
    page = FilesPage(tuple(found.items), str(known or ""), tuple(tabs), next_href)
    return render(request, "staff/files.html", page, block="files_list")


@router.post(FILES + "/{file_id:int}/rescan")
async def rescan(request: Request, staff: Staff, file_id: int) -> Response:
    """Scan a file again."""
    form = await forms.read(request)
    async with state_of(request).database.unit() as session:
        reason = form.get("reason").strip() or "Looked at from the list of held files."
        await oversight.rescan(session, staff, file_id=file_id, reason=reason)
    return redirect(request, FILES, text="The file is scanned again.")


@router.get(MODELS)
async def models(
    request: Request, staff: Staff, session: Reading, all: bool = False, cursor: Cursor = None
) -> Response:
    """Models whose owners ask for a review; with `all` every one that staff took from view."""
    found = await oversight.unpublished_by_staff(session, staff, asked_only=not all, cursor=cursor)
    next_href = None
    if found.next_cursor:
        pairs = [("all", "true")] if all else []
        next_href = f"{MODELS}?{urlencode([*pairs, ('cursor', found.next_cursor)])}"
    tabs = (
        ("Waiting for a review", MODELS, not all),
        ("Everything taken from view", f"{MODELS}?all=true", all),
    )
    page = ModelsPage(tuple(found.items), all, tabs, next_href)
    return render(request, "staff/models.html", page, block="models_list")


@router.post(MODELS + "/{model_id:int}/{ruling}")
async def rule(request: Request, staff: Staff, model_id: int, ruling: str) -> Response:
    """Put a model back into view (`approve`), or leave it and say why (`decline`)."""
    form = await forms.read(request)
    reason = form.get("reason").strip()
    try:
        async with state_of(request).database.unit() as session:
            if ruling == "approve":
                told = reason or "Reviewed and approved."
                await oversight.approve_review(session, staff, model_id=model_id, reason=told)
                text = "The model is public again."
            elif ruling == "decline":
                await oversight.decline_review(session, staff, model_id=model_id, reason=reason)
                text = "The owner reads your reason in the history of the model."
            else:
                raise Invalid("A review is approved or declined.", code="unknown_ruling")
    except (Invalid, Conflict, Forbidden) as fault:
        return redirect(request, MODELS, kind="danger", text=fault.message)
    return redirect(request, MODELS, text=text)
