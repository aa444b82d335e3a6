"""Handing out: where the bytes are that claimed jobs need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.wire.jobs import Failed
from civitas.domains.blobs.tables import Blob
from civitas.domains.catalog.tables import ModelFile
from civitas.domains.orchestration import blobs
from civitas.domains.orchestration.blobs import BlobFacts
from civitas.domains.orchestration.dispatch import reporting
from civitas.domains.orchestration.dispatch.claiming import ClaimedJob
from civitas.domains.orchestration.types import Reason

GONE: Final = Failed(reason=Reason.BAD_INPUT.value, transient=False)


@dataclass(frozen=True, slots=True)
class Needed:
    """Media by the id of their blob, and the storage keys of model files by the id of the file."""

    media: Mapping[str, BlobFacts] = field(default_factory=dict)
    files: Mapping[int, str] = field(default_factory=dict)

    def lacks(self, job: ClaimedJob) -> bool:
        """Whether something that a job needs is not there any more."""
        return any(
            (found := self.media.get(id)) is None or found.storage_key is None for id in media_of(job)
        ) or any(id not in self.files for id in files_of(job))


def media_of(job: ClaimedJob) -> list[str]:
    """The blobs that stand for `media:N`, in order."""
    return [str(medium["blob"]) for medium in job.media]


def files_of(job: ClaimedJob) -> list[int]:
    """The files of the catalogue that a job loads."""
    return [int(resource["fileId"]) for resource in job.resources]


async def needed(session: AsyncSession, jobs: Sequence[ClaimedJob]) -> Needed:
    """Where everything is that these jobs need. Files that were removed or are not clean any more are left out."""
    media = {id for job in jobs for id in media_of(job)}
    files = {id for job in jobs for id in files_of(job)}
    keys: dict[int, str] = {}
    if files:
        rows = await session.execute(
            select(ModelFile.id, Blob.storage_key)
            .join(Blob, Blob.id == ModelFile.blob_id)
            .where(
                ModelFile.id.in_(files),
                ModelFile.removed_at.is_(None),
                ModelFile.scan_status == "clean",
                Blob.storage_key.is_not(None),
            )
        )
        keys = {row.id: row.storage_key for row in rows}
    return Needed(await blobs.links(session, media) if media else {}, keys)


async def give_up(session: AsyncSession, job: ClaimedJob) -> None:
    """End a job whose needs are gone; nobody could do it. Raises ClaimEnded."""
    await reporting.failed(session, agent_id=job.agent_id, claim_id=job.claim_id, said=GONE, blamed=False)


def words_of(resource: Mapping[str, Any]) -> dict[str, Any]:
    """What agents are told of a resource, but for its address."""
    return {name: value for name, value in resource.items() if name not in ("fileId", "versionId")}
