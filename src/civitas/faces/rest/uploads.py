"""Uploads over the API: announce, get links for parts, complete, watch.

The parts go straight to storage. Each handler that asks the store has its beats in order: books, store, books.
"""

from __future__ import annotations

import base64
import uuid
from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field

from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.blobs import uploading
from civitas.domains.blobs.tables import Blob, Upload
from civitas.domains.blobs.types import GIB, MIB, Limits, Purpose, part_count, part_span
from civitas.faces.http.actors import signed_in
from civitas.faces.http.csrf import CheckedForm
from civitas.faces.http.limits import take
from civitas.faces.http.state import State, state_of
from civitas.faces.rest.shapes import Answer, Body
from civitas.infra.storage.store import PartRef
from civitas.kit.errors import Invalid

router = APIRouter(prefix="/uploads", tags=["Uploads"], dependencies=[CheckedForm])

LINKS_AT_ONCE = 100
LINK_LIFE = timedelta(hours=6)


class NewUpload(Body):
    """What will be uploaded."""

    filename: str = Field(min_length=1, max_length=255)
    size: int = Field(gt=0, le=2**53, description="Bytes.")
    purpose: Purpose = Purpose.FILE
    sha256: str | None = Field(
        default=None, pattern="^[0-9a-fA-F]{64}$", description="Must agree at the end."
    )
    checksums: bool = Field(
        default=False, description="Every part will be sent with its SHA-256; ask for links with checksums."
    )


class PartWanted(Body):
    """A part for which a link is wanted."""

    number: int = Field(ge=1, le=10_000)
    checksum: str | None = Field(default=None, max_length=44, description="Base64 of the part's SHA-256.")


class PartsWanted(Body):
    """Parts for which links are wanted, a hundred at most."""

    numbers: list[Annotated[int, Field(ge=1, le=10_000)]] = Field(
        default_factory=list, max_length=LINKS_AT_ONCE
    )
    parts: list[PartWanted] = Field(default_factory=list, max_length=LINKS_AT_ONCE)


class PartDone(Body):
    """A part as the storage acknowledged it."""

    number: int = Field(ge=1, le=10_000)
    etag: str = Field(min_length=1, max_length=128)


class Completion(Body):
    """Every part with its entity tag; left out, what arrived is taken."""

    parts: list[PartDone] | None = Field(default=None, max_length=10_000)


class PartLink(Answer):
    """PUT the bytes of `offset` .. `offset + size` there, with exactly these headers."""

    number: int
    offset: int
    size: int
    url: str
    headers: dict[str, str] = Field(default_factory=dict)


class PartReceived(Answer):
    """A part that the storage holds."""

    number: int
    size: int
    etag: str
    checksum: str | None = None


class Digests(Answer):
    """Upper-case hexadecimal digests of the whole file."""

    sha256: str = Field(alias="SHA256")
    blake3: str = Field(alias="BLAKE3")
    crc32: str = Field(alias="CRC32")
    autov2: str = Field(alias="AutoV2")
    autov1: str | None = Field(default=None, alias="AutoV1")
    autov3: str | None = Field(default=None, alias="AutoV3")


class UploadError(Answer):
    """Why an upload failed."""

    code: str
    message: str


class UploadState(Answer):
    """Where an upload stands."""

    id: uuid.UUID
    status: Literal["open", "verifying", "done", "failed", "aborted"]
    purpose: str
    filename: str
    size: int
    part_size: int
    part_count: int
    verified_bytes: int
    expires_at: datetime
    received: list[PartReceived] = Field(default_factory=list)
    parts: list[PartLink] = Field(default_factory=list)
    digests: Digests | None = None
    error: UploadError | None = None


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


async def uploader(request: Request, actor: Annotated[Actor, Depends(signed_in)]) -> Actor:
    """A person who may upload; counted as a write."""
    actor.require(Scope.MEDIA_WRITE)
    await take(request, "write")
    return actor


Uploader = Annotated[Actor, Depends(uploader)]


@router.post("", status_code=201, operation_id="createUpload", summary="Announce An Upload")
async def create(request: Request, body: NewUpload, actor: Uploader) -> UploadState:
    """Announce a file; the answer holds links for the first hundred parts unless `checksums` was asked for."""
    state = state_of(request)
    async with state.database.unit() as session:
        upload = await uploading.begin(
            session,
            actor,
            filename=body.filename,
            size=body.size,
            purpose=body.purpose,
            limits=limits_of(state),
            sha256=body.sha256,
        )
    handle = await state.store.begin_multipart(
        upload.storage_key, upload.size, upload.part_size, upload.content_type, checksums=body.checksums
    )
    async with state.database.unit() as session:
        upload = await uploading.opened(session, actor, upload_id=upload.id, handle=handle)
    first = (
        [] if body.checksums else [PartWanted(number=n) for n in range(1, min(part_count(upload), 100) + 1)]
    )
    return shown(upload, parts=await _links(request, upload, handle, first))


@router.get("/{upload_id}", operation_id="getUpload", summary="Get An Upload")
async def show(
    request: Request, upload_id: uuid.UUID, actor: Annotated[Actor, Depends(signed_in)]
) -> UploadState:
    """Where an upload stands: which parts arrived, how far verification is, the digests at the end."""
    actor.require(Scope.MEDIA_READ)
    state = state_of(request)
    async with state.database.reading() as session:
        upload = await uploading.owned(session, actor, upload_id=upload_id)
        blob = await session.get(Blob, upload.blob_id) if upload.blob_id else None
    received: list[PartReceived] = []
    if upload.status == "open" and upload.handle:
        held = await state.store.list_parts(upload.storage_key, upload.handle)
        received = [PartReceived.model_validate(part) for part in held]
    return shown(upload, received=received, blob=blob)


@router.post("/{upload_id}/parts", operation_id="signUploadParts", summary="Get Links For Parts")
async def links(request: Request, upload_id: uuid.UUID, body: PartsWanted, actor: Uploader) -> list[PartLink]:
    """Fresh links for parts; they hold six hours."""
    state = state_of(request)
    async with state.database.reading() as session:
        upload, handle = await uploading.receiving(session, actor, upload_id=upload_id)
    wanted = body.parts or [PartWanted(number=number) for number in body.numbers]
    for part in wanted:
        if part.number > part_count(upload):
            raise Invalid(
                f"This upload has {part_count(upload)} parts; there is no part {part.number}.",
                code="part_number",
            )
        _check_checksum(part.checksum)
    return await _links(request, upload, handle, wanted)


@router.post(
    "/{upload_id}/complete", status_code=202, operation_id="completeUpload", summary="Complete An Upload"
)
async def complete(
    request: Request, upload_id: uuid.UUID, actor: Uploader, body: Completion | None = None
) -> UploadState:
    """All parts are there: put them together and verify. Saying it twice changes nothing."""
    state = state_of(request)
    async with state.database.reading() as session:
        upload = await uploading.owned(session, actor, upload_id=upload_id)
    if upload.status == "open" and upload.handle:
        parts = [PartRef(part.number, part.etag) for part in body.parts] if body and body.parts else None
        await state.store.complete_multipart(upload.storage_key, upload.handle, parts)
    async with state.database.unit() as session:
        upload = await uploading.completed(session, actor, upload_id=upload_id)
    return shown(upload)


@router.delete("/{upload_id}", operation_id="abortUpload", summary="Cancel An Upload")
async def abort(request: Request, upload_id: uuid.UUID, actor: Uploader) -> UploadState:
    """Cancel an unfinished upload and throw its parts away."""
    async with state_of(request).database.unit() as session:
        return shown(await uploading.abort(session, actor, upload_id=upload_id))


@router.get("", operation_id="listUploads", summary="List Unfinished Uploads")
async def mine(
    request: Request,
    actor: Annotated[Actor, Depends(signed_in)],
    status: Annotated[Literal["open", "verifying", "done", "failed"], Query()] = "open",
) -> list[UploadState]:
    """One's uploads of a state, newest first, two hundred at most: what a browser can resume."""
    actor.require(Scope.MEDIA_READ)
    async with state_of(request).database.reading() as session:
        found = await uploading.of_person(session, actor, status=status)
    return [shown(upload) for upload in found]


def shown(
    upload: Upload,
    *,
    received: list[PartReceived] | None = None,
    parts: list[PartLink] | None = None,
    blob: Blob | None = None,
) -> UploadState:
    """An upload as the API tells it."""
    return UploadState(
        id=upload.id,
        status=upload.status,
        purpose=upload.purpose,
        filename=upload.filename,
        size=upload.size,
        part_size=upload.part_size,
        part_count=part_count(upload),
        verified_bytes=upload.verified_bytes,
        expires_at=upload.expires_at,
        received=received or [],
        parts=parts or [],
        digests=_digests(blob) if blob else None,
        error=UploadError(code=upload.error_code, message=upload.error_message or "")
        if upload.error_code
        else None,
    )


def _digests(blob: Blob) -> Digests:
    sha256 = blob.sha256.hex().upper()
    return Digests(
        SHA256=sha256,
        BLAKE3=blob.blake3.hex().upper(),
        CRC32=blob.crc32.hex().upper(),
        AutoV2=sha256[:10],
        AutoV1=blob.autov1.upper() if blob.autov1 else None,
        AutoV3=blob.autov3[:12].upper() if blob.autov3 else None,
    )


async def _links(request: Request, upload: Upload, handle: str, wanted: list[PartWanted]) -> list[PartLink]:
    store, made = state_of(request).store, []
    for part in wanted:
        offset, size = part_span(upload, part.number)
        signed = await store.sign_part(
            upload.storage_key, handle, part.number, size, LINK_LIFE, checksum=part.checksum
        )
        made.append(
            PartLink(number=part.number, offset=offset, size=size, url=signed.url, headers=signed.headers)
        )
    return made


def _check_checksum(checksum: str | None) -> None:
    if checksum is None:
        return
    try:
        good = len(base64.b64decode(checksum, validate=True)) == 32
    except ValueError:
        good = False
    if not good:
        raise Invalid("checksum must be base64 of the part's SHA-256.", code="part_checksum")
