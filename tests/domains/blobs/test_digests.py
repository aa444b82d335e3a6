from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import AsyncIterator

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from civitas.domains.blobs.digests import DigestPass, Digests, digest_stream

MIB = 1 << 20


def pattern(size: int) -> bytes:
    return (hashlib.sha256(str(size).encode()).digest() * (size // 32 + 1))[:size]


def safetensors(payload: bytes, pad: int = 0) -> bytes:
    header = json.dumps({"x": {"dtype": "U8", "shape": [len(payload)], "data_offsets": [0, len(payload)]}})
    raw = header.encode() + b" " * pad
    return len(raw).to_bytes(8, "little") + raw + payload


def expected(data: bytes, payload: bytes | None) -> Digests:
    sha256 = hashlib.sha256(data).hexdigest()
    window = data[MIB : MIB + 65536]
    return Digests(
        sha256=sha256,
        blake3=blake3(data).hexdigest(),
        crc32=f"{zlib.crc32(data):08x}",
        autov1=hashlib.sha256(window).hexdigest()[:8] if window else None,
        autov3=None if payload is None else hashlib.sha256(payload).hexdigest(),
        size=len(data),
    )


def in_pieces(data: bytes, size: int, **options: bool | None) -> Digests:
    work = DigestPass(**options)
    for start in range(0, len(data), size):
        work.update(data[start : start + size])
    return work.finish()


async def stream(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.mark.parametrize("size", [0, 1, 8, 9, 10, MIB, MIB + 1, MIB + 65536, MIB + 65537, 3 * MIB])
def test_other_files_have_no_autov3(size: int) -> None:
    assert in_pieces(pattern(size), 70_001) == expected(pattern(size), None)


@pytest.mark.parametrize("piece", [1, 7, 9, 4096])
def test_safetensors_are_known_by_their_first_bytes(piece: int) -> None:
    data = safetensors(pattern(5000))
    assert in_pieces(data, piece) == expected(data, pattern(5000))


def test_autov3_ignores_the_header() -> None:
    first, second = in_pieces(safetensors(b"weights"), 64), in_pieces(safetensors(b"weights", pad=64), 64)
    assert first.sha256 != second.sha256
    assert first.autov3 == second.autov3


def test_autov3_is_not_made_when_not_wanted_or_impossible() -> None:
    data = safetensors(b"weights")
    assert in_pieces(data, 64, safetensors=False).autov3 is None
    assert in_pieces(b"not such a file", 64, safetensors=True).autov3 is None
    assert in_pieces((10**6).to_bytes(8, "little") + b"{}", 64).autov3 is None


def test_short_forms_and_wire_names() -> None:
    made = in_pieces(safetensors(pattern(2 * MIB)), MIB)
    assert made.autov2 == made.sha256[:10]
    assert made.autov3 and made.autov3_short == made.autov3[:12]
    assert made.by_name()["AutoV3"] == made.autov3[:12].upper()
    assert set(made.by_name()) == {"AutoV1", "AutoV2", "AutoV3", "SHA256", "CRC32", "BLAKE3"}
    assert set(in_pieces(b"small", 5).by_name()) == {"AutoV2", "SHA256", "CRC32", "BLAKE3"}


@given(st.binary(max_size=200), st.integers(1, 50))
def test_pieces_do_not_matter(data: bytes, piece: int) -> None:
    assert in_pieces(data, piece) == in_pieces(data, len(data) or 1)


@pytest.mark.parametrize("piece", [1000, 300_000, 9 * MIB])
async def test_threads_make_the_same(piece: int) -> None:
    seen: list[int] = []
    data = safetensors(pattern(9 * MIB))
    made = await digest_stream(stream(data, piece), progress=seen.append)
    assert made == expected(data, pattern(9 * MIB))
    assert seen == sorted(seen)
    assert seen[-1] == len(data)


async def test_an_empty_stream() -> None:
    assert await digest_stream(stream(b"", 1)) == expected(b"", None)


async def test_a_failing_source_passes_through() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * MIB
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        await digest_stream(broken())
