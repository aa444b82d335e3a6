"""Stable Diffusion 3 and Flux as single files: with and without their encoders, and which file is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from tests.engines.diffusers import flow_made as made
from tests.engines.diffusers.conftest import pixels, png
from tests.engines.diffusers.flow_files import Files, asked, codes

from civitas.engines.diffusers import families, flux_layout, gguf_weights, samplers
from civitas.engines.diffusers.device import Policy
from civitas.engines.diffusers.engine import DiffusersEngine
from civitas.engines.diffusers.errors import ModelUnsupported, PartsMissing
from civitas.engines.diffusers.families import FLUX, SD3
from civitas.engines.diffusers.requests import Control, Hires, Progress, Weights
from civitas.engines.diffusers.serving import PictureEngine

pytestmark = pytest.mark.usefixtures("engine")  # skipped without the extra


def test_a_whole_file_of_sd3_needs_nothing_else(alone: DiffusersEngine, files: Files) -> None:
    three = alone.generate(asked(files.whole, seeds=(5, 6, 7)))
    single = alone.generate(asked(files.whole))[0]
    assert single.content == three[2].content
    assert len({p.content for p in three}) == 3
    assert pixels(single.content).std() > 1
    assert codes(single) == ["t5_absent"]
    other = alone.generate(asked(files.whole, prompt="a blue square"))[0]
    assert other.content != single.content, "the words matter"


@pytest.mark.parametrize("newer", [False, True])
def test_every_weight_of_sd3_arrives_where_it_belongs(
    alone: DiffusersEngine, files: Files, newer: bool
) -> None:
    import torch

    checkpoint = files.newer if newer else files.whole
    alone.generate(asked(checkpoint, steps=1))
    loaded = alone.model(checkpoint, None)
    theirs = made.transformer_sd3(newer=newer).state_dict()
    ours = loaded.pipe.transformer.state_dict()
    assert set(ours) == set(theirs)
    assert all(torch.equal(ours[k], theirs[k]) for k in ours)
    words = made.clip(made.WIDTH_G, projected=True)
    kept = loaded.pipe.text_encoder_2.state_dict()
    assert all(torch.equal(kept[k], v) for k, v in words.items())
    assert torch.equal(loaded.pipe.text_encoder.text_projection.weight, torch.eye(made.WIDTH_L))
    assert loaded.schedule["shift"] == 3.0


def test_what_a_file_lacks_is_named_or_taken_from_the_folder_of_parts(
    alone: DiffusersEngine, furnished: DiffusersEngine, files: Files, tmp_path: Path
) -> None:
    with pytest.raises(PartsMissing, match=r"Bare .*clip_l\.safetensors, clip_g\.safetensors.*PARTS"):
        alone.generate(asked(files.bare))
    with pytest.raises(
        PartsMissing, match=r"t5xxl\.safetensors, clip_l\.safetensors, t5_tokenizer/tokenizer\.json, ae"
    ):
        alone.generate(asked(files.dev))
    (tmp_path / "clip_l.safetensors").write_bytes((files.parts / "clip_l.safetensors").read_bytes())
    some = DiffusersEngine(Policy(device="cpu", threads=1, parts=tmp_path))
    with pytest.raises(PartsMissing) as fault:
        some.generate(asked(files.bare))
    assert "clip_g.safetensors" in fault.value.message and "clip_l" not in fault.value.message
    assert str(tmp_path) in fault.value.message

    short = furnished.generate(asked(files.bare))[0]
    assert codes(short) == [], "with T5 there is nothing to say"
    assert furnished.generate(asked(files.bare, prompt="a red circle!"))[0].content != short.content


def test_a_part_that_is_something_else_is_refused(files: Files, tmp_path: Path) -> None:
    (tmp_path / "clip_l.safetensors").write_bytes((files.parts / "ae.safetensors").read_bytes())
    with pytest.raises(ModelUnsupported, match="not the clip_l"):
        DiffusersEngine(Policy(device="cpu", parts=tmp_path)).generate(asked(files.bare))


def test_encoders_of_another_model_are_refused(files: Files, tmp_path: Path) -> None:
    for name in ("clip_l", "clip_g"):
        made.save(tmp_path / f"{name}.safetensors", made.clip(made.WIDTH_L, projected=True))
    with pytest.raises(ModelUnsupported, match=r"text encoders .* Bare"):
        DiffusersEngine(Policy(device="cpu", parts=tmp_path)).generate(asked(files.bare))


@pytest.mark.parametrize("guided", [True, False])
def test_flux_is_completed_from_the_folder(furnished: DiffusersEngine, files: Files, guided: bool) -> None:
    import torch

    checkpoint = files.dev if guided else files.schnell
    one, two = furnished.generate(asked(checkpoint, seeds=(1, 2), negative="blur"))
    alone = furnished.generate(asked(checkpoint, seeds=(2,), negative="blur"))[0]
    assert alone.content == two.content
    assert one.content != two.content
    assert codes(one) == ["negative_ignored"]
    loaded = furnished.model(checkpoint, None)
    theirs = made.transformer_flux(guided=guided).state_dict()
    ours = loaded.pipe.transformer.state_dict()
    assert set(ours) == set(theirs)
    assert all(torch.equal(ours[k], theirs[k]) for k in ours)
    assert loaded.schedule["use_dynamic_shifting"] is guided
    mild, strong = (
        pixels(furnished.generate(asked(checkpoint, seeds=(1,), cfg=cfg))[0].content) for cfg in (1.0, 9.0)
    )
    assert bool((mild != strong).any()) is guided, "only dev has guidance"


def test_names_of_flux_are_those_that_diffusers_gives_at_the_real_width() -> None:
    import torch
    from diffusers import FluxTransformer2DModel
    from diffusers.loaders.single_file_utils import convert_flux_transformer_checkpoint_to_diffusers

    with torch.device("meta"):
        real = FluxTransformer2DModel(num_layers=2, num_single_layers=2, guidance_embeds=True)
    names = made.flux_names(real)
    ours = flux_layout.diffusers_names(dict(names))
    theirs = convert_flux_transformer_checkpoint_to_diffusers(dict(names))
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}


@pytest.mark.parametrize("family", ["sd3", "flux"])
def test_pictures_masks_previews_and_second_passes(
    furnished: DiffusersEngine, files: Files, family: str
) -> None:
    checkpoint = files.bare if family == "sd3" else files.dev
    told: list[Progress] = []
    plain = furnished.generate(asked(checkpoint))[0]
    watched = furnished.generate(asked(checkpoint, preview_every=1), on_progress=told.append)[0]
    assert watched.content == plain.content
    assert any(p.previews for p in told)

    source = Image.new("RGB", (64, 64), (200, 40, 40))
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (0, 0, 32, 64))
    near, far = (
        furnished.generate(asked(checkpoint, source=png(source), denoise=d, steps=8))[0] for d in (0.2, 1.0)
    )
    assert near.content != far.content
    painted = furnished.generate(
        asked(checkpoint, source=png(source), mask=png(mask), denoise=0.9, seeds=(1, 2))
    )
    moved = abs(pixels(painted[0].content) - pixels(png(source)))
    assert moved[:, 40:].max() == 0
    assert moved[:, :28].mean() > 3
    again = furnished.generate(
        asked(checkpoint, source=png(source), mask=png(mask), denoise=0.9, seeds=(2,))
    )[0]
    assert again.content == painted[1].content

    larger = furnished.generate(asked(checkpoint, width=72, hires=Hires(scale=1.5)))[0]
    assert (larger.width, larger.height) == (96, 96)
    assert "size_rounded" in codes(larger)
    with pytest.raises(ModelUnsupported, match="ControlNet"):
        furnished.generate(asked(checkpoint, control=Control(files.dev, png(source))))


@pytest.mark.parametrize("sampler", sorted(samplers.SOLVERS))
def test_samplers_are_honoured_or_replaced_with_a_word(
    alone: DiffusersEngine, files: Files, sampler: str
) -> None:
    picture = alone.generate(asked(files.whole, sampler=sampler))[0]
    assert pixels(picture.content).std() > 1
    assert ("sampler_replaced" in codes(picture)) == (sampler not in SD3.flow)


def test_solvers_and_schedules_differ_also_from_a_picture(alone: DiffusersEngine, files: Files) -> None:
    source = png(Image.new("RGB", (64, 64), (30, 160, 40)))
    for extra in ({}, {"source": source, "denoise": 0.6}):
        contents = [
            alone.generate(asked(files.whole, sampler=name, steps=6, **extra))[0].content
            for name in ("euler", "dpmpp_2m", "unipc", "euler karras")
        ]
        assert len(set(contents)) == 4
    spaced = alone.generate(asked(files.whole, sampler="dpmpp_2m", schedule="karras"))[0]
    assert "schedule_ignored" in codes(spaced)
    assert "Sampler: DPM++ 2M," in spaced.text
    assert "sampler_replaced" in codes(alone.generate(asked(files.newer, sampler="eulerA"))[0])


def test_another_vae_and_a_prompt_that_is_too_long(
    alone: DiffusersEngine, furnished: DiffusersEngine, files: Files, tmp_path: Path
) -> None:
    loud = {k: v * 1.5 for k, v in made.vae(FLUX).items()}
    vae = Weights(made.save(tmp_path / "loud.safetensors", loud), name="Loud")
    assert (
        furnished.generate(asked(files.dev, vae=vae))[0].content
        != furnished.generate(asked(files.dev))[0].content
    )
    assert "prompt_cut" in codes(alone.generate(asked(files.whole, prompt="red " * 80))[0])
    assert "prompt_cut" not in codes(furnished.generate(asked(files.dev, prompt="red " * 80))[0])
    assert "prompt_cut" in codes(furnished.generate(asked(files.schnell, prompt="red " * 80))[0])


def test_folders_of_diffusers_are_the_same_models(
    furnished: DiffusersEngine, alone: DiffusersEngine, files: Files, tmp_path: Path
) -> None:
    file = furnished.generate(asked(files.dev))[0]
    furnished.model(files.dev, None).pipe.save_pretrained(tmp_path / "dev")
    folder = Weights(tmp_path / "dev", name="Dev")
    assert alone.generate(asked(folder))[0].content == file.content


def test_relatives_are_refused_by_name(files: Files, tmp_path: Path) -> None:
    with pytest.raises(ModelUnsupported, match="Chroma"):
        families.of_shapes({"distilled_guidance_layer.in_proj.weight": (1,)})
    names = {"double_blocks.0.img_attn.qkv.weight": (1,), "time_in.in_layer.weight": (1,)}
    with pytest.raises(ModelUnsupported, match="quantised"):
        families.of_shapes(names | {"double_blocks.0.img_attn.qkv.scale_weight": (1,)})
    with pytest.raises(ModelUnsupported, match="relative of Flux"):
        families.of_shapes({"double_blocks.0.img_attn.qkv.weight": (1,)})


def test_an_agent_offers_flux_only_with_the_tokenizer(files: Files) -> None:
    without, with_it = (
        set(PictureEngine(Policy(parts=parts)).capabilities()) for parts in (None, files.parts)
    )
    assert {"textToImage/sd3", "textToImage/sd3_5m"} <= without
    packed = ("", ".gguf") if gguf_weights.installed() else ("",)
    assert with_it - without == {
        f"{step}/{name}{end}"
        for step in ("textToImage", "imageGen")
        for name in ("flux1", "fluxkrea")
        for end in packed
    }
