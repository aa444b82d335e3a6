"""What was made on the Create page becomes a post: a draft at once, its pictures as soon as their bytes are copied."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import PG, PG13, XXX, Actor, R, Scope, X
from civitas.domains.blobs import uploading
from civitas.domains.blobs.digests import Digests
from civitas.domains.blobs.types import Limits, Purpose, UploadStatus
from civitas.domains.gallery import adding, posting
from civitas.domains.gallery.messages import TakeMade
from civitas.domains.gallery.tables import Image, Post
from civitas.domains.orchestration import blobs as made_blobs
from civitas.domains.studio import made
from civitas.infra.queue.outbox import defer
from civitas.kit.errors import Conflict, Invalid

_LEVELS: Final = {"pg": PG, "pg13": PG13, "r": R, "x": X, "xxx": XXX}
_ENDINGS: Final = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "video/mp4": "mp4"}


@dataclass(frozen=True, slots=True)
class ToTake:
    """Bytes that were made, on their way into a post."""

    post_id: int
    person_id: int
    storage_key: str
    name: str
    size: int
    media_type: str
    nsfw_level: int


async def post(
    session: AsyncSession, actor: Actor, *, workflow_id: str, blob_ids: Sequence[str] = ()
) -> tuple[Post, int]:
    """A draft with what a generation of one's own delivered, all of it or some; how many pictures are on their way.

    Raises NotFound, Conflict (`nothing_made`), Invalid (`blob_not_found`).
    """
    actor.require(Scope.MEDIA_WRITE)
    one = await made.one(session, actor, workflow_id)
    there = [
        picture.blob_id
        for picture in one.pictures
        if picture.available and not picture.blocked and not one.withheld
    ]
    wanted = list(dict.fromkeys(blob_ids)) or there
    if not there:
        raise Conflict("There are no pictures to post yet.", code="nothing_made")
    if not set(wanted) <= set(there):
        raise Invalid("This picture is not one of that generation.", code="blob_not_found")
    draft = await posting.create(session, actor)
    chosen = wanted[: adding.MAX_PER_POST]
    # Kept for as long as it takes to copy them.
    await made_blobs.used(session, chosen)
    for blob_id in chosen:
        # One after another, so that they keep their order.
        await defer(session, TakeMade(draft.id, workflow_id, blob_id), lock=f"made:{draft.id}", priority=3)
    return draft, len(chosen)


async def to_take(session: AsyncSession, message: TakeMade) -> ToTake | None:
    """What a task copies; None when it is there already, or either end is gone."""
    there = await session.scalar(
        select(Image.id).where(Image.post_id == message.post_id, Image.name.startswith(message.blob_id))
    )
    draft = await session.get(Post, message.post_id)
    blob = (await made_blobs.links(session, [message.blob_id])).get(message.blob_id)
    if there is not None or draft is None or draft.deleted_at is not None:
        return None
    if blob is None or not blob.available or blob.storage_key is None or not blob.size:
        return None
    ending = _ENDINGS.get(blob.media_type or "", "bin")
    return ToTake(
        draft.id,
        draft.person_id,
        blob.storage_key,
        f"{message.blob_id}.{ending}",
        blob.size,
        blob.media_type or "application/octet-stream",
        _LEVELS.get(blob.level, 0),
    )


async def begin(session: AsyncSession, wanted: ToTake, *, limits: Limits) -> tuple[uuid.UUID, str]:
    """An upload of the person's for the copy: its number and where the bytes go."""
    actor = Actor(id=wanted.person_id)
    upload = await uploading.begin(
        session, actor, filename=wanted.name, size=wanted.size, purpose=Purpose.MEDIA, limits=limits
    )
    upload.status = UploadStatus.VERIFYING
    await session.flush()
    return upload.id, upload.storage_key


async def taken(
    session: AsyncSession, message: TakeMade, wanted: ToTake, *, upload_id: uuid.UUID, digests: Digests
) -> str | None:
    """The bytes are copied: they become a picture of the draft. The key of a copy that is not needed, if any."""
    spare = await uploading.verified(session, upload_id=upload_id, digests=digests)
    draft = await session.scalar(select(Post).where(Post.id == wanted.post_id).with_for_update())
    if draft is None or draft.deleted_at is not None:
        return spare
    blob = await uploading.finished_blob(session, Actor(id=wanted.person_id), upload_id=upload_id)
    await adding.append(
        session,
        draft,
        person_id=wanted.person_id,
        blob_id=blob.id,
        name=wanted.name,
        nsfw_level=wanted.nsfw_level,
        workflow_id=message.workflow_id,
    )
    return spare
