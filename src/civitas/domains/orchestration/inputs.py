"""Media in inputs: where they stand, and how a job's input says `media:N` in their place.

A medium is what a reference gave (`{"$blob": id}`) or a text that `fetching` understands: a blob's id, an address, a
`data:` URL, the AIR of an image. Texts become blobs before the step's work is handed out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from civitas.contracts.wire.jobs import BLOB, MEDIA
from civitas.domains.orchestration import blobs, fetching, references
from civitas.domains.orchestration.kinds.kind import Kind
from civitas.kit.errors import Invalid


@dataclass(frozen=True, slots=True)
class Medium:
    """One medium in an input and the path of its field: a blob's id, or the text that has to become one."""

    where: str
    value: str
    ready: bool


def find(kind: Kind, input: Mapping[str, Any], where: str = "input") -> Iterator[Medium]:
    """Every medium of an input that is known by now; references are left out."""
    yield from _within(kind, input, where)


def _within(kind: Kind, value: Any, where: str) -> Iterator[Medium]:
    if isinstance(value, dict):
        if BLOB in value or references.is_reference(value):
            return
        for key, inner in value.items():
            path = f"{where}.{key}"
            if key not in kind.media:
                yield from _within(kind, inner, path)
            elif isinstance(inner, list):
                for place, one in enumerate(inner):
                    yield from _here(kind, one, f"{path}[{place}]")
            else:
                yield from _here(kind, inner, path)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from _within(kind, inner, f"{where}[{place}]")


def _here(kind: Kind, value: Any, where: str) -> Iterator[Medium]:
    if isinstance(value, dict):
        if isinstance(value.get(BLOB), str):
            yield Medium(where, value[BLOB], True)
        else:
            yield from _within(kind, value, where)
    elif isinstance(value, str) and value and (not kind.lenient or _is_media(value)):
        # Existing clients write ids with the ending of their type.
        stem = value.partition(".")[0]
        yield Medium(where, stem if blobs.is_id(stem) else value, False)


def _is_media(text: str) -> bool:
    try:
        fetching.origin_of(text)
    except Invalid:
        return False
    return True


def replaced(kind: Kind, input: Mapping[str, Any], by: Mapping[str, Any]) -> dict[str, Any]:
    """The input with media replaced: `by` maps the path of a field to what stands there from now on."""

    def walk(value: Any, where: str) -> Any:
        if where in by:
            return by[where]
        if isinstance(value, dict):
            return {key: walk(inner, f"{where}.{key}") for key, inner in value.items()}
        if isinstance(value, list):
            return [walk(inner, f"{where}[{place}]") for place, inner in enumerate(value)]
        return value

    made = walk(dict(input), "input")
    return made if isinstance(made, dict) else {}


def for_agents(kind: Kind, input: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The input as agents get it, every medium as `media:N`, and the blobs that N counts through."""
    found: list[str] = []
    by: dict[str, str] = {}
    for medium in find(kind, input):
        if medium.ready:
            if medium.value not in found:
                found.append(medium.value)
            by[medium.where] = f"{MEDIA}{found.index(medium.value)}"
    return replaced(kind, input, by), found


def with_blobs(kind: Kind, input: Mapping[str, Any], blobs_by_text: Mapping[str, str]) -> dict[str, Any]:
    """The input with texts replaced by the blobs that they became."""
    by = {
        medium.where: {BLOB: blobs_by_text[medium.value]}
        for medium in find(kind, input)
        if not medium.ready and medium.value in blobs_by_text
    }
    return replaced(kind, input, by)


def blobs_in(value: Any) -> Iterator[str]:
    """Every blob that an output refers to."""
    if isinstance(value, dict):
        if isinstance(value.get(BLOB), str):
            yield value[BLOB]
        else:
            for inner in value.values():
                yield from blobs_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from blobs_in(inner)


def with_ids(value: Any, slots: Sequence[str]) -> Any:
    """An agent's output with the numbers of slots replaced by the blobs that they became. Raises IndexError."""
    if isinstance(value, dict):
        number = value.get(BLOB)
        if isinstance(number, int) and not isinstance(number, bool):
            if number < 0:
                raise IndexError(number)
            return {BLOB: slots[number]}
        return {key: with_ids(inner, slots) for key, inner in value.items()}
    if isinstance(value, list):
        return [with_ids(inner, slots) for inner in value]
    return value
