"""Steps that the platform does itself."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.catalog import make_file, make_model, make_version
from tests.factories.media import make_blob, make_workflow
from tests.factories.workflows import look, make_air, ref, run, step, submitter

from civitas.domains.catalog.tables import FileHash, FileHeader, FileScan, ModelFile
from civitas.domains.orchestration.advancing import look_again
from civitas.domains.orchestration.media_tables import BlobArchive
from civitas.domains.orchestration.shown import ShownStep
from civitas.domains.orchestration.types import Status


async def only_step(session: AsyncSession, actor: Any, type: str, **input: Any) -> ShownStep:
    """The step of a workflow with this one step."""
    return (await look(session, actor, await run(session, actor, step(type, input)))).steps[0]


async def file_of(session: AsyncSession, version: int) -> int:
    found = await session.scalar(select(ModelFile.id).where(ModelFile.version_id == version))
    return int(found or 0)


async def scanned(session: AsyncSession, file_id: int, **fields: Any) -> None:
    session.add(
        FileScan(
            file_id=file_id,
            **({"verdict": "clean", "checks": [], "imports": [], "scanners": {}, "duration_s": 0.1} | fields),
        )
    )
    await session.flush()


async def test_hashes_are_those_that_the_catalogue_knows(session: AsyncSession) -> None:
    actor = await submitter(session)
    air, version = await make_air(session)
    found = await only_step(session, actor, "modelHash", model=air)
    known = dict(
        (
            await session.execute(select(FileHash.kind, FileHash.value).where(FileHash.version_id == version))
        ).all()
    )
    assert found.status is Status.SUCCEEDED and found.output
    assert set(found.output) == {"sha256", "autoV1", "autoV2", "autoV3", "blake3", "crc32"}
    assert found.output["sha256"] == known["SHA256"] and found.output["crc32"] == known["CRC32"]
    assert found.price == 0


async def test_scans_are_answered_from_the_last_one(session: AsyncSession) -> None:
    actor = await submitter(session)
    air, version = await make_air(session)
    file = await file_of(session, version)
    await scanned(
        session,
        file,
        verdict="dangerous",
        checks=[
            {"name": "pickle", "verdict": "dangerous", "reason": "It runs programs."},
            {"name": "virus", "verdict": "clean", "reason": "Nothing was found."},
        ],
        imports=[{"name": "os.system", "judgement": "dangerous"}, {"name": "torch.X", "judgement": "clean"}],
    )
    found = (await only_step(session, actor, "modelPickleScan", model=air)).output
    assert found and (found["status"], found["exitCode"]) == ("dangerousImportsFound", 1)
    assert found["dangerousImports"] == ["os.system"] and found["output"] == "It runs programs."
    virus = (await only_step(session, actor, "modelClamScan", model=air)).output
    assert virus and (virus["status"], virus["infected"]) == ("clean", False)


async def test_without_a_virus_scanner_nobody_can_look_for_viruses(session: AsyncSession) -> None:
    actor = await submitter(session)
    air, version = await make_air(session)
    await scanned(session, await file_of(session, version))
    found = await only_step(session, actor, "modelClamScan", model=air)
    assert (found.status, found.reason) == (Status.FAILED, "no_provider_available")
    safe = (await only_step(session, actor, "modelPickleScan", model=air)).output
    assert safe and (safe["status"], safe["skipped"]) == ("skippedSafetensors", True)


async def test_a_file_that_was_not_scanned_is_and_its_step_waits(session: AsyncSession) -> None:
    actor = await submitter(session)
    model = await make_model(session, actor.id)
    version = await make_version(session, model)
    file = await make_file(session, version, scan_status="pending")
    found = await only_step(
        session, actor, "modelPickleScan", model=f"urn:air:sdxl:lora:civitai:{model}@{version}"
    )
    assert found.status is Status.PROCESSING
    await look_again(session, found.id)
    await scanned(session, file)
    await look_again(session, found.id)
    assert (
        await session.scalar(select(func.count()).select_from(FileScan).where(FileScan.file_id == file))
    ) == 1
    from civitas.domains.orchestration.tables import WorkflowStep

    done = await session.get(WorkflowStep, found.id, populate_existing=True)
    assert done is not None and done.status == Status.SUCCEEDED


async def test_metadata_is_what_the_header_says(session: AsyncSession) -> None:
    actor = await submitter(session)
    air, version = await make_air(session)
    session.add(
        FileHeader(
            file_id=await file_of(session, version),
            metadata_={"ss_steps": "10"},
            tensors=[],
            tensor_count=0,
            parameter_count=0,
        )
    )
    await session.flush()
    found = await only_step(session, actor, "modelParseMetadata", model=air)
    assert found.output == {"metadata": '{"ss_steps":"10"}'}
    ready = await only_step(session, actor, "prepareResource", resource=air)
    assert ready.output and ready.output["resource"] == air


@pytest.mark.parametrize(
    ("air", "reason"),
    [
        ("urn:air:sdxl:checkpoint:civitai:1@999999", "invalid_input"),
        ("urn:air:flux1:checkpoint:huggingface:black/FLUX@main", "no_provider_available"),
        ("nonsense", "invalid_input"),
    ],
)
async def test_models_that_are_not_here_cannot_be_looked_at(
    session: AsyncSession, air: str, reason: str
) -> None:
    actor = await submitter(session)
    found = await only_step(session, actor, "modelHash", model=air)
    assert (found.status, found.reason) == (Status.FAILED, reason)
    assert found.warnings


async def test_drafts_of_others_are_not_looked_at(session: AsyncSession) -> None:
    actor = await submitter(session)
    model = await make_model(session)
    version = await make_version(session, model)
    await make_file(session, version)
    found = await only_step(session, actor, "modelHash", model=f"urn:air:sdxl:lora:civitai:{model}@{version}")
    assert (found.status, found.reason) == (Status.FAILED, "invalid_input")


async def test_uploads_and_archives(session: AsyncSession) -> None:
    actor = await submitter(session)
    blob = await make_blob(session, await make_workflow(session, actor.id or 0))
    id = await run(
        session,
        actor,
        step("imageUpload", {"source": blob}, "up"),
        step(
            "blobArchive", {"entries": [{"blobId": ref("up", "output.blob.id"), "fileName": "a.png"}]}, "pack"
        ),
        step("blobArchive", {"entries": [{"blobId": "0" * 26}]}, "wrong"),
    )
    found = {one.name: one for one in (await look(session, actor, id)).steps}
    assert found["up"].output == {"blob": {"$blob": blob}}
    packed = found["pack"].output
    assert packed and (packed["entryCount"], packed["format"]) == (1, "zip")
    archive = await session.get(BlobArchive, packed["url"]["$archive"]["id"])
    assert archive is not None and archive.entries == [[blob, "a.png"]]
    assert (found["wrong"].status, found["wrong"].reason) == (Status.FAILED, "invalid_input")
