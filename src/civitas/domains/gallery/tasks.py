"""Background work on pictures."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from sqlalchemy import select

from civitas.domains.blobs.tables import Blob
from civitas.domains.gallery import processing
from civitas.domains.gallery.messages import ProcessImage, RemoveVariants
from civitas.domains.gallery.processing import Decoded, media_key
from civitas.domains.gallery.tables import Image
from civitas.infra.imaging.port import Imaging, Processed
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.registry import handles
from civitas.infra.storage.store import Store
from civitas.kit.errors import Invalid

SIGNED_64 = 1 << 63


@handles(ProcessImage, queue="media", attempts=4, timeout_s=300)
async def process_image(message: ProcessImage, context: TaskContext) -> None:
    """Decode in the sandbox, put the variants into storage, then record what they are."""
    store, imaging = context.port(Store), context.port(Imaging)
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
            done = await imaging.process(source, out)
        except Invalid as fault:
            async with context.unit() as session:
                await processing.refused(session, image_id=image.id, reason=fault.message)
            return
        for variant in done.variants:
            body = await asyncio.to_thread(variant.path.read_bytes)
            await store.put(media_key(image.key, variant.width, variant.format), body, variant.mime)
    async with context.unit() as session:
        await processing.decoded(session, image_id=image.id, facts=_facts(done))


def _facts(done: Processed) -> Decoded:
    facts = done.facts
    bits = int(facts.phash, 16)
    return Decoded(
        width=facts.width,
        height=facts.height,
        content_type=facts.mime,
        animated=facts.animated,
        variants=[{"width": v.width, "height": v.height, "format": v.format} for v in done.variants],
        blurhash=facts.blurhash,
        colour=facts.dominant,
        perceptual_hash=bits - 2 * SIGNED_64 if bits >= SIGNED_64 else bits,
        meta=facts.meta,
        raw_metadata=facts.metadata,
    )


async def _copy(chunks: AsyncIterator[bytes], target: Path) -> None:
    with target.open("wb") as sink:
        async for chunk in chunks:
            await asyncio.to_thread(sink.write, chunk)


@handles(RemoveVariants)
async def remove_variants(message: RemoveVariants, context: TaskContext) -> None:
    """Delete every variant of a picture that is gone."""
    store = context.port(Store)
    keys = [found.key async for found in store.list_prefix(f"media/{message.key}")]
    await store.delete_many(keys)
