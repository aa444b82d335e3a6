"""The media engine at work, in its child processes, as an agent would use it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.engines.media.made import TestDesk, job

from civitas.contracts.wire.jobs import Succeeded
from civitas.engines.media.engine import MediaEngine
from civitas.engines.media.work import Limits

LIMITS = Limits(
    pixels=4_000_000,
    animated_pixels=8_000_000,
    side=4_000,
    video_side=1_024,
    composed_s=20,
    memory=3 * 1024**3,
    file_bytes=64 * 1024**2,
)


@pytest.fixture(scope="session")
async def engine() -> AsyncIterator[MediaEngine]:
    engine = MediaEngine(children=1, wall_s=60, limits=LIMITS)
    await engine.open()
    yield engine
    await engine.close()


Do = Callable[..., Awaitable[tuple[Succeeded, TestDesk]]]


@pytest.fixture
def do(engine: MediaEngine, tmp_path: Path) -> Do:
    """`result, desk = await do("convertImage", {...}, data, slots=1)`: data stands for `media:0`, `media:1` ..."""

    async def done(
        step_type: str, given: dict[str, Any], *data: bytes, slots: int = 1
    ) -> tuple[Succeeded, TestDesk]:
        files = {f"media:{number}": each for number, each in enumerate(data)}
        desk = TestDesk(tmp_path, files, slots)
        return await engine.run(job(step_type, given, files, slots), desk), desk

    return done
