"""`textToImage` and `imageGen` on a ComfyUI server."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.engines.comfy.conftest import AIRS, Do, Start, desk_of, digest, job_of
from tests.engines.comfy.server import SmallComfy
from tests.engines.media.made import picture, saved

from civitas.engines.agent.engine import JobFailed, JobRejected
from civitas.engines.comfy import samplers
from civitas.kit.generation_text import parse_parameters

PROMPT = {"prompt": "a fox", "model": AIRS["model"], "seed": 7, "width": 128, "height": 64, "steps": 4}


def only(graph: dict[str, Any], kind: str) -> dict[str, Any]:
    (node,) = [node for node in graph.values() if node["class_type"] == kind]
    return dict(node["inputs"])


async def test_a_batch_is_drawn_and_carries_its_recipe(do: Do, comfy: SmallComfy, models: Path) -> None:
    given = {**PROMPT, "batchSize": 2, "scheduler": "dpM2MKarras", "cfgScale": 5, "outputFormat": "png"}
    result, desk = await do("textToImage", given, slots=2, uses=("model",))
    assert result.output == {"images": [{"$blob": 0}, {"$blob": 1}]}
    for slot, seed in ((0, 7), (1, 8)):
        image = Image.open(io.BytesIO(desk.blobs[slot]))
        assert image.size == (128, 64) and image.getpixel((0, 0)) == (seed, 40, 80)
        assert "prompt" not in image.info
        said = parse_parameters(image.info["parameters"])
        assert (said["prompt"], said["seed"], said["steps"], said["cfgScale"]) == ("a fox", seed, 4, 5)
        assert said["civitaiResources"] == [{"type": "checkpoint", "modelVersionId": 10}]
        assert (desk.delivered[slot].width, desk.delivered[slot].media_type) == (128, "image/png")
    (graph,) = comfy.prompts
    samplers_of = [node["inputs"] for node in graph.values() if node["class_type"] == "KSampler"]
    assert [one["seed"] for one in samplers_of] == [7, 8]
    assert (samplers_of[0]["sampler_name"], samplers_of[0]["scheduler"]) == ("dpmpp_2m", "karras")
    name = only(graph, "CheckpointLoaderSimple")["ckpt_name"]
    assert (models / "checkpoints" / name).read_bytes() == b"model"
    assert name == f"civitas/{digest(b'model')[:20].lower()}.safetensors"
    assert desk.told == sorted(desk.told) and desk.told[-1] == 1.0
    assert "Sampler of picture 2 (node 8) 4 of 4" in desk.notes
    assert desk.previews[0] == b"\xff\xd8preview"
    assert not desk.warnings


async def test_everything_that_is_stacked_on_a_checkpoint(do: Do, comfy: SmallComfy, models: Path) -> None:
    given = {
        **PROMPT,
        "negativePrompt": "Bad-hands, blur",
        "clipSkip": 2,
        "additionalNetworks": {AIRS["lora"]: {"strength": 0.6}, AIRS["embedding"]: {}, AIRS["net"]: {}},
        "vaeModel": AIRS["vae"],
        "sourceImage": "media:0",
        "sourceImageDenoiseStrenght": 0.4,
        "controlNets": [{"image": "media:1", "weight": 0.5, "startStep": 0.1, "endStep": 0.9}],
    }
    first, second = saved(picture(8, 8)), saved(picture(16, 8))
    uses = ("model", "lora", "vae", "embedding", "net")
    result, desk = await do("textToImage", given, first, second, uses=uses)
    assert desk.delivered[0].media_type == "image/jpeg"
    assert result.output == {"images": [{"$blob": 0}]}
    (graph,) = comfy.prompts
    lora = only(graph, "LoraLoader")
    assert (lora["strength_model"], lora["strength_clip"]) == (0.6, 0.6)
    assert only(graph, "CLIPSetLastLayer")["stop_at_clip_layer"] == -2
    words = [node["inputs"]["text"] for node in graph.values() if node["class_type"] == "CLIPTextEncode"]
    embedding = f"civitas/{digest(b'embedding')[:20].lower()}"
    assert words == ["a fox", f"embedding:{embedding}, blur"]
    assert (models / "embeddings" / f"{embedding}.pt").exists()
    assert only(graph, "KSampler")["denoise"] == 0.4
    control = only(graph, "ControlNetApplyAdvanced")
    assert (control["strength"], control["start_percent"], control["end_percent"]) == (0.5, 0.1, 0.9)
    assert sorted(comfy.uploads.values()) == sorted([first, second])
    decode = only(graph, "VAEDecode")
    assert graph[decode["vae"][0]]["class_type"] == "VAELoader"
    assert parse_parameters(_comment(desk.blobs[0]))["denoise"] == 0.4


def _comment(data: bytes) -> str:
    raw = Image.open(io.BytesIO(data)).getexif().get_ifd(0x8769)[0x9286]
    return bytes(raw[8:]).decode("utf-16-be")


async def test_image_gen_speaks_comfys_own_words(do: Do, comfy: SmallComfy) -> None:
    given = {
        "engine": "comfy",
        "ecosystem": "sd1",
        "operation": "createVariant",
        "model": AIRS["model"],
        "prompt": "a fox",
        "sampler": "uni_pc",
        "scheduler": "sgm_uniform",
        "image": "media:0",
        "denoiseStrength": 0.3,
        "cfgScale": 0,
        "width": 100,
        "height": 64,
        "loras": {AIRS["lora"]: 0.9},
    }
    result, desk = await do("imageGen", given, saved(picture(8, 8)), uses=("model", "lora"))
    assert result.output == {"images": [{"$blob": 0}], "errors": None}
    sampler = only(comfy.prompts[0], "KSampler")
    assert (sampler["sampler_name"], sampler["scheduler"]) == ("uni_pc", "sgm_uniform")
    assert (sampler["denoise"], sampler["cfg"]) == (0.3, 0)
    assert desk.warnings == ["The width became 96 pixels: 100 is no multiple of 8."]


async def test_without_a_models_folder_no_pictures_are_offered(
    comfy: SmallComfy, start: Start, tmp_path: Path
) -> None:
    engine = await start(comfy, models=None)
    assert engine.capabilities() == ["comfy", "customComfy"]
    with pytest.raises(JobRejected, match="CIVITAS_AGENT__COMFY__MODELS"):
        await engine.run(job_of("textToImage", PROMPT, uses=("model",)), desk_of(tmp_path))


async def test_a_folder_that_the_server_does_not_read_is_told(
    comfy: SmallComfy, start: Start, tmp_path: Path
) -> None:
    engine = await start(comfy, models=tmp_path / "elsewhere")
    with pytest.raises(JobRejected, match=r"Checkpoint \(node 1\): Value not in list: ckpt_name"):
        await engine.run(job_of("textToImage", PROMPT, uses=("model",)), desk_of(tmp_path))


async def test_a_job_without_its_checkpoint_fails(do: Do) -> None:
    with pytest.raises(JobFailed, match="does not come with a checkpoint"):
        await do("textToImage", PROMPT)


async def test_a_picture_that_is_too_large_fails(
    do: Do, comfy: SmallComfy, start: Start, tmp_path: Path
) -> None:
    engine = await start(comfy)
    small = job_of("textToImage", PROMPT, uses=("model",)).model_copy(update={"most_bytes": 20})
    with pytest.raises(JobFailed, match="more than 20 bytes"):
        await engine.run(small, desk_of(tmp_path))


@pytest.mark.parametrize(
    ("asked", "spacing", "sampler", "schedule", "noticed"),
    [
        ("eulerA", "", "euler_ancestral", "normal", 0),
        ("dpM2SAKarras", "", "dpmpp_2s_ancestral", "karras", 0),
        ("dpM3MSDE", "", "dpmpp_3m_sde", "normal", 0),
        ("DPM++ 2M SDE", "exponential", "dpmpp_2m_sde", "exponential", 0),
        ("dpm++2s_a", "discrete", "dpmpp_2s_ancestral", "normal", 0),
        ("ddim_trailing", "", "ddim", "sgm_uniform", 0),
        ("undefined", "", "euler_ancestral", "normal", 0),
        ("plms", "", "ipndm", "normal", 1),
        ("wonder", "gits", "euler_ancestral", "normal", 2),
    ],
)
def test_names_of_samplers(asked: str, spacing: str, sampler: str, schedule: str, noticed: int) -> None:
    choice = samplers.choose(asked, spacing)
    assert (choice.sampler, choice.schedule, len(choice.notices)) == (sampler, schedule, noticed)


def test_every_sampler_of_the_interface_has_one() -> None:
    published = (
        "eulerA euler lms heun dpM2 dpM2A dpM2SA dpM2M dpmsde dpmFast dpmAdaptive lmsKarras dpM2Karras dpM2AKarras "
        "dpM2SAKarras dpM2MKarras dpmsdeKarras ddim uniPC undefined lcm ddpm deis dpM3MSDE"
    )
    assert [name for name in published.split() if samplers.choose(name).notices] == []
