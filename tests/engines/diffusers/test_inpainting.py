"""Models made for inpainting: found by their first convolution, given the mask, and honest about having none."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from tests.engines.diffusers.conftest import pixels, png

from civitas.engines.diffusers import families
from civitas.engines.diffusers.engine import DiffusersEngine
from civitas.engines.diffusers.errors import ModelUnsupported
from civitas.engines.diffusers.requests import Hires, PictureRequest, Weights

FIRST = "model.diffusion_model.input_blocks.0.0.weight"


@pytest.fixture(scope="module")
def painter(chance: Weights, tmp_path_factory: pytest.TempPathFactory) -> Weights:
    """The checkpoint of chance with a first convolution that takes nine channels."""
    import torch
    from safetensors.torch import load_file, save_file

    weights = load_file(chance.path)
    first = weights[FIRST]
    torch.manual_seed(4)
    weights[FIRST] = torch.cat([first, torch.randn(first.shape[0], 5, 3, 3) * first.std() * 3], dim=1)
    path = tmp_path_factory.mktemp("painter") / "painter.safetensors"
    save_file(weights, path)
    return Weights(path, name="Painter")


def halves() -> tuple[bytes, bytes]:
    source = Image.new("RGB", (64, 64), (200, 40, 40))
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (0, 0, 32, 64))
    return png(source), png(mask)


def test_it_paints_within_the_mask_by_what_lies_around(
    engine: DiffusersEngine, request_: PictureRequest, painter: Weights
) -> None:
    source, mask = halves()
    asked = replace(request_, checkpoint=painter, source=source, mask=mask, denoise=1.0, preview_every=1)
    made = engine.generate(replace(asked, seeds=(1, 2)))
    moved = abs(pixels(made[0].content) - pixels(source))
    assert moved[:, 40:].max() == 0
    assert moved[:, :28].mean() > 3
    assert made[0].notices == ()
    assert engine.generate(replace(asked, seeds=(2,)))[0].content == made[1].content

    around = Image.open(io.BytesIO(source)).copy()
    around.paste((20, 20, 250), (32, 0, 64, 64))
    other = engine.generate(replace(asked, seeds=(1,), source=png(around)))[0]
    assert abs(pixels(other.content) - pixels(made[0].content))[:, :28].max() > 0, "it sees what is kept"


@pytest.mark.parametrize("sampler", ["eulerA", "ddim", "lcm", "dpmpp_sde"])
def test_without_a_mask_it_paints_everything_and_says_so(
    engine: DiffusersEngine, request_: PictureRequest, painter: Weights, sampler: str
) -> None:
    asked = replace(request_, checkpoint=painter, sampler=sampler, hires=Hires(scale=1.5))
    made = engine.generate(asked)[0]
    assert (made.width, made.height) == (96, 96)
    assert pixels(made.content).std() > 1
    assert [n.code for n in made.notices] == ["mask_whole"]
    source, _ = halves()
    near, far = (
        engine.generate(replace(asked, hires=None, source=source, denoise=denoise, steps=8))[0]
        for denoise in (0.2, 1.0)
    )
    assert near.content != far.content


def test_a_folder_of_an_inpainting_pipeline_is_the_same_model(
    engine: DiffusersEngine, request_: PictureRequest, painter: Weights, tmp_path: Path
) -> None:
    source, mask = halves()
    asked = replace(request_, checkpoint=painter, source=source, mask=mask, denoise=0.8)
    file = engine.generate(asked)[0]
    engine.model(painter, None).task("StableDiffusionInpaintPipeline").save_pretrained(tmp_path / "folder")
    folder = engine.generate(replace(asked, checkpoint=Weights(tmp_path / "folder", name="Painter")))[0]
    assert folder.content == file.content


def test_a_control_net_steers_it_too(
    engine: DiffusersEngine, request_: PictureRequest, painter: Weights, chance: Weights, tmp_path: Path
) -> None:
    import torch
    from diffusers import ControlNetModel

    from civitas.engines.diffusers.requests import Control

    engine.generate(request_)
    torch.manual_seed(1)
    unet = engine.model(chance, None).pipe.unet
    net = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(8, 16, 32))
    for layer in (*net.controlnet_down_blocks, net.controlnet_mid_block):
        torch.nn.init.normal_(layer.weight, std=0.3)
    net.save_pretrained(tmp_path / "net")
    source, mask = halves()
    asked = replace(request_, checkpoint=painter, source=source, mask=mask, denoise=1.0)
    edges = png(Image.linear_gradient("L").resize((64, 64)))
    steered = engine.generate(replace(asked, control=Control(Weights(tmp_path / "net"), edges)))[0]
    assert steered.content != engine.generate(asked)[0].content


def test_families_are_told_by_the_shape_of_the_first_convolution() -> None:
    text = {"cond_stage_model.transformer.text_model.x": (1,)}
    two = {"conditioner.embedders.1.model.ln_final.weight": (1280,)}
    attention = "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight"
    for width, words, family in ((768, text, families.SD1), (2048, two, families.SDXL)):
        for channels in (4, 9):
            shapes = {**words, attention: (320, width), FIRST: (320, channels, 3, 3)}
            assert families.of_shapes(shapes) is family
            assert families.channels(shapes) == channels
        with pytest.raises(ModelUnsupported, match="8 channels"):
            families.of_shapes({**words, attention: (320, width), FIRST: (320, 8, 3, 3)})
