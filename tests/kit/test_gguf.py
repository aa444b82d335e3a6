from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civitas.kit import gguf
from civitas.kit.errors import Invalid


def text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def build(values: list[bytes], tensors: list[bytes], data: bytes = b"", version: int = 3) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(values)) + b"".join(values + tensors)
    return head + bytes(-len(head) % 32) + data


def info(name: str, shape: list[int], kind: int, offset: int) -> bytes:
    return (
        text(name)
        + struct.pack(f"<I{len(shape)}Q", len(shape), *reversed(shape))
        + struct.pack("<IQ", kind, offset)
    )


ARCH = text("general.architecture") + struct.pack("<I", 8) + text("flux")
LIST = text("numbers") + struct.pack("<IIQ", 9, 4, 40) + struct.pack("<40I", *range(40))


def code(file: bytes) -> str:
    with pytest.raises(Invalid) as caught:
        gguf.parse(file, len(file))
    return caught.value.code


def test_a_valid_file() -> None:
    file = build([ARCH, LIST], [info("a", [2, 32], 8, 0), info("b", [4], 0, 96)], bytes(112))
    layout = gguf.parse(file, len(file))
    assert layout.values["general.architecture"] == "flux"
    assert layout.values["numbers"] == tuple(range(32))
    assert [(t.name, t.dtype, t.shape, t.size, t.count) for t in layout.tensors] == [
        ("a", "Q8_0", (2, 32), 68, 64),
        ("b", "F32", (4,), 16, 4),
    ]


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (b"GGML" + bytes(40), "not_gguf"),
        (build([], [], version=1), "gguf_version"),
        (build([ARCH], [])[:40], "header_truncated"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0), "header_too_many_tensors"),
        (build([ARCH, ARCH], []), "header_duplicate"),
        (build([text("x") + struct.pack("<I", 99)], []), "tensor_malformed"),
        (build([text("x") + struct.pack("<IIQ", 9, 4, 2**62)], []), "header_too_long"),
        (
            build([text("x") + struct.pack("<IIQ", 9, 9, 1) * 1 + struct.pack("<IQ", 9, 1) * 9], []),
            "tensor_malformed",
        ),
        (build([], [info("a", [4], 99, 0)]), "tensor_dtype"),
        (build([], [info("a", [4], 0, 0), info("b", [4], 0, 8)], bytes(32)), "tensor_overlap"),
        (build([], [info("a", [4], 0, 0)], bytes(8)), "tensor_outside"),
        (build([], [info("a", [1] * 9, 0, 0)], bytes(8)), "tensor_malformed"),
    ],
)
def test_what_is_refused(file: bytes, expected: str) -> None:
    assert code(file) == expected


@given(st.binary(max_size=300))
def test_no_bytes_make_it_crash(noise: bytes) -> None:
    for file in (noise, b"GGUF" + noise, b"GGUF" + struct.pack("<IQQ", 3, 2, 2) + noise):
        try:
            gguf.parse(file, len(file))
        except Invalid as fault:
            assert fault.code
