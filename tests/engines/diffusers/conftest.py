"""A model of the right shape with weights of chance, made once for the session; without torch everything here is skipped."""

from __future__ import annotations

import importlib.util
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.engines.diffusers.flow_files import alone, files, furnished

from civitas.engines.diffusers.device import Policy
from civitas.engines.diffusers.engine import DiffusersEngine
from civitas.engines.diffusers.families import TESSERA
from civitas.engines.diffusers.requests import PictureRequest, Weights

__all__ = ["alone", "files", "furnished"]
os.environ.setdefault("HF_HUB_OFFLINE", "1")
MISSING = [name for name in ("torch", "diffusers", "transformers") if importlib.util.find_spec(name) is None]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that ask for a model or an engine need the extra."""
    if not MISSING:
        return
    here = Path(__file__).parent
    skip = pytest.mark.skip(reason=f"not installed: {', '.join(MISSING)} (pip install 'civitas[generate]')")
    for item in items:
        if here in item.path.parents and {"chance", "engine"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def chance(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """A checkpoint in the original layout, of Tessera's shape, with weights of chance."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from safetensors.torch import save_file
    from transformers import CLIPTextConfig, CLIPTextModel

    from civitas.engines.diffusers import layout

    def config(part: str) -> dict[str, Any]:
        found = json.loads((TESSERA.folder / part / "config.json").read_text())
        return {k: v for k, v in found.items() if not k.startswith("_")}

    torch.manual_seed(3)
    unet = UNet2DConditionModel(**config("unet"))
    vae = AutoencoderKL(**config("vae"))
    text = CLIPTextModel(CLIPTextConfig(**config("text_encoder")))
    path = tmp_path_factory.mktemp("weights") / "chance.safetensors"
    save_file(layout.original(unet, vae, text), path)
    return Weights(path, name="Chance")


@pytest.fixture(scope="session")
def engine() -> DiffusersEngine:
    return DiffusersEngine(Policy(device="cpu", threads=1))


@pytest.fixture
def request_(chance: Weights) -> PictureRequest:
    """A small request that takes a fraction of a second."""
    return PictureRequest(
        chance,
        "a red circle above a blue square, night sky",
        seeds=(7,),
        width=64,
        height=64,
        steps=4,
        preview_every=0,
    )


def pixels(content: bytes) -> Any:
    """The picture of a file as an array of whole numbers that may be subtracted."""
    import numpy

    return numpy.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)


def png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
