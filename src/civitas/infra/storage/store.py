"""The store's Protocol: what every room may ask of the place where objects are kept."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol, runtime_checkable

from civitas.infra.storage.signing import LinkSigner

MIB = 1024 * 1024
MAX_READ = 8 * MIB


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """An object's facts. `etag` is a strong entity tag with its quotes (RFC 9110 8.8.3); `modified` is UTC."""

    key: str
    size: int
    etag: str
    modified: datetime


@dataclass(frozen=True, slots=True)
class PartRef:
    """A part as the uploader names it when it completes: quotes around `etag` do not matter."""

    number: int
    etag: str


@dataclass(frozen=True, slots=True)
class PartInfo:
    """A part that the store holds. `etag` has no quotes; `checksum` is base64 of its SHA-256, where known."""

    number: int
    size: int
    etag: str
    checksum: str | None = None


class NamedPart(Protocol):
    """Anything with a part's number and entity tag: `PartRef` and `PartInfo` both are."""

    @property
    def number(self) -> int: ...

    @property
    def etag(self) -> str: ...


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """Where to PUT a part. Send exactly `headers` (beside Content-Length), no other `x-amz-` header."""

    url: str
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StaleMultipart:
    """An upload in parts that nobody finished."""

    key: str
    handle: str
    started: datetime


class Store(Protocol):
    """Objects by key.

    A key that is not one of ours (`keys.check_key`) raises ValueError. A store that does not answer raises
    Unavailable (`storage_failed`), one that is full Unavailable (`storage_full`). Numbers are bytes.
    """

    async def head(self, key: str) -> ObjectInfo | None:
        """The object's facts, or None when there is no such object."""
        ...

    async def read_range(self, key: str, start: int, length: int) -> bytes:
        """At most `length` (<= 8 MiB, else ValueError) bytes from `start`; fewer, or none, at the end.

        Raises NotFound (`no_such_object`).
        """
        ...

    def chunks(
        self, key: str, start: int = 0, length: int | None = None, chunk: int = MIB
    ) -> AsyncGenerator[bytes, None]:
        """The bytes from `start`, `chunk` (<= 8 MiB) at a time, the next ones read while these are used.

        Raises NotFound (`no_such_object`), and Unavailable (`storage_changed`) when the object shrinks.
        """
        ...

    async def put(self, key: str, body: bytes | AsyncIterator[bytes], content_type: str) -> ObjectInfo:
        """Write a whole object; all of it appears at once, and an object already there is replaced.

        What `body` raises is passed on, and nothing was written then.
        """
        ...

    async def delete(self, key: str) -> None:
        """Remove the object; nothing happens when there is none."""
        ...

    async def delete_many(self, keys: Iterable[str]) -> None:
        """Remove all of them; those that do not exist are passed over."""
        ...

    def list_prefix(self, prefix: str) -> AsyncIterator[ObjectInfo]:
        """All objects below `prefix`, which is whole segments without a trailing slash; "" is everything."""
        ...

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
        """A link that anybody can GET until it expires, saved under an ASCII form of `filename` (WIRE 2-3).

        `public` lets shared caches keep the answer. `etag` (such as the file's SHA-256 in hex) becomes the
        entity tag where the store answers itself; a bucket keeps its own. Does not look whether the object
        exists. Raises Invalid (`link_lifetime`) above seven days or below one second.
        """
        ...

    async def begin_multipart(
        self, key: str, size: int, part_size: int, content_type: str, *, checksums: bool = False
    ) -> str:
        """Start an upload of `size` bytes in parts of `part_size` (the last may be smaller); its handle.

        5 MiB to 5 GiB a part, 10,000 parts at most (S3's limits, kept by every store). With `checksums`,
        every part must be signed with its SHA-256. Raises Invalid (`upload_plan`), Conflict (`key_taken`).
        """
        ...

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
        """Where to PUT part `number` (from 1) of exactly `size` bytes; `checksum` is base64 of its SHA-256.

        Raises Invalid (`part_number`, `part_size`, `part_checksum`), NotFound (`no_such_upload`).
        """
        ...

    async def list_parts(self, key: str, handle: str) -> list[PartInfo]:
        """The parts that arrived whole, by number. Raises NotFound (`no_such_upload`)."""
        ...

    async def complete_multipart(
        self, key: str, handle: str, parts: Sequence[NamedPart] | None = None
    ) -> ObjectInfo:
        """Make the object of its parts; no bytes are copied, and an object already there is never replaced.

        `parts` must name every part with its entity tag; None takes what arrived. Completing again returns the
        same object. Raises Invalid (`parts_missing`, `part_mismatch`), Conflict (`key_taken`), NotFound
        (`no_such_upload`).
        """
        ...

    async def abort_multipart(self, key: str, handle: str) -> None:
        """Throw the parts away; nothing happens when the upload is over."""
        ...

    def list_stale_multiparts(self, before: datetime) -> AsyncIterator[StaleMultipart]:
        """Unfinished uploads that nothing has happened to since `before` (S3 only knows when they began)."""
        ...

    async def aclose(self) -> None:
        """Let go of threads and connections."""
        ...


@runtime_checkable
class SelfServing(Protocol):
    """A store whose signed links point back at us: the HTTP route checks them and moves the bytes."""

    links: LinkSigner

    async def write_part(
        self,
        key: str,
        handle: str,
        number: int,
        body: AsyncIterator[bytes],
        checksum: str | None = None,
    ) -> PartInfo:
        """Take one part as it streams in. An earlier good copy of the part is never harmed.

        Raises Invalid (`part_size`, `part_checksum`, `part_number`), Conflict (`part_busy` while another
        request writes it, `part_exists` when it is there with other bytes), NotFound (`no_such_upload`).
        """
        ...


@runtime_checkable
class OnDisk(Protocol):
    """A store whose objects are files of this machine, so that a scan need not copy them."""

    def path_of(self, key: str) -> Path:
        """The file of an object that exists; to be read only."""
        ...
