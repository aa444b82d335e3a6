"""Our reader of recipes beside a foreign one (sd-parsers): they agree, or the difference has a name and a reason."""

from __future__ import annotations

import json
import string
from io import BytesIO
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from sd_parsers import ParserManager
from tests.infra.imaging.drawing import encoded, exif_of, quarters
from tests.infra.imaging.test_dialects import FOOOCUS, INVOKE, INVOKE_TWO, NOVEL
from tests.infra.imaging.test_metadata import GRAPH

from civitas.infra.imaging import metadata, png

FIELDS: Final = ("writer", "prompt", "negative", "seed", "steps", "cfg", "sampler", "model")
WRITERS: Final = {"a1111": "AUTOMATIC1111", "comfyui": "ComfyUI", "fooocus": "Fooocus", "invokeai": "InvokeAI",
                  "novelai": "NovelAI", "civitai": "AUTOMATIC1111"}  # fmt: skip
TAIL: Final = (
    "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 64x48, Model hash: aabbccddee, Model: kite_v2"
)


def linked(graph: dict[str, Any]) -> dict[str, str]:
    """The texts of a picture by ComfyUI: the graph, and the editor's with the same links."""
    links = [
        [number, source[0], source[1], target, 0, {"clip": "CLIP", "model": "MODEL"}.get(name, "CONDITIONING")]
        for number, (target, name, source) in enumerate(
            (target, name, value)
            for target, node in graph.items() for name, value in node["inputs"].items() if isinstance(value, list)
        )
    ]  # fmt: skip
    return {"prompt": json.dumps(graph), "workflow": json.dumps({"nodes": [], "links": links})}


STYLED: Final[dict[str, Any]] = {
    **GRAPH,
    "3": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["2", 1], "text": "a fox"}},
}
PLAIN: Final[dict[str, Any]] = {
    "1": GRAPH["1"],
    "3": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": "a fox"}},
    "4": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": "blur"}},
    "5": {"class_type": "KSampler", "inputs": {**GRAPH["5"]["inputs"], "model": ["1", 0]}},
}
HIRES: Final[dict[str, Any]] = {
    **PLAIN,
    "6": {
        "class_type": "KSampler",
        "inputs": {**PLAIN["5"]["inputs"], "latent_image": ["5", 0], "seed": 78, "steps": 9},
    },
}
ADVANCED: Final[dict[str, Any]] = {
    **PLAIN,
    "5": {"class_type": "KSamplerAdvanced", "inputs": {
        **{name: value for name, value in PLAIN["5"]["inputs"].items() if name != "seed"}, "noise_seed": 77}},
}  # fmt: skip
CORPUS: Final[dict[str, dict[str, str]]] = {
    "a1111": {"parameters": f"a kite\nNegative prompt: rain\n{TAIL}"},
    "a1111, nothing unwanted": {"parameters": f"a kite\n{TAIL}"},
    "a1111, many lines": {"parameters": f"a kite,\nred\n\n(blue:1.2)\nNegative prompt: rain,\nfog\n{TAIL}"},
    "a1111, scheduler": {"parameters": f"a kite\n{TAIL}, Schedule type: Karras, Clip skip: 2, Version: v1.10.1"},
    "a1111, loras": {
        "parameters": f'a kite <lora:ink:0.8>\nNegative prompt: rain\n{TAIL}, Lora hashes: "ink: 0123456789ab", Version: f1'
    },
    "a1111, hashes": {"parameters": f'a kite\n{TAIL}, Hashes: {{"model": "aabbccddee", "lora:ink": "01234567"}}'},
    "a1111, quoted": {"parameters": f'a kite\n{TAIL}, Wildcard prompt: "a, b: c", ADetailer model: face.pt'},
    "a1111, no prompt": {"parameters": f"Negative prompt: rain\n{TAIL}"},
    "a1111, no sampler": {"parameters": "a kite\nSteps: 20, CFG scale: 7, Seed: 5, Model: kite_v2"},
    "a1111, model with a comma": {"parameters": 'a kite\nSteps: 20, Sampler: DDIM, CFG scale: 7.5, Seed: 5, Model: "a, b"'},
    "civitai": {"parameters": f'a kite\n{TAIL}, Civitai resources: [{{"type": "lora", "modelVersionId": 7}}]'},
    "comfyui": linked(PLAIN),
    "comfyui, a lora": linked(STYLED),
    "comfyui, a text from elsewhere": linked(GRAPH),
    "comfyui, two passes": linked(HIRES),
    "comfyui, advanced": linked(ADVANCED),
    "comfyui, no editor's graph": {"prompt": json.dumps(PLAIN)},
    "fooocus": {"parameters": json.dumps(FOOOCUS)},
    "fooocus, unwanted": {"parameters": json.dumps(FOOOCUS | {"negative_prompt": "rain"})},
    "invokeai 4": {"invokeai_metadata": json.dumps(INVOKE)},
    "invokeai 3": {
        "invokeai_metadata": json.dumps(INVOKE | {"model": {"model_name": "dreamshaper", "base_model": "sd-1"}})
    },
    "invokeai 2": {"sd-metadata": json.dumps(INVOKE_TWO)},
    "invokeai 1": {"Dream": '"a kite [rain]" -s 50 -S 123 -W 512 -H 640 -C 7.5 -A k_lms'},
    "novelai": NOVEL,
    "novelai 3": NOVEL | {
        "Source": "Stable Diffusion 1D44365E",
        "Comment": json.dumps({"steps": 28, "scale": 11, "uc": "rain", "seed": 7, "sampler": "k_euler_ancestral"}),
    },
}  # fmt: skip
LORA: Final = "Theirs takes the LoRA loader's link, which is named `model` too, for the model's name."
STEPS: Final = "Theirs leaves steps among what it does not name."
KNOWN: Final[dict[str, dict[str, str]]] = {
    "a1111, no sampler": dict.fromkeys(
        ("writer", "prompt", "seed", "steps", "cfg", "model"), "Theirs reads nothing without a sampler."
    ),
    "a1111, model with a comma": {"model": "Theirs splits at commas within quotes."},
    "comfyui, a lora": {"model": LORA},
    "comfyui, a text from elsewhere": {
        "model": LORA, "prompt": "Theirs reads texts of encoders only, not those that are handed to them.",
    },
    "comfyui, advanced": {"seed": "Theirs does not know `noise_seed`."},
    "comfyui, no editor's graph": dict.fromkeys(FIELDS, "Theirs finds its way by the editor's links alone."),
    "invokeai 4": {"model": "Theirs knows `model_name` of version 3, not the `name` that came after it."},
    "novelai": {"prompt": "Theirs leaves out the characters' prompts of version 4.", "steps": STEPS},
    "novelai 3": {"steps": STEPS},
}  # fmt: skip


def image_of(texts: dict[str, str]) -> bytes:
    """A PNG with these texts."""
    info = PngInfo()
    for name, text in texts.items():
        info.add_itxt(name, text)
    return encoded(quarters(), "PNG", pnginfo=info)


def ours(data: bytes) -> dict[str, Any]:
    """What we read."""
    found = png.read_text(data, entries=64, characters=2**20)
    return _ours({"text": dict(found.text)})


def _ours(raw: dict[str, Any]) -> dict[str, Any]:
    read = metadata.read(raw)
    names = ("prompt", "negativePrompt", "seed", "steps", "cfgScale", "sampler", "Model")
    told = [None if read.meta.get(name) == "" else read.meta.get(name) for name in names]
    return dict(zip(FIELDS, [WRITERS.get(read.format or "", read.format), *told], strict=True))


_SEEN: list[Image.Image] = []


def theirs(data: bytes) -> dict[str, Any]:
    """What sd-parsers reads, in our words: numbers as numbers, models without folder and ending."""
    # The library knows what it read last by where the picture lies in memory: none may come to lie where another lay.
    _SEEN.append(image := Image.open(BytesIO(data)))
    found = ParserManager().parse(image)
    if found is None:
        return dict.fromkeys(FIELDS)
    sampler = found.samplers[0]
    told = sampler.parameters
    name = sampler.model.name if sampler.model else None
    return {
        "writer": found.generator.value,
        "prompt": found.full_prompt or None,
        "negative": found.full_negative_prompt or None,
        "seed": _number(told.get("seed")),
        "steps": _number(told.get("steps")),
        "cfg": _number(told.get("cfg_scale")),
        "sampler": sampler.name,
        "model": name.rpartition("/")[2].removesuffix(".safetensors") if isinstance(name, str) else None,
    }


def _number(told: Any) -> Any:
    return float(told) if told is not None else None


@pytest.mark.parametrize("name", CORPUS)
def test_two_readers_agree_but_for_what_is_named(name: str) -> None:
    data = image_of(CORPUS[name])
    mine, other = ours(data), theirs(data)
    differ = {field for field in FIELDS if mine[field] != other[field]}
    told = {field: (mine[field], other[field]) for field in differ ^ set(KNOWN.get(name, {}))}
    assert not told, f"ours and theirs; named and not so, or so and not named: {told}"
    assert mine["prompt"] or name == "a1111, no prompt"


def test_every_difference_has_a_picture_and_a_reason() -> None:
    assert set(KNOWN) <= set(CORPUS)
    assert all(reason.endswith(".") for told in KNOWN.values() for reason in told.values())
    # Most of the corpus must need no excuse, or the oracle would be none.
    assert sum(name not in KNOWN for name in CORPUS) * 2 > len(CORPUS)


@pytest.mark.parametrize("format", ["JPEG", "WEBP"])
@pytest.mark.parametrize("name", ["a1111", "a1111, many lines", "fooocus"])
def test_user_comments_agree(format: str, name: str) -> None:
    comment = b"UNICODE\0" + CORPUS[name]["parameters"].encode("utf-16-be")
    exif = exif_of(comment=comment)
    data = encoded(quarters(), format, exif=exif)
    with Image.open(BytesIO(data)) as image:
        fields, _ = metadata.read_exif(image.info["exif"], entries=64, characters=2**20)
    assert _ours({"exif": fields}) == theirs(data)


WORDS: Final = st.text(string.ascii_letters + string.digits + " ,.()_-<>\n狐ü", min_size=1, max_size=80).map(
    lambda text: " ".join(text.split(" ")).strip()
)


@settings(max_examples=60, deadline=None)
@given(
    WORDS.filter(bool), WORDS, st.integers(0, 2**63 - 1), st.integers(1, 150), st.integers(1, 300),
    st.sampled_from(["Euler a", "DPM++ 2M Karras", "DDIM", "UniPC"]),
    st.text(string.ascii_letters + string.digits + "_-. ", min_size=1, max_size=30).map(str.strip).filter(bool),
)  # fmt: skip
def test_any_recipe_of_the_usual_form_reads_alike(
    prompt: str, negative: str, seed: int, steps: int, tenths: int, sampler: str, model: str
) -> None:
    text = prompt + (f"\nNegative prompt: {negative}" if negative else "")
    text += f"\nSteps: {steps}, Sampler: {sampler}, CFG scale: {tenths / 10}, Seed: {seed}, Model: {model}"
    data = image_of({"parameters": text})
    mine, other = ours(data), theirs(data)
    # Seeds of 64 bits are compared as they are: a float would hide the last digits.
    assert mine["seed"] == seed and other.pop("seed") == float(seed)
    assert {name: mine[name] for name in other} == other
