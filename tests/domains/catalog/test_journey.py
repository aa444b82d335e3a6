"""From an upload to a public model and back, with the background work run in between."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, text
from tests.factories.accounts import make_actor
from tests.factories.catalog import make_blob, make_upload

from civitas.domains.accounts.types import ANONYMOUS
from civitas.domains.blobs.tables import Blob
from civitas.domains.catalog import drafts, files, publishing, removal, versions
from civitas.domains.catalog.forms import ModelForm, VersionForm
from civitas.domains.catalog.policy import DownloadFacts, require_download
from civitas.domains.catalog.previews import Preview, replace
from civitas.domains.catalog.tables import Model, ModelFile, ModelVersion
from civitas.infra.db.database import BoundDatabase
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.draining import drain
from civitas.infra.scanners.report import Scanner, Verdict
from civitas.infra.scanners.scanner import PresetScanner
from civitas.infra.storage.memory import MemoryStore
from civitas.infra.storage.store import Store
from civitas.kit.errors import Fault, Invalid, NotFound


async def _states(units: BoundDatabase, model_id: int) -> list[str]:
    async with units.unit() as session:
        rows = await session.execute(
            text("SELECT state FROM model_documents WHERE model_id = :m"), {"m": model_id}
        )
        return [row[0] for row in rows]


async def _download(units: BoundDatabase, file_id: int) -> str:
    async with units.unit() as session:
        row = (
            await session.execute(
                select(Model, ModelVersion, ModelFile)
                .join(ModelVersion, ModelVersion.model_id == Model.id)
                .join(ModelFile, ModelFile.version_id == ModelVersion.id)
                .where(ModelFile.id == file_id)
            )
        ).one()
        try:
            require_download(ANONYMOUS, DownloadFacts.of(*row))
        except Fault as fault:
            return fault.code
        return "open"


async def test_upload_scan_publish_download_delete(units: BoundDatabase) -> None:
    store, scanner = MemoryStore(), PresetScanner()
    context = TaskContext(units, {Store: store, Scanner: scanner})
    async with units.unit() as session:
        actor = await make_actor(session)
        blob_id = await make_blob(session, b"weights")
        key = await session.scalar(select(Blob.storage_key).where(Blob.id == blob_id))
        await store.put(key or "", b"weights", "application/octet-stream")
        upload = await make_upload(session, actor.id or 0, "ink.safetensors", blob_id=blob_id)
        form: dict[str, Any] = {"name": "Ink", "type": "LORA", "tags": ["ink"]}
        model_id = (await drafts.create(session, actor, form=ModelForm.model_validate(form))).id
        version = await versions.add(
            session, actor, model_id=model_id, form=VersionForm(name="v1", base_model="SD 1.5")
        )
        file_id = (await files.attach(session, actor, version_id=version.id, upload_id=upload)).id
    async with units.unit() as session:
        with pytest.raises(Invalid):
            await publishing.publish(session, actor, model_id=model_id)
    await drain(context)
    assert scanner.scanned == ["ink.safetensors"]
    async with units.unit() as session:
        preview = Preview(1, 0, "k", "a.png", "image", 8, 8, None, 1, actor.id or 0)
        await replace(session, version_id=version.id, previews=[preview])
        await publishing.publish(session, actor, model_id=model_id)
    await drain(context)
    assert (await _states(units, model_id), await _download(units, file_id)) == (["public"], "open")
    async with units.unit() as session:
        await removal.unpublish(session, actor, model_id=model_id)
    await drain(context)
    assert (await _states(units, model_id), await _download(units, file_id)) == ([], "file_not_found")
    async with units.unit() as session:
        await removal.restore(session, actor, model_id=model_id)
        await removal.delete(session, actor, model_id=model_id)
    await drain(context)
    assert (await _states(units, model_id), await _download(units, file_id)) == (["tombstone"], "deleted")


async def test_a_dangerous_file_is_never_published(units: BoundDatabase) -> None:
    store, scanner = MemoryStore(), PresetScanner()
    scanner.verdicts["ink.ckpt"] = Verdict.DANGEROUS
    context = TaskContext(units, {Store: store, Scanner: scanner})
    async with units.unit() as session:
        actor = await make_actor(session)
        upload = await make_upload(session, actor.id or 0, "ink.ckpt")
        form: dict[str, Any] = {"name": "Ink", "type": "Checkpoint", "category": "style"}
        model_id = (await drafts.create(session, actor, form=ModelForm.model_validate(form))).id
        version = await versions.add(
            session, actor, model_id=model_id, form=VersionForm(name="v1", base_model="SD 1.5")
        )
        file_id = (await files.attach(session, actor, version_id=version.id, upload_id=upload)).id
        preview = Preview(2, 0, "k", "a.png", "image", 8, 8, None, 1, actor.id or 0)
        await replace(session, version_id=version.id, previews=[preview])
    await drain(context)
    async with units.unit() as session:
        with pytest.raises(Invalid) as caught:
            await publishing.publish(session, actor, model_id=model_id)
    assert [item["code"] for item in caught.value.details["missing"]] == ["scan-failed"]
    async with units.unit() as session:
        file = await session.get_one(ModelFile, file_id)
        facts = DownloadFacts.of(
            await session.get_one(Model, model_id), await session.get_one(ModelVersion, version.id), file
        )
    require_download(actor, facts)
    with pytest.raises(NotFound):
        require_download(ANONYMOUS, facts)
