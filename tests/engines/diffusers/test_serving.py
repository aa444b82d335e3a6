"""Jobs of both kinds through the engine as an agent runs it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.engines.diffusers import flow_made
from tests.engines.diffusers.conftest import pixels, png
from tests.engines.diffusers.test_adapters import kohya
from tests.engines.media.made import TestDesk, job

from civitas.contracts.wire.jobs import Job, ResourceLink
from civitas.engines.agent.engine import JobFailed, JobRejected
from civitas.engines.diffusers import models, pictures
from civitas.engines.diffusers.device import Policy
from civitas.engines.diffusers.families import FLUX
from civitas.engines.diffusers.requests import Weights
from civitas.engines.diffusers.serving import PictureEngine
from civitas.kit.generation_text import parse_parameters

MODEL = "urn:air:tessera:checkpoint:civitai:1@11"
LORA = "urn:air:tessera:lora:civitai:2@12"
ENGINE = PictureEngine(Policy(device="cpu", threads=1))


class Desk(TestDesk):
    """A desk with model files, under names that say nothing, as the agent's cache has them."""

    def __init__(
        self, folder: Path, files: Mapping[str, Path], media: Mapping[str, bytes], slots: int
    ) -> None:
        super().__init__(folder, media, slots)
        self.files = files

    async def resource(self, air: str) -> Path:
        return self.files[air]


def made(
    tmp_path: Path,
    step: str,
    given: dict[str, Any],
    files: Mapping[str, tuple[str, Path]],
    *,
    media: Mapping[str, bytes] | None = None,
    slots: int = 1,
) -> tuple[Job, Desk]:
    links, paths = [], {}
    for air, (kind, path) in files.items():
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest().upper()
        paths[air] = tmp_path / digest
        paths[air].write_bytes(data)
        links.append(
            ResourceLink(
                air=air, url="http://nowhere", sha256=digest, size=len(data), filename=path.name, type=kind,
                base_model="Tessera", trained_words=["tess-new"],
            )
        )  # fmt: skip
    folder = tmp_path / "job"
    folder.mkdir(exist_ok=True)
    asked = job(step, given, media or {}, slots).model_copy(update={"resources": links})
    return asked, Desk(folder, paths, media or {}, slots)


async def test_text_to_image_delivers_a_batch_with_recipes(chance: Weights, tmp_path: Path) -> None:
    lora = kohya(tmp_path / "ink.safetensors", 1)
    given = {
        "model": MODEL, "prompt": "a red circle", "negativePrompt": "blur", "scheduler": "dpM2MKarras", "steps": 3, "cfgScale": 4,
        "width": 64, "height": 64, "seed": 4294967295, "batchSize": 2, "clipSkip": 2, "outputFormat": "png",
        "additionalNetworks": {LORA: {"strength": 0.6, "type": "Lora"}},
    }  # fmt: skip
    files = {MODEL: ("Checkpoint", chance.path), LORA: ("LORA", lora)}
    asked, desk = made(tmp_path, "textToImage", given, files, slots=2)
    result = await ENGINE.run(asked, desk)

    assert result.output == {"images": [{"$blob": 0}, {"$blob": 1}]}
    assert [(d.media_type, d.width, d.height) for d in result.delivered] == [("image/png", 64, 64)] * 2
    first, second = (parse_parameters(pictures.text_in(desk.blobs[slot])) for slot in (0, 1))
    assert (first["seed"], second["seed"]) == (4294967295, 0)
    assert (first["sampler"], first["prompt"]) == ("DPM++ 2M Karras", "a red circle <lora:ink:0.6>")
    assert [r["modelVersionId"] for r in first["civitaiResources"]] == [11, 12]
    assert first["Model"] == "chance"
    assert result.warnings == []
    assert desk.told[-1] == 1.0


@pytest.mark.parametrize("named", ["strength", "denoiseStrength"])
async def test_a_variant_of_image_gen_with_the_words_of_the_other_engine(
    chance: Weights, tmp_path: Path, named: str
) -> None:
    given = {
        "engine": "sdcpp", "ecosystem": "tessera", "operation": "createVariant", "model": MODEL, "prompt": "a star",
        "sampleMethod": "res_2s", "schedule": "karras", "steps": 4, "cfgScale": 3, "width": 64, "height": 64, "seed": 5,
        "image": "media:0", named: 0.5, "outputFormat": "webp",
    }  # fmt: skip
    media = {"media:0": png(Image.new("RGB", (80, 64), (30, 120, 30)))}
    asked, desk = made(tmp_path, "imageGen", given, {MODEL: ("Checkpoint", chance.path)}, media=media)
    result = await ENGINE.run(asked, desk)

    assert result.output == {"images": [{"$blob": 0}], "errors": None}
    assert Image.open(io.BytesIO(desk.blobs[0])).format == "WEBP"
    assert parse_parameters(pictures.text_in(desk.blobs[0]))["denoise"] == 0.5
    assert any("Res 2S is not available" in sentence for sentence in result.warnings)


async def test_what_an_agent_cannot_do_is_said(chance: Weights, tmp_path: Path) -> None:
    files = {MODEL: ("Checkpoint", chance.path)}
    given = {"model": MODEL, "prompt": "x", "width": 64, "height": 64, "steps": 2, "seed": 1}
    asked, desk = made(tmp_path, "textToImage", {**given, "controlNets": [{"image": "media:0"}]}, files)
    with pytest.raises(JobRejected, match="ControlNet"):
        await ENGINE.run(asked, desk)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"\x00" * 64)
    asked, desk = made(tmp_path, "textToImage", given, {MODEL: ("Checkpoint", broken)})
    with pytest.raises(JobFailed, match="broken"):
        await ENGINE.run(asked, desk)
    asked, desk = made(tmp_path, "textToImage", {**given, "steps": 50}, files)
    desk.stopped = True
    with pytest.raises(JobFailed, match="cancelled") as failed:
        await ENGINE.run(asked, desk)
    assert failed.value.transient


def test_it_offers_both_steps_for_its_families() -> None:
    assert {"textToImage/sd1", "textToImage/sdxl", "textToImage/tessera", "imageGen/sdxl"} <= set(
        ENGINE.capabilities()
    )


@pytest.mark.usefixtures("engine")
async def test_parts_of_flux_come_with_the_job_or_are_named(tmp_path: Path) -> None:
    flux, clip = "urn:air:flux1:checkpoint:civitai:5@50", "urn:air:other:textencoder:civitai:6@60"
    t5, vae = "urn:air:other:textencoder:civitai:7@70", "urn:air:flux1:vae:civitai:8@80"
    parts = tmp_path / "parts"
    flow_made.t5_tokenizer(parts / "t5_tokenizer")
    files = {
        flux: ("Checkpoint", flow_made.save(tmp_path / "f.safetensors", flow_made.flux_names(flow_made.transformer_flux()))),
        clip: ("TextEncoder", flow_made.save(tmp_path / "c.safetensors", flow_made.clip(flow_made.WIDTH_L, projected=False))),
        t5: ("TextEncoder", flow_made.save(tmp_path / "t.safetensors", flow_made.t5())),
        vae: ("VAE", flow_made.save(tmp_path / "v.safetensors", flow_made.vae(FLUX))),
    }  # fmt: skip
    given = {
        "engine": "sdcpp", "ecosystem": "flux1", "operation": "createImage", "diffuserModel": flux, "prompt": "a star",
        "clipLModel": clip, "t5XXLModel": t5, "vaeModel": vae, "sampleMethod": "euler", "steps": 2, "width": 64, "height": 64,
        "seed": 5, "outputFormat": "png",
    }  # fmt: skip
    engine = PictureEngine(Policy(device="cpu", threads=1, parts=parts))
    asked, desk = made(tmp_path, "imageGen", given, files)
    result = await engine.run(asked, desk)
    assert pixels(desk.blobs[0]).std() > 1
    assert result.warnings == []
    asked, desk = made(tmp_path, "imageGen", {**given, "t5XXLModel": None}, files)
    with pytest.raises(JobRejected, match=r"Missing: t5xxl\.safetensors;"):
        await engine.run(asked, desk)
    asked, desk = made(
        tmp_path, "imageGen", {**given, "operation": "editImage", "images": ["media:0"]}, files
    )
    with pytest.raises(JobRejected, match="by instruction"):
        await engine.run(asked, desk)


@pytest.mark.usefixtures("engine")
async def test_tessera_paints_only_where_the_mask_is_white(tmp_path: Path) -> None:
    source = Image.new("RGB", (64, 64), (250, 250, 250))
    source.paste((222, 38, 38), (24, 24, 40, 40))
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (0, 40, 64, 64))
    given = {
        "model": MODEL, "prompt": "a red square, grass", "scheduler": "dpM2M", "steps": 12, "cfgScale": 4, "width": 64,
        "height": 64, "seed": 3, "outputFormat": "png", "sourceImage": "media:0", "sourceImageDenoiseStrenght": 1.0,
        "maskImage": "media:1",
    }  # fmt: skip
    media = {"media:0": png(source), "media:1": png(mask)}
    asked, desk = made(
        tmp_path, "textToImage", given, {MODEL: ("Checkpoint", models.CHECKPOINT)}, media=media
    )
    await ENGINE.run(asked, desk)
    painted, before = pixels(desk.blobs[0]), pixels(png(source))
    assert (painted[:36] == before[:36]).all(), (
        "what is black in the mask stays to the bit, but for the soft seam"
    )
    red, green, blue = painted[48:].mean((0, 1))
    assert green > red and green > blue, "grass grew where the mask is white"
