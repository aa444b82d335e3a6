"""From a stream of a stranger's bytes to a stored object: bounded, hashed, sniffed, decoded in the sandbox, rated."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from civitas.infra.imaging.port import Imaging
from civitas.infra.media import sniffing
from civitas.infra.media.arrived import Arrived
from civitas.infra.media.rating import Rater
from civitas.infra.media.settings import MediaSettings
from civitas.infra.storage.store import Store
from civitas.kit.errors import Invalid, TooLarge, Unprocessable, Unsupported

MIB = 2**20
# Pieces of this size are hashed and written away from the loop.
_GATHER = 256 * 1024


@dataclass(frozen=True)
class Intake:
    """Takes bytes in; one for each process."""

    store: Store
    imaging: Imaging
    rater: Rater
    settings: MediaSettings

    async def take(
        self, pieces: AsyncIterator[bytes], *, key: str, claimed: str | None = None, most: int | None = None
    ) -> Arrived:
        """Take a whole stream, judge it, and store it under `key`; nothing is stored when it is refused.

        `claimed` is the type that the sender says, `most` a bound below the settings' own. Raises TooLarge
        (`blob_too_large`), Unsupported (`blob_type`), Unprocessable (`blob_type_lies`, `blob_broken`, `blob_polyglot`, and
        the codes of `Imaging`), Invalid (`blob_empty`), Unavailable. What `pieces` raises is passed on.
        """
        limit = min(most or self.settings.max_upload_mb * MIB, self.settings.max_upload_mb * MIB)
        async with _spooled(pieces, limit) as (path, size, sha256):
            arrived = await self._judge(path, size, sha256, key, claimed)
            await self.store.put(key, _chunks(path), arrived.media_type)
            return arrived

    async def look_at(self, key: str, size: int) -> Arrived:
        """Judge an object that is in the store already. Raises as `take` does, and NotFound (`no_such_object`)."""
        async with _spooled(self.store.chunks(key), size) as (path, length, sha256):
            return await self._judge(path, length, sha256, key, None)

    async def _judge(self, path: Path, size: int, sha256: bytes, key: str, claimed: str | None) -> Arrived:
        found = await asyncio.to_thread(sniffing.sniff, path)
        sniffing.check_claim(claimed, found)
        if found.media_type == "image/heic":
            # Sources of jobs go as they are to engines and to servers of others, few of which read it.
            raise Unsupported(
                "HEIC pictures are taken in posts, not as sources of jobs. Export it as JPEG or PNG.",
                code="blob_type",
            )
        if found.kind != "image":
            return Arrived(key, found.kind, found.media_type, size, sha256)
        try:
            facts = await self.imaging.inspect(path)
        except Invalid as fault:
            raise Unprocessable(fault.message, code=fault.code, details=fault.details) from fault
        rating = await self.rater.rate(path, facts.mime)
        return Arrived(
            storage_key=key,
            kind="image",
            media_type=facts.mime,
            size=size,
            sha256=sha256,
            width=facts.width,
            height=facts.height,
            phash=facts.phash,
            level=rating.level,
            blocked=rating.blocked,
        )


@asynccontextmanager
async def _spooled(pieces: AsyncIterator[bytes], most: int) -> AsyncGenerator[tuple[Path, int, bytes], None]:
    """The stream as a file that is gone afterwards, its size and SHA-256."""
    sha256, size, block = hashlib.sha256(), 0, bytearray()
    with tempfile.TemporaryDirectory(prefix="civitas-media-") as folder:
        path = Path(folder) / "media"
        with path.open("wb") as file:

            def absorb(data: bytes) -> None:
                sha256.update(data)
                file.write(data)

            async for piece in pieces:
                size += len(piece)
                if size > most:
                    raise TooLarge(
                        f"A blob may have {most / MIB:,.0f} MiB at most here; nothing was kept.",
                        code="blob_too_large",
                    )
                block += piece
                if len(block) >= _GATHER:
                    await asyncio.to_thread(absorb, bytes(block))
                    block.clear()
            await asyncio.to_thread(absorb, bytes(block))
        if not size:
            raise Invalid("There are no bytes in it; nothing was kept.", code="blob_empty")
        yield path, size, sha256.digest()


async def _chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, MIB):
            yield chunk
