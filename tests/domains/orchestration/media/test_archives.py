"""Many blobs as one file, which is never whole anywhere."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_person
from tests.factories.media import afresh, make_blob, make_workflow

from civitas.domains.orchestration import blobs
from civitas.domains.orchestration.media import archives, shapes
from civitas.domains.orchestration.media.links import MediaLinks
from civitas.domains.orchestration.media_tables import MediaBlob
from civitas.kit import clock
from civitas.kit.errors import Gone, Invalid, NotFound

LINKS = MediaLinks.derived(b"a secret for tests only, 32 bytes", "https://hub.example.org")


async def made(session: AsyncSession, *bodies: bytes) -> tuple[int, list[str], dict[str, bytes]]:
    person = await make_person(session)
    workflow = await make_workflow(session, person)
    ids = [await make_blob(session, workflow, body) for body in bodies]
    found = await blobs.links(session, ids)
    return person, ids, {str(found[id].storage_key): body for id, body in zip(ids, bodies, strict=True)}


def reader(store: dict[str, bytes]) -> archives.Chunks:
    async def chunks(key: str) -> AsyncGenerator[bytes, None]:
        body = store[key]
        for at in range(0, len(body), 1000):
            yield body[at : at + 1000]

    return chunks


async def whole(archive: archives.Archive, store: dict[str, bytes]) -> bytes:
    pieces = [piece async for piece in archives.streamed(archive, reader(store))]
    assert max(map(len, pieces)) < 4000
    return b"".join(pieces)


@pytest.mark.parametrize("format", ["zip", "tar"])
async def test_an_archive_is_streamed_and_opens(session: AsyncSession, format: str) -> None:
    person, ids, store = await made(session, b"a" * 5_000, b"b" * 512, b"c")
    entries = [
        {"blobId": ids[0], "fileName": "../one.png"},
        {"blobId": f"{ids[1]}.png", "fileName": "ONE.png"},
        {"blobId": ids[2], "fileName": None},
    ]
    row = await archives.make(session, person_id=person, entries=entries, name="my/pictures", format=format)
    archive = await archives.opened(session, archive_id=row.id)
    assert archive.name == f"pictures.{format}"
    body = await whole(archive, store)
    names = ["one.png", "ONE (2).png", f"{ids[2]}.png"]
    if format == "zip":
        with zipfile.ZipFile(io.BytesIO(body)) as opened:
            assert opened.testzip() is None
            assert [opened.read(name) for name in names] == [b"a" * 5_000, b"b" * 512, b"c"]
    else:
        with tarfile.open(fileobj=io.BytesIO(body)) as tarred:
            assert tarred.getnames() == names
            assert [tarred.extractfile(name).read() for name in names] == [b"a" * 5_000, b"b" * 512, b"c"]  # type: ignore[union-attr]


@pytest.mark.parametrize("format", ["zip", "tar"])
async def test_what_is_gone_is_named(session: AsyncSession, format: str) -> None:
    person, ids, store = await made(session, b"a", b"b")
    row = await archives.make(
        session, person_id=person, entries=[{"blobId": id} for id in ids], format=format
    )
    await session.execute(update(MediaBlob).where(MediaBlob.id == ids[0]).values(blocked_reason="no"))
    await afresh(session, row)
    archive = await archives.opened(session, archive_id=row.id)
    body = await whole(archive, store)
    assert f"{ids[0]}.bin".encode() in body or ids[0].encode() in body
    assert b"missing.txt" in body and b"expired or were blocked" in body
    await session.execute(update(MediaBlob).where(MediaBlob.id == ids[1]).values(blocked_reason="no"))
    await afresh(session, row)
    with pytest.raises(Gone):
        await archives.opened(session, archive_id=row.id)


async def test_archives_end(session: AsyncSession) -> None:
    person, ids, _ = await made(session, b"a")
    row = await archives.make(session, person_id=person, entries=[{"blobId": ids[0]}])
    with clock.held_at(clock.now() + timedelta(days=8)), pytest.raises(Gone):
        await archives.opened(session, archive_id=row.id)
    with pytest.raises(NotFound):
        await archives.opened(session, archive_id="nobody")


async def test_wrong_entries_are_named_by_their_paths(session: AsyncSession) -> None:
    person, ids, _ = await made(session, b"a")
    _, foreign, _ = await made(session, b"b")
    entries = [{"blobId": ids[0]}, {"blobId": foreign[0]}, {"blobId": ""}, {}]
    with pytest.raises(Invalid) as refused:
        await archives.make(session, person_id=person, entries=entries)
    assert set(refused.value.fields) == {f"entries[{number}].blobId" for number in (1, 2, 3)}
    for wrong in ([], [{"blobId": ids[0]}] * 1_001):
        with pytest.raises(Invalid):
            await archives.make(session, person_id=person, entries=wrong)
    with pytest.raises(Invalid):
        await archives.make(session, person_id=person, entries=[{"blobId": ids[0]}], format="rar")


async def test_outputs_are_shown_with_links(session: AsyncSession) -> None:
    person, ids, _ = await made(session, b"a")
    row = await archives.make(session, person_id=person, entries=[{"blobId": ids[0]}])
    shown = shapes.filled(archives.output(row), {}, LINKS)
    assert LINKS.open_archive(shown["url"].rsplit("/", 1)[-1]) == row.id
    assert shown["entryCount"] == 1 and shown["format"] == "zip"
    found = await blobs.links(session, ids)
    kept = {"images": [{"$blob": ids[0], "seed": 5}], "text": "x"}
    assert shapes.blob_ids(kept) == {ids[0]}
    image = shapes.filled(kept, found, LINKS)["images"][0]
    assert (image["type"], image["seed"], image["available"]) == ("image", 5, True)
    await session.execute(update(MediaBlob).where(MediaBlob.id == ids[0]).values(nsfw_level="x"))
    await afresh(session, row)
    found = await blobs.links(session, ids)
    assert "url" not in shapes.filled(kept, found, LINKS, hide=True)["images"][0]
