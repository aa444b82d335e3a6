"""What may be neither used nor shown: lists of hashes, and what happens to blobs that match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import audit
from civitas.domains.accounts.types import Actor
from civitas.domains.orchestration.media_tables import BlockedMedia, MediaBlob
from civitas.kit.errors import NotFound

# Of 64 bits: the same picture saved anew differs in fewer, another picture in many more.
NEAR: Final = 6
_SIGNED_64: Final = 1 << 63
# A blob says no more of why it was blocked; the log does.
LONGEST_REASON: Final = 200

_NEAREST = text(
    "SELECT reason FROM blocked_media WHERE phash IS NOT NULL AND bit_count((phash # :phash)::bit(64)) <= :near "
    "ORDER BY bit_count((phash # :phash)::bit(64)) LIMIT 1"
)
_LISTED_LIKE_IT = text("bit_count((blocked_media.phash # :phash)::bit(64)) <= :near")
_LIKE_IT = text("bit_count((orchestration_blobs.phash # :phash)::bit(64)) <= :near")


def signed(phash: str) -> int:
    """Sixteen hexadecimal digits as the database keeps them."""
    bits = int(phash, 16)
    return bits - 2 * _SIGNED_64 if bits >= _SIGNED_64 else bits


async def reason_for(session: AsyncSession, *, sha256: bytes, phash: int | None) -> str | None:
    """Why these bytes, or this picture in any form, are blocked; None when they are not."""
    reason = await session.scalar(select(BlockedMedia.reason).where(BlockedMedia.sha256 == sha256))
    if reason is None and phash is not None:
        reason = await session.scalar(_NEAREST, {"phash": phash, "near": NEAR})
    return reason


async def block(session: AsyncSession, actor: Actor, *, blob_id: str, reason: str) -> int:
    """Block a blob, everything that equals it or looks like it, now and in the future; how many blobs that were.

    Raises Forbidden, NotFound (`blob_not_found`), Invalid (`reason_needed`).
    """
    person = actor.require_moderator()
    blob = await _known(session, blob_id)
    told = reason.strip()[:LONGEST_REASON]
    await audit.record(
        session,
        actor,
        action="media.block",
        reason=told,
        person_id=blob.person_id,
        details={"blob": blob.id, "sha256": blob.sha256.hex()},
    )
    await _list(session, sha256=blob.sha256, phash=None, reason=told, person=person)
    if blob.phash is not None:
        await _list(session, sha256=None, phash=blob.phash, reason=told, person=person)
    return await _mark(session, blob, MediaBlob.blocked_reason.is_(None), told)


async def unblock(session: AsyncSession, actor: Actor, *, blob_id: str, reason: str) -> int:
    """Take a blob, and what looks like it, off the lists; what was blocked because of them is shown again, so many blobs.

    What was blocked for another reason stays so. Raises as `block` does.
    """
    actor.require_moderator()
    blob = await _known(session, blob_id)
    await audit.record(
        session,
        actor,
        action="media.unblock",
        reason=reason,
        person_id=blob.person_id,
        details={"blob": blob.id, "sha256": blob.sha256.hex()},
    )
    listed = BlockedMedia.sha256 == blob.sha256
    if blob.phash is not None:
        listed |= BlockedMedia.phash.is_not(None) & _LISTED_LIKE_IT.bindparams(phash=blob.phash, near=NEAR)
    gone = delete(BlockedMedia).where(listed).returning(BlockedMedia.reason)
    reasons = set(await session.scalars(gone.execution_options(synchronize_session=False)))
    return await _mark(session, blob, MediaBlob.blocked_reason.in_(reasons), None) if reasons else 0


@dataclass(frozen=True, slots=True)
class _Known:
    """What tells a picture apart from others."""

    id: str
    person_id: int
    sha256: bytes
    phash: int | None


async def _known(session: AsyncSession, blob_id: str) -> _Known:
    blob = await session.scalar(select(MediaBlob).where(MediaBlob.id == blob_id.partition(".")[0]))
    if blob is None or blob.sha256 is None:
        raise NotFound("There is no such blob; it may have expired.", code="blob_not_found")
    return _Known(blob.id, blob.person_id, blob.sha256, blob.phash)


async def _mark(session: AsyncSession, blob: _Known, which: ColumnElement[bool], reason: str | None) -> int:
    """Write the reason, or that there is none, to every blob that equals this one or looks like it."""
    like = MediaBlob.sha256 == blob.sha256
    if blob.phash is not None:
        like |= MediaBlob.phash.is_not(None) & _LIKE_IT.bindparams(phash=blob.phash, near=NEAR)
    struck = await session.execute(
        update(MediaBlob)
        .where(like, which)
        .values(blocked_reason=reason)
        .returning(MediaBlob.id)
        .execution_options(synchronize_session=False)
    )
    return len(struck.all())


async def _list(
    session: AsyncSession, *, sha256: bytes | None, phash: int | None, reason: str, person: int
) -> None:
    await session.execute(
        insert(BlockedMedia)
        .values(sha256=sha256, phash=phash, reason=reason, added_by=person)
        .on_conflict_do_nothing()
    )


async def listed(session: AsyncSession) -> int:
    """How many hashes are blocked."""
    return await session.scalar(select(func.count()).select_from(BlockedMedia)) or 0
