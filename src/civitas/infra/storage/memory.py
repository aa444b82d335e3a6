"""The fake store: objects in memory, with the local store's links, for tests of other rooms."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from civitas.infra.storage.keys import check_key
from civitas.infra.storage.local_files import key_taken
from civitas.infra.storage.local_uploads import part_of
from civitas.infra.storage.multipart import (
    UploadPlan,
    no_such_object,
    no_such_upload,
    part_differs,
    read_checksum,
    read_handle,
    wrong_part_checksum,
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
from civitas.kit.errors import Conflict
from civitas.kit.ids import new_uuid


@dataclass(slots=True)
class _Upload:
    key: str
    plan: UploadPlan
    started: datetime
    parts: dict[int, tuple[PartInfo, bytes]] = field(default_factory=dict)
    busy: set[int] = field(default_factory=set)


class MemoryStore:
    """A `Store` and `SelfServing` that forgets everything with its process."""

    def __init__(self, links: LinkSigner | None = None) -> None:
        self.links = links or LinkSigner(b"a signing key for tests only")
        self.objects: dict[str, tuple[ObjectInfo, bytes]] = {}
        self._uploads: dict[str, _Upload] = {}

    async def head(self, key: str) -> ObjectInfo | None:
        found = self.objects.get(check_key(key))
        return found[0] if found else None

    async def read_range(self, key: str, start: int, length: int) -> bytes:
        check_read(start, length)
        if not (found := self.objects.get(check_key(key))):
            raise no_such_object()
        return found[1][start : start + length]

    async def chunks(
        self, key: str, start: int = 0, length: int | None = None, chunk: int = MIB
    ) -> AsyncGenerator[bytes, None]:
        if not (info := await self.head(key)):
            raise no_such_object()
        stop = info.size if length is None else min(info.size, start + length)
        async for piece in read_ahead(lambda at, due: self.read_range(key, at, due), start, stop, chunk):
            yield piece

    async def put(self, key: str, body: bytes | AsyncIterator[bytes], content_type: str) -> ObjectInfo:
        check_key(key)
        whole = body if isinstance(body, bytes) else b"".join([piece async for piece in body])
        info = ObjectInfo(key, len(whole), f'"{hashlib.sha256(whole).hexdigest()}"', now())
        self.objects[key] = info, whole
        return info

    async def delete(self, key: str) -> None:
        self.objects.pop(check_key(key), None)

    async def delete_many(self, keys: Iterable[str]) -> None:
        for key in keys:
            await self.delete(key)

    async def list_prefix(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        below = f"{check_key(prefix)}/" if prefix else ""
        for key, (info, _) in list(self.objects.items()):
            if key.startswith(below):
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
        handle = plan.handle(new_uuid().hex)
        self._uploads[handle] = _Upload(key, plan, now())
        return handle

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
        read_handle(handle)[0].check_part(number, size, checksum)
        headers = {} if checksum is None else {"x-amz-checksum-sha256": checksum}
        return SignedRequest(self.links.part_url(key, handle, number, size, expires, checksum), headers)

    async def write_part(
        self, key: str, handle: str, number: int, body: AsyncIterator[bytes], checksum: str | None = None
    ) -> PartInfo:
        promised = None if checksum is None else read_checksum(checksum)
        upload = self._upload(key, handle)
        size = upload.plan.span(number)[1]
        if number in upload.busy:
            raise Conflict("Another request is sending this part.", code="part_busy")
        upload.busy.add(number)
        try:
            data = bytearray()
            async for piece in body:
                data += piece
                if len(data) > size:
                    raise wrong_part_size(number, size)
        finally:
            upload.busy.discard(number)
        if len(data) < size:
            raise wrong_part_size(number, size)
        digest = hashlib.sha256(data).digest()
        if promised is not None and digest != promised:
            raise wrong_part_checksum(number)
        part = part_of(number, size, digest)
        if number in upload.parts and upload.parts[number][0] != part:
            raise Conflict(part_differs(number), code="part_exists")
        self._upload(key, handle).parts[number] = part, bytes(data)
        return part

    async def list_parts(self, key: str, handle: str) -> list[PartInfo]:
        return [part for _, (part, _) in sorted(self._upload(key, handle).parts.items())]

    async def complete_multipart(
        self, key: str, handle: str, parts: Sequence[NamedPart] | None = None
    ) -> ObjectInfo:
        if handle not in self._uploads and (info := await self.head(key)):
            return info
        upload = self._upload(key, handle)
        upload.plan.settle({number: part for number, (part, _) in upload.parts.items()}, parts)
        if await self.head(key):
            raise key_taken()
        whole = b"".join(data for _, (_, data) in sorted(upload.parts.items()))
        del self._uploads[handle]
        return await self.put(key, whole, "")

    async def abort_multipart(self, key: str, handle: str) -> None:
        read_handle(handle)
        if (upload := self._uploads.get(handle)) and upload.key == key:
            del self._uploads[handle]

    async def list_stale_multiparts(self, before: datetime) -> AsyncIterator[StaleMultipart]:
        for handle, upload in list(self._uploads.items()):
            if upload.started < before:
                yield StaleMultipart(upload.key, handle, upload.started)

    async def aclose(self) -> None:
        self.objects.clear()

    def _upload(self, key: str, handle: str) -> _Upload:
        read_handle(handle)
        upload = self._uploads.get(handle)
        if upload is None or upload.key != check_key(key):
            raise no_such_upload()
        return upload
