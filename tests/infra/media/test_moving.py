"""Videos and sounds of strangers: what is told and made of them, and what is refused."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import pytest
from PIL import Image
from tests.factories.films import film

from civitas.infra.media import moving
from civitas.infra.media.moving import AvMoving
from civitas.infra.media.settings import MediaSettings
from civitas.kit.errors import Invalid


async def read(data: bytes, folder: Path, **settings: float) -> moving.Moved:
    """The facts of these bytes."""
    source = folder / "source"
    source.write_bytes(data)
    return await AvMoving(MediaSettings(**settings)).process(source, folder)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shape", "video", "audio", "media_type"),
    [
        ("mp4", "libx264", "aac", "video/mp4"),
        ("mov", "libx264", None, "video/mp4"),
        ("matroska", "libx264", "aac", "video/mp4"),
        ("webm", "libvpx-vp9", "libopus", "video/webm"),
    ],
)
async def test_a_video(tmp_path: Path, shape: str, video: str, audio: str | None, media_type: str) -> None:
    found = await read(film(shape=shape, video=video, audio=audio), tmp_path)
    assert (found.kind, found.width, found.height, found.media_type) == ("video", 96, 64, media_type)
    assert 1.8 < found.seconds < 2.3 and found.has_sound is (audio is not None)
    assert found.preview == (96, 64)
    with Image.open(tmp_path / moving.STILL) as still:
        assert still.size == (96, 64)
    with av.open(str(tmp_path / moving.PREVIEW)) as preview:
        assert not preview.streams.audio and sum(1 for _ in preview.decode(video=0)) > 10
    with av.open(str(tmp_path / moving.CLEAN)) as clean:
        assert len(clean.streams) == 1 + (audio is not None)


@pytest.mark.parametrize(
    ("shape", "audio", "media_type"),
    [
        ("mp3", "mp3", "audio/mpeg"),
        ("wav", "pcm_s16le", "audio/wav"),
        ("flac", "flac", "audio/flac"),
        ("ogg", "libopus", "audio/ogg"),
    ],
)
async def test_a_sound_gets_its_waves(tmp_path: Path, shape: str, audio: str, media_type: str) -> None:
    found = await read(film(shape=shape, video=None, audio=audio), tmp_path)
    assert (found.kind, found.media_type, found.has_sound, found.preview) == ("audio", media_type, True, None)
    with Image.open(tmp_path / moving.STILL) as still:
        assert still.size == (1280, 720) and len(set(still.convert("L").resize((64, 36)).tobytes())) > 2
    with av.open(str(tmp_path / moving.CLEAN)) as clean:
        assert clean.streams.audio


async def test_what_was_written_beside_the_film_is_told_and_not_given_on(tmp_path: Path) -> None:
    told = {"comment": '{"prompt": {}}', "location": "+48.1+011.5/", "artist": "Ana"}
    found = await read(film(told=told), tmp_path)
    assert found.text == {"comment": '{"prompt": {}}'}
    body = (tmp_path / moving.CLEAN).read_bytes()
    assert b"+48.1" not in body and b"Ana" not in body


@pytest.mark.parametrize(
    ("settings", "code"),
    [({"video_max_seconds": 0.5}, "video_too_long"), ({"video_max_edge": 64}, "video_too_large")],
)
async def test_bounds(tmp_path: Path, settings: dict[str, float], code: str) -> None:
    with pytest.raises(Invalid) as fault:
        await read(film(), tmp_path, **settings)
    assert fault.value.code == code


async def test_a_film_that_lies_about_its_length_is_measured(tmp_path: Path) -> None:
    data = bytearray(film(seconds=4))
    for box in (b"mvhd", b"mdhd", b"tkhd"):
        at = data.find(box)
        offset = 24 if box == b"tkhd" else 20
        struct.pack_into(">I", data, at + offset, 1)
    with pytest.raises(Invalid) as fault:
        await read(bytes(data), tmp_path, video_max_seconds=2)
    assert fault.value.code == "video_too_long"


@pytest.mark.parametrize(
    "data",
    [
        b"#EXTM3U\nhttp://127.0.0.1/a.ts\n",
        b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        b"\x00\x00\x00\x18ftypisom" + b"\xff" * 200,
        b"\x1a\x45\xdf\xa3" + b"\x00" * 300,
        b"RIFF\xff\xff\xff\xffAVI LIST" + b"\x00" * 300,
        film()[:600],
    ],
)
async def test_what_is_no_film_is_refused_in_a_sentence(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(Invalid) as fault:
        await read(data, tmp_path)
    assert fault.value.code in {"video_not_supported", "video_broken"} and fault.value.message.endswith(".")


async def test_codecs_that_browsers_do_not_play_are_named(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as fault:
        await read(film(shape="matroska", video="mpeg2video"), tmp_path)
    assert fault.value.code == "video_not_supported" and "mpeg2video" in fault.value.message
