"""Blocking file work of the local store: durable writes, and names that appear all at once or not at all."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from civitas.infra.storage.multipart import no_such_object
from civitas.kit.errors import Conflict, Unavailable

T = TypeVar("T")

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_SHUT = {errno.EACCES, errno.EPERM, errno.EROFS}
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
_PLACING_TRIES = 10


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turn the system's errors into faults: `storage_full`, `storage_closed`, `storage_failed`.

    A name that is not there (or not of a file) stays an OSError, because only the caller knows what that means.
    """
    try:
        yield
    except (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError):
        raise
    except OSError as error:
        if error.errno in _FULL:
            raise storage_full() from error
        if error.errno in _SHUT:
            raise Unavailable(
                "The storage folder cannot be written; ask the operator to check its permissions.",
                code="storage_closed",
            ) from error
        raise Unavailable(
            "The storage did not answer properly; try again later.", code="storage_failed"
        ) from error


def storage_full() -> Unavailable:
    """The fault for a full disk."""
    return Unavailable("The storage is full; ask the operator to make room.", code="storage_full")


def key_taken() -> Conflict:
    """The fault for a key that an upload may not replace."""
    return Conflict("There is a file under this key already; it is never replaced.", code="key_taken")


class HeldFile:
    """An open file worked on by jobs in threads while its owner may be cancelled at any moment.

    The lock makes `close` wait for the job that is running: closing under it could hand its descriptor's
    number to another file, and the bytes with it.
    """

    def __init__(self, path: Path, flags: int) -> None:
        self.path = path
        # O_NONBLOCK: a fifo that somebody left there must not stop the thread
        self._flags = flags | os.O_CLOEXEC | os.O_NONBLOCK
        self._fd = -1
        self._closed = False
        self._lock = threading.Lock()

    def work(self, job: Callable[[int], T]) -> T:
        """Run `job` with the descriptor, opening the file first when needed.

        Raises FileNotFoundError, the faults of `told_plainly`, and Unavailable after `close`.
        """
        with self._lock, told_plainly():
            if self._closed:
                raise Unavailable("This transfer was broken off.", code="storage_failed")
            if self._fd < 0:
                self._fd = os.open(self.path, self._flags, 0o640)
            return job(self._fd)

    def open(self) -> int:
        """Open the file and return its size. Raises NotFound (`no_such_object`) unless it is a plain file."""
        try:
            facts = self.work(os.fstat)
        except (FileNotFoundError, NotADirectoryError):
            raise no_such_object() from None
        if not stat.S_ISREG(facts.st_mode):
            raise no_such_object()
        return facts.st_size

    def close(self) -> None:
        """Close once the running job is over; may be called twice."""
        with self._lock:
            self._closed = True
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1


def write_all(fd: int, offset: int, data: bytes | bytearray) -> None:
    """`pwrite` until nothing is left; the system may take less than it is given."""
    with memoryview(data) as view:
        done = 0
        while done < len(view):
            done += os.pwrite(fd, view[done:], offset + done)


def read_at(fd: int, offset: int, length: int) -> bytes:
    """`pread` until `length` or the end of the file."""
    first = os.pread(fd, length, offset)
    if len(first) == length or not first:
        return first
    pieces = [first]
    done = len(first)
    while done < length and (piece := os.pread(fd, length - done, offset + done)):
        pieces.append(piece)
        done += len(piece)
    return b"".join(pieces)


def sync_folder(path: Path) -> None:
    """Make the names in a folder survive a power cut."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise
    finally:
        os.close(fd)


def write_whole(path: Path, data: bytes) -> None:
    """Write a small file so that it is there whole and for good, or not at all."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    try:
        write_all(fd, 0, data)
        os.fsync(fd)
    finally:
        os.close(fd)
    fresh.rename(path)
    sync_folder(path.parent)


def place(source: Path, target: Path, *, replace: bool) -> None:
    """Give a finished file its name in one step, and make that last.

    Raises Conflict (`key_taken`) when the name is taken and `replace` is false, or when it is a folder's;
    FileNotFoundError when `source` is gone.
    """
    for attempt in range(_PLACING_TRIES):
        try:
            _make_folder(target.parent)
            _rename(source, target, replace)
            break
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise key_taken() from None
        except FileNotFoundError:
            # a delete may have pruned the folder between our two steps
            if not source.exists() or attempt == _PLACING_TRIES - 1:
                raise
    sync_folder(target.parent)


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it; FileNotFoundError, which is worth another try, when one is pruned meanwhile."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        # mkdir looks again after it was refused, and by then a delete may have pruned the folder
        if not folder.exists():
            raise FileNotFoundError(folder) from None
        raise


def _rename(source: Path, target: Path, replace: bool) -> None:
    if replace:
        source.rename(target)
        return
    try:
        # link refuses an existing name, which rename does not
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if target.exists():
            raise FileExistsError from None
        source.rename(target)
    else:
        source.unlink()


def prune(folder: Path, root: Path) -> None:
    """Remove `folder` and the folders above it that are empty, below `root`."""
    with suppress(OSError):
        while folder != root and root in folder.parents:
            folder.rmdir()
            folder = folder.parent
