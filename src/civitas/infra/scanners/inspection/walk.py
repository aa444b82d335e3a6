"""Inspecting one file: what it is, whether its name agrees, and what its format makes possible."""

from __future__ import annotations

import ast
import math
import re

from civitas.infra.scanners.inspection import archives, kinds, onnx, pickles
from civitas.infra.scanners.inspection.findings import Findings
from civitas.infra.scanners.inspection.views import View
from civitas.infra.scanners.report import Verdict
from civitas.kit import gguf, safetensors
from civitas.kit.errors import Invalid

_TEMPLATE_TRICKS = re.compile(
    r"__[a-z]+__|\bimport\b|\bos\.|popen|subprocess|\bgetattr\b|\|\s*attr\b|cycler|joiner|lipsum|\bself\.|request\.",
    re.IGNORECASE,
)
_NUMPY_HEADER = 64 * 1024


def inspect(view: View, name: str, findings: Findings, depth: int = 0) -> None:
    """Look at the file in `view`, called `name`, and at everything inside it."""
    findings.looked("format")
    end = kinds.ending(name)
    kind = kinds.sniff(view)
    if end == ".onnx" and kind in ("unknown", "text"):
        kind = "protobuf"
    if kind == "unknown" and end in kinds.PICKLED:
        # Protocols 0 and 1 have no magic number; whoever opens such a file would unpickle it.
        kind = "pickle"
    if kind == "text" and end in kinds.PICKLED and end:
        kind = "pickle"
    _agree(kind, end, name, findings)
    if kind != "zip":
        _two_in_one(view, kind, name, findings)
    _content(view, kind, name, findings, depth)


def _agree(kind: str, end: str, name: str, findings: Findings) -> None:
    expected = kinds.EXPECTED.get(end)
    if end in kinds.PROGRAMS:
        reason = "The file is a program or a page that runs code."
        findings.add("content", Verdict.SUSPICIOUS, reason, member=name)
    elif kind == "empty":
        if expected is None or "empty" not in expected:
            findings.add("format", Verdict.ERROR, "The file is empty.", member=name)
    elif expected is not None and kind not in expected and kind not in ("program", "script"):
        reason = f"The content ({kind}) is not what the ending {end} promises."
        findings.add("format", Verdict.SUSPICIOUS, reason, member=name)


def _two_in_one(view: View, kind: str, name: str, findings: Findings) -> None:
    if kinds.zip_end(view) is not None:
        reason = "The file is a zip archive as well as what it seems to be."
        findings.add("archive", Verdict.DANGEROUS, reason, member=name)
    if kind not in ("tar", "text") and view.at(257, 5) == b"ustar":
        findings.add(
            "archive",
            Verdict.DANGEROUS,
            "The file is a tar archive as well as what it seems to be.",
            member=name,
        )


def _content(view: View, kind: str, name: str, findings: Findings, depth: int) -> None:
    if kind == "zip":
        if depth > findings.limits.depth:
            reason = f"Archives lie within archives more than {findings.limits.depth} deep."
            findings.add("archive", Verdict.DANGEROUS, reason, member=name)
            return
        archives.judge(view, name, depth, findings, lambda v, n, d: inspect(v, n, findings, d))
    elif kind == "pickle":
        pickles.scan(view, name, findings)
    elif kind == "safetensors":
        _safetensors(view, name, findings)
    elif kind == "gguf":
        _gguf(view, name, findings)
    elif kind == "npy":
        _numpy(view, name, findings)
    elif kind == "protobuf":
        onnx.scan(view, name, findings)
    elif kind == "program":
        findings.add("content", Verdict.DANGEROUS, "The file is a program.", member=name)
    elif kind in ("script", "pdf", "ole"):
        findings.add("content", Verdict.SUSPICIOUS, "The file may hold code that runs.", member=name)
    elif kind in kinds.OPAQUE:
        reason = f"Files of the kind {kind} cannot be looked into; use zip or safetensors."
        findings.add("format", Verdict.ERROR, reason, member=name)
    elif kind == "unknown":
        findings.add("format", Verdict.ERROR, "Nobody can tell what kind of file this is.", member=name)
    else:
        findings.looked("content")


def _safetensors(view: View, name: str, findings: Findings) -> None:
    findings.looked("structure")
    try:
        end = safetensors.header_end(view.at(0, 8), view.length)
        safetensors.parse(view.at(0, end), view.length)
    except Invalid as fault:
        verdict = (
            Verdict.ERROR if fault.code in ("header_truncated", "tensor_outside") else Verdict.SUSPICIOUS
        )
        findings.add("structure", verdict, fault.message, member=name, code=fault.code)


def _gguf(view: View, name: str, findings: Findings) -> None:
    findings.looked("structure")
    try:
        layout = gguf.parse(view.at(0, gguf.MAX_PREFIX), view.length)
    except Invalid as fault:
        findings.add("structure", Verdict.ERROR, fault.message, member=name, code=fault.code)
        return
    for key, value in layout.values.items():
        # Chat templates are Jinja programs that loaders have run unguarded (CVE-2024-34359).
        if key.startswith("tokenizer.chat_template") and isinstance(value, str) and _tricky(value):
            reason = "The chat template reaches for Python's insides instead of only writing text."
            findings.add("content", Verdict.SUSPICIOUS, reason, member=name, key=key)
    findings.looked("content")


def _tricky(template: str) -> bool:
    code = " ".join(re.findall(r"\{[{%](.*?)[%}]\}", template, re.DOTALL))
    return len(template) >= gguf.MAX_KEPT_TEXT or bool(_TEMPLATE_TRICKS.search(code))


def _numpy(view: View, name: str, findings: Findings) -> None:
    """An array file (NEP 1): only arrays of objects hold a pickle."""
    findings.looked("structure")
    head = view.at(0, 12)
    wide = head[6:7] != b"\x01"
    start = 12 if wide else 10
    length = int.from_bytes(head[8:start], "little")
    described = _described(view.at(start, min(length, _NUMPY_HEADER))) if length <= _NUMPY_HEADER else None
    if described is None:
        findings.add("structure", Verdict.ERROR, "The array's header cannot be read.", member=name)
        return
    types, shape = described
    rest = view.part(start + length, view.length)
    if any("O" in kind for kind in types):
        pickles.scan(rest, name, findings)
    elif len(types) == 1 and (size := _item_size(types[0])) and size * math.prod(shape) != rest.length:
        reason = "The array file is longer or shorter than its header says."
        findings.add("structure", Verdict.SUSPICIOUS, reason, member=name)


def _described(raw: bytes) -> tuple[list[str], tuple[int, ...]] | None:
    """The type codes and the shape of an array header, which is a Python literal."""
    try:
        tree = ast.literal_eval(raw.decode("utf-8").strip())
        shape = tree["shape"]
        types = _type_codes(tree["descr"], 0)
    except (ValueError, SyntaxError, KeyError, TypeError, RecursionError, MemoryError):
        return None
    if not isinstance(shape, tuple) or not all(type(edge) is int and edge >= 0 for edge in shape):
        return None
    return types, shape


def _type_codes(descr: object, depth: int) -> list[str]:
    if isinstance(descr, str):
        return [descr]
    if not isinstance(descr, list) or depth > 8:
        raise ValueError("not a dtype description")
    return [code for item in descr for code in _type_codes(item[1], depth + 1)]


def _item_size(code: str) -> int:
    match = re.fullmatch(r"[<>|=]?([biufcSV?])([0-9]{1,6})", code)
    return int(match[2]) if match else 0
