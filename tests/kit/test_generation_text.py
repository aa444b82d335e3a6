from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from civitas.kit.generation_text import load_json, parse_parameters, resources_of, write_parameters

FULL = """masterpiece, a fox in snow <lora:fluffy:0.8>, (detailed:1.2)
second line BREAK third
Negative prompt: blurry, low quality
with two lines
Steps: 28, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: 3141592653, Size: 832x1216, \
Model hash: 1a2b3c4d5e, Model: foxModel_v2, VAE hash: 735e4c3a44, VAE: sdxl.vae, Denoising strength: 0.35, \
Clip skip: 2, ADetailer model: face_yolov8n.pt, Hires upscale: 1.5, Lora hashes: "fluffy: abcdef012345, other: 99", \
TI hashes: "easyneg: c74b4e810b03", Hashes: {"model": "1a2b3c4d5e", "lora:fluffy": "abcdef0123"}, Version: v1.10.1, \
Civitai resources: [{"type": "checkpoint", "modelVersionId": 128078}, {"type": "lora", "weight": 0.8, \
"modelVersionId": 7}], Civitai metadata: {"remixOfId": 12, "nan": NaN}"""


def test_reads_every_field_of_a_full_text() -> None:
    meta = parse_parameters(FULL)
    assert meta["prompt"].startswith("masterpiece, a fox")
    assert meta["prompt"].endswith("second line BREAK third")
    assert meta["negativePrompt"] == "blurry, low quality\nwith two lines"
    assert (meta["steps"], meta["sampler"], meta["scheduler"]) == (28, "DPM++ 2M", "Karras")
    assert (meta["cfgScale"], meta["seed"], meta["clipSkip"], meta["denoise"]) == (6.5, 3141592653, 2, 0.35)
    assert (meta["Size"], meta["width"], meta["height"]) == ("832x1216", 832, 1216)
    assert (meta["Model"], meta["Model hash"], meta["Version"]) == ("foxModel_v2", "1a2b3c4d5e", "v1.10.1")
    assert meta["hashes"] == {
        "model": "1a2b3c4d5e",
        "vae": "735e4c3a44",
        "lora:fluffy": "abcdef0123",
        "lora:other": "99",
        "embed:easyneg": "c74b4e810b03",
    }
    assert meta["civitaiResources"][1] == {"type": "lora", "weight": 0.8, "modelVersionId": 7}
    assert meta["extra"] == {"remixOfId": 12, "nan": None}
    assert meta["ADetailer model"] == "face_yolov8n.pt"
    assert {"type": "lora", "name": "fluffy", "weight": 0.8, "hash": "abcdef0123"} in meta["resources"]
    assert {"type": "model", "name": "foxModel_v2", "hash": "1a2b3c4d5e"} in meta["resources"]
    assert {"type": "embed", "name": "easyneg", "hash": "c74b4e810b03"} in meta["resources"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("just a prompt, nothing else", {"prompt": "just a prompt, nothing else"}),
        ("a\nNegative prompt: b", {"prompt": "a", "negativePrompt": "b"}),
        ("Steps: 20, Seed: 4", {"steps": 20, "seed": 4}),
        (
            "a cat Negative prompt: dog Steps: 12, CFG scale: 7",
            {"prompt": "a cat", "negativePrompt": "dog", "steps": 12, "cfgScale": 7},
        ),
        (
            "Steps: 3 to heaven, Sampler: a joke\nmore\nSteps: 30, Sampler: Euler",
            {"prompt": "Steps: 3 to heaven, Sampler: a joke\nmore", "steps": 30, "sampler": "Euler"},
        ),
        ("p\r\nSteps: 5, Sampler: DPM++ 2M, Karras, Seed: 1", {"prompt": "p", "sampler": "DPM++ 2M, Karras"}),
        ("p\nSampler: Euler a, Seed: 9", {"prompt": "p", "sampler": "Euler a", "seed": 9}),
    ],
)
def test_reads_the_shapes_that_writers_make(text: str, expected: dict[str, Any]) -> None:
    assert expected.items() <= parse_parameters(text).items()


@pytest.mark.parametrize(
    "bad",
    [
        "CFG scale: NaN",
        "Seed: lots",
        "Size: 12by12",
        'Hashes: {broken, "x": }',
        "Hashes: {never closed",
        "Civitai resources: [[[[",
        "Civitai resources: " + "[" * 3000 + "]" * 3000,
        'Lora hashes: "never closed',
        "AddNet Weight A 1: NaN",
        "Seed: " + "9" * 5000,
        "prompt: stolen",
        "comfy: {}",
    ],
)
def test_one_bad_field_never_loses_the_rest(bad: str) -> None:
    meta = parse_parameters(f"fox\nSteps: 20, {bad}, Sampler: Euler, Model: m")
    assert (meta["prompt"], meta["steps"], meta["sampler"], meta["Model"]) == ("fox", 20, "Euler", "m")
    json.dumps(meta, allow_nan=False)


@pytest.mark.parametrize(
    "unit",
    [
        "Steps: 1\n",
        "Steps: 1 ",
        "Negative prompt:",
        "\nNegative prompt: ",
        "a: {, ",
        'a: "x, ',
        "a: [[], ",
        "a: [",
        "[[],",
        "a:b:c ",
        "k: v, ",
        "<lora:a",
        "<lora:a:1>",
        "<",
        '\\"',
        '{"a":',
        " ",
        "\n",
        ",",
        "é",
        "(" * 50,
        "\x00",
        "aaaaaaaaaaaaaaaaaaaaaaaaa ",
    ],
)
def test_a_hostile_megabyte_is_read_quickly(unit: str) -> None:
    flood = unit * (1_000_000 // len(unit))
    for text in (flood, f"p\nSteps: 20, Size: 8x8, {flood}", f"p\nSteps: 20, Hashes: [{flood}"):
        started = time.process_time()
        meta = parse_parameters(text)
        assert time.process_time() - started < 0.5
        assert len(meta) <= 450


def test_control_characters_and_lone_surrogates_never_get_through() -> None:
    meta = parse_parameters('a\x00b\ud800c\nSteps: 2, Hashes: {"m\\u0000": "x\\ud800y"}, X: "q\\u0000"')
    assert meta["prompt"] == "abc"
    assert meta["hashes"] == {"m": "xy"}
    assert meta["X"] == "q"


def test_json_of_strangers_is_bounded() -> None:
    assert load_json('{"a": NaN, "b": [Infinity, -Infinity, 1e999], "c": "\\u0000z"}') == {
        "a": None,
        "b": [None, None, None],
        "c": "z",
    }
    assert load_json("9" * 10_000) is None
    for text in ("[" * 70 + "]" * 70, "[" * 100_000, "{", "x" * 11):
        with pytest.raises(ValueError, match=r".+"):
            load_json(text, limit=200_000 if text[0] != "x" else 10)


def test_a_prompt_cannot_forge_a_negative_prompt() -> None:
    text = write_parameters({"prompt": "a\nNegative prompt: b", "negativePrompt": "c", "steps": 1})
    assert parse_parameters(text)["negativePrompt"] == "c"


def test_writing_takes_anything() -> None:
    text = write_parameters(
        {
            "prompt": None,
            "steps": float("nan"),
            "x": object,
            "bad\nkey": 1,
            "hashes": {"a": float("inf")},
            "ok": {1: 2},
        }
    )
    assert "bad" not in text
    assert parse_parameters("p\nSteps: 1, " + text)["ok"] == {"1": 2}


words = st.text(
    st.characters(blacklist_categories=("Cs", "Cc"), whitelist_characters='\n,:{}[]"\\<>'), max_size=60
).map(str.strip)
prompts = words.filter(lambda t: "Negative prompt:" not in t)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | words,
    lambda c: st.dictionaries(words, c, max_size=3),
)
metas = st.fixed_dictionaries(
    {"steps": st.integers(1, 10_000)},
    optional={
        "prompt": prompts.filter(bool),
        "negativePrompt": words.filter(bool),
        "sampler": words.filter(bool),
        "scheduler": words.filter(bool),
        "cfgScale": st.floats(0, 100) | st.integers(0, 30),
        "denoise": st.floats(0, 1),
        "seed": st.integers(-1, 2**64 - 1),
        "clipSkip": st.integers(1, 12),
        "Model": words,
        "Version": words,
        "Created Date": words,
        "ADetailer model": words,
        "hashes": st.dictionaries(words.filter(bool), words.filter(bool), min_size=1, max_size=4),
        "civitaiResources": st.lists(st.dictionaries(words, values, max_size=3), min_size=1, max_size=3),
        "extra": st.dictionaries(words, values, min_size=1, max_size=3),
    },
)


@settings(max_examples=300, deadline=None)
@given(metas)
def test_what_was_written_is_read_back(meta: dict[str, Any]) -> None:
    resources = resources_of(meta)
    expected = meta | ({"resources": resources} if resources else {})
    assert parse_parameters(write_parameters(meta)) == expected


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=400) | st.lists(st.sampled_from(FULL.split(" ")), max_size=60).map(" ".join))
def test_reading_is_stable_and_never_raises(text: str) -> None:
    meta = parse_parameters(text)
    json.dumps(meta, allow_nan=False).encode()
