"""The arithmetic of an upload in parts, the same for every store."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from civitas.infra.storage.store import MIB, NamedPart, PartInfo
from civitas.kit.errors import Invalid, NotFound

# Amazon S3 user guide, "multipart upload limits"
MIN_PART = 5 * MIB
MAX_PART = 5 * 1024 * MIB
MAX_PARTS = 10_000

_HANDLE = re.compile(r"([0-9]{1,15})-([0-9]{1,12})-([01])-([\x21-\x7e]{1,1024})", re.ASCII)


def no_such_upload() -> NotFound:
    """The fault for an upload that was never begun, is over, or belongs to another key."""
    return NotFound("This upload does not exist any more; start a new one.", code="no_such_upload")


def no_such_object() -> NotFound:
    """The fault for reading what is not there."""
    return NotFound("This file is not in the storage; it may have been removed.", code="no_such_object")


def read_checksum(checksum: str) -> bytes:
    """The 32 bytes of a base64 SHA-256, as `x-amz-checksum-sha256` carries it. Raises Invalid."""
    try:
        plain = base64.b64decode(checksum, validate=True)
    except (binascii.Error, ValueError):
        plain = b""
    if len(plain) != 32:
        raise Invalid("A part's checksum must be its SHA-256 in base64.", code="part_checksum")
    return plain


@dataclass(frozen=True, slots=True)
class UploadPlan:
    """How `size` bytes are cut; it travels inside the handle, so signing a part needs no look-up."""

    size: int
    part_size: int
    checksums: bool = False

    @property
    def count(self) -> int:
        """How many parts there are."""
        return -(-self.size // self.part_size)

    def check(self) -> Self:
        """Return itself when S3's limits hold. Raises Invalid (`upload_plan`)."""
        if self.size < 1:
            raise Invalid("An empty file cannot be uploaded.", code="upload_plan")
        if not MIN_PART <= self.part_size <= MAX_PART:
            raise Invalid("A part must be between 5 MiB and 5 GiB.", code="upload_plan")
        if self.count > MAX_PARTS:
            raise Invalid(
                f"An upload may have {MAX_PARTS} parts at most; use larger parts.", code="upload_plan"
            )
        return self

    def span(self, number: int) -> tuple[int, int]:
        """Offset and length of a part. Raises Invalid (`part_number`)."""
        if not 1 <= number <= self.count:
            raise Invalid(f"This upload has the parts 1 to {self.count}.", code="part_number")
        offset = (number - 1) * self.part_size
        return offset, min(self.part_size, self.size - offset)

    def check_part(self, number: int, size: int, checksum: str | None) -> None:
        """Whether a part may be signed so. Raises Invalid (`part_number`, `part_size`, `part_checksum`)."""
        if size != (due := self.span(number)[1]):
            raise wrong_part_size(number, due)
        if checksum is not None:
            read_checksum(checksum)
        elif self.checksums:
            raise Invalid("Every part of this upload needs its SHA-256.", code="part_checksum")

    def handle(self, upload_id: str) -> str:
        """The handle that outsiders keep."""
        return f"{self.size}-{self.part_size}-{int(self.checksums)}-{upload_id}"

    def settle(self, have: Mapping[int, PartInfo], asked: Sequence[NamedPart] | None) -> list[PartInfo]:
        """The parts to complete with, in order. Raises Invalid (`parts_missing`, `part_mismatch`)."""
        missing = [
            number
            for number in range(1, self.count + 1)
            if number not in have or have[number].size != self.span(number)[1]
        ]
        if missing:
            raise Invalid(
                f"{len(missing)} of {self.count} parts have not arrived; send them and complete again.",
                code="parts_missing",
                details={"missing": missing[:100]},
            )
        if asked is not None:
            if [part.number for part in asked] != list(range(1, self.count + 1)):
                raise Invalid(f"Name the parts 1 to {self.count} once each, in order.", code="parts_missing")
            wrong = [part.number for part in asked if part.etag.strip('"') != have[part.number].etag]
            if wrong:
                raise Invalid(
                    "These parts are not the ones that arrived; send them again.",
                    code="part_mismatch",
                    details={"parts": wrong[:100]},
                )
        return [have[number] for number in range(1, self.count + 1)]


def read_handle(handle: str) -> tuple[UploadPlan, str]:
    """The plan and the store's own upload id inside a handle. Raises NotFound (`no_such_upload`)."""
    if not (found := _HANDLE.fullmatch(handle)):
        raise no_such_upload()
    plan = UploadPlan(int(found[1]), int(found[2]), found[3] == "1")
    if plan.part_size < 1:
        raise no_such_upload()
    return plan, found[4]


def wrong_part_size(number: int, due: int) -> Invalid:
    """The fault for a part that is too short or too long."""
    return Invalid(
        f"Part {number} must have exactly {due} bytes; send the whole part again.",
        code="part_size",
        details={"part": number, "size": due},
    )


def wrong_part_checksum(number: int) -> Invalid:
    """The fault for bytes that do not have the promised SHA-256."""
    return Invalid(
        f"Part {number} arrived damaged: its SHA-256 is not the one promised; send it again.",
        code="part_checksum",
        details={"part": number},
    )


def part_differs(number: int) -> str:
    """The sentence for a part that is there already with other bytes."""
    return f"Part {number} is here already with other bytes; start a new upload for a changed file."
