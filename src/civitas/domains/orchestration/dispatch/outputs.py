"""What an agent hands in: which upload is in which slot, and an output whose slots become blobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from civitas.contracts.wire.jobs import BLOB, Delivered
from civitas.kit.errors import Invalid

DEEPEST: Final = 40


@dataclass(frozen=True, slots=True)
class Upload:
    """Bytes that came into a slot, as we measured them."""

    slot: int
    storage_key: str
    size: int
    sha256: str


def matched(
    delivered: Sequence[Delivered], uploads: Sequence[Upload], slots: int
) -> list[tuple[Delivered, Upload]]:
    """Every delivery beside its upload. Raises Invalid (`bad_result`) when what is said is not what came."""
    by_slot = {one.slot: one for one in uploads}
    seen: set[int] = set()
    found = []
    for said in delivered:
        upload = by_slot.get(said.slot)
        if said.slot >= slots or said.slot in seen:
            raise _bad(f"slot {said.slot} is not one of this job's, or is named twice")
        seen.add(said.slot)
        if upload is None:
            raise _bad(f"nothing was uploaded into slot {said.slot}")
        if (upload.size, upload.sha256) != (said.size, said.sha256.lower()):
            raise _bad(
                f"what was uploaded into slot {said.slot} has another size or digest than the result says"
            )
        found.append((said, upload))
    return found


def with_blobs(output: Any, blobs: Mapping[int, str], depth: int = 0) -> Any:
    """The output with `{"$blob": id}` wherever it says `{"$blob": slot}`. Raises Invalid (`bad_result`)."""
    if depth > DEEPEST:
        raise _bad(f"the output is nested deeper than {DEEPEST} levels")
    if isinstance(output, dict):
        if BLOB not in output:
            return {key: with_blobs(value, blobs, depth + 1) for key, value in output.items()}
        slot = output[BLOB]
        if not isinstance(slot, int) or isinstance(slot, bool) or slot not in blobs:
            raise _bad(f"the output refers to slot {str(slot)[:40]}, into which nothing was delivered")
        return {**output, BLOB: blobs[slot]}
    if isinstance(output, list):
        return [with_blobs(value, blobs, depth + 1) for value in output]
    if isinstance(output, str) and "\x00" in output:
        raise _bad("the output has a NUL character, which cannot be stored")
    return output


def _bad(why: str) -> Invalid:
    return Invalid(f"This result cannot be taken: {why}. The claim still holds.", code="bad_result")
