"""The bucket store: any S3-compatible service.

obstore moves the bytes. It signs neither response headers nor parts, so botocore does that and the control of
uploads in parts, in threads (it blocks, and may fetch a role's credentials).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import obstore
from botocore.exceptions import BotoCoreError, ClientError
from obstore.exceptions import BaseError
from obstore.store import S3Store as Bucket

from civitas.infra.storage.keys import check_key, is_key
from civitas.infra.storage.local_files import key_taken, storage_full
from civitas.infra.storage.multipart import (
    UploadPlan,
    no_such_object,
    no_such_upload,
    read_handle,
)
from civitas.infra.storage.reading import check_read, read_ahead
from civitas.infra.storage.s3_clients import control_client, data_store, read_url
from civitas.infra.storage.settings import StorageSettings
from civitas.infra.storage.signing import check_lifetime, disposition_of, safe_type
from civitas.infra.storage.store import (
    MIB,
    NamedPart,
    ObjectInfo,
    PartInfo,
    SignedRequest,
    StaleMultipart,
)
from civitas.kit.errors import Fault, Invalid, Unavailable

T = TypeVar("T")

# memory of one `put` is about (_PUT_AT_ONCE + 1) * _PUT_CHUNK; 10,000 such parts allow objects up to 80 GiB
_PUT_CHUNK = 8 * MIB
_PUT_AT_ONCE = 2
_READS_AHEAD = 3
_DELETED_AT_ONCE = 1000
PAGE = 1000
_FULL = ("XMinioStorageFull", "QuotaExceeded", "InsufficientStorage")


class S3Store:
    """A `Store` in one bucket, below `prefix`."""

    def __init__(self, bucket: str, prefix: str, data: Bucket, control: Any, signer: Any) -> None:
        """`control` and `signer` are botocore S3 clients; they differ in the address that links show."""
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._data = data
        self._control = control
        self._signer = signer

    @classmethod
    def open(cls, settings: StorageSettings) -> S3Store:
        """The bucket that the settings name; nothing is sent yet. Raises Invalid (`storage_url`)."""
        bucket, prefix = read_url(settings.url or "")
        if bool(settings.s3_access_key) != bool(settings.s3_secret_key):
            raise Invalid("Set both the S3 access key and its secret, or neither.", code="storage_url")
        public = settings.s3_public_endpoint or settings.s3_endpoint
        control = control_client(settings, settings.s3_endpoint)
        signer = control if public == settings.s3_endpoint else control_client(settings, public)
        return cls(bucket, prefix, data_store(settings, bucket, prefix), control, signer)

    async def head(self, key: str) -> ObjectInfo | None:
        check_key(key)
        with _told_plainly():
            try:
                return _info(await obstore.head_async(self._data, key))
            except FileNotFoundError:
                return None

    async def read_range(self, key: str, start: int, length: int) -> bytes:
        check_read(start, length)
        check_key(key)
        if length:
            try:
                return await self._get(key, start, length)
            except Fault:
                # a range that begins at or after the end is an error there; it is not one here
                info = await self.head(key)
                if info and start < info.size:
                    raise
        else:
            info = await self.head(key)
        if info is None:
            raise no_such_object()
        return b""

    async def chunks(
        self, key: str, start: int = 0, length: int | None = None, chunk: int = MIB
    ) -> AsyncGenerator[bytes, None]:
        if not (info := await self.head(key)):
            raise no_such_object()
        stop = info.size if length is None else min(info.size, start + length)
        pieces = read_ahead(lambda at, due: self._get(key, at, due), start, stop, chunk, ahead=_READS_AHEAD)
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece

    async def put(self, key: str, body: bytes | AsyncIterator[bytes], content_type: str) -> ObjectInfo:
        check_key(key)
        with _told_plainly():
            await obstore.put_async(
                self._data,
                key,
                body,
                attributes={"Content-Type": content_type},
                chunk_size=_PUT_CHUNK,
                max_concurrency=_PUT_AT_ONCE,
            )
        if (info := await self.head(key)) is None:
            raise no_such_object()
        return info

    async def delete(self, key: str) -> None:
        await self.delete_many([key])

    async def delete_many(self, keys: Iterable[str]) -> None:
        doomed = [check_key(key) for key in keys]
        for first in range(0, len(doomed), _DELETED_AT_ONCE):
            with _told_plainly():
                await obstore.delete_async(self._data, doomed[first : first + _DELETED_AT_ONCE])

    async def list_prefix(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        batches = obstore.list(self._data, check_key(prefix) if prefix else None)
        while True:
            with _told_plainly():
                try:
                    batch = await anext(batches)
                except StopAsyncIteration:
                    return
            for meta in batch:
                if is_key(meta["path"]):
                    yield _info(meta)

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
        seconds = check_lifetime(expires)
        return await self._sign(
            "get_object",
            {
                "Key": self._prefix + check_key(key),
                "ResponseContentDisposition": disposition_of(filename),
                "ResponseContentType": safe_type(content_type),
                "ResponseCacheControl": f"public, max-age={seconds}" if public else "private, no-store",
            },
            seconds,
        )

    async def begin_multipart(
        self, key: str, size: int, part_size: int, content_type: str, *, checksums: bool = False
    ) -> str:
        plan = UploadPlan(size, part_size, checksums).check()
        if await self.head(key):
            raise key_taken()
        # S3 asks for a checksum of every part when the upload was begun with one, and allows none otherwise
        extra = {"ChecksumAlgorithm": "SHA256"} if checksums else {}
        begun = await self._ask("create_multipart_upload", key, ContentType=content_type, **extra)
        return plan.handle(begun["UploadId"])

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
        plan, upload_id = read_handle(handle)
        plan.check_part(number, size, checksum)
        if checksum is not None and not plan.checksums:
            raise Invalid(
                "This upload was begun without checksums of its parts; leave them out.", code="part_checksum"
            )
        params: dict[str, Any] = {
            "Key": self._prefix + check_key(key),
            "UploadId": upload_id,
            "PartNumber": number,
            # signed, so that S3 itself refuses a part of another size
            "ContentLength": size,
        }
        headers: dict[str, str] = {}
        if checksum is not None:
            params["ChecksumSHA256"] = headers["x-amz-checksum-sha256"] = checksum
        return SignedRequest(await self._sign("upload_part", params, check_lifetime(expires)), headers)

    async def list_parts(self, key: str, handle: str) -> list[PartInfo]:
        _, upload_id = read_handle(handle)
        found: list[PartInfo] = []
        marker = 0
        while True:
            page = await self._ask(
                "list_parts", key, UploadId=upload_id, PartNumberMarker=marker, MaxParts=PAGE
            )
            found += [
                PartInfo(
                    part["PartNumber"], part["Size"], part["ETag"].strip('"'), part.get("ChecksumSHA256")
                )
                for part in page.get("Parts", [])
            ]
            if not page.get("IsTruncated"):
                return found
            marker = int(page["NextPartNumberMarker"])

    async def complete_multipart(
        self, key: str, handle: str, parts: Sequence[NamedPart] | None = None
    ) -> ObjectInfo:
        plan, upload_id = read_handle(handle)
        try:
            have = await self.list_parts(key, handle)
        except Fault as fault:
            # keys are never reused: the upload being over and the object there means that this was done
            if fault.code == "no_such_upload" and (info := await self.head(key)):
                return info
            raise
        settled = plan.settle({part.number: part for part in have}, parts)
        # the condition below is unknown to some servers, which then ignore it
        if await self.head(key):
            raise key_taken()
        listed = [
            {"PartNumber": part.number, "ETag": part.etag}
            | ({"ChecksumSHA256": part.checksum} if part.checksum and plan.checksums else {})
            for part in settled
        ]
        await self._ask(
            "complete_multipart_upload",
            key,
            UploadId=upload_id,
            IfNoneMatch="*",
            MultipartUpload={"Parts": listed},
        )
        if (info := await self.head(key)) is None:
            raise no_such_object()
        return info

    async def abort_multipart(self, key: str, handle: str) -> None:
        _, upload_id = read_handle(handle)
        try:
            await self._ask("abort_multipart_upload", key, UploadId=upload_id)
        except Fault as fault:
            if fault.code != "no_such_upload":
                raise

    async def list_stale_multiparts(self, before: datetime) -> AsyncIterator[StaleMultipart]:
        markers: dict[str, str] = {}
        while True:
            page = await _in_thread(
                partial(
                    self._control.list_multipart_uploads,
                    Bucket=self._bucket,
                    Prefix=self._prefix,
                    MaxUploads=PAGE,
                    **markers,
                )
            )
            for upload in page.get("Uploads", []):
                key = upload["Key"].removeprefix(self._prefix)
                started = upload["Initiated"].astimezone(UTC)
                if is_key(key) and started < before:
                    # the plan is not known here; a handle for aborting needs none
                    yield StaleMultipart(key, UploadPlan(0, 1).handle(upload["UploadId"]), started)
            if not page.get("IsTruncated"):
                return
            markers = {
                "KeyMarker": page["NextKeyMarker"],
                "UploadIdMarker": page["NextUploadIdMarker"],
            }

    async def aclose(self) -> None:
        await asyncio.to_thread(self._control.close)
        await asyncio.to_thread(self._signer.close)

    async def _get(self, key: str, start: int, length: int) -> bytes:
        with _told_plainly():
            try:
                return bytes(await obstore.get_range_async(self._data, key, start=start, length=length))
            except FileNotFoundError:
                raise no_such_object() from None

    async def _ask(self, operation: str, key: str, **params: Any) -> dict[str, Any]:
        call = getattr(self._control, operation)
        answer: dict[str, Any] = await _in_thread(
            lambda: call(Bucket=self._bucket, Key=self._prefix + check_key(key), **params)
        )
        return answer

    async def _sign(self, operation: str, params: dict[str, Any], seconds: int) -> str:
        return str(
            await _in_thread(
                lambda: self._signer.generate_presigned_url(
                    operation, Params={"Bucket": self._bucket, **params}, ExpiresIn=seconds
                )
            )
        )


def _info(meta: Any) -> ObjectInfo:
    etag = str(meta["e_tag"] or "").removeprefix("W/").strip('"')
    return ObjectInfo(meta["path"], meta["size"], f'"{etag}"', meta["last_modified"].astimezone(UTC))


async def _in_thread(call: Callable[[], T]) -> T:
    with _told_plainly():
        return await asyncio.to_thread(call)


@contextmanager
def _told_plainly() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code == "NoSuchUpload":
            raise no_such_upload() from None
        if code in ("PreconditionFailed", "ConditionalRequestConflict"):
            raise key_taken() from None
        raise _unanswered(str(code)) from error
    except (BotoCoreError, BaseError, FileNotFoundError) as error:
        # FileNotFoundError: where a missing object means something it is caught before; here the bucket is missing
        raise _unanswered(str(error)) from error


def _unanswered(said: str) -> Unavailable:
    if any(word in said for word in _FULL):
        return storage_full()
    return Unavailable("The storage did not answer properly; try again later.", code="storage_failed")
