"""The GGUF container of llama.cpp and stable-diffusion.cpp, read from its header alone.

Format (ggml's `docs/gguf.md`), versions 2 and 3, little-endian: magic `GGUF`, version, tensor count, key-value
count, key-values, tensor infos, padding to `general.alignment`, tensor bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from civitas.kit.errors import Invalid

MAGIC = b"GGUF"
MAX_PREFIX = 64 * 1024 * 1024
MAX_KEYS = 4096
MAX_TENSORS = 200_000
MAX_RANK = 8
MAX_KEY = 4096
MAX_KEPT_TEXT = 256 * 1024
MAX_KEPT_ITEMS = 32
_MAX_ITEMS = 4_000_000

Value = str | int | float | bool | tuple["Value", ...]

_SCALARS: Final = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d",
}  # fmt: skip
_TEXT, _ARRAY = 8, 9

# ggml type number: (name, elements per block, bytes per block).
TYPES: Mapping[int, tuple[str, int, int]] = MappingProxyType(
    {
        0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
        7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 36), 10: ("Q2_K", 256, 84),
        11: ("Q3_K", 256, 110), 12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210),
        15: ("Q8_K", 256, 292), 16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98),
        19: ("IQ1_S", 256, 50), 20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82),
        23: ("IQ4_XS", 256, 136), 24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8),
        28: ("F64", 1, 8), 29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54),
        35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17),
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """One tensor; `offset` counts from the start of the tensor bytes, `size` is in bytes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    size: int

    @property
    def count(self) -> int:
        """Elements."""
        product = 1
        for edge in self.shape:
            product *= edge
        return product


@dataclass(frozen=True, slots=True)
class GgufLayout:
    """What a valid header says. Long texts and arrays are cut to the first of their content."""

    version: int
    values: Mapping[str, Value]
    tensors: tuple[GgufTensor, ...]
    data_offset: int


class NeedMore(Invalid):
    """The prefix ends within the header; read up to `MAX_PREFIX` bytes and try again."""

    code = "header_truncated"


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self.data):
            raise NeedMore("The GGUF header ends too early; the upload may be incomplete.")
        piece = self.data[self.at : end]
        self.at = end
        return piece

    def number(self, form: str) -> int:
        value: int = struct.unpack(form, self.take(struct.calcsize(form)))[0]
        return value

    def text(self, limit: int) -> str:
        length = self.number("<Q")
        if length > MAX_PREFIX:
            raise Invalid("A text in the GGUF header is too long.", code="header_too_long")
        raw = self.take(length)
        return raw[:limit].decode("utf-8", "replace")


def parse(prefix: bytes, file_size: int) -> GgufLayout:
    """Read and check the GGUF header in `prefix`, the first bytes of a file of `file_size` bytes.

    Raises Invalid: not_gguf, gguf_version, header_too_long, header_too_many_tensors, header_duplicate,
    tensor_dtype, tensor_malformed, tensor_overlap, tensor_outside; NeedMore (header_truncated) when the header is
    longer than the prefix.
    """
    reader = _Reader(prefix[:MAX_PREFIX])
    if reader.take(4) != MAGIC:
        raise Invalid("The file does not begin like a GGUF file.", code="not_gguf")
    version = reader.number("<I")
    if version not in (2, 3):
        raise Invalid(f"GGUF version {version} is not supported; versions 2 and 3 are.", code="gguf_version")
    tensor_count, key_count = reader.number("<Q"), reader.number("<Q")
    if tensor_count > MAX_TENSORS or key_count > MAX_KEYS:
        raise Invalid("The GGUF header lists too much.", code="header_too_many_tensors")
    values = _values(reader, key_count)
    tensors = [_tensor(reader) for _ in range(tensor_count)]
    alignment = values.get("general.alignment", 32)
    if type(alignment) is not int or not 8 <= alignment <= 65536 or alignment % 8:
        raise Invalid("The GGUF alignment is not valid.", code="tensor_malformed")
    start = -(-reader.at // alignment) * alignment
    _check_layout(tensors, max(0, file_size - start))
    return GgufLayout(version, MappingProxyType(values), tuple(tensors), start)


def _values(reader: _Reader, count: int) -> dict[str, Value]:
    values: dict[str, Value] = {}
    budget = [_MAX_ITEMS]
    for _ in range(count):
        key = reader.text(MAX_KEY)
        if key in values:
            raise Invalid("The GGUF header names a key twice.", code="header_duplicate")
        values[key] = _value(reader, reader.number("<I"), budget, 0)
    return values


def _value(reader: _Reader, kind: int, budget: list[int], depth: int) -> Value:
    if kind == _TEXT:
        return reader.text(MAX_KEPT_TEXT)
    if kind in _SCALARS:
        form = _SCALARS[kind]
        scalar: int | float | bool = struct.unpack(form, reader.take(struct.calcsize(form)))[0]
        return scalar
    if kind != _ARRAY or depth > 2:
        raise Invalid("The GGUF header holds a value of an unknown kind.", code="tensor_malformed")
    inner, length = reader.number("<I"), reader.number("<Q")
    budget[0] -= length
    if budget[0] < 0:
        raise Invalid("An array in the GGUF header is too long.", code="header_too_long")
    if inner in _SCALARS:
        form = _SCALARS[inner]
        raw = reader.take(struct.calcsize(form) * length)
        return tuple(
            item[0] for item in struct.iter_unpack(form, raw[: struct.calcsize(form) * MAX_KEPT_ITEMS])
        )
    kept: list[Value] = []
    for _ in range(length):
        item = _value(reader, inner, budget, depth + 1)
        if len(kept) < MAX_KEPT_ITEMS:
            kept.append(item)
    return tuple(kept)


def _tensor(reader: _Reader) -> GgufTensor:
    name = reader.text(MAX_KEY)
    rank = reader.number("<I")
    if rank > MAX_RANK:
        raise Invalid(f"Tensor {name[:80]!r} has too many dimensions.", code="tensor_malformed")
    # ggml writes the fastest axis first; shapes elsewhere are slowest first.
    shape = tuple(reversed([reader.number("<Q") for _ in range(rank)]))
    kind = reader.number("<I")
    if kind not in TYPES:
        raise Invalid(f"Tensor {name[:80]!r} has an unknown type.", code="tensor_dtype")
    dtype, per_block, block = TYPES[kind]
    count = 1
    for edge in shape:
        count *= edge
    return GgufTensor(name, dtype, shape, reader.number("<Q"), -(-count // per_block) * block)


def _check_layout(tensors: list[GgufTensor], available: int) -> None:
    position = 0
    for tensor in sorted(tensors, key=lambda t: t.offset):
        if tensor.offset < position:
            raise Invalid(f"Tensor {tensor.name[:80]!r} overlaps another tensor.", code="tensor_overlap")
        position = tensor.offset + tensor.size
    if position > available:
        raise Invalid(
            "The last tensor ends after the file; the upload may be incomplete.", code="tensor_outside"
        )
