"""Blobs: an id before there are bytes, then bytes that never change, and thirty days after the last use nothing.

Bytes move outside of transactions (`infra.media.intake`); this chapter keeps the books.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.wire.jobs import Delivered, MediaKind
from civitas.domains.orchestration.media import blocking
from civitas.domains.orchestration.media.messages import ExamineBlob
from civitas.domains.orchestration.media_tables import MediaBlob
from civitas.domains.orchestration.messages import GoOn, WeighMaturity
from civitas.domains.orchestration.tables import Workflow, WorkflowStep
from civitas.domains.orchestration.types import Level, Status
from civitas.infra.queue.outbox import defer
from civitas.kit import clock
from civitas.kit.errors import Conflict, Invalid, NotFound

RETENTION: Final = timedelta(days=30)
FOLDER: Final = "orchestration"
# What bytes are called that could not be judged: never shown inline.
UNKNOWN: Final = "application/octet-stream"
# Crockford's alphabet: nothing in an id can be mistaken for something else.
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ID_LENGTH: Final = 26


@dataclass(frozen=True, slots=True)
class BlobFacts:
    """What is known of a blob. One without bytes has neither size nor type, but can be pointed at."""

    id: str
    person_id: int
    workflow_id: str | None
    job_id: str | None
    kind: MediaKind
    media_type: str | None
    storage_key: str | None
    size: int | None
    sha256: bytes | None
    width: int | None
    height: int | None
    duration_s: float | None
    level: Level
    blocked_reason: str | None
    created_at: datetime
    available_at: datetime | None
    expires_at: datetime | None
    # Whether the bytes were looked at, so that they may be shown and used: all but what was delivered this moment.
    examined: bool = True

    @property
    def available(self) -> bool:
        """Whether there are bytes that may be used and shown."""
        return self.available_at is not None and self.blocked_reason is None


def new_id() -> str:
    """130 random bits in 26 characters."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))


def is_id(text: str) -> bool:
    """Whether a text could be the id of a blob."""
    return len(text) == _ID_LENGTH and all(letter in _ALPHABET for letter in text)


def new_key() -> str:
    """Where the bytes of one upload go in the store; never used again."""
    return f"{FOLDER}/{clock.now():%Y/%m}/{uuid.uuid4().hex}"


def facts_of(blob: MediaBlob) -> BlobFacts:
    """A row in this chapter's words."""
    return BlobFacts(
        id=blob.id,
        person_id=blob.person_id,
        workflow_id=blob.workflow_id,
        job_id=blob.job_id,
        kind=MediaKind(blob.kind),
        media_type=blob.media_type,
        storage_key=blob.storage_key,
        size=blob.size,
        sha256=blob.sha256,
        width=blob.width,
        height=blob.height,
        duration_s=blob.duration_s,
        level=Level(blob.nsfw_level),
        blocked_reason=blob.blocked_reason,
        created_at=blob.created_at,
        available_at=blob.available_at,
        expires_at=blob.expires_at,
        examined=not blob.unexamined,
    )


async def reserve_slots(
    session: AsyncSession, *, workflow: Workflow, job_id: str, kinds: Sequence[MediaKind]
) -> list[str]:
    """Ids for what a job will make, one for each slot in order; they can be shown and referred to at once."""
    if not kinds:
        return []
    ids = [new_id() for _ in kinds]
    expires = clock.now() + RETENTION
    await session.execute(
        insert(MediaBlob),
        [
            {
                "id": blob_id,
                "person_id": workflow.person_id,
                "workflow_id": workflow.id,
                "job_id": job_id,
                "kind": kind.value,
                "expires_at": expires,
            }
            for blob_id, kind in zip(ids, kinds, strict=True)
        ],
    )
    return ids


async def delivered(session: AsyncSession, *, blob_id: str, storage_key: str, delivered: Delivered) -> None:
    """The bytes of a reserved slot are in the store, and what the agent says of them was checked against them.

    Saying the same again changes nothing. Pictures that are known to be blocked become no more than a reason; others
    are decoded and rated in the background and shown to nobody until then. Raises NotFound (`blob_not_found`),
    Conflict (`blob_delivered`) when other bytes are there, Invalid (`blob_kind`).
    """
    blob = await session.scalar(select(MediaBlob).where(MediaBlob.id == blob_id).with_for_update())
    if blob is None:
        raise NotFound("There is no such blob; it may have expired.", code="blob_not_found")
    sha256 = bytes.fromhex(delivered.sha256)
    if blob.available_at is not None:
        if blob.sha256 == sha256:
            return
        raise Conflict("This blob has its bytes already; they never change.", code="blob_delivered")
    if blob.kind != delivered.kind:
        raise Invalid(f"This slot takes a blob of kind {blob.kind}, not {delivered.kind}.", code="blob_kind")
    now = clock.now()
    blob.storage_key, blob.size, blob.sha256 = storage_key, delivered.size, sha256
    blob.media_type, blob.duration_s = delivered.media_type, delivered.duration_s
    blob.width, blob.height = delivered.width, delivered.height
    blob.available_at, blob.expires_at = now, now + RETENTION
    blob.blocked_reason = await blocking.reason_for(session, sha256=sha256, phash=None)
    blob.unexamined = blob.kind != MediaKind.FILE and blob.blocked_reason is None
    await session.flush()
    if blob.unexamined:
        await defer(session, ExamineBlob(blob.id))


async def examined(
    session: AsyncSession,
    *,
    blob_id: str,
    phash: int | None,
    level: Level | None,
    blocked: str | None = None,
    media_type: str | None = None,
) -> None:
    """What decoding and rating a blob's bytes gave; `blocked` is why they may not be shown, said by whoever rated them.

    Pictures that look like a blocked one are blocked, too. Recording it twice changes nothing.
    """
    blob = await session.scalar(select(MediaBlob).where(MediaBlob.id == blob_id).with_for_update())
    if blob is None or blob.sha256 is None:
        return
    blob.phash, first = phash, blob.unexamined
    blob.unexamined = False
    if media_type is not None:
        blob.media_type = media_type
    if level is not None:
        blob.nsfw_level = level
    if blob.blocked_reason is None:
        blob.blocked_reason = blocked or await blocking.reason_for(session, sha256=blob.sha256, phash=phash)
    await session.flush()
    if first and blob.workflow_id is not None and await _is_waited_for(session, blob.workflow_id):
        await defer(session, GoOn(blob.workflow_id), once=f"go-on:{blob.workflow_id}")
    if level is not None and blob.workflow_id is not None:
        # What came out may be more mature than what it was paid with allows.
        await defer(session, WeighMaturity(blob.workflow_id), once=f"weigh:{blob.workflow_id}")


async def _is_waited_for(session: AsyncSession, workflow_id: str) -> bool:
    waits = select(WorkflowStep.id).where(
        WorkflowStep.workflow_id == workflow_id, WorkflowStep.status == Status.PREPARING
    )
    return await session.scalar(waits.limit(1)) is not None


async def links(session: AsyncSession, ids: Collection[str]) -> Mapping[str, BlobFacts]:
    """The facts of blobs by their ids, in one statement; those that are gone are left out."""
    if not ids:
        return {}
    found = await session.scalars(select(MediaBlob).where(MediaBlob.id.in_(set(ids))))
    return {blob.id: facts_of(blob) for blob in found}


async def used(session: AsyncSession, ids: Collection[str]) -> None:
    """Count the thirty days of these blobs anew: somebody needs them now."""
    if ids:
        await session.execute(
            update(MediaBlob).where(MediaBlob.id.in_(set(ids))).values(expires_at=clock.now() + RETENTION)
        )
