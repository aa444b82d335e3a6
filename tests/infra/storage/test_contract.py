"""What every store promises, asked of all three."""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from civitas.infra.storage.multipart import MIN_PART
from civitas.infra.storage.s3 import S3Store
from civitas.infra.storage.store import MIB, PartRef, Store
from civitas.kit.clock import now
from civitas.kit.errors import Conflict, Invalid, NotFound, TooLarge

from .conftest import pieces

HOUR = timedelta(hours=1)
BYTES = random.Random(5).randbytes(3 * MIB + 77)
SIZE = 2 * MIN_PART + 1000
LARGE = random.Random(6).randbytes(SIZE)


def part(number: int) -> bytes:
    return LARGE[(number - 1) * MIN_PART : number * MIN_PART]


def checksum(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


async def send(store: Store, wire: httpx.AsyncClient, key: str, handle: str, number: int) -> PartRef:
    data = part(number)
    signed = await store.sign_part(key, handle, number, len(data), HOUR)
    answer = await wire.put(signed.url, content=data, headers=signed.headers)
    assert answer.status_code == 200, answer.text
    return PartRef(number, answer.headers["etag"])


async def test_put_head_read_delete(store: Store) -> None:
    assert await store.head("blobs/aa/one.bin") is None
    put = await store.put("blobs/aa/one.bin", BYTES, "application/octet-stream")
    info = await store.head("blobs/aa/one.bin")
    assert info is not None
    assert (info.key, info.size, info.etag) == ("blobs/aa/one.bin", len(BYTES), put.etag)
    assert info.etag.startswith('"') and info.etag.endswith('"') and len(info.etag) > 10
    assert abs((now() - info.modified).total_seconds()) < 60
    assert await store.read_range("blobs/aa/one.bin", 5, 10) == BYTES[5:15]
    await store.delete("blobs/aa/one.bin")
    await store.delete("blobs/aa/one.bin")
    assert await store.head("blobs/aa/one.bin") is None


async def test_put_takes_a_stream_and_replaces(store: Store) -> None:
    first = await store.put("a/b.bin", b"old", "text/plain")
    second = await store.put("a/b.bin", pieces(BYTES), "text/plain")
    assert (second.size, second.etag == first.etag) == (len(BYTES), False)
    assert b"".join([piece async for piece in store.chunks("a/b.bin")]) == BYTES
    assert (await store.put("a/b.bin", b"", "text/plain")).size == 0
    assert [piece async for piece in store.chunks("a/b.bin")] == []


async def test_a_stream_that_breaks_leaves_nothing(store: Store) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * (2 * MIB)
        raise TooLarge("More than you said.")

    with pytest.raises(TooLarge, match="More than you said"):
        await store.put("a/broken.bin", broken(), "text/plain")
    assert await store.head("a/broken.bin") is None


@pytest.mark.parametrize(
    ("start", "length", "expected"),
    [(0, 0, 0), (0, 4, 4), (7, 10, 3), (9, 1, 1), (10, 1, 0), (99, 5, 0), (0, 8 * MIB, 10)],
)
async def test_reads_stop_at_the_end(store: Store, start: int, length: int, expected: int) -> None:
    await store.put("ten", b"0123456789", "text/plain")
    assert await store.read_range("ten", start, length) == b"0123456789"[start : start + length]
    assert len(await store.read_range("ten", start, length)) == expected


async def test_reading_what_is_not_there(store: Store) -> None:
    for length in (0, 5):
        with pytest.raises(NotFound) as caught:
            await store.read_range("no/such", 0, length)
        assert caught.value.code == "no_such_object"
    with pytest.raises(NotFound):
        await anext(store.chunks("no/such"))


async def test_reads_are_bounded(store: Store) -> None:
    for start, length in ((0, 8 * MIB + 1), (-1, 5), (0, -5)):
        with pytest.raises(ValueError, match="a read is at most"):
            await store.read_range("ten", start, length)


async def test_chunks(store: Store) -> None:
    await store.put("c", BYTES, "text/plain")
    sizes = [len(piece) async for piece in store.chunks("c")]
    assert sizes == [MIB, MIB, MIB, 77]
    for start, length, chunk in ((0, None, 500_000), (10, 20, MIB), (MIB - 1, 2 * MIB, MIB), (9**9, None, 7)):
        got = b"".join([piece async for piece in store.chunks("c", start, length, chunk)])
        assert got == BYTES[start : None if length is None else start + length]
    async with aclosing(store.chunks("c", chunk=1000)) as some:
        assert await anext(some) == BYTES[:1000]


async def test_list_and_delete_many(store: Store) -> None:
    for key in ("x/a", "x/b/c", "xy/d", "z"):
        await store.put(key, key.encode(), "text/plain")
    assert {(info.key, info.size) async for info in store.list_prefix("x")} == {("x/a", 3), ("x/b/c", 5)}
    assert {info.key async for info in store.list_prefix("")} == {"x/a", "x/b/c", "xy/d", "z"}
    assert [info async for info in store.list_prefix("none")] == []
    await store.delete_many(["x/a", "x/b/c", "no/such"])
    await store.delete_many([])
    assert {info.key async for info in store.list_prefix("")} == {"xy/d", "z"}


BAD_KEYS = [
    "/a",
    "a/",
    "a//b",
    "../a",
    "a/../b",
    "a/./b",
    ".uploads/x",
    "a/.b",
    "A",
    "a\\b",
    "a%2e",
    "~",
    "ä",
]
BAD_KEYS += ["a\0", "a?b", "a#b"]
BAD_KEYS += ["", "a b", "a\n", "x" * 201, "/".join(["abc"] * 200)]


@pytest.mark.parametrize("key", BAD_KEYS)
async def test_only_our_keys(store: Store, key: str) -> None:
    for ask in (
        store.head(key),
        store.read_range(key, 0, 1),
        store.put(key, b"", "text/plain"),
        store.delete(key),
        store.delete_many(["fine", key]),
        store.sign_get(key, filename="x", content_type="a/b", expires=HOUR),
        store.begin_multipart(key, SIZE, MIN_PART, "a/b"),
        anext(store.chunks(key)),
    ):
        with pytest.raises(ValueError, match="not an object key"):
            await ask


async def test_a_signed_link_gives_the_file_under_its_name(store: Store, wire: httpx.AsyncClient) -> None:
    await store.put("blobs/one.safetensors", BYTES, "application/octet-stream")
    url = await store.sign_get(
        "blobs/one.safetensors", filename='Ünï=c"ö.safetensors', content_type="application/x", expires=HOUR
    )
    query = parse_qs(urlsplit(url).query)
    assert query["response-content-disposition"] == ['attachment; filename="Uni_c_o.safetensors"']
    assert urlsplit(url).path.endswith(".safetensors")
    answer = await wire.get(url)
    assert (answer.status_code, answer.content) == (200, BYTES)
    assert answer.headers["content-disposition"] == 'attachment; filename="Uni_c_o.safetensors"'
    assert answer.headers["content-type"] == "application/x"
    assert answer.headers["cache-control"].startswith("private, no-store")
    some = await wire.get(url, headers={"Range": "bytes=100-199"})
    assert (some.status_code, some.content) == (206, BYTES[100:200])
    assert some.headers["content-range"] == f"bytes 100-199/{len(BYTES)}"


async def test_links_live_seven_days_at_most(store: Store) -> None:
    for expires in (timedelta(days=8), timedelta(0), timedelta(seconds=-5)):
        with pytest.raises(Invalid) as caught:
            await store.sign_get("a", filename="x", content_type="a/b", expires=expires)
        assert caught.value.code == "link_lifetime"


async def test_an_upload_in_parts(store: Store, wire: httpx.AsyncClient) -> None:
    handle = await store.begin_multipart("up/large.bin", SIZE, MIN_PART, "application/octet-stream")
    assert await store.list_parts("up/large.bin", handle) == []
    sent = {number: await send(store, wire, "up/large.bin", handle, number) for number in (3, 1, 2)}
    listed = await store.list_parts("up/large.bin", handle)
    assert [(found.number, found.size) for found in listed] == [(1, MIN_PART), (2, MIN_PART), (3, 1000)]
    assert await store.head("up/large.bin") is None
    info = await store.complete_multipart("up/large.bin", handle, [sent[1], sent[2], sent[3]])
    assert info.size == SIZE
    assert b"".join([piece async for piece in store.chunks("up/large.bin")]) == LARGE


async def test_completing_twice_gives_the_same_object(store: Store, wire: httpx.AsyncClient) -> None:
    handle = await store.begin_multipart("up/twice", MIN_PART, MIN_PART, "a/b")
    sent = await send(store, wire, "up/twice", handle, 1)
    first = await store.complete_multipart("up/twice", handle, [sent])
    assert await store.complete_multipart("up/twice", handle, [sent]) == first
    with pytest.raises(NotFound) as caught:
        await store.list_parts("up/twice", handle)
    assert caught.value.code == "no_such_upload"


async def test_completing_needs_every_part_as_it_arrived(store: Store, wire: httpx.AsyncClient) -> None:
    handle = await store.begin_multipart("up/gaps", SIZE, MIN_PART, "a/b")
    one, three = [await send(store, wire, "up/gaps", handle, number) for number in (1, 3)]
    with pytest.raises(Invalid) as caught:
        await store.complete_multipart("up/gaps", handle)
    assert (caught.value.code, caught.value.details) == ("parts_missing", {"missing": [2]})
    two = await send(store, wire, "up/gaps", handle, 2)
    for asked in ([one, two], [one, one, two, three], [two, one, three], []):
        with pytest.raises(Invalid) as caught:
            await store.complete_multipart("up/gaps", handle, asked)
        assert caught.value.code == "parts_missing"
    with pytest.raises(Invalid) as caught:
        await store.complete_multipart("up/gaps", handle, [one, PartRef(2, "0" * 32), three])
    assert (caught.value.code, caught.value.details) == ("part_mismatch", {"parts": [2]})
    assert (await store.complete_multipart("up/gaps", handle)).size == SIZE


async def test_an_upload_never_replaces(store: Store, wire: httpx.AsyncClient) -> None:
    handle = await store.begin_multipart("up/taken", MIN_PART, MIN_PART, "a/b")
    await send(store, wire, "up/taken", handle, 1)
    await store.put("up/taken", b"first", "a/b")
    with pytest.raises(Conflict) as caught:
        await store.complete_multipart("up/taken", handle)
    assert caught.value.code == "key_taken"
    with pytest.raises(Conflict):
        await store.begin_multipart("up/taken", MIN_PART, MIN_PART, "a/b")
    assert await store.read_range("up/taken", 0, 9) == b"first"


async def test_abort(store: Store, wire: httpx.AsyncClient) -> None:
    handle = await store.begin_multipart("up/no", MIN_PART, MIN_PART, "a/b")
    signed = await store.sign_part("up/no", handle, 1, MIN_PART, HOUR)
    await send(store, wire, "up/no", handle, 1)
    await store.abort_multipart("up/no", handle)
    await store.abort_multipart("up/no", handle)
    for ask in (store.list_parts("up/no", handle), store.complete_multipart("up/no", handle)):
        with pytest.raises(NotFound) as caught:
            await ask
        assert caught.value.code == "no_such_upload"
    refused = await wire.put(signed.url, content=part(1))
    assert refused.is_error
    if not isinstance(store, S3Store):  # moto crashes here
        assert (refused.status_code, refused.json()["code"]) == (404, "no_such_upload")


@pytest.mark.parametrize(
    "handle", ["", "x", "1-0-0-aa", "5242880-5242880-0-" + "0" * 32, "../../x", "1-1-0-/../x"]
)
async def test_unknown_handles(store: Store, handle: str) -> None:
    for ask in (store.list_parts("up/x", handle), store.complete_multipart("up/x", handle)):
        with pytest.raises(NotFound) as caught:
            await ask
        assert caught.value.code == "no_such_upload"


async def test_an_upload_belongs_to_its_key(store: Store, wire: httpx.AsyncClient) -> None:
    handle = await store.begin_multipart("up/mine", MIN_PART, MIN_PART, "a/b")
    await send(store, wire, "up/mine", handle, 1)
    if not isinstance(store, S3Store):  # moto looks an upload up without its key
        with pytest.raises(NotFound):
            await store.complete_multipart("up/yours", handle)
        await store.abort_multipart("up/yours", handle)
    assert len(await store.list_parts("up/mine", handle)) == 1


@pytest.mark.parametrize(
    ("size", "part_size"), [(0, MIN_PART), (-1, MIN_PART), (9, 100), (9, 0), (10**12, MIN_PART)]
)
async def test_plans_within_limits(store: Store, size: int, part_size: int) -> None:
    with pytest.raises(Invalid) as caught:
        await store.begin_multipart("up/bad", size, part_size, "a/b")
    assert caught.value.code == "upload_plan"


async def test_parts_are_signed_only_as_planned(store: Store) -> None:
    handle = await store.begin_multipart("up/plan", SIZE, MIN_PART, "a/b")
    for number, size, code in (
        (0, MIN_PART, "part_number"),
        (4, MIN_PART, "part_number"),
        (1, MIN_PART - 1, "part_size"),
        (3, MIN_PART, "part_size"),
    ):
        with pytest.raises(Invalid) as caught:
            await store.sign_part("up/plan", handle, number, size, HOUR)
        assert caught.value.code == code
    with pytest.raises(Invalid) as caught:
        await store.sign_part("up/plan", handle, 3, 1000, HOUR, checksum="AAAA")
    assert caught.value.code == "part_checksum"


async def test_parts_with_checksums(store: Store, wire: httpx.AsyncClient) -> None:
    handle = await store.begin_multipart("up/sums", MIN_PART, MIN_PART, "a/b", checksums=True)
    with pytest.raises(Invalid) as caught:
        await store.sign_part("up/sums", handle, 1, MIN_PART, HOUR)
    assert caught.value.code == "part_checksum"
    signed = await store.sign_part("up/sums", handle, 1, MIN_PART, HOUR, checksum=checksum(part(1)))
    assert signed.headers == {"x-amz-checksum-sha256": checksum(part(1))}
    answer = await wire.put(signed.url, content=part(1), headers=signed.headers)
    assert answer.status_code == 200
    await store.complete_multipart("up/sums", handle, [PartRef(1, answer.headers["etag"])])
    assert (
        hashlib.sha256(await store.read_range("up/sums", 0, MIN_PART)).digest()
        == hashlib.sha256(part(1)).digest()
    )


async def test_stale_uploads_are_found_and_aborted(store: Store) -> None:
    await store.begin_multipart("up/stale", MIN_PART, MIN_PART, "a/b")
    soon = now() + timedelta(seconds=5)
    found = [stale async for stale in store.list_stale_multiparts(soon)]
    assert [stale.key for stale in found] == ["up/stale"]
    if not isinstance(store, S3Store):  # moto says that every upload began in 2010
        assert [stale async for stale in store.list_stale_multiparts(now() - HOUR)] == []
    await store.abort_multipart(found[0].key, found[0].handle)
    assert [stale async for stale in store.list_stale_multiparts(soon)] == []
