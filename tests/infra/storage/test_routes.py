"""The bytes over HTTP: signed downloads, ranges, parts and open media, for the stores that serve themselves."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
from collections.abc import Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from civitas.faces.http import storage_routes
from civitas.infra.storage.local import LocalStore
from civitas.infra.storage.memory import MemoryStore
from civitas.infra.storage.multipart import MIN_PART
from civitas.infra.storage.s3 import S3Store
from civitas.infra.storage.store import MIB, Store
from civitas.kit.clock import held_at, now

from .conftest import Serve, pieces

HOUR = timedelta(hours=1)
WEIGHTS = random.Random(3).randbytes(2 * MIB + 345)
ETAG = hashlib.sha256(WEIGHTS).hexdigest()
KEY = "blobs/aa/one.bin"


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return MemoryStore()
    found: Store = request.getfixturevalue(request.param)
    return found


@pytest.fixture
async def link(store: Store) -> str:
    await store.put(KEY, WEIGHTS, "application/octet-stream")
    return await store.sign_get(
        KEY, filename="weights.safetensors", content_type="application/octet-stream", expires=HOUR, etag=ETAG
    )


@pytest.fixture
def client(store: Store, serve: Serve) -> httpx.AsyncClient:
    return serve(store)


async def test_a_download(link: str, client: httpx.AsyncClient) -> None:
    answer = await client.get(link)
    assert (answer.status_code, answer.content) == (200, WEIGHTS)
    headers = answer.headers
    assert headers["content-length"] == str(len(WEIGHTS))
    assert headers["content-disposition"] == 'attachment; filename="weights.safetensors"'
    assert headers["content-type"] == "application/octet-stream"
    assert headers["accept-ranges"] == "bytes"
    assert headers["etag"] == f'"{ETAG}"'
    assert headers["last-modified"].endswith(" GMT")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "sandbox"
    assert headers["cross-origin-resource-policy"] == "cross-origin"
    assert "no-store" in headers["cache-control"]
    assert "content-encoding" not in headers


async def test_head_says_the_same_without_the_bytes(link: str, client: httpx.AsyncClient) -> None:
    head, get = await client.head(link), await client.get(link)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers == get.headers


async def test_stray_headers_and_parameters_do_no_harm(link: str, client: httpx.AsyncClient) -> None:
    for headers in (
        {"Authorization": "Bearer abc"},
        {"Authorization": "Basic eHg6eHg="},
        {"Accept-Encoding": "gzip, br"},
    ):
        answer = await client.get(link + "&token=abc", headers=headers)
        assert (answer.status_code, answer.content) == (200, WEIGHTS)
        assert "content-encoding" not in answer.headers


SIZE = len(WEIGHTS)


@pytest.mark.parametrize(
    ("headers", "status", "start", "stop"),
    [
        ({"Range": "bytes=0-0"}, 206, 0, 1),
        ({"Range": "bytes=5-"}, 206, 5, SIZE),
        ({"Range": "bytes=-7"}, 206, SIZE - 7, SIZE),
        ({"Range": f"bytes={MIB - 1}-{2 * MIB}"}, 206, MIB - 1, 2 * MIB + 1),
        ({"Range": f"bytes=0-{SIZE * 2}"}, 206, 0, SIZE),
        ({"Range": "bytes=0-1,5-6"}, 200, 0, SIZE),
        ({"Range": "bytes=6-5"}, 200, 0, SIZE),
        ({"Range": "bytes=0-4", "If-Range": f'"{ETAG}"'}, 206, 0, 5),
        ({"Range": "bytes=0-4", "If-Range": '"other"'}, 200, 0, SIZE),
        ({"Range": f"bytes={SIZE}-"}, 416, 0, 0),
        ({"Range": "bytes=-0"}, 416, 0, 0),
        ({"If-None-Match": f'"{ETAG}"'}, 304, 0, 0),
        ({"If-Match": '"other"'}, 412, 0, 0),
    ],
)
async def test_ranges(
    link: str, client: httpx.AsyncClient, headers: dict[str, str], status: int, start: int, stop: int
) -> None:
    answer = await client.get(link, headers=headers)
    assert answer.status_code == status
    if status in (200, 206):
        assert answer.content == WEIGHTS[start:stop]
        assert answer.headers["content-length"] == str(stop - start)
    if status == 206:
        assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{SIZE}"
    if status == 416:
        assert answer.headers["content-range"] == f"bytes */{SIZE}"
        assert answer.json()["code"] == "range_not_satisfiable"
    if status == 304:
        assert (answer.content, answer.headers["etag"]) == (b"", f'"{ETAG}"')


async def test_last_modified_serves_if_range(link: str, client: httpx.AsyncClient) -> None:
    date = (await client.head(link)).headers["last-modified"]
    answer = await client.get(link, headers={"Range": "bytes=1-2", "If-Range": date})
    assert (answer.status_code, answer.content) == (206, WEIGHTS[1:3])


async def test_parallel_ranges_make_the_whole(link: str, client: httpx.AsyncClient) -> None:
    cuts = [(start, min(start + 300_000, SIZE) - 1) for start in range(0, SIZE, 300_000)]
    answers = await asyncio.gather(*(client.get(link, headers={"Range": f"bytes={a}-{b}"}) for a, b in cuts))
    assert b"".join(answer.content for answer in answers) == WEIGHTS


async def test_refusals_are_json(store: Store, link: str, client: httpx.AsyncClient) -> None:
    forged = await client.get(link.replace("octet-stream", "html"))
    assert (forged.status_code, forged.json()["code"]) == (403, "bad_signature")
    assert "link" in forged.json()["error"]
    unsigned = await client.get(f"/storage/{KEY}")
    assert unsigned.status_code == 403
    with held_at(now() + 2 * HOUR):
        late = await client.get(link)
    assert (late.status_code, late.json()["code"], late.headers["cache-control"]) == (
        403,
        "link_expired",
        "no-store",
    )
    await store.delete(KEY)
    gone = await client.get(link)
    assert (gone.status_code, gone.json()["code"]) == (404, "no_such_object")
    for answer in (forged, unsigned, late, gone):
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "content-disposition" not in answer.headers


async def test_a_public_link_may_be_cached_until_it_expires(store: Store, client: httpx.AsyncClient) -> None:
    await store.put(KEY, WEIGHTS, "a/b")
    url = await store.sign_get(KEY, filename="x.bin", content_type="a/b", expires=HOUR, public=True)
    cache = (await client.head(url)).headers["cache-control"]
    assert cache.startswith("public, max-age=35")


async def test_an_empty_object(store: Store, client: httpx.AsyncClient) -> None:
    await store.put("empty", b"", "a/b")
    url = await store.sign_get("empty", filename="x.bin", content_type="a/b", expires=HOUR)
    answer = await client.get(url)
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "0")


@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH"])
async def test_other_methods(link: str, client: httpx.AsyncClient, method: str) -> None:
    assert (await client.request(method, link)).status_code == 405


async def test_other_origins_may_use_links(link: str, client: httpx.AsyncClient) -> None:
    asked = await client.options(
        link, headers={"Origin": "https://x.test", "Access-Control-Request-Method": "PUT"}
    )
    assert asked.status_code == 204
    assert asked.headers["access-control-allow-origin"] == "*"
    assert "PUT" in asked.headers["access-control-allow-methods"]
    assert "X-Amz-Checksum-Sha256" in asked.headers["access-control-allow-headers"]
    assert "ETag" in (await client.head(link)).headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in asked.headers


PART = random.Random(4).randbytes(MIN_PART)


async def part_link(store: Store, **extra: Any) -> tuple[str, str]:
    handle = await store.begin_multipart("up/one", MIN_PART, MIN_PART, "a/b", checksums=bool(extra))
    return handle, (await store.sign_part("up/one", handle, 1, MIN_PART, HOUR, **extra)).url


async def test_sending_a_part(store: Store, client: httpx.AsyncClient) -> None:
    handle, url = await part_link(store)
    answer = await client.put(
        url, content=PART, headers={"x-amz-checksum-sha256": sha256(PART), "Authorization": "x"}
    )
    assert (answer.status_code, answer.content) == (200, b"")
    assert [f'"{part.etag}"' for part in await store.list_parts("up/one", handle)] == [answer.headers["etag"]]
    again = await client.put(url, content=pieces(PART))
    assert (again.status_code, again.headers["etag"]) == (200, answer.headers["etag"])


async def test_parts_that_are_refused(store: Store, client: httpx.AsyncClient) -> None:
    handle, url = await part_link(store)
    for content, headers, code in (
        (PART[:-1], {}, "part_size"),
        (PART + b"x", {}, "part_size"),
        (b"", {}, "part_size"),
        (pieces(PART[:-1]), {}, "part_size"),
        (pieces(PART + b"x"), {}, "part_size"),
        (PART, {"x-amz-checksum-sha256": sha256(b"other")}, "part_checksum"),
        (PART, {"x-amz-checksum-sha256": "?"}, "part_checksum"),
    ):
        answer = await client.put(url, content=content, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, code)
        assert answer.headers["access-control-allow-origin"] == "*"
    assert await store.list_parts("up/one", handle) == []
    forged = await client.put(url.replace("part=1", "part=2"), content=PART)
    assert (forged.status_code, forged.json()["code"]) == (403, "bad_signature")
    with held_at(now() + 2 * HOUR):
        assert (await client.put(url, content=PART)).json()["code"] == "link_expired"
    read = await client.get(url)
    assert read.status_code == 403


async def test_a_signed_checksum_binds(store: Store, client: httpx.AsyncClient) -> None:
    _, url = await part_link(store, checksum=sha256(PART))
    wrong = await client.put(url, content=PART, headers={"x-amz-checksum-sha256": sha256(b"x")})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "part_checksum")
    damaged = await client.put(url, content=bytes(MIN_PART))
    assert (damaged.status_code, damaged.json()["code"]) == (400, "part_checksum")
    assert (await client.put(url, content=PART)).status_code == 200


async def test_a_wrong_length_is_refused_before_a_byte_is_read(store: Store) -> None:
    _, url = await part_link(store)
    status, read = await put_by_hand(store, url, [], length=MIN_PART + 1)
    assert (status, read) == (400, 0)


async def test_a_silent_sender_is_cut_off(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage_routes, "SILENCE_S", 0.05)
    handle, url = await part_link(store)
    status, read = await put_by_hand(store, url, [PART[:1000]], length=MIN_PART)
    assert (status, read) == (400, 2)
    assert await store.list_parts("up/one", handle) == []


async def test_a_sender_that_leaves(store: Store) -> None:
    handle, url = await part_link(store)
    await put_by_hand(store, url, [PART[:1000], None], length=MIN_PART)
    assert await store.list_parts("up/one", handle) == []


async def put_by_hand(store: Store, url: str, sent: list[bytes | None], *, length: int) -> tuple[int, int]:
    """PUT over bare ASGI: None is the client leaving, the end of `sent` is silence. Status and reads."""
    app = Starlette(routes=storage_routes.routes)
    app.state.civitas = SimpleNamespace(store=store)
    waiting: Iterator[bytes | None] = iter(sent)
    answered: list[dict[str, Any]] = []
    reads = 0

    async def receive() -> dict[str, Any]:
        nonlocal reads
        reads += 1
        for piece in waiting:
            if piece is None:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": piece, "more_body": True}
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        answered.append(message)

    parts = httpx.URL(f"http://civitas.test{url}")
    await app(
        {
            "type": "http",
            "method": "PUT",
            "path": parts.path,
            "raw_path": parts.raw_path,
            "query_string": parts.query,
            "headers": [(b"content-length", str(length).encode())],
            "http_version": "1.1",
            "scheme": "http",
            "server": ("civitas.test", 80),
            "asgi": {"version": "3.0", "spec_version": "2.3"},
        },
        receive,
        send,
    )
    return answered[0]["status"], reads


async def test_media(store: Store, client: httpx.AsyncClient) -> None:
    await store.put("media/aa/w450.webp", WEIGHTS, "image/webp")
    answer = await client.get("/media/aa/w450.webp", headers={"Range": "bytes=3-9"})
    assert (answer.status_code, answer.content) == (206, WEIGHTS[3:10])
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-security-policy"] == "sandbox"
    same = await client.get("/media/aa/w450.webp", headers={"If-None-Match": answer.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    assert (await client.head("/media/aa/w450.webp")).headers["content-length"] == str(SIZE)


async def test_media_gives_nothing_else(store: Store, client: httpx.AsyncClient) -> None:
    await store.put("blobs/secret", b"secret", "a/b")
    await store.put("media/page.html", b"<script>", "text/html")
    for path in (
        "blobs/secret",
        "%2e%2e/blobs/secret",
        "..%2fblobs/secret",
        "/blobs/secret",
        "",
        "no",
        ".uploads/x",
    ):
        answer = await client.get(f"/media/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "no_such_object")
        assert answer.headers["cache-control"] == "no-store"
    page = await client.get("/media/page.html")
    assert page.headers["content-type"] == "application/octet-stream"


async def test_a_client_that_leaves_stops_the_reading(local: LocalStore) -> None:
    await local.put("media/big.mp4", pieces(bytes(20 * MIB), MIB), "video/mp4")
    app = Starlette(routes=storage_routes.routes)
    app.state.civitas = SimpleNamespace(store=local)
    left = asyncio.Event()
    sent = 0

    async def receive() -> dict[str, Any]:
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal sent
        sent += len(message.get("body", b""))
        if sent >= 2 * MIB:
            left.set()
        await asyncio.sleep(0)

    await app(
        {
            "type": "http",
            "method": "GET",
            "path": "/media/big.mp4",
            "query_string": b"",
            "headers": [],
            "asgi": {"version": "3.0", "spec_version": "2.3"},
        },
        receive,
        send,
    )
    assert 2 * MIB <= sent <= 6 * MIB


async def test_a_bucket_has_no_links_of_ours_but_serves_media(s3: S3Store, serve: Serve) -> None:
    client = serve(s3)
    await s3.put("media/x.png", WEIGHTS, "image/png")
    assert (await client.get("/media/x.png")).content == WEIGHTS
    assert (await client.get("/storage/media/x.png")).status_code == 404


def sha256(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()
