"""Models, versions and files for tests, written as rows."""

from __future__ import annotations

import hashlib
import uuid
from itertools import count
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_person

from civitas.domains.blobs.tables import Blob, BlobReference, Upload
from civitas.domains.catalog.tables import (
    FileHash,
    Model,
    ModelFile,
    ModelTag,
    ModelVersion,
    Tag,
    VersionPreview,
)
from civitas.kit import clock

_numbers = count(1)


async def make_model(
    session: AsyncSession, person_id: int | None = None, *, tags: tuple[str, ...] = (), **columns: Any
) -> int:
    """A draft model; any column of `models` can be given. Returns the id."""
    owner = person_id if person_id is not None else await make_person(session)
    values: dict[str, Any] = {"person_id": owner, "name": f"Model {next(_numbers)}", "type": "LORA"}
    made = await session.execute(insert(Model).values(**(values | columns)).returning(Model.id))
    model_id = int(made.scalar_one())
    for tag in tags:
        await tag_model(session, model_id, tag)
    return model_id


async def tag_model(session: AsyncSession, model_id: int, tag: str) -> None:
    """The model carries the tag."""
    await session.execute(upsert(Tag).values(name=tag).on_conflict_do_nothing())
    tag_id = await session.scalar(select(Tag.id).where(Tag.name == tag))
    await session.execute(insert(ModelTag).values(model_id=model_id, tag_id=tag_id))


async def make_version(session: AsyncSession, model_id: int, **columns: Any) -> int:
    """A draft version; any column of `model_versions` can be given. Returns the id."""
    values: dict[str, Any] = {
        "model_id": model_id,
        "name": f"v{next(_numbers)}",
        "base_model": "SDXL 1.0",
    }
    made = await session.execute(insert(ModelVersion).values(**(values | columns)).returning(ModelVersion.id))
    return int(made.scalar_one())


async def make_blob(session: AsyncSession, content: bytes | None = None, **columns: Any) -> int:
    """The row of verified bytes; `content` decides the SHA-256, the other digests follow from it."""
    content = content if content is not None else f"bytes {next(_numbers)} {uuid.uuid4()}".encode()
    sha256 = hashlib.sha256(content)
    values: dict[str, Any] = {
        "sha256": sha256.digest(),
        "size": len(content),
        "storage_key": f"blobs/test/{uuid.uuid4().hex}",
        "content_type": "application/octet-stream",
        "blake3": hashlib.blake2s(content).digest(),
        "crc32": sha256.digest()[:4],
        "autov1": sha256.hexdigest()[8:16],
        "autov3": hashlib.sha256(content[8:]).hexdigest(),
    }
    made = await session.execute(insert(Blob).values(**(values | columns)).returning(Blob.id))
    return int(made.scalar_one())


async def make_upload(
    session: AsyncSession,
    person_id: int,
    filename: str = "model.safetensors",
    *,
    blob_id: int | None = None,
    content: bytes | None = None,
    **columns: Any,
) -> uuid.UUID:
    """A finished upload of a blob. Returns its id."""
    blob_id = blob_id if blob_id is not None else await make_blob(session, content)
    size = await session.scalar(select(Blob.size).where(Blob.id == blob_id))
    upload_id = uuid.uuid4()
    values: dict[str, Any] = {
        "id": upload_id,
        "person_id": person_id,
        "purpose": "file",
        "filename": filename,
        "size": max(size or 0, 1),
        "part_size": 16 * 2**20,
        "storage_key": f"blobs/test/{upload_id.hex}",
        "content_type": "application/octet-stream",
        "status": "done",
        "blob_id": blob_id,
        "expires_at": clock.now(),
        "finished_at": clock.now(),
    }
    await session.execute(insert(Upload).values(**(values | columns)))
    return upload_id


async def make_file(
    session: AsyncSession,
    version_id: int,
    *,
    blob_id: int | None = None,
    content: bytes | None = None,
    **columns: Any,
) -> int:
    """A clean, primary safetensors file with its bytes' row, hashes and reference. Returns the id."""
    blob_id = blob_id if blob_id is not None else await make_blob(session, content)
    blob = (await session.execute(select(Blob).where(Blob.id == blob_id))).scalar_one()
    first = not await session.scalar(
        select(ModelFile.id).where(
            ModelFile.version_id == version_id, ModelFile.is_primary, ModelFile.removed_at.is_(None)
        )
    )
    values: dict[str, Any] = {
        "version_id": version_id,
        "blob_id": blob_id,
        "name": f"file_{next(_numbers)}.safetensors",
        "type": "Model",
        "format": "SafeTensor",
        "size": blob.size,
        "is_primary": first,
        "scan_status": "clean",
        "scanned_at": clock.now(),
    }
    made = await session.execute(insert(ModelFile).values(**(values | columns)).returning(ModelFile.id))
    file_id = int(made.scalar_one())
    hashes = {
        "SHA256": blob.sha256.hex(),
        "AutoV2": blob.sha256.hex()[:10],
        "AutoV1": blob.autov1,
        "AutoV3": blob.autov3[:12] if blob.autov3 else None,
        "BLAKE3": blob.blake3.hex(),
        "CRC32": blob.crc32.hex(),
    }
    await session.execute(
        insert(FileHash),
        [
            {"file_id": file_id, "version_id": version_id, "kind": kind, "value": value.upper()}
            for kind, value in hashes.items()
            if value
        ],
    )
    await session.execute(
        insert(BlobReference).values(blob_id=blob_id, kind="model_file", subject_id=file_id)
    )
    return file_id


async def make_preview(session: AsyncSession, version_id: int, person_id: int, **columns: Any) -> int:
    """A picture as the catalogue shows it; no row of the gallery stands behind it. Returns the image id."""
    number = next(_numbers)
    values: dict[str, Any] = {
        "version_id": version_id,
        "image_id": 1_000_000 + number,
        "position": number,
        "key": str(uuid.uuid4()),
        "name": f"picture_{number}.png",
        "width": 512,
        "height": 768,
        "blurhash": "LEHV6nWB2yk8pyo0adR*.7kCMdnj",
        "nsfw_level": 1,
        "person_id": person_id,
    }
    values |= columns
    await session.execute(insert(VersionPreview).values(**values))
    return int(values["image_id"])


async def make_published_version(
    session: AsyncSession, model_id: int, *, previews: int = 1, level: int = 1, **columns: Any
) -> int:
    """A published version with a clean file and pictures. Returns the id."""
    now = clock.now()
    values: dict[str, Any] = {"status": "Published", "published_at": now, "nsfw_level": level}
    version_id = await make_version(session, model_id, **(values | columns))
    await make_file(session, version_id)
    owner = await session.scalar(select(Model.person_id).where(Model.id == model_id))
    for _ in range(previews):
        await make_preview(session, version_id, owner or 0, nsfw_level=level)
    return version_id


async def make_published_model(
    session: AsyncSession,
    person_id: int | None = None,
    *,
    versions: int = 1,
    tags: tuple[str, ...] = ("style",),
    level: int = 1,
    version: dict[str, Any] | None = None,
    **columns: Any,
) -> tuple[int, list[int]]:
    """A published model with published versions, files and pictures. Returns its id and theirs, first shown first."""
    now = clock.now()
    values: dict[str, Any] = {
        "status": "Published",
        "published_at": now,
        "last_version_at": now,
        "nsfw_level": level,
    }
    model_id = await make_model(session, person_id, tags=tags, **(values | columns))
    made = [
        await make_published_version(
            session, model_id, level=level, **({"position": place} | (version or {}))
        )
        for place in range(versions)
    ]
    return model_id, made


async def set_status(session: AsyncSession, model_id: int, status: str, **columns: Any) -> None:
    """Put a model into a status, with the columns that go with it."""
    if status == "Deleted":
        columns.setdefault("deleted_at", clock.now())
    await session.execute(update(Model).where(Model.id == model_id).values(status=status, **columns))
