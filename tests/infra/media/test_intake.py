"""Bytes of strangers: taken by what they are, refused when they lie, and nothing kept of what was refused."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.factories.bytes import box, glb, mp4, packed, picture, wav

from civitas.infra.imaging.fake import FakeImaging
from civitas.infra.imaging.pillow import PillowImaging
from civitas.infra.imaging.settings import ImagingSettings
from civitas.infra.media.intake import Intake
from civitas.infra.media.rating import HttpRater, NoRater, PresetRater, Rating
from civitas.infra.media.settings import MediaSettings
from civitas.infra.storage.memory import MemoryStore
from civitas.kit.errors import Fault, Invalid, TooLarge, Unavailable, Unprocessable, Unsupported

KEY = "orchestration/2026/01/abc"


def intake(**changes: Any) -> Intake:
    settings = MediaSettings(max_upload_mb=1)
    return Intake(MemoryStore(), FakeImaging(), changes.get("rater", NoRater()), settings)


async def pieces(body: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


@pytest.mark.parametrize(
    ("body", "kind", "media_type"),
    [
        (picture("PNG"), "image", "image/png"),
        (picture("JPEG"), "image", "image/jpeg"),
        (picture("WEBP"), "image", "image/webp"),
        (picture("GIF"), "image", "image/gif"),
        (mp4(), "video", "video/mp4"),
        (mp4(b"qt  "), "video", "video/quicktime"),
        (mp4(b"M4A "), "audio", "audio/mp4"),
        (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm" + bytes(200), "video", "video/webm"),
        (wav(), "audio", "audio/wav"),
        (b"fLaC" + bytes(100), "audio", "audio/flac"),
        (b"OggS" + bytes(100), "audio", "audio/ogg"),
        (b"ID3\x04" + bytes(100), "audio", "audio/mpeg"),
        (b"\xff\xfb\x90\x64" + bytes(100), "audio", "audio/mpeg"),
        (b"\xff\xf1\x50\x80" + bytes(100), "audio", "audio/aac"),
        (glb(), "model3d", "model/gltf-binary"),
        (packed(a=b"1"), "file", "application/zip"),
    ],
)
async def test_bytes_are_what_they_are(body: bytes, kind: str, media_type: str) -> None:
    taking = intake()
    arrived = await taking.take(pieces(body), key=KEY, claimed="application/octet-stream")
    assert (arrived.kind, arrived.media_type, arrived.size) == (kind, media_type, len(body))
    assert arrived.sha256 == hashlib.sha256(body).digest()
    assert await taking.store.read_range(KEY, 0, len(body)) == body
    assert (arrived.width, arrived.height) == ((64, 48) if kind == "image" else (None, None))


@pytest.mark.parametrize(
    ("body", "claimed", "fault", "code"),
    [
        (picture("JPEG"), "image/png", Unprocessable, "blob_type_lies"),
        (picture(), "video/mp4", Unprocessable, "blob_type_lies"),
        (picture(), "text/html", Unsupported, "blob_type"),
        (picture(), "multipart/form-data; boundary=x", Unsupported, "blob_type"),
        (b"<html><script>alert(1)</script></html>", "image/png", Unsupported, "blob_type"),
        (b"%PDF-1.7 hello", None, Unsupported, "blob_type"),
        (b"\x7fELF" + bytes(100), None, Unsupported, "blob_type"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", Unsupported, "blob_type"),
        (b"x", None, Unsupported, "blob_type"),
        (box(b"ftyp", b"heic\0\0\0\0heic") + box(b"meta", b"x"), None, Unsupported, "blob_type"),
        (box(b"ftyp", b"mif1\0\0\0\0heicisom"), "image/heif", Unsupported, "blob_type"),
        (b"", None, Invalid, "blob_empty"),
        (mp4() + b"<script>", None, Unprocessable, "blob_broken"),
        (mp4()[:-3], None, Unprocessable, "blob_broken"),
        (box(b"ftyp", b"isom\0\0\0\0"), None, Unprocessable, "blob_broken"),
        (wav() + bytes(50), None, Unprocessable, "blob_broken"),
        (glb() + b"x", None, Unprocessable, "blob_broken"),
        (b"PK\x03\x04" + bytes(100), None, Unprocessable, "blob_broken"),
        (b"ID3\x04" + bytes(100) + packed(a=b"1"), None, Unprocessable, "blob_polyglot"),
        (b"OggS" + bytes(50) + b"%PDF-1.4", None, Unprocessable, "blob_polyglot"),
        (b"ID3\x04<script>alert(1)</script>", None, Unprocessable, "blob_polyglot"),
        (picture() + packed(a=b"1"), None, Unprocessable, "image_polyglot"),
        (picture()[:40], None, Unprocessable, "image_broken"),
        (bytes(2**20 + 1), None, TooLarge, "blob_too_large"),
    ],
)
async def test_what_is_refused_leaves_nothing(
    body: bytes, claimed: str | None, fault: type[Fault], code: str
) -> None:
    taking = intake()
    with pytest.raises(fault) as refused:
        await taking.take(pieces(body), key=KEY, claimed=claimed)
    assert refused.value.code == code
    assert refused.value.status in (400, 413, 415, 422)
    assert await taking.store.head(KEY) is None


@pytest.mark.parametrize("claimed", ["image/jpg", "IMAGE/JPEG; q=1", "", None, "application/octet-stream"])
async def test_types_that_say_the_same_are_taken(claimed: str | None) -> None:
    assert (await intake().take(pieces(picture("JPEG")), key=KEY, claimed=claimed)).kind == "image"


async def test_a_bound_of_the_callers_counts() -> None:
    with pytest.raises(TooLarge):
        await intake().take(pieces(picture()), key=KEY, most=50)


async def test_pictures_are_decoded_in_the_sandbox() -> None:
    imaging = PillowImaging(ImagingSettings(processes=1))
    try:
        taking = Intake(MemoryStore(), imaging, NoRater(), MediaSettings())
        arrived = await taking.take(pieces(picture()), key=KEY)
        assert arrived.phash is not None and len(arrived.phash) == 16
        body = picture()
        broken = body[:60] + bytes(20) + body[80:]
        with pytest.raises(Unprocessable):
            await taking.take(pieces(broken), key="orchestration/2026/01/def")
    finally:
        await imaging.aclose()


async def test_what_the_rater_says_comes_along() -> None:
    rater = PresetRater(Rating("r", "a known face"))
    arrived = await intake(rater=rater).take(pieces(picture()), key=KEY)
    assert (arrived.level, arrived.blocked, rater.asked) == ("r", "a known face", ["image/png"])
    assert (await intake(rater=rater).take(pieces(wav()), key=KEY)).level is None


@pytest.mark.parametrize(
    ("answer", "level"),
    [
        (b'{"nsfwLevel": "x", "blockedReason": null}', "x"),
        (b'{"nsfwLevel": "enormous"}', None),
        (b"[]", "fault"),
        (b"not json", "fault"),
    ],
)
async def test_a_rating_service_is_asked_over_http(tmp_path: Any, answer: bytes, level: str | None) -> None:
    heard = bytearray()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(answer))
        writer.write(answer)
        await writer.drain()
        writer.close()

    path = tmp_path / "p"
    path.write_bytes(b"picture")
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        settings = MediaSettings(rater_url=f"http://127.0.0.1:{port}/rate", rater_token="word")  # type: ignore[arg-type]
        if level == "fault":
            with pytest.raises(Unavailable):
                await HttpRater(settings).rate(path, "image/png")
        else:
            assert (await HttpRater(settings).rate(path, "image/png")).level == level
    assert b"authorization: bearer word" in heard.lower() and b"image/png" in heard
    with pytest.raises(Unavailable):
        await HttpRater(settings).rate(path, "image/png")
