"""Prompts, sampler names, files and the cache: what needs no model."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.engines.diffusers.conftest import MISSING, pixels

from civitas.engines.diffusers import pictures, prompts, samplers
from civitas.engines.diffusers.cache import ModelCache
from civitas.engines.diffusers.errors import OutOfMemory
from civitas.engines.diffusers.requests import Lora, PictureRequest, Weights
from civitas.kit.generation_text import parse_parameters

REFERENCE = (
    "eulerA euler lms heun dpM2 dpM2A dpM2SA dpM2M dpmsde dpmFast dpmAdaptive lmsKarras dpM2Karras dpM2AKarras",
    "dpM2SAKarras dpM2MKarras dpmsdeKarras ddim plms uniPC undefined lcm ddpm deis dpM3MSDE",
)
COMFY = (
    "euler euler_ancestral euler_cfg_pp euler_ancestral_cfg_pp heun heunpp2 dpm_2 dpm_2_ancestral lms dpm_fast dpm_adaptive",
    "dpmpp_2s_ancestral dpmpp_2s_ancestral_cfg_pp dpmpp_sde dpmpp_sde_gpu dpmpp_2m dpmpp_2m_cfg_pp dpmpp_2m_sde",
    "dpmpp_2m_sde_gpu dpmpp_3m_sde dpmpp_3m_sde_gpu ddpm lcm ipndm ipndm_v deis ddim uni_pc uni_pc_bh2 res_multistep er_sde",
)
SDCPP = (
    "euler heun dpm2 dpm++2s_a dpm++2m dpm++2mv2 ipndm ipndm_v ddim_trailing euler_a lcm res_multistep res_2s tcd er_sde",
)
NAMES = [name for line in (*REFERENCE, *COMFY, *SDCPP) for name in line.split()]


@pytest.mark.parametrize("name", [*NAMES, "DPM++ 2M Karras", "Euler a", "DPM++ SDE", "UniPC"])
def test_every_name_of_a_sampler_is_known(name: str) -> None:
    assert "sampler_unknown" not in {notice.code for notice in samplers.choose(name).notices}


def test_names_lead_where_they_should() -> None:
    assert samplers.choose("dpM2MKarras").label == "DPM++ 2M Karras"
    assert samplers.choose("dpmpp_2m", "karras").settings == {"use_karras_sigmas": True}
    assert samplers.choose("dpM2SA").solver.label == "DPM++ 2S"
    assert [n.code for n in samplers.choose("dpM2SA").notices] == ["sampler_replaced"]
    assert [n.code for n in samplers.choose("ddim", "karras").notices] == ["schedule_ignored"]
    assert [n.code for n in samplers.choose("euler", "bong_tangent").notices] == ["schedule_unknown"]


def test_weights_and_breaks_of_a_prompt() -> None:
    def said(text: str) -> list[tuple[str, float]]:
        return [(p.text, round(p.weight, 4)) for p in prompts.parse(text)]

    assert said("a (red:1.3) fox") == [("a ", 1.0), ("red", 1.3), (" fox", 1.0)]
    assert said("((loud)) [soft]") == [("loud", 1.21), (" ", 1.0), ("soft", 0.9091)]
    assert said(r"a \(plain\) word") == [("a (plain) word", 1.0)]
    assert said("(open") == [("open", 1.1)]
    assert said("a fox <lora:fluffy:0.8>") == [("a fox ", 1.0)]
    assert [p.breaks for p in prompts.parse("one BREAK two")] == [False, True, False]
    assert prompts.plain("a (red:1.3) [fox]") == "a red fox"


@given(st.text(max_size=300))
def test_any_text_is_a_prompt(text: str) -> None:
    assert all(0 <= piece.weight <= 10 for piece in prompts.parse(text))


@pytest.mark.skipif(bool(MISSING), reason="transformers is not installed (pip install 'civitas[generate]')")
def test_clips_tokens_are_those_the_checkpoints_know() -> None:
    from civitas.engines.diffusers.tokenizers import clip_tokenizer

    tokenizer = clip_tokenizer()
    assert len(tokenizer) == 49408
    assert tokenizer("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert clip_tokenizer(pad="!").pad_token_id == 0


@pytest.mark.skipif(bool(MISSING), reason="transformers is not installed (pip install 'civitas[generate]')")
def test_long_prompts_become_chunks_that_end_at_commas() -> None:
    from civitas.engines.diffusers.tokenizers import clip_tokenizer

    tokenizer = clip_tokenizer()
    parts, cut = prompts.chunks(", ".join(["a red fox in deep snow"] * 20), tokenizer, {})
    assert not cut
    assert len(parts) == 2
    assert len(parts[0].tokens) <= prompts.CHUNK
    assert parts[0].tokens[-1] == tokenizer.convert_tokens_to_ids(",</w>")
    assert prompts.chunks("fox " * 5000, tokenizer, {})[1]
    assert len(prompts.chunks("", tokenizer, {})[0]) == 1


REQUEST = PictureRequest(
    Weights(Path("/models/tessera.safetensors"), "Tessera", "AB" * 32, version_id=11),
    'a fox: "red", (snow:1.2)\nat night, ünïcode',
    seeds=(7,),
    negative="bad, worse",
    loras=(Lora(Path("/models/ink.safetensors"), "ink", "cd" * 32, version_id=12, weight=0.8),),
    clip_skip=2,
    extra={"remixOfId": 5},
)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_a_file_parses_back_to_the_request(kind: str) -> None:
    meta = pictures.recipe(REQUEST, seed=7, size=(64, 48), sampler="DPM++ 2M Karras", steps=20, cfg=4.5)
    made = Image.linear_gradient("L").resize((64, 48)).convert("RGB")
    content = pictures.write(made, kind, text=pictures.text_of(meta))  # type: ignore[arg-type]

    assert Image.open(io.BytesIO(content)).format == kind.upper()
    assert abs(pixels(content) - pixels(pictures.write(made, "png"))).mean() < 3
    back = parse_parameters(pictures.text_in(content))
    assert back["prompt"] == REQUEST.prompt + " <lora:ink:0.8>"
    assert back["negativePrompt"] == "bad, worse"
    assert (back["steps"], back["cfgScale"], back["seed"], back["clipSkip"]) == (20, 4.5, 7, 2)
    assert (back["sampler"], back["Size"], back["Model"]) == ("DPM++ 2M Karras", "64x48", "Tessera")
    assert back["hashes"] == {"model": "abababab" + "ab", "lora:ink": "cdcdcdcdcd"}
    assert [r["modelVersionId"] for r in back["civitaiResources"]] == [11, 12]
    assert back["civitaiResources"][1]["weight"] == 0.8
    assert back["extra"] == {"remixOfId": 5}


class Block:
    def __init__(self, size: int) -> None:
        self.size, self.closed = size, False

    def close(self) -> None:
        self.closed = True


def test_the_cache_lets_go_of_what_was_used_longest_ago() -> None:
    cache: ModelCache[Block] = ModelCache(100)
    a, b, c = Block(40), Block(40), Block(40)
    cache.get("a", lambda: a, expected=40)
    cache.get("b", lambda: b, expected=40)
    assert cache.get("a", lambda: Block(1), expected=1) is a
    cache.get("c", lambda: c, expected=40)
    assert (b.closed, a.closed, len(cache)) == (True, False, 2)
    with pytest.raises(OutOfMemory):
        cache.get("d", lambda: Block(101), expected=101)
    assert cache.tally.bytes == 80

    def fails() -> Block:
        raise ValueError

    with pytest.raises(ValueError):
        cache.get("e", fails, expected=10)
    assert "e" not in cache


def test_vendored_configurations_are_whole() -> None:
    from civitas.engines.diffusers.families import FAMILIES

    for family in FAMILIES.values():
        if family.flow:
            parts: tuple[str, ...] = ("transformer", "vae")
        else:
            index = json.loads((family.folder / "model_index.json").read_text())
            assert index["_class_name"] == family.pipeline
            parts = ("unet", "vae", "text_encoder")
        for part in parts:
            assert json.loads((family.folder / part / "config.json").read_text())
        assert (family.folder / "scheduler" / "scheduler_config.json").exists()
