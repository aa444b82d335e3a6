"""Pictures are rated by what a detector sees in them."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image
from tests.engines.media.made import TestDesk, job, picture, saved

from civitas.engines.agent.engine import JobFailed
from civitas.engines.rating.engine import Detector, RatingEngine, installed, nudenet
from civitas.engines.rating.levels import Seen, labels_of, level_of

WISHES = {"includeAgeClassification": False, "includeFaceRecognition": False}


async def rated(
    detector: Detector, folder: Path, data: bytes, **wishes: bool
) -> tuple[dict[str, object], TestDesk]:
    engine = RatingEngine(lambda: detector)
    await engine.open()
    try:
        files = {"media:0": data}
        desk = TestDesk(folder, files, 0)
        done = await engine.run(job("mediaRating", {"image": "media:0", **WISHES, **wishes}, files, 0), desk)
        return dict(done.output), desk
    finally:
        await engine.close()


@pytest.mark.parametrize(
    ("seen", "level"),
    [
        ((), "pg"),
        ((("FACE_FEMALE", 0.9), ("FEET_EXPOSED", 0.9)), "pg"),
        ((("BELLY_EXPOSED", 0.6),), "pg13"),
        ((("BUTTOCKS_EXPOSED", 0.6), ("BELLY_EXPOSED", 0.9)), "r"),
        ((("FEMALE_GENITALIA_EXPOSED", 0.6),), "x"),
        ((("FEMALE_GENITALIA_EXPOSED", 0.1),), "pg"),
    ],
)
def test_the_strictest_of_what_is_surely_seen_counts(seen: Sequence[tuple[str, float]], level: str) -> None:
    assert level_of(Seen(*one) for one in seen) == level


async def test_a_picture_is_made_small_looked_at_and_rated(tmp_path: Path) -> None:
    sizes: list[tuple[int, int]] = []

    def detect(path: Path) -> Sequence[Seen]:
        with Image.open(path) as small:
            sizes.append(small.size)
        return [Seen("BUTTOCKS_EXPOSED", 0.8), Seen("FACE_MALE", 0.9)]

    output, desk = await rated(detect, tmp_path, saved(picture(1600, 900)), includeFaceRecognition=True)
    assert output == {
        "nsfwLevel": "r", "isBlocked": False, "blockedReason": None, "labels": ["Face male", "Buttocks exposed"],
    }  # fmt: skip
    assert max(sizes[0]) <= 1024
    assert any("faces" in told for told in desk.warnings)
    assert labels_of([Seen("FACE_MALE", 0.1)]) == []
    with pytest.raises(JobFailed):
        await rated(detect, tmp_path, b"no picture at all")


@pytest.mark.skipif(not installed(), reason="the extra `rating` is not installed")
def test_the_detector_of_the_extra_names_what_the_levels_know(tmp_path: Path) -> None:
    assert importlib.util.find_spec("nudenet")
    path = tmp_path / "plain.jpeg"
    path.write_bytes(saved(picture(320, 320)))
    assert level_of(nudenet()(path)) == "pg"
