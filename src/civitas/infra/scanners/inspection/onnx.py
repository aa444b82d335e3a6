"""ONNX models, as far as safety asks: files outside that they name, and operators that run Python.

Format: protocol buffers (encoding specification) with the messages of `onnx.proto`. Only the fields in the tables
are entered; all others are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from civitas.infra.scanners.inspection.findings import Findings
from civitas.infra.scanners.inspection.views import View
from civitas.infra.scanners.report import Verdict

# message: {field number: what it is}
_FIELDS: Final[dict[str, dict[int, str]]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {4: "operator", 5: "attribute", 7: "domain"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
    "entry": {1: "key", 2: "value"},
}
_KEPT: Final = frozenset({"operator", "domain", "key", "value"})
_MAX_FIELDS: Final = 3_000_000
_MAX_DEPTH: Final = 24
_OUTSIDE: Final = re.compile(r"^[/\\]|^[A-Za-z]:|(?:^|[/\\])\.\.(?:[/\\]|$)|\x00|://")


class Broken(Exception):
    """Not a protocol buffer message, or too much of one."""


@dataclass(slots=True)
class _Walk:
    fields: int = 0
    locations: list[str] = field(default_factory=list)
    python: list[str] = field(default_factory=list)
    graphs: int = 0


def scan(view: View, where: str, findings: Findings) -> None:
    """Check an ONNX model and add what was found."""
    findings.looked("structure")
    walk = _Walk()
    try:
        _message(view, 0, view.length, "model", walk, 0)
    except Broken as problem:
        findings.add(
            "structure", Verdict.ERROR, f"The file is no readable ONNX model: {problem}.", member=where
        )
        return
    if not walk.graphs:
        findings.add("structure", Verdict.ERROR, "The file holds no ONNX graph.", member=where)
    for location in walk.locations:
        if _OUTSIDE.search(location):
            reason = "The model reads a file outside its own folder."
            findings.add("structure", Verdict.DANGEROUS, reason, member=where, location=location)
    if walk.python:
        reason = "The model uses operators that run Python code."
        findings.add("content", Verdict.SUSPICIOUS, reason, member=where, operators=walk.python[:10])


def _varint(view: View, at: int, end: int) -> tuple[int, int]:
    raw = view.at(at, min(10, end - at))
    value = 0
    for index, byte in enumerate(raw):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, at + index + 1
    raise Broken("a number does not end")


def _parts(view: View, at: int, end: int, walk: _Walk) -> Iterator[tuple[int, int, int]]:
    """(field number, start, end) of each length-delimited field."""
    while at < end:
        walk.fields += 1
        if walk.fields > _MAX_FIELDS:
            raise Broken("it has too many fields")
        tag, at = _varint(view, at, end)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            _, at = _varint(view, at, end)
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        elif wire == 2:
            length, at = _varint(view, at, end)
            yield number, at, at + length
            at += length
        else:
            raise Broken("a field has an unknown form")
        if number == 0 or at > end:
            raise Broken("a field is longer than the message")


def _message(view: View, start: int, end: int, kind: str, walk: _Walk, depth: int) -> dict[str, str]:
    if depth > _MAX_DEPTH:
        raise Broken("it is nested too deeply")
    if end > view.length:
        raise Broken("a field is longer than the message")
    texts: dict[str, str] = {}
    for number, at, stop in _parts(view, start, end, walk):
        inner = _FIELDS[kind].get(number)
        if inner is None:
            continue
        if inner in _KEPT:
            texts[inner] = view.at(at, min(stop - at, 4096)).decode("utf-8", "replace")
            continue
        walk.graphs += inner == "graph"
        found = _message(view, at, stop, inner, walk, depth + 1)
        if inner == "entry" and found.get("key") == "location":
            walk.locations.append(found.get("value", ""))
        if inner == "node" and re.search(r"^Py|python", f"{found.get('operator', '')}", re.IGNORECASE):
            walk.python.append(found.get("operator", "")[:80])
    return texts
