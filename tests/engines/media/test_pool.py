"""Children that crash, dawdle or grow cost their own job only."""

from __future__ import annotations

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.engines.media.conftest import LIMITS, Do
from tests.engines.media.made import TestDesk, job, picture, saved, video

from civitas.contracts.wire.jobs import Job
from civitas.engines.agent.engine import JobFailed
from civitas.engines.media.engine import PREPROCESSORS, MediaEngine, words_in
from civitas.engines.media.pool import Pool

CONVERT = {"image": "media:0", "output": {"format": "png", "hideMetadata": True}}
SLOW = {"video": "media:0", "interpolationFactor": 2}


@pytest.fixture(scope="module")
def long_video() -> bytes:
    return video(6.0, size=(640, 480), fps=20, tone=None)


def children() -> list[int]:
    """Our own living child processes that are media children."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            parent = int((path.parent / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"civitas.engines.media.child" in path.read_bytes():
                found.append(int(path.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


async def test_one_child_serves_many_jobs(do: Do) -> None:
    await do("convertImage", CONVERT, saved(picture()))
    before = children()
    for _ in range(3):
        await do("convertImage", CONVERT, saved(picture()))
    assert children() == before and len(before) == 1


async def test_a_child_that_is_killed_fails_its_job_for_now(
    do: Do, engine: MediaEngine, long_video: bytes
) -> None:
    slow = asyncio.create_task(do("videoInterpolation", SLOW, long_video))
    await asyncio.sleep(0.8)
    for pid in children():
        os.kill(pid, signal.SIGKILL)
    with pytest.raises(JobFailed, match="stopped") as failed:
        await slow
    assert failed.value.transient
    result, _ = await do("convertImage", CONVERT, saved(picture()))
    assert result.output == {"blob": {"$blob": 0}}


async def test_a_cancelled_job_ends_its_child(do: Do, long_video: bytes) -> None:
    slow = asyncio.create_task(do("videoInterpolation", SLOW, long_video))
    await asyncio.sleep(0.8)
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    assert children() == []


async def test_time_is_bounded(tmp_path: Path, long_video: bytes) -> None:
    pool = Pool(1, wall_s=1.0, limits=LIMITS)
    source = tmp_path / "video"
    source.write_bytes(long_video)
    with pytest.raises(JobFailed, match="longer than the 1 s"):
        await pool.run("videoInterpolation", SLOW, {"media:0": source}, tmp_path / "out", slots=1)
    await pool.aclose()


async def test_memory_is_bounded(tmp_path: Path) -> None:
    engine = MediaEngine(children=1, wall_s=60, limits=replace(LIMITS, pixels=400_000_000, memory=1024**3))
    await engine.open()
    data = saved(Image.new("L", (14_000, 14_000)), "PNG", compress_level=1)
    desk = TestDesk(tmp_path, {"media:0": data})
    with pytest.raises(JobFailed, match="memory") as failed:
        await engine.run(job("convertImage", CONVERT, {"media:0": data}), desk)
    assert failed.value.transient
    await engine.close()


async def test_progress_is_told(do: Do, long_video: bytes) -> None:
    _, desk = await do(
        "transcode", {"sourceUrl": "media:0", "width": 640, "containerFormat": "webM"}, long_video
    )
    assert any(0 < fraction < 1 for fraction in desk.told)


async def test_nothing_runs_before_the_first_job_and_after_the_last() -> None:
    engine = MediaEngine(children=2, wall_s=60)
    before = children()
    await engine.open()
    assert children() == before
    await engine.close()


def test_what_is_offered() -> None:
    offered = MediaEngine(children=1, wall_s=1).capabilities()
    assert {"convertImage", "mediaHash", "composeMedia", "preprocessImage/canny"} <= set(offered)
    assert not [name for name in offered if "depth" in name or name.endswith("pose")]
    assert len(PREPROCESSORS) == 8


def test_words_are_found_however_deep() -> None:
    given: dict[str, Any] = {
        "a": "media:0",
        "b": [{"c": "media:12"}, "media:x", "other"],
        "d": {"e": ["media:3"]},
    }
    assert words_in(given) == {"media:0", "media:12", "media:3"}


async def test_too_many_files_are_refused(engine: MediaEngine, tmp_path: Path) -> None:
    many: Job = job("composeMedia", {"elements": [{"url": f"media:{n}"} for n in range(40)]}, {})
    with pytest.raises(JobFailed, match="40 files"):
        await engine.run(many, TestDesk(tmp_path, {}))
