"""The studio: one's models by status, uploads that are not finished, files that a scan holds back."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from civitas.domains.blobs import uploading
from civitas.domains.blobs.tables import Upload
from civitas.domains.catalog import oversight, queries
from civitas.domains.catalog.documents import image_path
from civitas.domains.catalog.oversight import HeldFile
from civitas.domains.catalog.queries import MyModel
from civitas.domains.catalog.types import Status
from civitas.faces.http.state import state_of
from civitas.faces.http.units import Reading
from civitas.faces.web import forms, publish_frame
from civitas.faces.web.cards import model_href
from civitas.faces.web.publish_files import SCAN_STATES, WORDS_OF_SCANS
from civitas.faces.web.templating import render
from civitas.faces.web.visits import Member, redirect
from civitas.kit import paging

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

PAGE: Final = 24
TABS: Final = (
    (Status.DRAFT, "Drafts"),
    (Status.PUBLISHED, "Published"),
    (Status.SCHEDULED, "Scheduled"),
    (Status.UNPUBLISHED, "Unpublished"),
    (Status.UNPUBLISHED_VIOLATION, "Taken from view"),
    (Status.TRAINING, "Training"),
    (Status.DELETED, "Deleted"),
)
TONES: Final = {
    "Published": "ok", "Scheduled": "accent", "Draft": "neutral", "UnpublishedViolation": "danger",
    "Deleted": "danger",
}  # fmt: skip
NAMES: Final = {"UnpublishedViolation": "Taken from view"}


@dataclass(frozen=True, slots=True)
class OwnModel:
    """A line of the list."""

    row: MyModel
    href: str
    picture: str | None
    tone: str
    status: str


@dataclass(frozen=True, slots=True)
class StudioPage:
    """The list of one status and what needs attention."""

    status: str
    tabs: tuple[tuple[str, str, bool, int | None], ...]
    models: tuple[OwnModel, ...]
    next_href: str | None
    uploads: tuple[Upload, ...]
    held: tuple[tuple[HeldFile, str, str, str], ...]
    undo: int | None
    total: int


@router.get("/studio")
async def show(
    request: Request,
    member: Member,
    session: Reading,
    status: str = "",
    undo: int | None = None,
    cursor: Annotated[str | None, Query(max_length=paging.MAX_CURSOR)] = None,
) -> Response:
    """One's models, the last edited first."""
    known = status if status in set(Status) else ""
    counts = await queries.counts_by_status(session, member)
    found = await queries.my_models(session, member, status=known or None, cursor=cursor, limit=PAGE)
    uploads = await uploading.of_person(session, member, status="open", limit=20)
    held = await oversight.own_held_files(session, member)
    total = sum(count for name, count in counts.items() if name != Status.DELETED)
    pairs = [("status", known)] if known else []
    next_href = None
    if found.next_cursor:
        next_href = f"/studio?{urlencode([*pairs, ('cursor', found.next_cursor)])}"
    page = StudioPage(
        status=known,
        tabs=_tabs(known, counts, total),
        models=tuple(_line(row) for row in found.items),
        next_href=next_href,
        uploads=tuple(uploads),
        held=_held(held),
        undo=undo,
        total=total,
    )
    return render(request, "studio/studio.html", page, block="models_list")


@router.get("/me/models")
async def old_place(request: Request, member: Member, status: str = "") -> Response:
    """Where the list is now."""
    return redirect(request, f"/studio?status={status}" if status in set(Status) else "/studio")


def _tabs(status: str, counts: dict[str, int], total: int) -> tuple[tuple[str, str, bool, int | None], ...]:
    listed = [("All", "/studio", not status, total)]
    listed += [
        (label, f"/studio?status={name}", status == name, counts[name])
        for name, label in TABS
        if counts.get(name) or status == name
    ]
    return tuple(listed)


def _line(row: MyModel) -> OwnModel:
    public = row.status == Status.PUBLISHED
    return OwnModel(
        row=row,
        href=model_href(row.id, row.name) if public else publish_frame.href("about", row.id),
        picture=image_path(row.image_key, row.image_name or "picture", width=160) if row.image_key else None,
        tone=TONES.get(row.status, "neutral"),
        status=NAMES.get(row.status, row.mode if public and row.mode else row.status),
    )


def _held(files: Sequence[HeldFile]) -> tuple[tuple[HeldFile, str, str, str], ...]:
    return tuple(
        (
            file,
            SCAN_STATES[file.scan_status],
            WORDS_OF_SCANS[file.scan_status],
            publish_frame.href("files", file.model_id, file.version_id),
        )
        for file in files
    )


@router.post("/studio/uploads/{upload_id}/cancel")
async def cancel(request: Request, member: Member, upload_id: uuid.UUID) -> Response:
    """Throw an unfinished upload away."""
    async with state_of(request).database.unit() as session:
        await uploading.abort(session, member, upload_id=upload_id)
    return redirect(request, "/studio", text="The upload is cancelled.")
