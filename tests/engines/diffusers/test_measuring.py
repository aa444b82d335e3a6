"""How fast a checkpoint is here, as `civitas agent bench` tells."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from civitas.app.main import app
from civitas.engines.diffusers.engine import DiffusersEngine
from civitas.engines.diffusers.measuring import measure
from civitas.engines.diffusers.requests import PictureRequest, Weights
from civitas.kit.errors import Invalid


def test_what_is_measured_belongs_together(engine: DiffusersEngine, request_: PictureRequest) -> None:
    found = measure(engine, replace(request_, steps=2, seeds=(1, 2), preview_every=1), rounds=1)
    assert (found.pictures, found.steps, found.device) == (2, 2, "cpu")
    assert found.images_per_second == pytest.approx(1 / found.picture_s, rel=0.05)
    assert found.first_preview_s is not None
    assert 0 < found.first_preview_s < 2 * found.picture_s
    assert found.memory > 50 * 2**20


@pytest.mark.usefixtures("engine")
def test_the_command_tells_it_in_a_line_of_json(chance: Weights) -> None:
    asked = ["agent", "bench", str(chance.path), "--steps", "1", "--pictures", "1", "--rounds", "1", "--json"]
    told = CliRunner().invoke(app, [*asked, "--device", "cpu"])
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    assert (found["width"], found["device"], found["pictures"]) == (64, "cpu", 1)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("asked", [["nowhere.safetensors"], ["--size", "large"]])
def test_what_cannot_be_measured_is_said(tmp_path: Path, asked: list[str]) -> None:
    told = CliRunner().invoke(app, ["agent", "bench", *asked])
    assert isinstance(told.exception, Invalid)
