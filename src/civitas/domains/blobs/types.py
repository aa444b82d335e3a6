"""Words of uploads."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from civitas.domains.blobs.tables import Upload

UploadId: TypeAlias = uuid.UUID

MIB = 2**20
GIB = 2**30
MIN_PART = 5 * MIB
MAX_PARTS = 10_000


class Purpose(StrEnum):
    """What the bytes are for; it decides their size limit and what happens when they are there."""

    FILE = "file"
    IMAGE = "image"
    # Pictures, videos and sounds of posts.
    MEDIA = "media"
    AVATAR = "avatar"
    # Files beside an article.
    ATTACHMENT = "attachment"


class UploadStatus(StrEnum):
    """Where an upload stands; `done`, `failed` and `aborted` are final."""

    OPEN = "open"
    VERIFYING = "verifying"
    DONE = "done"
    FAILED = "failed"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class Limits:
    """The operator's bounds, in bytes and hours."""

    max_file: int = 50 * GIB
    max_image: int = 50 * MIB
    max_media: int = 750 * MIB
    max_attachment: int = 100 * MIB
    max_part: int = 64 * MIB
    expires_hours: int = 72
    max_open: int = 200

    def largest(self, purpose: Purpose) -> int:
        """The largest size for a purpose."""
        return {
            Purpose.FILE: self.max_file,
            Purpose.MEDIA: self.max_media,
            Purpose.ATTACHMENT: self.max_attachment,
        }.get(purpose, self.max_image)


def part_size_for(size: int, max_part: int) -> int:
    """Bytes a part: 16 MiB, or more when a file would have over ten thousand of them.

    Parts are small enough that a lost one costs seconds and large enough that a 4 GB file has a few hundred.
    """
    wanted = 16 * MIB
    while -(-size // wanted) > MAX_PARTS:
        wanted *= 2
    return max(MIN_PART, min(wanted, max_part)) if -(-size // max_part) <= MAX_PARTS else wanted


def part_count(upload: Upload) -> int:
    """How many parts an upload has."""
    return -(-upload.size // upload.part_size)


def part_span(upload: Upload, number: int) -> tuple[int, int]:
    """Offset and size of part `number`, counted from 1."""
    offset = (number - 1) * upload.part_size
    return offset, min(upload.part_size, upload.size - offset)
