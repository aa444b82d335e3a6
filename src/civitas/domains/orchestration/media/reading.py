"""Who gets to read a blob: its owner, or whoever holds a link that its owner was given."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.orchestration import blobs
from civitas.domains.orchestration.blobs import BlobFacts
from civitas.domains.orchestration.media_tables import MediaBlob
from civitas.domains.orchestration.types import Level
from civitas.kit import clock, paging
from civitas.kit.errors import Forbidden, NotFound, Unavailable
from civitas.kit.paging import Page
from civitas.kit.text import ascii_filename

PAGE: Final = 50
# What a browser may show as what it is; everything else is saved.
INLINE: Final = frozenset(
    {
        "image/png", "image/jpeg", "image/webp", "image/avif", "image/gif", "video/mp4", "video/webm",
        "video/quicktime", "audio/mpeg", "audio/wav", "audio/flac", "audio/ogg", "audio/mp4", "audio/aac",
    }
)  # fmt: skip
_ENDINGS: Final = {
    "image/png": "png", "image/jpeg": "jpeg", "image/webp": "webp", "image/avif": "avif", "image/gif": "gif",
    "video/mp4": "mp4", "video/webm": "webm", "video/quicktime": "mov", "video/x-matroska": "mkv",
    "video/ogg": "ogv", "audio/mpeg": "mp3", "audio/wav": "wav", "audio/flac": "flac", "audio/ogg": "ogg",
    "audio/mp4": "m4a", "audio/aac": "aac", "model/gltf-binary": "glb", "application/zip": "zip",
}  # fmt: skip
_ORDER: Final = (Level.PG, Level.PG13, Level.R, Level.X, Level.XXX)


async def own(session: AsyncSession, actor: Actor, *, blob_id: str) -> BlobFacts:
    """A blob of one's own, bytes or not; moderators see all. Raises NotFound (`blob_not_found`)."""
    person = actor.require(Scope.AI_SERVICES_READ)
    facts = (await blobs.links(session, [stem(blob_id)])).get(stem(blob_id))
    if facts is None or (facts.person_id != person and not actor.is_moderator):
        raise unknown()
    return facts


async def by_link(session: AsyncSession, *, blob_id: str) -> BlobFacts:
    """A blob whose link was checked (`MediaLinks.open_blob`, `open_content`). Raises NotFound, Forbidden (`blob_blocked`)."""
    facts = (await blobs.links(session, [blob_id])).get(blob_id)
    if facts is None:
        raise unknown()
    return readable(facts)


def readable(facts: BlobFacts, *, most: Level | None = None) -> BlobFacts:
    """The same blob when its bytes may be read now, and it is rated no higher than `most`.

    Raises NotFound (`blob_not_found`) while there are none, Unavailable (`blob_examined_first`) before they were looked
    at, Forbidden (`blob_blocked`, `too_mature`).
    """
    if facts.blocked_reason is not None:
        raise Forbidden(
            "This blob was blocked and is not shown.",
            code="blob_blocked",
            details={"blockedReason": facts.blocked_reason},
        )
    if facts.available_at is None or facts.storage_key is None:
        raise unknown()
    if not facts.examined:
        raise Unavailable(
            "This was made a moment ago and is being examined; ask for it again in a few seconds.",
            code="blob_examined_first",
        )
    bound = len(_ORDER) if most in (None, Level.UNRATED) else _ORDER.index(most)
    mature = len(_ORDER) if facts.level is Level.UNRATED else _ORDER.index(facts.level)
    if mature > bound:
        raise Forbidden("This blob is more mature than was asked for, or not rated.", code="too_mature")
    return facts


async def refresh(session: AsyncSession, actor: Actor, *, blob_id: str) -> BlobFacts:
    """Count the thirty days of one's own blob anew. Raises NotFound (`blob_not_found`)."""
    actor.require(Scope.AI_SERVICES_WRITE)
    facts = await own(session, actor, blob_id=blob_id)
    if facts.available_at is None:
        raise unknown()
    found = await session.scalar(
        update(MediaBlob)
        .where(MediaBlob.id == facts.id, MediaBlob.available_at.is_not(None))
        .values(expires_at=clock.now() + blobs.RETENTION)
        .returning(MediaBlob)
    )
    if found is None:
        raise unknown()
    await session.refresh(found)
    return blobs.facts_of(found)


async def mine(
    session: AsyncSession, actor: Actor, *, cursor: str | None = None, limit: int = PAGE
) -> Page[BlobFacts]:
    """One's own blobs with bytes, the newest first. Raises Invalid (`bad_cursor`)."""
    query = select(MediaBlob).where(
        MediaBlob.person_id == actor.require(Scope.AI_SERVICES_READ), MediaBlob.available_at.is_not(None)
    )
    if cursor is not None:
        at, last = paging.decode(cursor, datetime, str)
        moment = datetime.fromisoformat(str(at))
        query = query.where(
            (MediaBlob.created_at < moment) | ((MediaBlob.created_at == moment) & (MediaBlob.id < str(last)))
        )
    rows = list(
        await session.scalars(
            query.order_by(MediaBlob.created_at.desc(), MediaBlob.id.desc()).limit(limit + 1)
        )
    )
    items = [blobs.facts_of(row) for row in rows[:limit]]
    ends = paging.encode(items[-1].created_at, items[-1].id) if len(rows) > limit else None
    return Page(items, ends)


def stem(blob_id: str) -> str:
    """The id itself: existing clients write it with the ending of its type (`ID.jpeg`)."""
    return blob_id.partition(".")[0]


def media_type(facts: BlobFacts) -> str:
    """What the bytes are served as: never anything that a browser would run."""
    return facts.media_type if facts.media_type in _ENDINGS else blobs.UNKNOWN


def filename(facts: BlobFacts, wanted: str | None = None) -> str:
    """What the blob is saved as: ASCII, without folders or control characters."""
    name = (wanted or "").replace("\\", "/").rsplit("/", 1)[-1]
    clean = "".join(letter for letter in name if letter.isprintable()).strip(". ")
    return (
        ascii_filename(clean[:150]) if clean else f"{facts.id}.{_ENDINGS.get(facts.media_type or '', 'bin')}"
    )


def inline(facts: BlobFacts, *, download: bool) -> bool:
    """Whether the bytes are shown rather than saved."""
    return not download and facts.media_type in INLINE


def unknown() -> NotFound:
    """The fault for a blob that is not there, or not for whoever asks."""
    return NotFound(
        "There is no such blob, or it has no bytes yet; it may have expired.", code="blob_not_found"
    )
