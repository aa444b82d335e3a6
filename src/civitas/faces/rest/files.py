"""Files of versions over the API: attach, link, change, remove, rescan."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from civitas.domains.catalog import files
from civitas.domains.catalog.forms import FileForm, FilePatch
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.units import Unit
from civitas.faces.rest.writing import OwnFile, Writer, file_shown

router = APIRouter(tags=["Files"], dependencies=[CheckedForm])

Sha256 = Annotated[str, Field(pattern="^[0-9a-fA-F]{64}$")]


class NewFile(FileForm):
    """A finished upload, or the SHA-256 of a file that is here already."""

    upload_id: uuid.UUID | None = None
    sha256: Sha256 | None = Field(default=None, alias="sha256")


@router.post(
    "/model-versions/{version_id}/files", status_code=201, operation_id="addFile", summary="Add A File"
)
async def attach(version_id: int, form: NewFile, actor: Writer, session: Unit) -> OwnFile:
    """Make a finished upload, or a file with that SHA-256 which one may download, a file of the version.

    Its safety scan begins; nobody else can download it before it is clean.
    """
    how = FileForm(**{k: v for k, v in form.given().items() if k not in {"upload_id", "sha256"}})
    if form.upload_id is not None:
        made = await files.attach(session, actor, version_id=version_id, upload_id=form.upload_id, form=how)
    else:
        made = await files.link(session, actor, version_id=version_id, sha256=form.sha256 or "", form=how)
    return file_shown(made)


@router.patch("/model-files/{file_id}", operation_id="updateFile", summary="Change A File")
async def update(file_id: int, patch: FilePatch, actor: Writer, session: Unit) -> OwnFile:
    """Change how a file is shown; its bytes never change."""
    return file_shown(await files.update(session, actor, file_id=file_id, patch=patch))


@router.delete("/model-files/{file_id}", status_code=204, operation_id="deleteFile", summary="Remove A File")
async def remove(file_id: int, actor: Writer, session: Unit) -> None:
    """Take a file away; its hashes go on answering."""
    await files.remove(session, actor, file_id=file_id)


@router.post("/model-files/{file_id}/rescan", operation_id="rescanFile", summary="Scan A File Again")
async def rescan(file_id: int, actor: Writer, session: Unit) -> OwnFile:
    """Scan a file again."""
    return file_shown(await files.rescan(session, actor, file_id=file_id))
