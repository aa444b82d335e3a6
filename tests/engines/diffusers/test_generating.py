"""Requests to files: seeds, samplers, sources, masks, progress, cancelling, and what goes wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from tests.engines.diffusers.conftest import pixels, png

from civitas.engines.diffusers import samplers
from civitas.engines.diffusers.device import Policy
from civitas.engines.diffusers.engine import DiffusersEngine
from civitas.engines.diffusers.errors import (
    Cancelled,
    ModelUnsupported,
    OutOfMemory,
    RequestImpossible,
    WeightsCorrupt,
)
from civitas.engines.diffusers.requests import Hires, PictureRequest, Progress, Weights


def test_a_seed_gives_the_same_bytes_alone_and_among_others(
    engine: DiffusersEngine, request_: PictureRequest
) -> None:
    three = engine.generate(replace(request_, seeds=(5, 6, 7)))
    alone = engine.generate(replace(request_, seeds=(7,)))
    again = engine.generate(replace(request_, seeds=(7, 5)))

    assert [p.seed for p in three] == [5, 6, 7]
    assert three[2].content == alone[0].content == again[0].content
    assert three[0].content == again[1].content
    assert len({p.content for p in three}) == 3


def test_previews_do_not_change_the_picture_of_a_sampler_that_adds_noise(
    engine: DiffusersEngine, request_: PictureRequest
) -> None:
    plain = engine.generate(replace(request_, sampler="eulerA"))
    told: list[Progress] = []
    watched = engine.generate(replace(request_, sampler="eulerA", preview_every=1), on_progress=told.append)

    assert watched[0].content == plain[0].content
    assert any(p.previews for p in told)


def test_pictures_computed_together_differ_from_single_ones_by_rounding_at_most(
    engine: DiffusersEngine, request_: PictureRequest
) -> None:
    single = engine.generate(replace(request_, seeds=(1, 2), sampler="dpM2M"))
    together = engine.generate(replace(request_, seeds=(1, 2), sampler="dpM2M", batch=2))

    for one, other in zip(single, together, strict=True):
        assert abs(pixels(one.content) - pixels(other.content)).max() <= 2


@pytest.mark.parametrize("sampler", sorted(samplers.SOLVERS))
def test_every_sampler_runs(engine: DiffusersEngine, request_: PictureRequest, sampler: str) -> None:
    made = engine.generate(replace(request_, sampler=sampler, steps=3))

    assert (made[0].width, made[0].height) == (64, 64)
    assert pixels(made[0].content).std() > 1
    said = {notice.code for notice in made[0].notices}
    assert ("sampler_replaced" in said) == bool(samplers.SOLVERS[sampler].stand_in)


@pytest.mark.parametrize("schedule", ["karras", "exponential", "beta", "sgm_uniform"])
def test_a_schedule_changes_the_steps(
    engine: DiffusersEngine, request_: PictureRequest, schedule: str
) -> None:
    usual = engine.generate(replace(request_, sampler="dpM2M", schedule="ddim_uniform"))
    other = engine.generate(replace(request_, sampler="dpM2M", schedule=schedule))

    assert usual[0].content != other[0].content
    assert other[0].notices == ()


def test_progress_rises_to_the_end_with_small_jpegs(
    engine: DiffusersEngine, request_: PictureRequest
) -> None:
    told: list[Progress] = []
    engine.generate(replace(request_, seeds=(1, 2), preview_every=2), on_progress=told.append)

    done = [p.done for p in told]
    assert done == sorted(done)
    assert (told[0].stage, told[-1].stage, done[-1]) == ("loading", "writing", 1.0)
    shown = {index: data for p in told for index, data in p.previews.items()}
    assert set(shown) == {0, 1}
    assert all(data.startswith(b"\xff\xd8") and len(data) < 20_000 for data in shown.values())


@pytest.mark.parametrize("after", [1, 2])
def test_cancelling_stops_within_a_step(
    engine: DiffusersEngine, request_: PictureRequest, after: int
) -> None:
    steps: list[int] = []

    def note(progress: Progress) -> None:
        if progress.stage == "sampling":
            steps.append(progress.step)

    with pytest.raises(Cancelled):
        engine.generate(replace(request_, steps=40), on_progress=note, cancelled=lambda: len(steps) >= after)
    assert steps == list(range(1, after + 1))
    assert engine.generate(request_)


def test_a_mask_keeps_what_is_black_to_the_bit(engine: DiffusersEngine, request_: PictureRequest) -> None:
    source = Image.new("RGB", (64, 64), (200, 40, 40))
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (0, 0, 32, 64))
    for sampler in ("eulerA", "ddim", "heun"):
        made = engine.generate(
            replace(request_, sampler=sampler, source=png(source), mask=png(mask), denoise=0.9)
        )
        moved = abs(pixels(made[0].content) - pixels(png(source)))
        assert moved[:, 40:].max() == 0
        assert moved[:, :28].mean() > 3


def test_a_denoise_of_less_than_a_step_is_raised_and_said(
    engine: DiffusersEngine, request_: PictureRequest
) -> None:
    made = engine.generate(replace(request_, source=png(Image.new("RGB", (64, 64))), denoise=0.01))
    assert "denoise_raised" in {notice.code for notice in made[0].notices}


def test_a_second_pass_enlarges(engine: DiffusersEngine, request_: PictureRequest) -> None:
    made = engine.generate(replace(request_, hires=Hires(scale=2.0, denoise=0.4)))
    assert (made[0].width, made[0].height) == (128, 128)
    assert "Hires upscale: 2" in made[0].text


def test_what_is_bent_into_bounds_is_said(engine: DiffusersEngine, request_: PictureRequest) -> None:
    made = engine.generate(replace(request_, width=61, steps=2, cfg=99.0, clip_skip=40, sampler="magic"))
    assert made[0].width == 64
    assert {"size_rounded", "clamped", "sampler_unknown"} <= {notice.code for notice in made[0].notices}


def test_a_draft_takes_few_steps_and_says_so(engine: DiffusersEngine, request_: PictureRequest) -> None:
    made = engine.generate(replace(request_, steps=30, draft=True))
    assert made[0].text.split("Steps: ")[1].startswith("8,")
    assert "draft" in {notice.code for notice in made[0].notices}


@pytest.mark.parametrize(
    "change",
    [{"seeds": ()}, {"seeds": (-1,)}, {"mask": b"x"}, {"source": b"no picture"}, {"cfg": float("nan")}],
)
def test_impossible_requests_are_refused(
    engine: DiffusersEngine, request_: PictureRequest, change: dict[str, object]
) -> None:
    with pytest.raises(RequestImpossible):
        engine.generate(replace(request_, **change))


def test_corrupt_weights_fail_the_request_alone(
    engine: DiffusersEngine, request_: PictureRequest, tmp_path: Path
) -> None:
    whole = request_.checkpoint.path.read_bytes()
    before = engine.generate(request_)[0].content
    for name, data in {
        "cut.safetensors": whole[: len(whole) // 2],
        "noise.safetensors": b"\x00" * 4096,
        "empty.safetensors": b"",
        "noise.ckpt": b"not a pickle at all",
    }.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(WeightsCorrupt, match=path.stem):
            engine.generate(replace(request_, checkpoint=Weights(path)))
    assert engine.generate(request_)[0].content == before


def test_weights_that_make_no_numbers_are_found_out(
    engine: DiffusersEngine, request_: PictureRequest, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(request_.checkpoint.path)
    weights["model.diffusion_model.out.2.weight"].fill_(float("nan"))
    save_file(weights, tmp_path / "nan.safetensors")
    with pytest.raises(WeightsCorrupt, match="no picture"):
        engine.generate(replace(request_, checkpoint=Weights(tmp_path / "nan.safetensors")))


def test_a_file_of_something_else_is_named(
    engine: DiffusersEngine, request_: PictureRequest, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import save_file

    save_file({"double_blocks.0.img_attn.qkv.weight": torch.zeros(2, 2)}, tmp_path / "flux.safetensors")
    with pytest.raises(ModelUnsupported, match="Flux"):
        engine.generate(replace(request_, checkpoint=Weights(tmp_path / "flux.safetensors")))
    with pytest.raises(RequestImpossible, match="not on this machine"):
        engine.generate(replace(request_, checkpoint=Weights(tmp_path / "gone.safetensors")))


def test_a_pickle_with_code_in_it_is_refused(
    engine: DiffusersEngine, request_: PictureRequest, tmp_path: Path
) -> None:
    import pickle

    marker = tmp_path / "ran"

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (marker,))  # type: ignore[return-value]

    path = tmp_path / "bomb.ckpt"
    path.write_bytes(pickle.dumps({"state_dict": Bomb()}))
    with pytest.raises(WeightsCorrupt):
        engine.generate(replace(request_, checkpoint=Weights(path)))
    assert not marker.exists()


def test_too_little_memory_is_a_fault_and_others_still_run(
    engine: DiffusersEngine, request_: PictureRequest
) -> None:
    with pytest.raises(OutOfMemory):
        engine.generate(replace(request_, width=16000, height=16000))
    small = DiffusersEngine(Policy(device="cpu", memory=1_000_000))
    with pytest.raises(OutOfMemory, match="MiB"):
        small.generate(request_)
    assert engine.generate(request_)


def test_a_model_is_loaded_once_and_a_folder_serves_as_well(
    engine: DiffusersEngine, request_: PictureRequest, tmp_path: Path
) -> None:
    file = engine.generate(request_)[0]
    misses = engine.tally.misses
    engine.generate(request_)
    assert engine.tally.misses == misses

    engine.model(request_.checkpoint, None).pipe.save_pretrained(tmp_path / "folder")
    folder = engine.generate(replace(request_, checkpoint=Weights(tmp_path / "folder", name="Chance")))[0]
    assert folder.content == file.content
    assert engine.tally.misses == misses + 1


def test_another_vae_changes_the_picture(
    engine: DiffusersEngine, request_: PictureRequest, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(request_.checkpoint.path)
    vae = {k: v * 1.5 for k, v in weights.items() if k.startswith("first_stage_model.")}
    save_file(vae, tmp_path / "vae.safetensors")
    usual = engine.generate(request_)[0]
    other = engine.generate(replace(request_, vae=Weights(tmp_path / "vae.safetensors", name="Loud")))[0]
    assert usual.content != other.content
    assert "VAE: Loud" in other.text
    assert engine.generate(request_)[0].content == usual.content


def test_a_control_net_steers(engine: DiffusersEngine, request_: PictureRequest, tmp_path: Path) -> None:
    import torch
    from diffusers import ControlNetModel

    from civitas.engines.diffusers.requests import Control

    torch.manual_seed(1)
    net = ControlNetModel.from_unet(
        engine.model(request_.checkpoint, None).pipe.unet, conditioning_embedding_out_channels=(8, 16, 32)
    )
    for layer in (*net.controlnet_down_blocks, net.controlnet_mid_block):
        torch.nn.init.normal_(layer.weight, std=0.3)
    net.save_pretrained(tmp_path / "net")
    edges = png(Image.linear_gradient("L").resize((64, 64)))
    control = Control(Weights(tmp_path / "net"), edges)
    plain = engine.generate(request_)[0].content
    steered = engine.generate(replace(request_, control=control))[0].content
    slack = engine.generate(replace(request_, control=replace(control, weight=0.0)))[0].content
    assert abs(pixels(steered) - pixels(plain)).mean() > 1
    assert abs(pixels(slack) - pixels(plain)).max() <= 1
