"""The local store: objects are plain files under their keys in one folder.

Reading is by `pread` in threads, 1 MiB and more at a time. Writing is durable: when a call returns, the bytes
and the name are on the disk. Several processes may use one folder, also over a network file system with flock.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import ParamSpec, TypeVar

from civitas.infra.storage.keys import check_key, is_key
from civitas.infra.storage.local_files import HeldFile, key_taken, prune, read_at, told_plainly
from civitas.infra.storage.local_uploads import (
    LocalUpload,
    ObjectWriter,
    PartWriter,
    last_touched,
    read_plan,
    sweep,
)
from civitas.infra.storage.multipart import (
    UploadPlan,
    no_such_object,
    no_such_upload,
    read_checksum,
    wrong_part_size,
)
from civitas.infra.storage.reading import check_read, read_ahead
from civitas.infra.storage.signing import LinkSigner
from civitas.infra.storage.store import (
    MIB,
    NamedPart,
    ObjectInfo,
    PartInfo,
    SignedRequest,
    StaleMultipart,
)
from civitas.kit.clock import now
from civitas.kit.errors import NotFound, Unavailable

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 16
LEFTOVERS_AFTER = timedelta(days=1)
_LISTED_AT_ONCE = 500


class LocalStore:
    """A `Store` and `SelfServing` in the folder `root`."""

    def __init__(self, root: Path, links: LinkSigner) -> None:
        """Makes the folder, and removes what crashes left there more than a day ago.

        Raises Unavailable (`storage_closed`, `storage_failed`).
        """
        self.root = root.absolute()
        self.links = links
        self._uploads = self.root / ".uploads"
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="storage")
        try:
            with told_plainly():
                self._uploads.mkdir(parents=True, exist_ok=True, mode=0o750)
                sweep(self._uploads, (now() - LEFTOVERS_AFTER).timestamp())
        except OSError as error:
            raise Unavailable(
                f"The storage folder {self.root} cannot be made; set another one.", code="storage_closed"
            ) from error

    async def head(self, key: str) -> ObjectInfo | None:
        return await self._run(self._head, check_key(key))

    async def read_range(self, key: str, start: int, length: int) -> bytes:
        check_read(start, length)
        return await self._run(_read_once, self._path(key), start, length)

    async def chunks(
        self, key: str, start: int = 0, length: int | None = None, chunk: int = MIB
    ) -> AsyncGenerator[bytes, None]:
        held = HeldFile(self._path(key), os.O_RDONLY)
        try:
            size = await self._run(held.open)
            stop = size if length is None else min(size, start + length)
            pieces = read_ahead(lambda at, due: self._run(held.work, _reading(at, due)), start, stop, chunk)
            async with aclosing(pieces):
                async for piece in pieces:
                    yield piece
        finally:
            await self._close(held.close)

    async def put(self, key: str, body: bytes | AsyncIterator[bytes], content_type: str) -> ObjectInfo:
        target = self._path(key)
        writer = ObjectWriter(self._uploads)
        try:
            await self._pour(_pieces(body) if isinstance(body, bytes) else body, writer.absorb)
            await self._run(writer.absorb, b"")
            await self._run(writer.finish, target)
        finally:
            await self._close(writer.close)
        if (info := await self.head(key)) is None:
            raise no_such_object()
        return info

    async def delete(self, key: str) -> None:
        await self.delete_many([key])

    async def delete_many(self, keys: Iterable[str]) -> None:
        await self._run(self._delete, [self._path(key) for key in keys])

    async def list_prefix(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        top = self._path(prefix) if prefix else self.root
        found = self._walk(top)
        while batch := await self._run(_take, found):
            for info in batch:
                yield info

    async def sign_get(
        self,
        key: str,
        *,
        filename: str,
        content_type: str,
        expires: timedelta,
        public: bool = False,
        etag: str | None = None,
    ) -> str:
        return self.links.get_url(
            key, filename=filename, content_type=content_type, expires=expires, public=public, etag=etag
        )

    async def begin_multipart(
        self, key: str, size: int, part_size: int, content_type: str, *, checksums: bool = False
    ) -> str:
        plan = UploadPlan(size, part_size, checksums).check()
        if await self.head(key):
            raise key_taken()
        return await self._run(LocalUpload.begin, self._uploads, key, plan)

    async def sign_part(
        self,
        key: str,
        handle: str,
        number: int,
        size: int,
        expires: timedelta,
        *,
        checksum: str | None = None,
    ) -> SignedRequest:
        self._upload(key, handle).plan.check_part(number, size, checksum)
        headers = {} if checksum is None else {"x-amz-checksum-sha256": checksum}
        return SignedRequest(self.links.part_url(key, handle, number, size, expires, checksum), headers)

    async def write_part(
        self,
        key: str,
        handle: str,
        number: int,
        body: AsyncIterator[bytes],
        checksum: str | None = None,
    ) -> PartInfo:
        promised = None if checksum is None else read_checksum(checksum)
        writer = PartWriter(self._upload(key, handle), number)
        try:
            await self._run(writer.begin)
            await self._pour(_within(body, number, writer.size), writer.absorb)
            return await self._run(writer.finish, promised)
        finally:
            await self._close(writer.close)

    async def list_parts(self, key: str, handle: str) -> list[PartInfo]:
        return list((await self._run(self._upload(key, handle).parts)).values())

    async def complete_multipart(
        self, key: str, handle: str, parts: Sequence[NamedPart] | None = None
    ) -> ObjectInfo:
        asked = None if parts is None else list(parts)
        try:
            await self._run(self._upload(key, handle).complete, self._path(key), asked)
        except (FileNotFoundError, NotFound):
            # keys are never reused: the upload being over and the object there means that this was done
            if info := await self.head(key):
                return info
            raise no_such_upload() from None
        if (info := await self.head(key)) is None:
            raise no_such_object()
        return info

    async def abort_multipart(self, key: str, handle: str) -> None:
        upload = self._upload(key, handle)
        try:
            await self._run(upload.check)
        except NotFound:
            return
        await self._run(upload.discard)

    async def list_stale_multiparts(self, before: datetime) -> AsyncIterator[StaleMultipart]:
        for stale in await self._run(self._stale, before):
            yield stale

    async def aclose(self) -> None:
        self._pool.shutdown(wait=False)

    def path_of(self, key: str) -> Path:
        """See OnDisk."""
        return self._path(key)

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)

    def _upload(self, key: str, handle: str) -> LocalUpload:
        return LocalUpload(self._uploads, check_key(key), handle)

    async def _run(self, job: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.wrap_future(self._pool.submit(job, *args, **kwargs))

    async def _close(self, close: Callable[[], None]) -> None:
        # shielded: the file is let go even when the owner is cancelled while it waits for that
        await asyncio.shield(asyncio.wrap_future(self._pool.submit(close)))

    async def _pour(self, body: AsyncIterator[bytes], absorb: Callable[[bytes | bytearray], None]) -> None:
        """Hand `body` to `absorb` in blocks of about 1 MiB, the next one filling while this one is written."""
        writing: asyncio.Task[None] | None = None
        block = bytearray()
        try:
            async for piece in body:
                block += piece
                if len(block) >= MIB:
                    if writing:
                        await writing
                    writing = asyncio.ensure_future(self._run(absorb, block))
                    block = bytearray()
            if writing:
                await writing
            writing = None
            if block:
                await self._run(absorb, block)
        finally:
            if writing:
                await asyncio.wait([writing])
                if not writing.cancelled():
                    writing.exception()

    def _head(self, key: str) -> ObjectInfo | None:
        with told_plainly():
            try:
                return _info(key, (self.root / key).stat())
            except (FileNotFoundError, NotADirectoryError):
                return None

    def _delete(self, paths: list[Path]) -> None:
        with told_plainly():
            for path in paths:
                with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
                    path.unlink()
                    prune(path.parent, self.root)

    def _walk(self, top: Path) -> Iterator[ObjectInfo]:
        for folder, _, names in os.walk(top):
            for name in names:
                path = Path(folder, name)
                key = path.relative_to(self.root).as_posix()
                if is_key(key) and (info := self._head(key)):
                    yield info

    def _stale(self, before: datetime) -> list[StaleMultipart]:
        found = []
        for entry in os.scandir(self._uploads):
            with suppress(NotFound):
                key, started = read_plan(Path(entry.path))
                if not entry.name.startswith("dead-") and last_touched(Path(entry.path), started) < before:
                    found.append(StaleMultipart(key, entry.name, started))
        return found


def _info(key: str, facts: os.stat_result) -> ObjectInfo | None:
    if not stat.S_ISREG(facts.st_mode):
        return None
    # the inode too: two writes within one tick of the file system's clock differ only there
    etag = f'"{facts.st_ino:x}-{facts.st_mtime_ns:x}-{facts.st_size:x}"'
    return ObjectInfo(key, facts.st_size, etag, datetime.fromtimestamp(facts.st_mtime, UTC))


def _reading(offset: int, length: int) -> Callable[[int], bytes]:
    return lambda fd: read_at(fd, offset, length)


def _read_once(path: Path, start: int, length: int) -> bytes:
    held = HeldFile(path, os.O_RDONLY)
    try:
        held.open()
        return held.work(_reading(start, length))
    finally:
        held.close()


def _take(found: Iterator[ObjectInfo]) -> list[ObjectInfo]:
    with told_plainly():
        return list(islice(found, _LISTED_AT_ONCE))


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _within(body: AsyncIterator[bytes], number: int, size: int) -> AsyncIterator[bytes]:
    """`body` as long as it keeps to `size`. Raises Invalid (`part_size`) before a byte too many is passed on."""
    received = 0
    async for piece in body:
        received += len(piece)
        if received > size:
            raise wrong_part_size(number, size)
        yield piece
    if received < size:
        raise wrong_part_size(number, size)
