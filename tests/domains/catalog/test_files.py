"""Files: attaching, linking, editing, removing."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import Actor, make_actor
from tests.factories.catalog import (
    make_blob,
    make_file,
    make_model,
    make_published_model,
    make_published_version,
    make_upload,
    make_version,
)

from civitas.domains.accounts.types import Role
from civitas.domains.blobs.tables import BlobReference
from civitas.domains.catalog import filenames, files
from civitas.domains.catalog.forms import FileForm, FilePatch
from civitas.domains.catalog.tables import FileHash, FileScan, ModelFile
from civitas.infra.db.database import Database
from civitas.kit import clock
from civitas.kit.errors import Conflict, Fault, Invalid, Limited, NotFound


async def _version(session: AsyncSession, **model: Any) -> tuple[Actor, int]:
    actor = await make_actor(session)
    return actor, await make_version(session, await make_model(session, actor.id, **model))


async def _attach(session: AsyncSession, actor: Actor, version_id: int, name: str, **form: Any) -> ModelFile:
    upload = await make_upload(session, actor.id or 0, name)
    return await files.attach(
        session, actor, version_id=version_id, upload_id=upload, form=FileForm.model_validate(form)
    )


GUESSES = [
    ("ink_fp16.safetensors", {}, ("Model", "SafeTensor", "fp16", None)),
    ("ink-pruned.SAFETENSORS", {}, ("Pruned Model", "SafeTensor", None, None)),
    ("ink.ckpt", {}, ("Model", "PickleTensor", None, None)),
    ("emb.pt", {}, ("Model", "PickleTensor", None, None)),
    ("flux-Q4_K_M.gguf", {}, ("Model", "GGUF", None, "Q4_K_M")),
    ("flux1-dev-fp8_scaled.sft", {}, ("Model", "SafeTensor", "fp8_scaled", None)),
    ("v1-inference.yaml", {}, ("Config", "Other", None, None)),
    ("my training set.zip", {}, ("Training Data", "Other", None, None)),
    ("flow.json", {}, ("Workflow", "Other", None, None)),
    ("net.onnx", {}, ("Model", "ONNX", None, None)),
    ("ink.safetensors", {"fp": "bf16", "type": "VAE"}, ("VAE", "SafeTensor", "bf16", None)),
    ("m.zip", {"format": "Diffusers", "type": "Model"}, ("Model", "Diffusers", None, None)),
]


@pytest.mark.parametrize(("name", "form", "expected"), GUESSES)
async def test_facts_are_guessed_from_names(
    session: AsyncSession, name: str, form: dict[str, Any], expected: tuple[Any, ...]
) -> None:
    actor, version_id = await _version(session)
    file = await _attach(session, actor, version_id, name, **form)
    assert (file.type, file.format, file.precision, file.quantisation) == expected
    assert file.scan_status == "pending"


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("../../etc/passwd.safetensors", "passwd.safetensors"),
        ("C:\\models\\ink.safetensors", "ink.safetensors"),
        ("in\u202ek\x00\n.safetensors", "in k .safetensors"),
        ("模型.safetensors", "模型.safetensors"),
        ("  spaced   name .safetensors", "spaced name .safetensors"),
    ],
)
async def test_hostile_names_are_cleaned(session: AsyncSession, name: str, stored: str) -> None:
    actor, version_id = await _version(session)
    upload = await make_upload(session, actor.id or 0, "x.safetensors")
    form = FileForm.model_validate({"name": name})
    file = await files.attach(session, actor, version_id=version_id, upload_id=upload, form=form)
    assert file.name == stored


@pytest.mark.parametrize(
    ("name", "form", "code"),
    [
        ("virus.exe", {}, "file_ending"),
        ("noending", {}, "file_ending"),
        (".safetensors", {}, "file_ending"),
        ("script.py", {}, "file_ending"),
        ("page.svg", {}, "file_ending"),
        ("ink.ckpt", {"format": "SafeTensor"}, "file_format"),
        ("ink.safetensors", {"format": "GGUF"}, "file_format"),
        ("ink.gguf", {"format": "SafeTensor"}, "file_format"),
        ("a.safetensors", {"type": "Workflow"}, "file_ending"),
        ("c.yaml", {"primary": True}, "not_a_main_file"),
    ],
)
async def test_endings_and_formats_agree(
    session: AsyncSession, name: str, form: dict[str, Any], code: str
) -> None:
    actor, version_id = await _version(session)
    with pytest.raises(Invalid) as caught:
        await _attach(session, actor, version_id, name, **form)
    assert caught.value.code == code


async def test_attaching_keeps_hashes_reference_and_scan(session: AsyncSession) -> None:
    actor, version_id = await _version(session)
    file = await _attach(session, actor, version_id, "ink.safetensors")
    hashes = dict(
        (
            await session.execute(select(FileHash.kind, FileHash.value).where(FileHash.file_id == file.id))
        ).all()
    )
    assert set(hashes) == {"SHA256", "AutoV1", "AutoV2", "AutoV3", "CRC32", "BLAKE3"}
    assert all(value == value.upper() for value in hashes.values())
    assert (len(hashes["SHA256"]), len(hashes["AutoV2"]), len(hashes["AutoV3"])) == (64, 10, 12)
    held = await session.scalar(
        select(func.count()).where(BlobReference.blob_id == file.blob_id, BlobReference.subject_id == file.id)
    )
    waiting = await session.execute(
        text("SELECT count(*) FROM procrastinate.procrastinate_jobs WHERE args->>'name' = 'catalog.ScanFile'")
    )
    assert (held, waiting.scalar_one()) == (1, 1)


async def test_attaching_twice_is_attaching_once(session: AsyncSession) -> None:
    actor, version_id = await _version(session)
    upload = await make_upload(session, actor.id or 0)
    one = await files.attach(session, actor, version_id=version_id, upload_id=upload)
    again = await files.attach(session, actor, version_id=version_id, upload_id=upload)
    assert one.id == again.id


async def test_equal_bytes_are_kept_once(session: AsyncSession) -> None:
    actor, version_id = await _version(session)
    other, elsewhere = await _version(session)
    blob = await make_blob(session)
    first = await make_upload(session, actor.id or 0, blob_id=blob)
    second = await make_upload(session, other.id or 0, blob_id=blob)
    mine = await files.attach(session, actor, version_id=version_id, upload_id=first)
    theirs = await files.attach(session, other, version_id=elsewhere, upload_id=second)
    assert (mine.blob_id, theirs.blob_id) == (blob, blob)
    await files.remove(session, actor, file_id=mine.id)
    held = await session.scalars(select(BlobReference.subject_id).where(BlobReference.blob_id == blob))
    assert list(held.all()) == [theirs.id]


@pytest.mark.parametrize("status", ["open", "verifying", "failed", "aborted"])
async def test_unfinished_uploads_are_no_files(session: AsyncSession, status: str) -> None:
    actor, version_id = await _version(session)
    upload = await make_upload(session, actor.id or 0, status=status)
    with pytest.raises(Conflict):
        await files.attach(session, actor, version_id=version_id, upload_id=upload)


async def test_others_uploads_and_versions_are_not_found(session: AsyncSession) -> None:
    actor, version_id = await _version(session)
    other, elsewhere = await _version(session)
    theirs = await make_upload(session, other.id or 0)
    mine = await make_upload(session, actor.id or 0)
    image = await make_upload(session, actor.id or 0, "a.png", purpose="image")
    for version, upload in ((version_id, theirs), (elsewhere, mine)):
        with pytest.raises(NotFound):
            await files.attach(session, actor, version_id=version, upload_id=upload)
    with pytest.raises(Conflict):
        await files.attach(session, actor, version_id=version_id, upload_id=image)


async def _primaries(session: AsyncSession, version_id: int) -> list[int]:
    await session.flush()
    found = await session.scalars(
        select(ModelFile.id).where(
            ModelFile.version_id == version_id, ModelFile.is_primary, ModelFile.removed_at.is_(None)
        )
    )
    return list(found.all())


async def test_exactly_one_file_is_the_main_one(session: AsyncSession) -> None:
    actor, version_id = await _version(session)
    config = await _attach(session, actor, version_id, "a.yaml")
    assert await _primaries(session, version_id) == []
    first = await _attach(session, actor, version_id, "a.safetensors")
    second = await _attach(session, actor, version_id, "b.safetensors")
    assert await _primaries(session, version_id) == [first.id]
    await files.update(session, actor, file_id=second.id, patch=FilePatch.model_validate({"primary": True}))
    assert await _primaries(session, version_id) == [second.id]
    third = await _attach(session, actor, version_id, "c.safetensors", primary=True)
    assert await _primaries(session, version_id) == [third.id]
    await files.remove(session, actor, file_id=third.id)
    assert await _primaries(session, version_id) == [first.id]
    for file_id, patch, code in (
        (config.id, {"primary": True}, "not_a_main_file"),
        (first.id, {"primary": False}, "one_main_file"),
        (first.id, {"type": "VAE"}, "not_a_main_file"),
    ):
        with pytest.raises(Invalid) as caught:
            await files.update(session, actor, file_id=file_id, patch=FilePatch.model_validate(patch))
        assert caught.value.code == code
        session.expire_all()


async def test_what_accompanies_others_can_be_the_thing_itself(session: AsyncSession) -> None:
    actor, version_id = await _version(session, type="VAE")
    vae = await _attach(session, actor, version_id, "a.safetensors", type="VAE")
    assert vae.is_primary
    actor, version_id = await _version(session, type="Wildcards")
    assert (await _attach(session, actor, version_id, "colours.txt")).is_primary


async def test_names_in_a_version_differ(session: AsyncSession) -> None:
    actor, version_id = await _version(session)
    names = [(await _attach(session, actor, version_id, name)).name for name in ("a.pt", "A.pt", "a.pt")]
    assert names == ["a.pt", "A (2).pt", "a (3).pt"]


async def test_editing_keeps_the_ending(session: AsyncSession) -> None:
    actor, version_id = await _version(session)
    file = await _attach(session, actor, version_id, "a.safetensors")
    patch = FilePatch.model_validate({"name": "renamed.safetensors", "fp": "fp16", "visibility": "Private"})
    file = await files.update(session, actor, file_id=file.id, patch=patch)
    assert (file.name, file.precision, file.visibility) == ("renamed.safetensors", "fp16", "Private")
    with pytest.raises(Invalid) as caught:
        await files.update(
            session, actor, file_id=file.id, patch=FilePatch.model_validate({"name": "a.ckpt"})
        )
    assert caught.value.code in {"file_ending", "file_format"}


async def test_a_version_holds_twenty_files_and_six_more(session: AsyncSession) -> None:
    actor, version_id = await _version(session)
    for number in range(20):
        await make_file(session, version_id, name=f"{number}.safetensors")
    for number in range(6):
        await make_file(session, version_id, name=f"{number}.yaml", type="Config", is_primary=False)
    for name in ("x.safetensors", "x.yaml"):
        with pytest.raises(Conflict) as caught:
            await _attach(session, actor, version_id, name)
        assert caught.value.code == "too_many_files"


async def test_the_last_clean_file_of_a_public_version_stays(session: AsyncSession) -> None:
    actor = await make_actor(session)
    _, [version_id] = await make_published_model(session, actor.id)
    [file_id] = await _primaries(session, version_id)
    await make_file(session, version_id, scan_status="dangerous", is_primary=False)
    with pytest.raises(Conflict) as caught:
        await files.remove(session, actor, file_id=file_id)
    assert caught.value.code == "last_file"
    spare = await make_file(session, version_id, is_primary=False)
    await files.remove(session, actor, file_id=file_id)
    assert await _primaries(session, version_id) == [spare]
    hashes = await session.scalar(select(func.count()).where(FileHash.file_id == file_id))
    assert hashes == 6
    with pytest.raises(NotFound):
        await files.remove(session, actor, file_id=file_id)


async def test_linking_needs_the_right_to_download(session: AsyncSession) -> None:
    actor, version_id = await _version(session)
    creator = await make_actor(session)
    content = b"shared bytes"
    _, [public] = await make_published_model(session, creator.id)
    shared = await make_file(session, public, content=content, is_primary=False, type="VAE")
    sha = await session.scalar(
        select(FileHash.value).where(FileHash.file_id == shared, FileHash.kind == "SHA256")
    )
    file = await files.link(session, actor, version_id=version_id, sha256=(sha or "").lower())
    original = await session.get_one(ModelFile, shared)
    assert (file.blob_id, file.type, file.is_primary) == (original.blob_id, "VAE", False)
    secret = await make_published_version(session, await make_model(session, creator.id))
    hidden = await session.scalar(
        select(FileHash.value).where(FileHash.version_id == secret, FileHash.kind == "SHA256")
    )
    for value, error in ((hidden, NotFound), ("0" * 64, NotFound), ("zz", Invalid), ("0" * 63, Invalid)):
        with pytest.raises(error):
            await files.link(session, actor, version_id=version_id, sha256=value or "")


async def test_rescans_are_limited_for_owners(session: AsyncSession) -> None:
    actor, version_id = await _version(session)
    staff = await make_actor(session, role=Role.MODERATOR)
    file_id = await make_file(session, version_id, scan_status="error")
    file = await files.rescan(session, actor, file_id=file_id)
    assert file.scan_status == "pending"
    session.add(
        FileScan(
            file_id=file_id, verdict="clean", checks=[], imports=[], scanners={}, duration_s=1.0,
            finished_at=clock.now(),
        )
    )  # fmt: skip
    await session.flush()
    with pytest.raises(Limited) as caught:
        await files.rescan(session, actor, file_id=file_id)
    assert 0 < caught.value.retry_after <= 900
    await files.rescan(session, staff, file_id=file_id)
    with clock.held_at(clock.now() + timedelta(minutes=16)):
        await files.rescan(session, actor, file_id=file_id)


async def test_duplicates_are_told_to_owners(session: AsyncSession) -> None:
    actor, version_id = await _version(session)
    creator = await make_actor(session)
    blob = await make_blob(session)
    mine = await make_file(session, version_id, blob_id=blob)
    _, [public] = await make_published_model(session, creator.id)
    theirs = await make_file(session, public, blob_id=blob, is_primary=False)
    hidden = await make_version(session, await make_model(session, creator.id))
    await make_file(session, hidden, blob_id=blob)
    found = await files.duplicates(session, actor, file_id=mine)
    assert [one.file_id for one in found] == [theirs]
    staff = await make_actor(session, role=Role.MODERATOR)
    assert len(await files.duplicates(session, staff, file_id=mine)) == 2
    with pytest.raises(NotFound):
        await files.duplicates(session, creator, file_id=mine)


async def test_two_tabs_attach_the_first_file_at_once(own_dsn: str) -> None:
    database = Database(own_dsn)
    async with database.unit() as session:
        actor, version_id = await _version(session)
        uploads = [await make_upload(session, actor.id or 0, f"{n}.safetensors") for n in range(4)]

    async def attach(upload: Any) -> int:
        async with database.unit() as session:
            return (await files.attach(session, actor, version_id=version_id, upload_id=upload)).id

    made = await asyncio.gather(*(attach(upload) for upload in [*uploads, uploads[0]]))
    async with database.unit() as session:
        assert len(await _primaries(session, version_id)) == 1
    assert len(set(made)) == 4
    await database.close()


def test_every_ending_is_taken_with_its_own_format() -> None:
    for ending, format_ in filenames.ENDINGS.items():
        filenames.check(f"a.{ending}", "Model", format_)
    with pytest.raises(Fault):
        filenames.check("a.tar.gz", "Model", "Other")
