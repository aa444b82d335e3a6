"""Recipes of every writer, from the strings that they write: fields, partial results, hidden texts."""

from __future__ import annotations

import gzip
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from civitas.infra.imaging import metadata, stealth
from civitas.infra.imaging.pillow import PillowImaging

FOOOCUS = {
    "adm_guidance": "(1.5, 0.8, 0.3)", "base_model": "juggernautXL_v8Rundiffusion.safetensors",
    "base_model_hash": "aeb7e9e689", "clip_skip": 2, "guidance_scale": 4, "loras": [["sd_xl_offset", 0.1, "4852686128"]],
    "negative_prompt": "", "prompt": "a kite", "resolution": "(1152, 896)", "sampler": "dpmpp_2m_sde_gpu",
    "scheduler": "karras", "seed": "8254", "steps": 30, "version": "Fooocus v2.4.1",
}  # fmt: skip
RUINED = {
    "software": "RuinedFooocus", "Prompt": "a kite", "Negative": "rain", "steps": 30, "cfg": 8, "width": 1024,
    "height": 768, "seed": 7, "sampler_name": "dpmpp_2m", "scheduler": "karras",
    "base_model_name": "folder/sdxl.safetensors", "base_model_hash": "e6bb9ea85b",
    "loras": [["aabbccdd", "0.5 - offset.safetensors"]], "denoise": None,
}  # fmt: skip
SWARM = {
    "sui_image_params": {
        "prompt": "a kite", "negativeprompt": "rain", "model": "sdxl", "seed": 7, "steps": 20, "cfgscale": 7.5,
        "width": 1024, "height": 1024, "sampler": "euler", "loras": ["Styles/ink"], "loraweights": ["0.8"],
        "clipstopatlayer": -2, "swarm_version": "0.9.4",
    },
    "sui_extra_data": {},
    "sui_models": [
        {"name": "sdxl.safetensors", "param": "model", "hash": "0xabc123"},
        {"name": "Styles/ink.safetensors", "param": "loras", "hash": "0xdef456"},
    ],
}  # fmt: skip
INVOKE = {
    "app_version": "4.2.0", "positive_prompt": "a kite", "negative_prompt": "rain", "width": 512, "height": 768,
    "seed": 7, "cfg_scale": 7.5, "steps": 30, "scheduler": "euler", "clip_skip": 0,
    "model": {"name": "dreamshaper", "hash": "blake3:0011aa"},
    "loras": [{"model": {"name": "ink"}, "weight": 0.75}],
}  # fmt: skip
INVOKE_TWO = {
    "model_weights": "stable-diffusion-1.5", "model_hash": "cc6cb27103", "app_version": "2.3",
    "image": {"prompt": [{"prompt": "a kite [rain]", "weight": 1}], "steps": 50, "cfg_scale": 7.5, "seed": 7,
              "width": 512, "height": 512, "sampler": "k_lms"},
}  # fmt: skip
NOVEL = {
    "Title": "AI generated image", "Description": "a kite", "Software": "NovelAI",
    "Source": "NovelAI Diffusion V4 37C2B166",
    "Comment": json.dumps({
        "prompt": "a kite", "steps": 28, "height": 1216, "width": 832, "scale": 5.5, "uc": "rain", "seed": 7,
        "sampler": "k_euler", "noise_schedule": "karras",
        "v4_prompt": {"caption": {"base_caption": "a kite", "char_captions": [{"char_caption": "a girl"}]}},
    }),
}  # fmt: skip


def parameters(value: Any) -> dict[str, Any]:
    """Raw metadata with this JSON as `parameters`."""
    return {"text": {"parameters": json.dumps(value)}}


@pytest.mark.parametrize(
    ("raw", "format", "fields"),
    [
        (parameters(FOOOCUS), "fooocus", {
            "prompt": "a kite", "steps": 30, "cfgScale": 4, "seed": 8254, "Size": "1152x896",
            "Model": "juggernautXL_v8Rundiffusion", "Model hash": "aeb7e9e689", "clipSkip": 2,
        }),
        (parameters(RUINED), "ruinedfooocus", {
            "prompt": "a kite", "negativePrompt": "rain", "cfgScale": 8, "Size": "1024x768", "Model": "sdxl",
        }),
        (parameters(SWARM), "swarmui", {
            "prompt": "a kite", "cfgScale": 7.5, "clipSkip": 2, "Model hash": "abc123", "Version": "0.9.4",
        }),
        ({"text": {"invokeai_metadata": json.dumps(INVOKE)}}, "invokeai", {
            "prompt": "a kite", "sampler": "euler", "Model": "dreamshaper", "Model hash": "0011aa", "Size": "512x768",
        }),
        ({"text": {"sd-metadata": json.dumps(INVOKE_TWO)}}, "invokeai", {
            "prompt": "a kite", "negativePrompt": "rain", "steps": 50, "Model": "stable-diffusion-1.5",
        }),
        ({"text": {"Dream": '"a kite [rain]" -s 50 -S 123 -W 512 -H 640 -C 7.5 -A k_lms'}}, "invokeai", {
            "prompt": "a kite", "negativePrompt": "rain", "steps": 50, "seed": 123, "cfgScale": 7.5,
            "sampler": "k_lms", "Size": "512x640",
        }),
        ({"text": NOVEL}, "novelai", {
            "prompt": "a kite\na girl", "negativePrompt": "rain", "seed": 7, "scheduler": "karras",
            "Model": "NovelAI Diffusion V4", "Model hash": "37C2B166", "Size": "832x1216",
        }),
        ({"text": {"prompt": "a kite", "num_inference_steps": "25", "guidance_scale": "7.5", "seed": "7"}},
         "easydiffusion", {"prompt": "a kite", "steps": 25, "cfgScale": 7.5}),
        ({"text": {"parameters": "a kite\nSteps: 20, Seed: 7, Model: x"}}, "a1111", {"steps": 20}),
        ({"text": {"parameters": 'a kite\nSteps: 20, Civitai resources: [{"modelVersionId": 7}]'}}, "civitai",
         {"civitaiResources": [{"modelVersionId": 7}]}),
    ],
)  # fmt: skip
def test_every_writer(raw: dict[str, Any], format: str, fields: dict[str, Any]) -> None:
    found = metadata.read(raw)
    assert (found.format, found.faults) == (format, [])
    assert {name: found.meta.get(name) for name in fields} == fields


@pytest.mark.parametrize(
    ("raw", "lora"),
    [
        (parameters(FOOOCUS), {"type": "lora", "name": "sd_xl_offset", "weight": 0.1, "hash": "4852686128"}),
        (parameters(RUINED), {"type": "lora", "name": "offset", "weight": 0.5, "hash": "aabbccdd"}),
        (parameters(SWARM), {"type": "lora", "name": "ink", "weight": 0.8, "hash": "def456"}),
        (
            {"text": {"invokeai_metadata": json.dumps(INVOKE)}},
            {"type": "lora", "name": "ink", "weight": 0.75},
        ),
    ],
)
def test_networks_with_their_weights(raw: dict[str, Any], lora: dict[str, Any]) -> None:
    assert lora in metadata.read(raw).meta["resources"]


def test_the_editors_graph_alone_tells_the_recipe() -> None:
    workflow = {
        "nodes": [
            {"id": 1, "type": "CheckpointLoaderSimple", "widgets_values": ["sdxl.safetensors"], "inputs": []},
            {"id": 2, "type": "LoraLoader", "widgets_values": ["ink.safetensors", 0.6, 1],
             "inputs": [{"name": "model", "link": 10}]},
            {"id": 3, "type": "CLIPTextEncode", "widgets_values": ["a kite"], "inputs": []},
            {"id": 4, "type": "CLIPTextEncode", "widgets_values": ["rain"], "inputs": []},
            {"id": 5, "type": "EmptyLatentImage", "widgets_values": [832, 1216, 1], "inputs": []},
            {"id": 6, "type": "KSampler", "widgets_values": [7, "fixed", 20, 6.5, "euler", "normal", 1],
             "inputs": [{"name": "model", "link": 11}, {"name": "positive", "link": 12},
                        {"name": "negative", "link": 13}, {"name": "latent_image", "link": 14}]},
        ],
        "links": [[10, 1, 0, 2, 0, "MODEL"], [11, 2, 0, 6, 0, "MODEL"], [12, 3, 0, 6, 1, "CONDITIONING"],
                  [13, 4, 0, 6, 2, "CONDITIONING"], [14, 5, 0, 6, 3, "LATENT"]],
        "extra": {"airs": ["urn:air:sdxl:lora:civitai:123@456", 7, "nonsense"]},
    }  # fmt: skip
    found = metadata.read({"text": {"workflow": json.dumps(workflow)}})
    assert found.format == "comfyui"
    wanted = {
        "prompt": "a kite", "negativePrompt": "rain", "seed": 7, "steps": 20, "cfgScale": 6.5, "sampler": "euler",
        "Model": "sdxl", "Size": "832x1216",
    }  # fmt: skip
    assert {name: found.meta[name] for name in wanted} == wanted
    assert {"type": "lora", "name": "ink", "weight": 0.6} in found.meta["resources"]
    assert found.meta["civitaiResources"] == [{"type": "lora", "modelVersionId": 456}]


def test_a_films_comment_holds_the_graphs() -> None:
    graph = {"1": {"class_type": "KSampler", "inputs": {"seed": 7, "steps": 4, "positive": ["2", 0]}},
             "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a kite"}}}  # fmt: skip
    found = metadata.read({"text": {"comment": json.dumps({"prompt": json.dumps(graph), "workflow": {}})}})
    assert (found.format, found.meta["prompt"], found.meta["seed"]) == ("comfyui", "a kite", 7)


@pytest.mark.parametrize(
    ("raw", "kept", "fault"),
    [
        (parameters(FOOOCUS | {"seed": "many", "resolution": "wide"}), {"steps": 30}, "seed"),
        ({"text": {"parameters": "a kite\nSteps: 20, CFG scale: NaN, Seed: 7"}}, {"seed": 7}, "CFG scale"),
        ({"text": {"parameters": '{"prompt": '}}, {}, "JSON"),
        ({"text": {"prompt": '{"1": {', "parameters": "a\nSteps: 3, Seed: 7"}}, {"seed": 7}, "ComfyUI"),
        ({"text": NOVEL | {"Comment": "{"}}, {"prompt": "a kite"}, "NovelAI"),
    ],
)
def test_one_bad_field_never_loses_the_rest(raw: dict[str, Any], kept: dict[str, Any], fault: str) -> None:
    found = metadata.read(raw)
    assert {name: found.meta.get(name) for name in kept} == kept
    assert any(fault in told for told in found.faults)


@pytest.mark.parametrize(
    "raw",
    [
        {"text": {"parameters": "a kite\nSteps: 20, Seed: 99999999999999999999, Model: x"}},
        {"text": {"parameters": 'a\nSteps: 20, Civitai metadata: {"a": 1e3, "b": 99999999999999999999999}'}},
        parameters(FOOOCUS | {"seed": "99999999999999999999"}),
        parameters(
            {"1": {"class_type": "KSampler", "inputs": {"seed": 1e30, "steps": 20, "positive": ["2", 0]}}}
        ),
    ],
)
def test_numbers_that_nothing_stores_are_not_handed_on(raw: dict[str, Any]) -> None:
    found = metadata.read(raw)
    assert found.meta["steps"] in (20, 30)
    orjson.dumps(found.meta)


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    [
        *FOOOCUS,
        *RUINED,
        *INVOKE,
        *INVOKE_TWO,
        "sui_image_params",
        "sui_models",
        "nodes",
        "links",
        "class_type",
    ]
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.sampled_from(
        ["parameters", "invokeai_metadata", "sd-metadata", "Comment", "prompt", "workflow", "Dream"]
    ),
    st.dictionaries(KEYS, JSONISH, max_size=8),
)
def test_whatever_is_there_nothing_is_raised(name: str, value: dict[str, Any]) -> None:
    found = metadata.read({"text": {name: json.dumps(value), "Software": "NovelAI"}})
    json.dumps(found.meta)
    assert all(isinstance(fault, str) for fault in found.faults)


def hide(text: bytes, word: bytes, size: tuple[int, int] = (64, 64)) -> Image.Image:
    """A picture with the text in its lowest bits, written by the rules of those who began it."""
    bands = "RGB" if word[8:11] == b"rgb" else "A"
    data = word + (len(text) * 8).to_bytes(4, "big") + text
    bits = [byte >> (7 - at) & 1 for byte in data for at in range(8)]
    image = Image.new("RGBA", size, (200, 100, 50, 254))
    pixels: Any = image.load()
    for at, bit in enumerate(bits):
        place = at // len(bands)
        x, y = divmod(place, size[1])
        value = list(pixels[x, y])
        band = 3 if bands == "A" else at % 3
        value[band] = value[band] & ~1 | bit
        pixels[x, y] = tuple(value)
    return image


@pytest.mark.parametrize(
    ("word", "packed"),
    [
        (b"stealth_pnginfo", False),
        (b"stealth_pngcomp", True),
        (b"stealth_rgbinfo", False),
        (b"stealth_rgbcomp", True),
    ],
)
def test_texts_hidden_in_the_pixels(word: bytes, packed: bool) -> None:
    text = "a kite\nSteps: 20, Seed: 7, Model: ünïcode"
    data = gzip.compress(text.encode()) if packed else text.encode()
    assert stealth.hidden_text(hide(data, word)) == text


def test_hidden_bombs_and_lies_are_bounded() -> None:
    bomb = gzip.compress(b"0" * 40_000_000, 9)
    size = (512, 800)
    assert len(stealth.hidden_text(hide(bomb, b"stealth_pngcomp", size))) <= stealth.MOST
    image = hide(b"x" * 40, b"stealth_pnginfo")
    # It says that more follows than there are pixels.
    pixels: Any = image.load()
    for at in range(8):
        x, y = divmod(15 * 8 + 8 + at, 64)
        pixels[x, y] = (*pixels[x, y][:3], 255)
    assert stealth.hidden_text(image) == ""
    assert stealth.hidden_text(Image.new("RGBA", (1, 1))) == ""
    assert stealth.hidden_text(Image.new("L", (64, 64))) == ""


async def test_the_decoder_finds_what_novelai_hides(tmp_path: Path) -> None:
    body = gzip.compress(json.dumps(NOVEL).encode())
    file = BytesIO()
    hide(body, b"stealth_pngcomp", (96, 96)).save(file, "PNG")
    async with PillowImaging() as imaging:
        facts = await imaging.inspect(file.getvalue())
    assert (facts.meta_format, facts.meta["prompt"], facts.meta["seed"]) == ("novelai", "a kite\na girl", 7)
