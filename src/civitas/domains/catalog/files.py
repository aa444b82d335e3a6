"""Files of versions: attaching uploads, linking what is here already, editing, removing, rescanning.

The bytes behind a file never change: another upload is another file (WANTS 13).
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.catalog import FileAttached, FileRemoved
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.blobs import references, uploading
from civitas.domains.blobs.digests import Digests
from civitas.domains.blobs.tables import Blob
from civitas.domains.blobs.types import Purpose
from civitas.domains.catalog import editing, filenames, policy
from civitas.domains.catalog.forms import FileForm, FilePatch, clean_filename
from civitas.domains.catalog.messages import ScanFile
from civitas.domains.catalog.policy import DownloadFacts
from civitas.domains.catalog.removal import FILE_REFERENCE
from civitas.domains.catalog.tables import FileHash, FileScan, Model, ModelFile, ModelVersion
from civitas.domains.catalog.types import ScanStatus, Status, Visibility
from civitas.infra.queue.outbox import defer
from civitas.kit import clock
from civitas.kit.errors import Conflict, Fault, Invalid, Limited, NotFound

# FEATURES B14.
MAX_MAIN = 20
MAX_ADDITIONAL = 6
RESCAN_PAUSE = timedelta(minutes=15)
MAX_DUPLICATES = 50

_SHA256 = re.compile(r"^[0-9A-F]{64}$")


async def attach(
    session: AsyncSession,
    actor: Actor,
    *,
    version_id: int,
    upload_id: uuid.UUID,
    form: FileForm | None = None,
) -> ModelFile:
    """Make a finished upload a file of the version; its safety scan begins.

    What the form leaves out is guessed from the name. Attaching the same upload again returns the same file.
    Raises UploadNotFound, UploadState, Invalid (`file_ending`, `file_format`, `bad_file_name`),
    Conflict (`too_many_files`).
    """
    model, version = await editing.version_for_edit(session, actor, version_id=version_id)
    blob = await uploading.finished_blob(session, actor, upload_id=upload_id, purpose=Purpose.FILE)
    upload = await uploading.owned(session, actor, upload_id=upload_id)
    return await _add(session, actor, model, version, blob, form or FileForm(), upload.filename)


async def link(
    session: AsyncSession,
    actor: Actor,
    *,
    version_id: int,
    sha256: str,
    form: FileForm | None = None,
) -> ModelFile:
    """Make a file that is here already, and that the actor may download, a file of this version too.

    No bytes are copied (FEATURES B16). Raises Invalid (`bad_sha256`), NotFound (`file_not_found`).
    """
    value = sha256.strip().upper()
    if not _SHA256.match(value):
        raise Invalid(
            "sha256 must be 64 hexadecimal digits.", code="bad_sha256", fields={"sha256": "64 digits"}
        )
    model, version = await editing.version_for_edit(session, actor, version_id=version_id)
    found = await session.execute(
        select(ModelFile, ModelVersion, Model)
        .join(FileHash, FileHash.file_id == ModelFile.id)
        .join(ModelVersion, ModelVersion.id == ModelFile.version_id)
        .join(Model, Model.id == ModelVersion.model_id)
        .where(FileHash.value == value, FileHash.kind == "SHA256", ModelFile.removed_at.is_(None))
        .order_by(ModelFile.id)
        .limit(MAX_DUPLICATES)
    )
    for file, of_version, of_model in found:
        try:
            policy.require_download(actor, DownloadFacts.of(of_model, of_version, file))
        except Fault:
            continue
        blob = await session.get(Blob, file.blob_id)
        if blob is not None:
            given = form or FileForm(type=file.type, format=file.format)
            return await _add(session, actor, model, version, blob, given, file.name)
    raise NotFound("No file with this SHA-256 is here that you could link.", code="file_not_found")


async def _add(
    session: AsyncSession,
    actor: Actor,
    model: Model,
    version: ModelVersion,
    blob: Blob,
    form: FileForm,
    fallback_name: str,
) -> ModelFile:
    name = form.name or clean_filename(fallback_name)[:200]
    facts = filenames.facts_of(name, form)
    main = filenames.is_main(facts.type, model.type)
    files = await live_files(session, version.id)
    for other in files:
        if other.blob_id == blob.id:
            return other
    _require_room(files, model, main)
    primary = form.primary if form.primary is not None else False
    if primary and not main:
        raise _not_main()
    if main and not any(other.is_primary for other in files):
        primary = True
    if primary:
        await _clear_primary(session, files)
    file = ModelFile(
        version_id=version.id,
        blob_id=blob.id,
        name=filenames.unique_name(name, {other.name for other in files}),
        type=facts.type,
        format=facts.format,
        size_class=facts.size_class,
        precision=facts.precision,
        quantisation=facts.quantisation,
        visibility=form.visibility,
        is_primary=primary,
        size=blob.size,
        scan_status=ScanStatus.PENDING,
    )
    session.add(file)
    await session.flush()
    await references.add(session, blob_id=blob.id, kind=FILE_REFERENCE, subject_id=file.id)
    await session.execute(
        insert(FileHash),
        [
            {"file_id": file.id, "version_id": version.id, "kind": kind, "value": value}
            for kind, value in hashes_of(blob).items()
        ],
    )
    await defer(session, ScanFile(file.id), once=f"scan:{file.id}", priority=2)
    editing.note(session, actor, model, "file_added", version_id=version.id, file_id=file.id, name=file.name)
    await editing.changed(session, model, FileAttached(file.id, version.id, model.id), version=version)
    return file


def hashes_of(blob: Blob) -> dict[str, str]:
    """All hashes of the bytes, upper case, by their names on the wire."""
    return Digests(
        sha256=blob.sha256.hex(),
        blake3=blob.blake3.hex(),
        crc32=blob.crc32.hex(),
        autov1=blob.autov1,
        autov3=blob.autov3,
        size=blob.size,
    ).by_name()


async def live_files(session: AsyncSession, version_id: int) -> Sequence[ModelFile]:
    """The files of a version that were not removed, the main one first."""
    found = await session.scalars(
        select(ModelFile)
        .where(ModelFile.version_id == version_id, ModelFile.removed_at.is_(None))
        .order_by(ModelFile.is_primary.desc(), ModelFile.id)
    )
    return found.all()


def _require_room(files: Sequence[ModelFile], model: Model, main: bool) -> None:
    count = sum(filenames.is_main(file.type, model.type) == main for file in files)
    most = MAX_MAIN if main else MAX_ADDITIONAL
    if count >= most:
        kind = "model files" if main else "additional files"
        raise Conflict(f"A version has at most {most} {kind}; remove one first.", code="too_many_files")


def _not_main() -> Invalid:
    return Invalid(
        "Only a model file can be the main file of a version.",
        code="not_a_main_file",
        fields={"primary": "not for this type of file"},
    )


async def _clear_primary(session: AsyncSession, files: Sequence[ModelFile]) -> None:
    for file in files:
        file.is_primary = False
    # The unique index sees one main file at a time only if the old one goes first.
    await session.flush()


async def update(session: AsyncSession, actor: Actor, *, file_id: int, patch: FilePatch) -> ModelFile:
    """Change how a file is shown: name, type, format, precision, visibility, or make it the main file.

    Raises Invalid (`file_ending`, `file_format`, `not_a_main_file`, `one_main_file`).
    """
    model, version, file = await editing.file_for_edit(session, actor, file_id=file_id)
    given = patch.given()
    primary = given.pop("primary", None)
    names = {"size": "size_class", "fp": "precision", "quant_type": "quantisation"}
    values = {names.get(name, name): value for name, value in given.items()}
    values = {
        name: value
        for name, value in values.items()
        if value is not None or name in ("size_class", "precision", "quantisation")
    }
    files = await live_files(session, version.id)
    if "name" in values:
        others = {other.name for other in files if other.id != file.id}
        values["name"] = filenames.unique_name(values["name"], others)
    before = editing.assign(file, values)
    filenames.check(file.name, file.type, file.format)
    if before.keys() & {"name"} and filenames.ending(before["name"]) != filenames.ending(file.name):
        raise Invalid(
            "The ending of the name cannot change: it says what the bytes are.",
            code="file_ending",
            fields={"name": f"must end with {filenames.ending(before['name'])}"},
        )
    if not filenames.is_main(file.type, model.type) and (primary or file.is_primary):
        raise _not_main()
    if primary is False and file.is_primary:
        raise Invalid("Choose another main file instead.", code="one_main_file", fields={"primary": "needed"})
    if primary and not file.is_primary:
        await _clear_primary(session, files)
        file.is_primary = True
        before["is_primary"] = False
    if before:
        editing.note(
            session,
            actor,
            model,
            "file_edited",
            version_id=version.id,
            file_id=file_id,
            fields=sorted(before),
        )
        await editing.changed(session, model, version=version)
    return file


async def remove(session: AsyncSession, actor: Actor, *, file_id: int) -> None:
    """Take a file away; its hashes still answer, its bytes go after the grace unless something else needs them.

    Raises Conflict (`last_file`) for the last clean file of a public version.
    """
    model, version, file = await editing.file_for_edit(
        session, actor, file_id=file_id, scope=Scope.MODELS_DELETE
    )
    others = [other for other in await live_files(session, version.id) if other.id != file_id]
    public = version.status == Status.PUBLISHED and model.status == Status.PUBLISHED
    usable = [
        other
        for other in others
        if other.scan_status == ScanStatus.CLEAN
        and other.visibility == Visibility.PUBLIC
        and filenames.is_main(other.type, model.type)
    ]
    if public and file.is_primary and not usable:
        raise Conflict(
            "This is the only file that others can download; add another first, or unpublish the version.",
            code="last_file",
        )
    was_primary, file.is_primary, file.removed_at = file.is_primary, False, clock.now()
    await session.flush()
    if was_primary:
        successor = next(iter(usable), None) or next(
            (other for other in others if filenames.is_main(other.type, model.type)), None
        )
        if successor is not None:
            successor.is_primary = True
    if file.blob_id is not None:
        await references.drop(session, blob_id=file.blob_id, kind=FILE_REFERENCE, subject_id=file_id)
    editing.note(
        session, actor, model, "file_removed", version_id=version.id, file_id=file_id, name=file.name
    )
    await editing.changed(session, model, FileRemoved(file_id, version.id, model.id), version=version)


async def rescan(session: AsyncSession, actor: Actor, *, file_id: int) -> ModelFile:
    """Scan a file again; until that ends the present result stands, an error becomes pending.

    Owners at most every fifteen minutes (Limited), staff whenever they like.
    """
    model, version, file = await editing.file_for_edit(session, actor, file_id=file_id)
    last = await session.scalar(select(func.max(FileScan.finished_at)).where(FileScan.file_id == file_id))
    if last is not None and not actor.is_moderator:
        wait = last + RESCAN_PAUSE - clock.now()
        if wait > timedelta(0):
            raise Limited(
                "This file was scanned a moment ago; ask again later.",
                retry_after=int(wait.total_seconds()) + 1,
                code="scanned_recently",
            )
    if file.scan_status == ScanStatus.ERROR:
        file.scan_status, file.scan_message = ScanStatus.PENDING, None
    await defer(session, ScanFile(file_id), once=f"scan:{file_id}", priority=1)
    editing.note(session, actor, model, "rescan_requested", version_id=version.id, file_id=file_id)
    await editing.changed(session, model)
    return file


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Another file with the same bytes."""

    file_id: int
    file_name: str
    version_id: int
    version_name: str
    model_id: int
    model_name: str
    person_id: int


async def duplicates(session: AsyncSession, actor: Actor, *, file_id: int) -> Sequence[Duplicate]:
    """Other models' files with the same bytes, as far as the actor may see them (FEATURES B17).

    For the file's owner and staff; NotFound for others.
    """
    row = (
        await session.execute(
            select(ModelFile.blob_id, Model)
            .join(ModelVersion, ModelVersion.id == ModelFile.version_id)
            .join(Model, Model.id == ModelVersion.model_id)
            .where(ModelFile.id == file_id)
        )
    ).first()
    if row is None or not policy.can_edit(actor, row[1]):
        raise NotFound("This file was not found.", code="file_not_found")
    if row[0] is None:
        return ()
    found = await session.execute(
        select(
            ModelFile.id,
            ModelFile.name,
            ModelVersion.id,
            ModelVersion.name,
            Model.id,
            Model.name,
            Model.person_id,
        )
        .join(ModelVersion, ModelVersion.id == ModelFile.version_id)
        .join(Model, Model.id == ModelVersion.model_id)
        .where(ModelFile.blob_id == row[0], Model.id != row[1].id, policy.files_visible_to(actor))
        .order_by(ModelFile.id)
        .limit(MAX_DUPLICATES)
    )
    return [Duplicate(*columns) for columns in found]
