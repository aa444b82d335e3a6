"""The safetensors container, read from its header alone.

Format (the `safetensors` project's README): eight bytes with the header length as a little-endian unsigned
integer, that many bytes of JSON, then the tensor bytes. The header maps each tensor name to its dtype, shape and
[begin, end) within the tensor bytes; `__metadata__` maps text to text.

Everything here is bounded and refuses what the format forbids, so that a file that passes can hold nothing but
tensors: no hole, no overlap, no tail in which something else could hide.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from civitas.kit.errors import Invalid

MAX_HEADER = 100_000_000
MAX_TENSORS = 200_000
MAX_RANK = 16
MAX_DEPTH = 3
MAX_NAME = 2048
_MAX_TOKENS = 5_000_000

# Bits per element; sub-byte types are packed.
DTYPE_BITS: Mapping[str, int] = MappingProxyType(
    {
        "BOOL": 8, "U8": 8, "I8": 8,
        "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
        "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
        "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
        "I32": 32, "U32": 32, "F32": 32,
        "I64": 64, "U64": 64, "F64": 64, "C64": 64,
    }
)  # fmt: skip

_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{},]', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor: `start` and `end` are byte offsets within the tensor bytes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def size(self) -> int:
        """Bytes."""
        return self.end - self.start

    @property
    def count(self) -> int:
        """Elements; 1 for a scalar."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Layout:
    """What a valid header says; tensors are in the order of their bytes."""

    header_length: int
    metadata: Mapping[str, str]
    tensors: tuple[Tensor, ...]

    @property
    def data_offset(self) -> int:
        """Where the tensor bytes begin in the file."""
        return 8 + self.header_length


def looks_like(prefix: bytes, file_size: int | None = None) -> bool:
    """Whether the first nine bytes could begin a safetensors file; a cheap guess, not a promise."""
    if len(prefix) < 9 or prefix[8:9] != b"{":
        return False
    length = int.from_bytes(prefix[:8], "little")
    return 2 <= length <= MAX_HEADER and (file_size is None or 8 + length <= file_size)


def header_end(prefix: bytes, file_size: int) -> int:
    """How many bytes of the file are needed to `parse` it: the length field and the header.

    `prefix` holds at least the first eight bytes. Raises Invalid: header_truncated, header_too_long.
    """
    if len(prefix) < 8 or file_size < 10:
        raise Invalid(
            "The file is too short to be a safetensors file; upload it again.", code="header_truncated"
        )
    length = int.from_bytes(prefix[:8], "little")
    if length > MAX_HEADER:
        raise Invalid(
            f"The safetensors header claims {length} bytes; at most {MAX_HEADER} are allowed.",
            code="header_too_long",
        )
    if 8 + length > file_size:
        raise Invalid(
            "The safetensors header claims to be longer than the file; the upload may be incomplete.",
            code="header_truncated",
        )
    return 8 + length


def parse(prefix: bytes, file_size: int) -> Layout:
    """Read and check the header held in `prefix` (the first `header_end` bytes or more) of a file of `file_size`.

    Raises Invalid with one of: header_too_long, header_truncated, header_not_json, header_too_deep,
    header_too_many_tensors, header_duplicate, header_bad_metadata, tensor_malformed, tensor_dtype, tensor_length,
    tensor_overlap, tensor_hole, tensor_outside, tail_bytes.
    """
    end = header_end(prefix, file_size)
    if len(prefix) < end:
        raise Invalid("The safetensors header is not wholly here; read more of it.", code="header_truncated")
    raw = prefix[8:end]
    if not raw.startswith(b"{"):
        raise _not_json()
    _bound(raw)
    tree = _load(raw)
    metadata = _metadata(tree.pop("__metadata__", {}))
    tensors = sorted((_tensor(name, item) for name, item in tree.items()), key=lambda t: (t.start, t.end))
    _check_layout(tensors, file_size - end)
    return Layout(end - 8, MappingProxyType(metadata), tuple(tensors))


def _not_json() -> Invalid:
    return Invalid("The safetensors header is not valid JSON; the file is damaged.", code="header_not_json")


def _bound(raw: bytes) -> None:
    # Counted before json builds objects: 100 MB of `{},` would become gigabytes of dicts.
    depth = 0
    for tokens, match in enumerate(_TOKEN.finditer(raw)):
        if tokens >= _MAX_TOKENS:
            raise Invalid(
                f"The safetensors header lists too much; at most {MAX_TENSORS} tensors are allowed.",
                code="header_too_many_tensors",
            )
        first = raw[match.start()]
        if first in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise Invalid("The safetensors header is nested too deeply.", code="header_too_deep")
        elif first in b"]}":
            depth -= 1
        elif first == 0x22 and match.end() - match.start() == 1:
            raise _not_json()


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise Invalid("The safetensors header names something twice.", code="header_duplicate")
    return made


def _load(raw: bytes) -> dict[str, Any]:
    try:
        tree = json.loads(raw.decode("utf-8"), object_pairs_hook=_pairs)
    except (ValueError, RecursionError):
        raise _not_json() from None
    if not isinstance(tree, dict):
        raise _not_json()
    if len(tree) > MAX_TENSORS:
        raise Invalid(
            f"The safetensors header lists {len(tree)} tensors; at most {MAX_TENSORS} are allowed.",
            code="header_too_many_tensors",
        )
    return tree


def _metadata(found: Any) -> dict[str, str]:
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise Invalid("The safetensors metadata must map text to text.", code="header_bad_metadata")
    return found


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _tensor(name: str, item: Any) -> Tensor:
    shown = name[:80]
    if len(name) > MAX_NAME or not isinstance(item, dict) or set(item) != {"dtype", "shape", "data_offsets"}:
        raise Invalid(f"The entry of tensor {shown!r} is malformed.", code="tensor_malformed")
    dtype, shape, offsets = item["dtype"], item["shape"], item["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPE_BITS:
        raise Invalid(f"Tensor {shown!r} has an unknown dtype.", code="tensor_dtype")
    if (
        not isinstance(shape, list)
        or len(shape) > MAX_RANK
        or not all(map(_is_size, shape))
        or not isinstance(offsets, list)
        or len(offsets) != 2
        or not all(map(_is_size, offsets))
        or offsets[0] > offsets[1]
    ):
        raise Invalid(f"The shape or offsets of tensor {shown!r} are malformed.", code="tensor_malformed")
    tensor = Tensor(name, dtype, tuple(shape), offsets[0], offsets[1])
    bits = tensor.count * DTYPE_BITS[dtype]
    if bits % 8 or bits // 8 != tensor.size:
        raise Invalid(
            f"Tensor {shown!r} has {tensor.size} bytes but its dtype and shape need {bits / 8:g}.",
            code="tensor_length",
        )
    return tensor


def _check_layout(tensors: list[Tensor], available: int) -> None:
    position = 0
    for tensor in tensors:
        shown = tensor.name[:80]
        if tensor.start < position:
            raise Invalid(f"Tensor {shown!r} overlaps another tensor.", code="tensor_overlap")
        if tensor.start > position:
            raise Invalid(f"There are unused bytes before tensor {shown!r}.", code="tensor_hole")
        if tensor.end > available:
            raise Invalid(
                f"Tensor {shown!r} ends after the file; the upload may be incomplete.", code="tensor_outside"
            )
        position = tensor.end
    if position != available:
        raise Invalid(
            f"{available - position} bytes after the last tensor belong to nothing.", code="tail_bytes"
        )
