from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from civitas.kit import safetensors
from civitas.kit.errors import Invalid


def packed(header: bytes | dict[str, Any], data: bytes = b"") -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + data


def tensor(start: int, end: int, dtype: str = "U8", shape: list[Any] | None = None) -> dict[str, Any]:
    return {
        "dtype": dtype,
        "shape": [end - start] if shape is None else shape,
        "data_offsets": [start, end],
    }


def code(file: bytes) -> str:
    with pytest.raises(Invalid) as caught:
        safetensors.parse(file, len(file))
    return caught.value.code


def test_a_valid_file() -> None:
    file = packed(
        {"__metadata__": {"a": "b"}, "late": tensor(4, 8), "early": tensor(0, 4, "F16", [1, 2])}, bytes(8)
    )
    layout = safetensors.parse(file, len(file))
    assert [t.name for t in layout.tensors] == ["early", "late"]
    assert layout.tensors[0].count == 2
    assert layout.tensors[0].size == 4
    assert layout.metadata == {"a": "b"}
    assert layout.data_offset + 8 == len(file)
    assert safetensors.looks_like(file[:9], len(file))


def test_padding_scalars_empty_tensors_and_packed_types() -> None:
    header = json.dumps(
        {"s": tensor(0, 4, "F32", []), "e": tensor(4, 4, "F32", [0, 9]), "q": tensor(4, 6, "F4", [4])}
    )
    file = packed(header.encode() + b"   ", bytes(6))
    assert len(safetensors.parse(file, len(file)).tensors) == 3


@pytest.mark.parametrize(
    ("header", "data", "expected"),
    [
        (b"", b"12", "header_not_json"),
        (b"[]", b"", "header_not_json"),
        (b"{]", b"", "header_not_json"),
        (b'{"a":NaN}', b"", "tensor_malformed"),
        (b'{"a\\":1}' + b'"' * 3, b"", "header_not_json"),
        (b'{"a":"\xff"}', b"", "header_not_json"),
        (b'{"a":' + b"9" * 5000 + b"}", b"", "header_not_json"),
        (b'{"a":[[[[]]]]}', b"", "header_too_deep"),
        (b'{"__metadata__":{"a":1}}', b"", "header_bad_metadata"),
        (b'{"__metadata__":{"a":"1","a":"2"}}', b"", "header_duplicate"),
        (b'{"a":{},"a":{}}', b"", "header_duplicate"),
        ({"a": {**tensor(0, 1), "extra": 1}}, b"1", "tensor_malformed"),
        ({"a": tensor(0, 1, shape=[True])}, b"1", "tensor_malformed"),
        ({"a": tensor(0, 1, shape=[-1])}, b"1", "tensor_malformed"),
        ({"a": tensor(0, 1, shape=[1.0])}, b"1", "tensor_malformed"),
        ({"a": tensor(0, 1, shape=[2**64])}, b"1", "tensor_malformed"),
        ({"a": tensor(1, 0, shape=[0])}, b"1", "tensor_malformed"),
        ({"a": tensor(0, 1, "U9")}, b"1", "tensor_dtype"),
        ({"a": tensor(0, 3, "F16", [2])}, b"123", "tensor_length"),
        ({"a": tensor(0, 1, "F4", [1])}, b"1", "tensor_length"),
        ({"a": tensor(0, 4), "b": tensor(2, 6)}, bytes(6), "tensor_overlap"),
        ({"a": tensor(0, 4), "b": tensor(0, 4)}, bytes(4), "tensor_overlap"),
        ({"a": tensor(0, 4), "b": tensor(5, 6)}, bytes(6), "tensor_hole"),
        ({"a": tensor(1, 4)}, bytes(4), "tensor_hole"),
        ({"a": tensor(0, 4)}, bytes(3), "tensor_outside"),
        ({"a": tensor(0, 4)}, bytes(4) + b"PK\x05\x06", "tail_bytes"),
    ],
)
def test_what_the_format_forbids(header: Any, data: bytes, expected: str) -> None:
    assert code(packed(header, data)) == expected


def test_lengths() -> None:
    assert code(b"1234567") == "header_truncated"
    assert code((100_000_001).to_bytes(8, "little") + b"{}") == "header_too_long"
    assert code((99).to_bytes(8, "little") + b"{}") == "header_truncated"
    file = packed({"a": tensor(0, 4)}, bytes(4))
    with pytest.raises(Invalid) as caught:
        safetensors.parse(file[:20], len(file))
    assert caught.value.code == "header_truncated"


def test_a_flood_of_tokens_is_refused_before_objects_are_made() -> None:
    assert code(packed(b'{"a":[' + b"," * 5_000_001)) == "header_too_many_tensors"


def test_unclosed_strings_do_not_take_quadratic_time() -> None:
    assert code(packed(b'{"' + b'\\"' * 2_000_000)) == "header_not_json"


@given(st.binary(max_size=300))
def test_no_bytes_make_it_crash(noise: bytes) -> None:
    for file in (noise, packed(noise), packed(b'{"a":' + noise + b"}")):
        try:
            safetensors.parse(file, len(file))
        except Invalid as fault:
            assert fault.code
