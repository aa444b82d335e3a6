"""Videos measured, converted, enlarged, filled with frames, taken apart, put together."""

from __future__ import annotations

import io
from typing import Any

import av
import numpy as np
import pytest
from tests.engines.media.conftest import Do
from tests.engines.media.made import frames_of, opened, picture, samples_of, saved, sound, video

from civitas.engines.agent.engine import JobFailed
from civitas.engines.media.probing import span


async def test_a_video_is_measured(do: Do) -> None:
    result, _ = await do("videoMetadata", {"video": "media:0"}, video(1.5, fps=12, tone=None), slots=0)
    assert result.output == {"width": 160, "height": 120, "fps": 12.0, "duration": "00:00:01.5000000"}


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0, "00:00:00"),
        (3_725.25, "01:02:05.2500000"),
        (90_000, "1.01:00:00"),
        (59.9999999, "00:00:59.9999999"),
    ],
)
def test_spans_are_written_as_the_api_does(seconds: float, written: str) -> None:
    assert span(seconds) == written


@pytest.mark.parametrize("source", ["mp4", "webm"])
@pytest.mark.parametrize("target", ["mp4", "webM"])
async def test_transcoding(do: Do, source: str, target: str) -> None:
    given = {"sourceUrl": "media:0", "containerFormat": target, "width": 81}
    result, desk = await do("transcode", given, video(1.0, container=source))
    assert result.output == {"$blob": 0}
    delivered = result.delivered[0]
    assert (delivered.kind, delivered.media_type) == ("video", f"video/{target.lower()}")
    assert (delivered.width, delivered.height) == (80, 60)
    frames = frames_of(desk.blobs[0])
    assert len(frames) == 10
    assert frames[0].shape == (60, 80, 3)
    assert np.abs(frames[2][40, 60].astype(int) - (200, 30, 30)).max() < 30
    heard = samples_of(desk.blobs[0])
    assert abs(len(heard) / 48_000 - 1.0) < 0.1
    assert np.abs(heard[9_600:38_400]).max() > 0.3


async def test_an_mp4_can_be_shown_before_it_is_whole(do: Do) -> None:
    _, desk = await do("transcode", {"sourceUrl": "media:0", "width": 160}, video(1.0))
    assert desk.blobs[0].index(b"moov") < desk.blobs[0].index(b"mdat")
    assert len(frames_of(desk.blobs[0])) == 10


async def test_a_video_is_not_enlarged_by_transcoding(do: Do) -> None:
    result, _ = await do("transcode", {"sourceUrl": "media:0", "width": 1000}, video(0.5, tone=None))
    assert (result.delivered[0].width, result.delivered[0].height) == (160, 120)
    assert "not enlarged" in result.warnings[0]


async def test_enlarging_and_adding_frames_say_that_no_model_was_at_work(do: Do) -> None:
    data = video(0.6, size=(64, 48))
    larger, _ = await do("videoUpscaler", {"video": "media:0", "scaleFactor": 3}, data)
    assert (larger.delivered[0].width, larger.delivered[0].height) == (192, 144)
    assert "Lanczos" in larger.warnings[0]
    smoother, desk = await do("videoInterpolation", {"video": "media:0", "interpolationFactor": 2}, data)
    assert "motion compensation" in smoother.warnings[0]
    with av.open(io.BytesIO(desk.blobs[0])) as file:
        stream = file.streams.video[0]
        assert stream.average_rate == 20
        assert len(list(file.decode(stream))) == 12
    both, desk = await do(
        "videoEnhancement",
        {
            "sourceUrl": "media:0",
            "upscaler": {"width": 100, "height": 80},
            "interpolation": {"multiplier": 2},
        },
        data,
    )
    assert both.output == {"video": {"$blob": 0}}
    assert (both.delivered[0].width, both.delivered[0].height) == (100, 80)
    assert len(both.warnings) == 2


async def test_frames_that_differ(do: Do) -> None:
    data = video(3.0, colours=((200, 30, 30), (30, 200, 30), (200, 30, 30)), tone=None)
    given = {"videoUrl": "media:0", "frameRate": 5}
    result, desk = await do("videoFrameExtraction", given, data, slots=10)
    count = result.output["totalFramesExtracted"]
    assert result.output["frames"] == [{"$blob": number} for number in range(count)]
    assert 2 <= count < 15
    first, second = (np.asarray(opened(desk.blobs[number])) for number in (0, 1))
    assert np.abs(first.astype(int) - second.astype(int)).mean() > 10
    every, _ = await do("videoFrameExtraction", {**given, "uniqueThreshold": 1.0}, data, slots=20)
    assert every.output["totalFramesExtracted"] == 15
    some, _ = await do(
        "videoFrameExtraction", {**given, "uniqueThreshold": 1.0, "maxFrames": 4}, data, slots=20
    )
    assert some.output["totalFramesExtracted"] == 4
    _, desk = await do("videoFrameExtraction", {**given, "startTime": 1.5, "maxFrames": 1}, data, slots=20)
    assert np.abs(np.asarray(opened(desk.blobs[0]))[100, 10].astype(int) - (30, 200, 30)).max() < 40


@pytest.mark.parametrize(
    ("step", "given", "data", "says"),
    [
        ("videoMetadata", {"video": "media:0"}, b"nothing", "neither video nor sound"),
        ("videoMetadata", {"video": "media:0"}, sound(0.1), "no video"),
        ("transcode", {"sourceUrl": "media:0", "width": 0}, video(0.2), "width"),
        (
            "transcode",
            {"sourceUrl": "media:0", "width": 9, "destinationUrl": "http://x"},
            video(0.2),
            "destinationUrl",
        ),
        ("videoUpscaler", {"video": "media:0", "scaleFactor": 4}, video(0.2, size=(320, 200)), "become"),
        ("videoInterpolation", {"video": "media:0", "interpolationFactor": 3}, video(0.2, fps=100), "240"),
        ("videoFrameExtraction", {"videoUrl": "media:0", "startTime": 9}, video(0.2), "behind the end"),
    ],
)
async def test_what_cannot_be_done_is_said(
    do: Do, step: str, given: dict[str, Any], data: bytes, says: str
) -> None:
    with pytest.raises(JobFailed, match=says):
        await do(step, given, data)


async def test_a_playlist_reaches_no_other_file(do: Do) -> None:
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
    for hostile in (playlist, b"ffconcat version 1.0\nfile /etc/passwd\n"):
        with pytest.raises(JobFailed, match="neither"):
            await do("videoMetadata", {"video": "media:0"}, hostile)


async def test_half_a_video_is_an_error_or_half_a_video(do: Do) -> None:
    data = video(1.0, container="webm")
    _, desk = await do("transcode", {"sourceUrl": "media:0", "width": 80}, data[: len(data) * 2 // 3])
    assert 0 < len(frames_of(desk.blobs[0])) <= 10
    with pytest.raises(JobFailed):
        await do("transcode", {"sourceUrl": "media:0", "width": 80}, video(1.0)[:-400])


async def test_videos_follow_one_another(do: Do) -> None:
    red = video(0.5, colours=((220, 20, 20),), tone=None)
    green = video(0.5, size=(80, 60), colours=((20, 200, 20),))
    given = {"elements": [{"url": "media:0"}, {"url": "media:1"}]}
    result, desk = await do("composeMedia", given, red, green, slots=2)
    assert result.output["type"] == "video"
    assert result.output["videoBlob"] == {"$blob": 0}
    timing = result.output["elements"]
    assert timing[0]["startSeconds"] == 0 and abs(timing[1]["startSeconds"] - 0.5) < 0.05
    frames = frames_of(desk.blobs[0])
    assert 10 <= len(frames) <= 11 and frames[0].shape == (120, 160, 3)
    assert np.abs(frames[2][100, 100].astype(int) - (220, 20, 20)).max() < 30
    assert np.abs(frames[-2][100, 20].astype(int) - (20, 200, 20)).max() < 30
    heard = samples_of(desk.blobs[0])
    assert np.abs(heard[:19_200]).max() < 0.05 < 0.3 < np.abs(heard[30_000:40_000]).max()


async def test_a_picture_in_a_picture_at_its_place(do: Do) -> None:
    given = {
        "canvas": {"width": 200, "height": 100, "fps": 10, "background": "#0000ff"},
        "elements": [
            {
                "url": "media:0",
                "at": 0,
                "layout": {"x": 100, "y": 50, "scale": 0.5, "zOrder": 2, "fit": "stretch"},
            },
            {"url": "media:1", "at": 0, "layout": {"fit": "contain"}},
        ],
        "output": {"container": "webm"},
    }
    red = video(0.5, colours=((220, 20, 20),), tone=None)
    green = video(0.5, colours=((20, 200, 20),), tone=None)
    result, desk = await do("composeMedia", given, red, green, slots=2)
    assert result.delivered[0].media_type == "video/webm"
    frame = frames_of(desk.blobs[0])[2].astype(int)
    for (y, x), colour in {
        (75, 170): (220, 20, 20),
        (25, 100): (20, 200, 20),
        (25, 180): (0, 0, 255),
    }.items():
        assert np.abs(frame[y, x] - colour).max() < 45, (y, x)


async def test_sounds_are_mixed_faded_and_levelled(do: Do) -> None:
    given = {
        "elements": [
            {"url": "media:0", "transformers": [{"type": "fadeIn", "durationMs": 500}]},
            {"url": "media:1", "at": 1.0, "transformers": [{"type": "volume", "db": -20}]},
            {"url": "media:0", "offset": 0.5},
        ],
        "output": {"container": "ogg"},
    }
    result, desk = await do("composeMedia", given, sound(1.0), sound(0.5, 880.0), slots=2)
    assert result.output["type"] == "audio"
    assert result.output["audioBlob"] == {"$blob": 1}
    assert [element["startSeconds"] for element in result.output["elements"]] == [0, 1.0, 1.5]
    assert result.delivered[0].duration_s == 2.5
    heard = np.abs(samples_of(desk.blobs[1]))

    def level(begin: float, end: float) -> float:
        return float(heard[int(begin * 48_000) : int(end * 48_000)].max())

    assert level(0, 0.05) < 0.1 and 0.4 < level(0.6, 0.9) < 0.6
    assert 0.02 < level(1.1, 1.4) < 0.1
    assert 0.4 < level(1.7, 2.4) < 0.6


async def test_normalizing_keeps_a_mix_below_the_limit(do: Do) -> None:
    elements = [{"url": "media:0", "at": 0, "transformers": [{"type": "volume", "db": 6}]}] * 2
    for normalize, least, most in ((False, 0.95, 1.2), (True, 0.85, 1.1)):
        _, desk = await do(
            "composeMedia",
            {"elements": elements, "normalize": normalize, "output": {"container": "mp4"}},
            sound(0.5),
            slots=2,
        )
        assert least < np.abs(samples_of(desk.blobs[1])).max() < most


async def test_an_animation_with_transparency(do: Do) -> None:
    given = {
        "canvas": {"width": 60, "height": 60, "fps": 10, "background": "#00000000"},
        "output": {"container": "webp"},
        "elements": [
            {"url": "media:0", "layout": {"fit": "cover"}, "transformers": [{"type": "backgroundRemoval"}]}
        ],
    }
    result, desk = await do("composeMedia", given, video(0.5, colours=((10, 200, 10),)), slots=2)
    made = opened(desk.blobs[0])
    assert (made.format, made.n_frames, made.size) == ("WEBP", 5, (60, 60))
    made.seek(2)
    pixels = np.asarray(made.convert("RGBA"))
    assert pixels[2, 2, 3] == 0
    assert pixels[30, 20:28, 3].max() == 255
    assert "no sound" in result.warnings[0]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"elements": []}, "1 to 32"),
        ({"elements": [{"url": "media:0", "at": 100}]}, "long"),
        ({"elements": [{"url": "media:0"}], "output": {"container": "mp3"}}, "mp3"),
        ({"elements": [{"url": "media:0"}], "canvas": {"width": 9_999, "height": 10}}, "canvas"),
        (
            {"elements": [{"url": "media:0"}], "canvas": {"width": 10, "height": 10, "background": "red"}},
            "colour",
        ),
        (
            {
                "elements": [{"url": "media:0"}],
                "canvas": {"width": 9, "height": 9, "background": "#00000000"},
            },
            "webp",
        ),
        ({"elements": [{"url": "media:1"}]}, "no such medium"),
    ],
)
async def test_what_cannot_be_composed_is_said(do: Do, given: dict[str, Any], says: str) -> None:
    with pytest.raises(JobFailed, match=says):
        await do("composeMedia", given, video(0.3), slots=2)


async def test_a_picture_is_no_element(do: Do) -> None:
    with pytest.raises(JobFailed, match="neither"):
        await do("composeMedia", {"elements": [{"url": "media:0"}]}, saved(picture()), slots=2)
