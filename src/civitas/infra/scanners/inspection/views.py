"""Byte ranges of an open file as files of their own."""

from __future__ import annotations

import io
import os
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class View(io.RawIOBase):
    """`length` bytes of the file descriptor `fd` from `start`, read-only and seekable; never closes `fd`."""

    def __init__(self, fd: int, start: int, length: int) -> None:
        super().__init__()
        self.fd, self.start, self.length, self._at = fd, start, length, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.length}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), max(0, self.length - self._at))
        piece = os.pread(self.fd, wanted, self.start + self._at)
        view[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def at(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes at `offset`, without moving."""
        if offset < 0:
            return b""
        pieces: list[bytes] = []
        count = min(count, max(0, self.length - offset))
        while count > 0:
            piece = os.pread(self.fd, count, self.start + offset)
            if not piece:
                break
            pieces.append(piece)
            offset, count = offset + len(piece), count - len(piece)
        return b"".join(pieces)

    def part(self, offset: int, length: int) -> View:
        """A view of a part of this one, cut to what is there."""
        offset = min(max(0, offset), self.length)
        return View(self.fd, self.start + offset, max(0, min(length, self.length - offset)))

    def buffered(self) -> io.BufferedReader:
        """A buffered reader from the start."""
        return io.BufferedReader(View(self.fd, self.start, self.length), 64 * 1024)


class Spool:
    """A temporary file in memory where the system has such a thing, else a nameless file on disk."""

    def __init__(self) -> None:
        if hasattr(os, "memfd_create"):
            self._fd, self._file = os.memfd_create("spool"), None
        else:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115
            self._fd = self._file.fileno()
        self.length = 0

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            done = os.write(self._fd, view)
            self.length += done
            view = view[done:]

    def view(self) -> View:
        return View(self._fd, 0, self.length)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        else:
            os.close(self._fd)
