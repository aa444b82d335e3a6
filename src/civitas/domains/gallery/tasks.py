"""Background work on pictures, videos and sounds: each is read by a sandbox of its own, outside of any transaction."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import select

from civitas.domains.accounts.types import BLOCKED, PG, PG13, XXX, R, X
from civitas.domains.blobs.digests import digest_stream
from civitas.domains.blobs.tables import Blob
from civitas.domains.blobs.types import Limits
from civitas.domains.gallery import post_publishing, posting, posting_made, processing, sight
from civitas.domains.gallery.messages import (
    HearOfImage,
    LookAtImage,
    ProcessImage,
    RemoveVariants,
    ShowPost,
    TakeMade,
)
from civitas.domains.gallery.processing import Decoded, media_key, original_key
from civitas.domains.gallery.tables import Image
from civitas.domains.orchestration.blobs import new_key
from civitas.infra.imaging.metadata import read as read_recipe
from civitas.infra.imaging.port import ORIGINAL, Imaging, Processed
from civitas.infra.media import moving, sniffing
from civitas.infra.media.arrived import Arrived
from civitas.infra.media.intake import Intake
from civitas.infra.media.moving import Moved, Moving
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.registry import every, handles
from civitas.infra.storage.store import Store
from civitas.kit.errors import Invalid, Unavailable, Unprocessable, Unsupported

log = structlog.get_logger(__name__)

SIGNED_64: Final = 1 << 63
CHUNK: Final = 2**20
LEVELS: Final = {"pg": PG, "pg13": PG13, "r": R, "x": X, "xxx": XXX}


@handles(ProcessImage, queue="media", attempts=4, timeout_s=900)
async def process_image(message: ProcessImage, context: TaskContext) -> None:
    """Decode in the sandbox, put what is shown into storage, then record what it is."""
    store = context.port(Store)
    async with context.reading() as session:
        row = (
            await session.execute(
                select(Image, Blob.storage_key)
                .join(Blob, Blob.id == Image.blob_id)
                .where(Image.id == message.image_id, Image.deleted_at.is_(None))
            )
        ).first()
    if row is None:
        return
    image: Image = row[0]
    with tempfile.TemporaryDirectory(prefix="civitas-image-") as folder:
        source, out = Path(folder) / "source", Path(folder) / "out"
        await asyncio.to_thread(out.mkdir)
        await _copy(store.chunks(row[1]), source)
        try:
            facts = await _read(context, image.key, source, out)
        except (Invalid, Unsupported, Unprocessable) as fault:
            async with context.unit() as session:
                await processing.refused(session, image_id=image.id, reason=fault.message)
            return
    async with context.unit() as session:
        shown = await processing.decoded(session, image_id=image.id, facts=facts)
    if not shown:
        await _remove_variants(store, image.key)


async def _read(context: TaskContext, key: str, source: Path, out: Path) -> Decoded:
    """Judge the file, put its copies into storage, and tell the facts.

    Raises Invalid, Unsupported and Unprocessable for what cannot be shown.
    """
    kind = await asyncio.to_thread(_kind, source)
    if kind == "image":
        return await _picture(context, key, source, out)
    if kind in ("video", "audio"):
        return await _moving(context, key, source, out)
    raise Unsupported(
        "This is neither a picture nor a video nor a sound; send one of these.", code="media_type"
    )


def _kind(source: Path) -> str:
    """By its structure; what only the picture reader can name is its to refuse."""
    try:
        return sniffing.sniff(source).kind
    except Unsupported:
        return "image"


async def _picture(context: TaskContext, key: str, source: Path, out: Path) -> Decoded:
    store = context.port(Store)
    done = await context.port(Imaging).process(source, out, strip=True, moving=True)
    await _put_variants(store, key, done)
    if done.original == "stripped":
        await store.put(original_key(key), _chunks(out / ORIGINAL), done.facts.mime)
    facts = _facts(done)
    return replace(facts, level=await _level(context, source, done.facts.mime))


async def _moving(context: TaskContext, key: str, source: Path, out: Path) -> Decoded:
    store = context.port(Store)
    found = await context.port(Moving).process(source, out)
    still = out / moving.STILL
    pictures = out / "still"
    await asyncio.to_thread(pictures.mkdir)
    done = await context.port(Imaging).process(still, pictures)
    await _put_variants(store, key, done)
    variants = _facts(done).variants
    if found.preview is not None:
        width, height = found.preview
        body = await asyncio.to_thread((out / moving.PREVIEW).read_bytes)
        await store.put(media_key(key, width, "mp4"), body, "video/mp4")
        variants.append({"width": width, "height": height, "format": "mp4"})
    await store.put(original_key(key), _chunks(out / moving.CLEAN), found.media_type)
    level = await _level(context, still, "image/png") if found.kind == "video" else 0
    return _moving_facts(found, done, variants, level)


def _moving_facts(found: Moved, done: Processed, variants: list[dict[str, Any]], level: int) -> Decoded:
    raw = {"text": found.text} if found.text else {}
    recipe = read_recipe(raw)
    return replace(
        _facts(done),
        width=found.width,
        height=found.height,
        content_type=found.media_type,
        animated=True,
        variants=variants,
        original="stripped",
        meta=recipe.meta,
        meta_format=recipe.format,
        meta_faults=recipe.faults,
        raw_metadata=raw,
        kind=found.kind,
        duration_ms=round(found.seconds * 1000),
        has_sound=found.has_sound,
        level=level,
    )


async def _level(context: TaskContext, picture: Path, media_type: str) -> int:
    """What the operator's service says of it; 0 where there is none, or it does not answer now."""
    try:
        rating = await context.port(Intake).rater.rate(picture, media_type)
    except Unavailable as fault:
        log.warning("gallery.unrated", reason=fault.message)
        return 0
    return BLOCKED if rating.blocked else LEVELS.get(rating.level or "", 0)


async def _put_variants(store: Store, key: str, done: Processed) -> None:
    for variant in done.variants:
        body = await asyncio.to_thread(variant.path.read_bytes)
        await store.put(media_key(key, variant.width, variant.format), body, variant.mime)
    for copy in done.moving:
        body = await asyncio.to_thread(copy.path.read_bytes)
        await store.put(media_key(key, copy.width, processing.MOVING), body, copy.mime)


def _facts(done: Processed) -> Decoded:
    facts = done.facts
    bits = int(facts.phash, 16)
    return Decoded(
        width=facts.width,
        height=facts.height,
        content_type=facts.mime,
        animated=facts.animated,
        variants=[
            *({"width": v.width, "height": v.height, "format": v.format} for v in done.variants),
            *({"width": v.width, "height": v.height, "format": processing.MOVING} for v in done.moving),
        ],
        blurhash=facts.blurhash,
        colour=facts.dominant,
        perceptual_hash=bits - 2 * SIGNED_64 if bits >= SIGNED_64 else bits,
        original=done.original if done.original != "withheld" else None,
        meta=facts.meta,
        raw_metadata=facts.metadata,
        meta_format=facts.meta_format,
        meta_faults=facts.meta_faults,
    )


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as source:
        while chunk := await asyncio.to_thread(source.read, CHUNK):
            yield chunk


async def _copy(chunks: AsyncIterator[bytes], target: Path) -> None:
    with target.open("wb") as sink:
        async for chunk in chunks:
            await asyncio.to_thread(sink.write, chunk)


@handles(RemoveVariants)
async def remove_variants(message: RemoveVariants, context: TaskContext) -> None:
    """Delete every copy of a picture that is gone, or blocked; one that came back meanwhile keeps its own."""
    async with context.reading() as session:
        back = await session.scalar(
            select(Image.id).where(
                Image.key == message.key,
                Image.deleted_at.is_(None),
                Image.nsfw_level.op("&")(BLOCKED) == 0,
            )
        )
    if back is not None:
        return
    await _remove_variants(context.port(Store), message.key)


async def _remove_variants(store: Store, key: str) -> None:
    keys = [found.key async for found in store.list_prefix(f"media/{key}")]
    await store.delete_many([*keys, original_key(key)])


@handles(ShowPost)
async def show_post(message: ShowPost, context: TaskContext) -> None:
    """Say that a scheduled post can be seen now."""
    async with context.unit() as session:
        await post_publishing.due(session, post_id=message.post_id, at=message.at)


@every("50 3 * * *")
async def forget_removed_posts(context: TaskContext) -> None:
    """Let the bytes go of what was removed a month ago."""
    while True:
        async with context.unit() as session:
            if not await posting.forget(session):
                return


@handles(TakeMade, queue="media", attempts=6, timeout_s=900)
async def take_made(message: TakeMade, context: TaskContext) -> None:
    """Copy the bytes of a delivery to where they stay, and make them a picture of the draft."""
    store = context.port(Store)
    async with context.reading() as session:
        wanted = await posting_made.to_take(session, message)
    if wanted is None:
        return
    async with context.unit() as session:
        upload_id, key = await posting_made.begin(session, wanted, limits=Limits())
    await store.put(key, store.chunks(wanted.storage_key), wanted.media_type)
    digests = await digest_stream(store.chunks(key))
    async with context.unit() as session:
        spare = await posting_made.taken(session, message, wanted, upload_id=upload_id, digests=digests)
    if spare is not None:
        await store.delete(spare)


@handles(LookAtImage, queue="media", attempts=4)
async def look_at_image(message: LookAtImage, context: TaskContext) -> None:
    """Lend a copy of the picture to the agents that say what is in it."""
    async with context.reading() as session:
        questions = await sight.asked(session)
        found = await sight.seeable(session, image_id=message.image_id)
    if found is None or not questions:
        return
    store, key = context.port(Store), new_key()
    body = b"".join([chunk async for chunk in store.chunks(found.storage_key)])
    await store.put(key, body, found.media_type)
    lent = Arrived(key, "image", found.media_type, len(body), hashlib.sha256(body).digest())
    try:
        async with context.unit() as session:
            await sight.ask(session, image_id=message.image_id, picture=lent, questions=questions)
    except BaseException:
        await store.delete(key)
        raise


@handles(HearOfImage, queue="media", attempts=4)
async def hear_of_image(message: HearOfImage, context: TaskContext) -> None:
    """Note what an agent saw."""
    async with context.unit() as session:
        await sight.answered(session, workflow_id=message.workflow_id)
