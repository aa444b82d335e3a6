"""One upload of the local store on disk: a folder with one sparse file and a small marker for each part.

    .uploads/<handle>/plan          key and time of the beginning, JSON
    .uploads/<handle>/data          the object's bytes; every part is written at its own offset
    .uploads/<handle>/part-00001    written after the part's bytes are synced; holds their SHA-256
    .uploads/<handle>/lock-00001    held (flock) by the request that writes the part

A crash loses at most the parts that were on their way. Completing renames `data`, so nothing is copied.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import re
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import orjson

from civitas.infra.storage.local_files import (
    HeldFile,
    place,
    storage_full,
    sync_folder,
    told_plainly,
    write_all,
    write_whole,
)
from civitas.infra.storage.multipart import (
    UploadPlan,
    no_such_upload,
    part_differs,
    read_handle,
    wrong_part_checksum,
)
from civitas.infra.storage.store import NamedPart, PartInfo
from civitas.kit.clock import now
from civitas.kit.errors import Conflict
from civitas.kit.ids import new_uuid

_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_MARKER = re.compile(r"part-([0-9]{5})", re.ASCII)


class LocalUpload:
    """The folder of one upload. All methods block."""

    def __init__(self, uploads: Path, key: str, handle: str) -> None:
        """Raises NotFound (`no_such_upload`) for a handle that cannot be one of ours."""
        self.plan, upload_id = read_handle(handle)
        if not _ID.fullmatch(upload_id):
            raise no_such_upload()
        self.key = key
        self.folder = uploads / handle
        self.data = self.folder / "data"

    @classmethod
    def begin(cls, uploads: Path, key: str, plan: UploadPlan) -> str:
        """Make the folder and its sparse file; the handle. Raises Unavailable (`storage_full`)."""
        handle = plan.handle(new_uuid().hex)
        with told_plainly():
            if shutil.disk_usage(uploads).free < plan.size:
                raise storage_full()
            folder = uploads / handle
            folder.mkdir()
            fd = os.open(folder / "data", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
            try:
                os.ftruncate(fd, plan.size)
                os.fsync(fd)
            finally:
                os.close(fd)
            write_whole(folder / "plan", orjson.dumps({"key": key, "started": now().timestamp()}))
            sync_folder(uploads)
        return handle

    def check(self) -> None:
        """Raises NotFound (`no_such_upload`) unless the upload is open and belongs to the key."""
        if read_plan(self.folder)[0] != self.key:
            raise no_such_upload()

    def marker(self, number: int) -> PartInfo | None:
        """The part as its marker tells it; a marker that cannot be read counts as none."""
        try:
            digest = bytes.fromhex((self.folder / f"part-{number:05}").read_text("ascii"))
        except (FileNotFoundError, ValueError):
            return None
        if len(digest) != 32:
            return None
        return part_of(number, self.plan.span(number)[1], digest)

    def parts(self) -> dict[int, PartInfo]:
        """All parts that arrived whole."""
        self.check()
        found: dict[int, PartInfo] = {}
        for entry in os.scandir(self.folder):
            named = _MARKER.fullmatch(entry.name)
            if named and 1 <= int(named[1]) <= self.plan.count and (part := self.marker(int(named[1]))):
                found[part.number] = part
        return dict(sorted(found.items()))

    def complete(self, target: Path, asked: list[NamedPart] | None) -> None:
        """Give the data its key. Raises Invalid, Conflict (`key_taken`); NotFound or FileNotFoundError when over."""
        turn = HeldFile(self.folder / "plan", os.O_RDONLY)
        try:
            # one at a time: the next one then finds the upload gone and the object there
            turn.work(lambda fd: fcntl.flock(fd, fcntl.LOCK_EX))
            self._complete(target, asked)
        finally:
            turn.close()

    def _complete(self, target: Path, asked: list[NamedPart] | None) -> None:
        self.plan.settle(self.parts(), asked)
        with told_plainly():
            if not self._placed_before_a_crash(target):
                fd = os.open(self.data, os.O_RDWR | os.O_CLOEXEC)
                try:
                    os.fsync(fd)
                finally:
                    os.close(fd)
                place(self.data, target, replace=False)
            self.discard()

    def _placed_before_a_crash(self, target: Path) -> bool:
        if not target.is_file():
            return False
        with suppress(FileNotFoundError):
            return self.data.samefile(target)
        return False

    def discard(self) -> None:
        """Remove the folder; nothing happens when it is gone. It disappears for others at once."""
        dead = self.folder.with_name(f"dead-{self.folder.name}")
        with told_plainly(), suppress(FileNotFoundError):
            self.folder.rename(dead)
        shutil.rmtree(dead, ignore_errors=True)


class PartWriter:
    """One part on its way to disk. `absorb` and the others block and run one after another in threads.

    When the part is here already, its bytes are only compared: an earlier good copy is never touched.
    """

    def __init__(self, upload: LocalUpload, number: int) -> None:
        """Raises Invalid (`part_number`)."""
        self.upload = upload
        self.number = number
        self.offset, self.size = upload.plan.span(number)
        self.received = 0
        self._sha256 = hashlib.sha256()
        self._known: PartInfo | None = None
        self._data = HeldFile(upload.data, os.O_WRONLY)
        self._lock = HeldFile(upload.folder / f"lock-{number:05}", os.O_RDWR | os.O_CREAT)

    def begin(self) -> None:
        """Take the part's lock. Raises Conflict (`part_busy`), NotFound (`no_such_upload`)."""
        self.upload.check()
        try:
            self._lock.work(_lock_now)
            self._known = self.upload.marker(self.number)
            self._data.work(os.fstat)
        except FileNotFoundError:
            raise no_such_upload() from None

    def absorb(self, data: bytes | bytearray) -> None:
        """Write the next bytes; the caller keeps them within `size`."""
        if self._known is None:
            self._data.work(lambda fd: write_all(fd, self.offset + self.received, data))
        self._sha256.update(data)
        self.received += len(data)

    def finish(self, checksum: bytes | None) -> PartInfo:
        """Sync and mark the part. Raises Invalid (`part_checksum`), Conflict (`part_exists`), NotFound."""
        # inside the lock's own job, so that a cancelled request cannot let another writer in before the marker
        return self._lock.work(lambda fd: self._finish(checksum))

    def _finish(self, checksum: bytes | None) -> PartInfo:
        digest = self._sha256.digest()
        part = part_of(self.number, self.size, digest)
        if checksum is not None and digest != checksum:
            raise wrong_part_checksum(self.number)
        if self._known is not None:
            if self._known != part:
                raise Conflict(part_differs(self.number), code="part_exists")
            return part
        self._data.work(os.fsync)
        try:
            write_whole(self.upload.folder / f"part-{self.number:05}", digest.hex().encode())
        except FileNotFoundError:
            raise no_such_upload() from None
        return part

    def close(self) -> None:
        """Let go of the part; waits for the job that is running."""
        self._data.close()
        self._lock.close()


class ObjectWriter:
    """A whole object on its way to disk under a passing name."""

    def __init__(self, uploads: Path) -> None:
        self.path = uploads / f"put-{new_uuid().hex}"
        self._sink = HeldFile(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        self.received = 0

    def absorb(self, data: bytes | bytearray) -> None:
        """Append the next bytes."""
        self._sink.work(lambda fd: write_all(fd, self.received, data))
        self.received += len(data)

    def finish(self, target: Path) -> None:
        """Sync, and give it its key. Raises Conflict (`key_taken`) when the key is a folder's name."""
        self._sink.work(os.fsync)
        with told_plainly():
            place(self.path, target, replace=True)

    def close(self) -> None:
        """Close, and remove the passing name when it was not used."""
        self._sink.close()
        with suppress(OSError):
            self.path.unlink()


def part_of(number: int, size: int, digest: bytes) -> PartInfo:
    """A part from its SHA-256: the entity tag is that in hex."""
    return PartInfo(number, size, digest.hex(), base64.b64encode(digest).decode())


def read_plan(folder: Path) -> tuple[str, datetime]:
    """Key and beginning of an upload. Raises NotFound (`no_such_upload`)."""
    try:
        plan = orjson.loads((folder / "plan").read_bytes())
        return str(plan["key"]), datetime.fromtimestamp(plan["started"], UTC)
    except (OSError, ValueError, KeyError, TypeError):
        raise no_such_upload() from None


def last_touched(folder: Path, started: datetime) -> datetime:
    """When anything last happened in an upload's folder: parts arrive as new names, or grow `data`."""
    moments = [started]
    for path in (folder, folder / "data"):
        with suppress(OSError):
            moments.append(datetime.fromtimestamp(path.stat().st_mtime, UTC))
    return max(moments)


def sweep(uploads: Path, before: float) -> None:
    """Remove what a crash left: passing names, half-removed uploads, folders whose plan was never written."""
    for entry in os.scandir(uploads):
        with suppress(OSError):
            if entry.stat(follow_symlinks=False).st_mtime >= before:
                continue
            path = Path(entry.path)
            if entry.name.startswith("put-"):
                path.unlink()
            elif entry.name.startswith("dead-") or not (path / "plan").exists():
                shutil.rmtree(path, ignore_errors=True)


def _lock_now(fd: int) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Conflict(
            "Another request is sending this part; wait for it to end and try again.", code="part_busy"
        ) from None
