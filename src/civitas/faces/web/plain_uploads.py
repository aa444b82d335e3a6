"""Uploads by an ordinary form, for browsers without script: small files, streamed into the store, then verified.

The bytes of a multipart body wait in a file of this machine (Starlette spools them) and are never whole in memory.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import UploadFile
from starlette.responses import Response

from civitas.domains.accounts.types import Actor
from civitas.domains.blobs import uploading
from civitas.domains.blobs.tables import Upload
from civitas.domains.blobs.types import GIB, MIB, Limits, Purpose, UploadStatus
from civitas.domains.catalog import files
from civitas.domains.gallery import previews
from civitas.faces.http.state import State, state_of
from civitas.faces.web import forms, publish_frame
from civitas.faces.web.publish_frame import Creator, Frame
from civitas.faces.web.templating import render
from civitas.faces.web.visits import redirect
from civitas.kit.errors import Fault, Invalid

router = APIRouter(dependencies=forms.CHECKED, include_in_schema=False)

PIECE = MIB
MOST_AT_ONCE = 20
Kind = Literal["files", "pictures"]
_PURPOSES: dict[Kind, Purpose] = {"files": Purpose.FILE, "pictures": Purpose.IMAGE}


@dataclass(frozen=True, slots=True)
class ArrivedPage:
    """What was sent by an ordinary form and is being read through, or can be added now."""

    frame: Frame
    kind: Kind
    uploads: tuple[Upload, ...]

    @property
    def waiting(self) -> bool:
        """Whether some bytes are still being read."""
        return any(upload.status == UploadStatus.VERIFYING for upload in self.uploads)

    @property
    def ready(self) -> tuple[Upload, ...]:
        """Those that can be added."""
        return tuple(upload for upload in self.uploads if upload.status == UploadStatus.DONE)


def limits_of(state: State) -> Limits:
    """The operator's bounds in the domain's words."""
    site = state.settings.site
    return Limits(
        max_file=int(site.max_file_gb * GIB),
        max_image=state.settings.imaging.max_bytes,
        max_media=state.settings.media.max_post_mb * MIB,
        max_part=site.max_part_mb * MIB,
        expires_hours=state.settings.catalog.upload_expires_hours,
    )


@router.post("/models/{model_id:int}/versions/{number:int}/{kind}")
async def send(request: Request, creator: Creator, model_id: int, number: int, kind: Kind) -> Response:
    """Take the files of a plain form; each becomes an upload that is read through in the background."""
    await publish_frame.load_for(request, creator, model_id=model_id, place=kind, version_id=number)
    given = (await request.form()).getlist("upload")
    chosen = [file for file in given if isinstance(file, UploadFile) and file.filename and file.size]
    if not chosen:
        raise Invalid("Choose a file first; an empty one is nothing to upload.", code="no_file")
    if len(chosen) > MOST_AT_ONCE:
        raise Invalid(f"At most {MOST_AT_ONCE} files at once without script.", code="too_many_files")
    ids = [await keep(request, creator, file, _PURPOSES[kind]) for file in chosen]
    query = "&".join(f"id={upload_id}" for upload_id in ids)
    return redirect(request, f"{publish_frame.href(kind, model_id, number)}/arrived?{query}")


@router.get("/models/{model_id:int}/versions/{number:int}/{kind}/arrived")
async def arrived(request: Request, creator: Creator, model_id: int, number: int, kind: Kind) -> Response:
    """How far they are, and the button that adds what is ready."""
    async with state_of(request).database.reading() as session:
        frame = await publish_frame.load(session, creator, model_id=model_id, place=kind, version_id=number)
        uploads = await named(session, creator, request.query_params.getlist("id"))
    return render(request, "publish/arrived.html", ArrivedPage(frame, kind, uploads))


@router.post("/models/{model_id:int}/versions/{number:int}/{kind}/arrived")
async def add(request: Request, creator: Creator, model_id: int, number: int, kind: Kind) -> Response:
    """Add what is ready to the version."""
    form = await forms.read(request)
    async with state_of(request).database.unit() as session:
        await publish_frame.load(session, creator, model_id=model_id, place=kind, version_id=number)
        for upload in await named(session, creator, form.all("id")):
            if kind == "files":
                await files.attach(session, creator, version_id=number, upload_id=upload.id)
            else:
                await previews.add(session, creator, version_id=number, upload_id=upload.id)
    text = "Added. The safety check has begun." if kind == "files" else "Added to the pictures."
    return redirect(request, publish_frame.href(kind, model_id, number), text=text)


async def named(session: AsyncSession, creator: Actor, ids: Sequence[str]) -> tuple[Upload, ...]:
    """One's own uploads by the numbers in an address. Raises Invalid (`bad_upload_id`), UploadNotFound."""
    found = []
    for given in ids[:MOST_AT_ONCE]:
        try:
            upload_id = uuid.UUID(given)
        except ValueError:
            raise Invalid("This is not the number of an upload.", code="bad_upload_id") from None
        found.append(await uploading.owned(session, creator, upload_id=upload_id))
    return tuple(found)


async def keep(request: Request, creator: Actor, file: UploadFile, purpose: Purpose) -> uuid.UUID:
    """Put a file of a form into the store as an upload of its own; the upload's number."""
    state = state_of(request)
    async with state.database.unit() as session:
        upload = await uploading.begin(
            session,
            creator,
            filename=file.filename or "",
            size=file.size or 0,
            purpose=purpose,
            limits=limits_of(state),
        )
    try:
        await state.store.put(upload.storage_key, _pieces(file), upload.content_type)
    except Fault:
        async with state.database.unit() as session:
            await uploading.abort(session, creator, upload_id=upload.id)
        raise
    async with state.database.unit() as session:
        await uploading.completed(session, creator, upload_id=upload.id)
    return upload.id


async def _pieces(file: UploadFile) -> AsyncIterator[bytes]:
    while piece := await file.read(PIECE):
        yield piece
