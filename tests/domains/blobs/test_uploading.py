"""Uploads from announcement to blob, and what can go wrong on the way."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import func, select, text
from tests.factories.accounts import make_actor

from civitas.domains.accounts.types import Actor
from civitas.domains.blobs import references, tasks, uploading
from civitas.domains.blobs.digests import Digests, digest_stream
from civitas.domains.blobs.errors import BadPlan, FileTooLarge, UploadNotFound, UploadState
from civitas.domains.blobs.messages import VerifyUpload
from civitas.domains.blobs.tables import Blob, Upload
from civitas.domains.blobs.types import MIB, Limits, Purpose, part_count, part_size_for, part_span
from civitas.infra.db.database import BoundDatabase, Database
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.draining import drain
from civitas.infra.settings import CatalogSettings
from civitas.infra.storage.memory import MemoryStore
from civitas.infra.storage.store import Store
from civitas.kit import clock
from civitas.kit.errors import Conflict, Limited, NotFound

LIMITS = Limits()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def tasks_context(units: BoundDatabase, store: MemoryStore) -> TaskContext:
    return TaskContext(units, {Store: store, CatalogSettings: CatalogSettings()})


@pytest.fixture
async def actor(units: BoundDatabase) -> Actor:
    async with units.unit() as session:
        return await make_actor(session)


async def sent(units: Any, store: MemoryStore, actor: Actor, body: bytes, **announced: Any) -> Upload:
    """An upload whose parts have all arrived and that was declared complete."""
    async with units.unit() as session:
        upload = await uploading.begin(
            session,
            actor,
            filename=announced.pop("filename", "model.bin"),
            size=announced.pop("size", len(body)),
            purpose=announced.pop("purpose", Purpose.FILE),
            limits=LIMITS,
            **announced,
        )
    await store.put(upload.storage_key, body, "application/octet-stream")
    async with units.unit() as session:
        return await uploading.completed(session, actor, upload_id=upload.id)


async def test_an_upload_becomes_a_blob_with_every_digest(
    units: BoundDatabase, store: MemoryStore, actor: Actor, tasks_context: TaskContext
) -> None:
    body = b"weights" * 400_000
    upload = await sent(units, store, actor, body, sha256=hashlib.sha256(body).hexdigest().upper())
    assert await drain(tasks_context) >= 1
    async with units.reading() as session:
        blob = await uploading.finished_blob(session, actor, upload_id=upload.id, purpose=Purpose.FILE)
        assert blob.sha256 == hashlib.sha256(body).digest()
        assert blob.size == len(body)
        assert blob.autov1 == hashlib.sha256(body[0x100000:0x110000]).hexdigest()[:8]
        with pytest.raises(Conflict, match="announced as file"):
            await uploading.finished_blob(session, actor, upload_id=upload.id, purpose=Purpose.IMAGE)
    assert await store.head(blob.storage_key) is not None


async def test_equal_bytes_are_stored_once(
    units: BoundDatabase, store: MemoryStore, actor: Actor, tasks_context: TaskContext
) -> None:
    first = await sent(units, store, actor, b"the same bytes")
    second = await sent(units, store, actor, b"the same bytes", filename="other name.bin")
    await drain(tasks_context)
    async with units.reading() as session:
        one = await uploading.finished_blob(session, actor, upload_id=first.id)
        two = await uploading.finished_blob(session, actor, upload_id=second.id)
        assert one.id == two.id
    assert await store.head(first.storage_key) is not None
    assert await store.head(second.storage_key) is None


@pytest.mark.parametrize(
    ("announced", "code"),
    [({"sha256": "ab" * 32}, "sha256_mismatch"), ({"size": 5}, "size_mismatch")],
)
async def test_bytes_other_than_announced_fail_and_are_not_kept(
    units: BoundDatabase,
    store: MemoryStore,
    actor: Actor,
    tasks_context: TaskContext,
    announced: dict[str, Any],
    code: str,
) -> None:
    upload = await sent(units, store, actor, b"not what was promised", **announced)
    await drain(tasks_context)
    async with units.reading() as session:
        found = await uploading.owned(session, actor, upload_id=upload.id)
        assert (found.status, found.error_code) == ("failed", code)
        assert await session.scalar(select(func.count()).select_from(Blob)) == 0
        with pytest.raises(UploadState, match="announced"):
            await uploading.finished_blob(session, actor, upload_id=upload.id)
    assert await store.head(upload.storage_key) is None


async def test_bytes_that_never_arrived_fail_the_upload(
    units: BoundDatabase, store: MemoryStore, actor: Actor, tasks_context: TaskContext
) -> None:
    upload = await sent(units, store, actor, b"x")
    await store.delete(upload.storage_key)
    await drain(tasks_context)
    async with units.reading() as session:
        assert (await uploading.owned(session, actor, upload_id=upload.id)).error_code == "bytes_missing"


async def test_completing_and_verifying_twice_changes_nothing(
    units: BoundDatabase, store: MemoryStore, actor: Actor, tasks_context: TaskContext
) -> None:
    upload = await sent(units, store, actor, b"once")
    async with units.unit() as session:
        await uploading.completed(session, actor, upload_id=upload.id)
    await drain(tasks_context)
    await tasks.verify_upload(VerifyUpload(upload.id), tasks_context)
    async with units.unit() as session:
        again = await uploading.completed(session, actor, upload_id=upload.id)
        assert again.status == "done"
        assert await session.scalar(select(func.count()).select_from(Blob)) == 1


async def test_nobody_else_sees_an_upload(units: BoundDatabase, store: MemoryStore, actor: Actor) -> None:
    upload = await sent(units, store, actor, b"mine")
    async with units.unit() as session:
        other = await make_actor(session)
        for call in (uploading.owned, uploading.completed, uploading.abort, uploading.finished_blob):
            with pytest.raises(UploadNotFound):
                await call(session, other, upload_id=upload.id)


async def test_a_cancelled_upload_stays_cancelled(
    units: BoundDatabase, store: MemoryStore, actor: Actor, tasks_context: TaskContext
) -> None:
    async with units.unit() as session:
        upload = await uploading.begin(
            session, actor, filename="a.bin", size=10, purpose=Purpose.FILE, limits=LIMITS
        )
    handle = await store.begin_multipart(upload.storage_key, 10, upload.part_size, "application/octet-stream")
    async with units.unit() as session:
        await uploading.opened(session, actor, upload_id=upload.id, handle=handle)
        await uploading.abort(session, actor, upload_id=upload.id)
        await uploading.abort(session, actor, upload_id=upload.id)
        with pytest.raises(UploadState):
            await uploading.completed(session, actor, upload_id=upload.id)
    await drain(tasks_context)
    with pytest.raises(NotFound):
        await store.list_parts(upload.storage_key, handle)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"size": 0}, BadPlan),
        ({"size": LIMITS.max_file + 1}, FileTooLarge),
        ({"size": LIMITS.max_image + 1, "purpose": Purpose.IMAGE}, FileTooLarge),
        ({"filename": "../.."}, BadPlan),
        ({"filename": "\u202e\u0000"}, BadPlan),
        ({"sha256": "zz"}, BadPlan),
    ],
)
async def test_an_impossible_announcement_is_refused(
    units: BoundDatabase, actor: Actor, fields: dict[str, Any], fault: type[Exception]
) -> None:
    plan: dict[str, Any] = {"filename": "a.bin", "size": 10, "purpose": Purpose.FILE} | fields
    with pytest.raises(fault):
        async with units.unit() as session:
            await uploading.begin(session, actor, limits=LIMITS, **plan)


async def test_paths_in_names_are_cut_off(units: BoundDatabase, actor: Actor) -> None:
    async with units.unit() as session:
        upload = await uploading.begin(
            session,
            actor,
            filename="..\\..\\etc/pass\u202ewd.safetensors",
            size=1,
            purpose=Purpose.FILE,
            limits=LIMITS,
        )
        assert upload.filename == "pass wd.safetensors"
        assert ".." not in upload.storage_key


async def test_too_many_open_uploads_are_limited(units: BoundDatabase, actor: Actor) -> None:
    few = Limits(max_open=2)
    async with units.unit() as session:
        for _ in range(2):
            await uploading.begin(session, actor, filename="a", size=1, purpose=Purpose.FILE, limits=few)
        with pytest.raises(Limited):
            await uploading.begin(session, actor, filename="a", size=1, purpose=Purpose.FILE, limits=few)


async def test_abandoned_uploads_and_unneeded_bytes_are_swept(
    units: BoundDatabase, store: MemoryStore, actor: Actor, tasks_context: TaskContext
) -> None:
    kept = await sent(units, store, actor, b"needed")
    lost = await sent(units, store, actor, b"not needed")
    async with units.unit() as session:
        idle = await uploading.begin(
            session, actor, filename="a", size=1, purpose=Purpose.FILE, limits=LIMITS
        )
    await drain(tasks_context)
    async with units.unit() as session:
        blob = await uploading.finished_blob(session, actor, upload_id=kept.id)
        await references.add(session, blob_id=blob.id, kind="test", subject_id=1)
    with clock.held_at(clock.now() + timedelta(days=5)):
        await tasks.sweep_uploads(tasks_context)
        await tasks.sweep_orphans(tasks_context)
    async with units.unit() as session:
        assert (await uploading.owned(session, actor, upload_id=idle.id)).status == "aborted"
        assert await session.scalar(select(func.count()).select_from(Blob)) == 1
    assert await store.head(kept.storage_key) is not None
    assert await store.head(lost.storage_key) is None
    async with units.unit() as session:
        await references.drop(session, blob_id=blob.id, kind="test", subject_id=1)
        assert await session.scalar(select(Blob.orphaned_at)) is not None
        with pytest.raises(NotFound):
            await references.add(session, blob_id=blob.id + 1000, kind="test", subject_id=1)


async def test_two_equal_uploads_recorded_at_the_same_moment_are_one_blob(own_dsn: str) -> None:
    database = Database(own_dsn)
    store = MemoryStore()
    async with database.unit() as session:
        actor = await make_actor(session)
    uploads = [await sent(database, store, actor, b"equal") for _ in range(4)]

    async def pieces() -> Any:
        yield b"equal"

    digests: Digests = await digest_stream(pieces())

    async def record(upload: Upload) -> str | None:
        async with database.unit() as session:
            return await uploading.verified(session, upload_id=upload.id, digests=digests)

    spare = await asyncio.gather(*(record(upload) for upload in uploads))
    assert sum(key is None for key in spare) == 1
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(Blob)) == 1
        assert await session.scalar(text("SELECT count(*) FROM uploads WHERE status = 'done'")) == 4
    await database.close()


@pytest.mark.parametrize("size", [1, 5 * MIB, 16 * MIB, 16 * MIB + 1, 4 * 1024 * MIB, 300 * 1024 * MIB])
def test_parts_cover_the_file_exactly(size: int) -> None:
    upload = Upload(size=size, part_size=part_size_for(size, 64 * MIB))
    spans = [part_span(upload, number) for number in range(1, part_count(upload) + 1)]
    assert spans[0][0] == 0
    assert all(a[0] + a[1] == b[0] for a, b in pairwise(spans))
    assert spans[-1][0] + spans[-1][1] == size
    assert len(spans) <= 10_000
