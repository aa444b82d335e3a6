from __future__ import annotations

import json
import time
import zlib
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from tests.infra.imaging.drawing import chunk, encoded, exif_of, quarters, with_chunks

from civitas.infra.imaging import png as chunks
from civitas.infra.imaging.metadata import decode_user_comment, meta_of
from civitas.infra.imaging.pillow import PillowImaging
from civitas.kit.errors import Invalid
from civitas.kit.generation_text import parse_parameters, write_parameters

TEXT = "a fox, 狐, ünïcode\nNegative prompt: blur\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 64x48"
ASCII = "a fox\nNegative prompt: blur\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5, Size: 64x48"

GRAPH: dict[str, Any] = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "dir/fox_v1.safetensors"}},
    "2": {
        "class_type": "LoraLoader",
        "inputs": {
            "model": ["1", 0],
            "clip": ["1", 1],
            "lora_name": "fur.safetensors",
            "strength_model": 0.7,
        },
    },
    "3": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["2", 1], "text": ["9", 0]}},
    "9": {"class_type": "PrimitiveString", "inputs": {"value": "a fox"}},
    "4": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["2", 1], "text": "blur"}},
    "5": {
        "class_type": "KSampler",
        "inputs": {
            "model": ["2", 0],
            "positive": ["3", 0],
            "negative": ["4", 0],
            "seed": 77,
            "steps": 25,
            "cfg": 6.5,
            "sampler_name": "dpmpp_2m",
            "scheduler": "karras",
            "denoise": 1,
        },
    },
}


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"UNICODE\0" + TEXT.encode("utf-16-be"), TEXT),
        (b"UNICODE\0" + TEXT.encode("utf-16-le"), TEXT),
        (b"UNICODE\0" + b"\xff\xfe" + TEXT.encode("utf-16-le"), TEXT),
        (b"UNICODE\0" + b"\xfe\xff" + TEXT.encode("utf-16-be"), TEXT),
        (b"UNICODE\0" + TEXT.encode(), TEXT),
        (b"ASCII\0\0\0" + TEXT.encode(), TEXT),
        (b"ASCII\0\0\0" + ASCII.encode() + b"\0\0\0", ASCII),
        (b"\0" * 8 + TEXT.encode(), TEXT),
        (b"\0" * 8 + TEXT.encode("utf-16-le"), TEXT),
        (b"JIS\0\0\0\0\0" + "狐".encode("iso2022_jp"), "狐"),
        (TEXT.encode(), TEXT),
        (b"", ""),
        (b"UNICODE\0\xd8", None),
        (b"UNICODE\0" + "狐狸在雪中奔跑".encode("utf-16-be"), "狐狸在雪中奔跑"),
        (b"UNICODE\0" + "狐狸在雪中奔跑".encode("utf-16-le"), "狐狸在雪中奔跑"),
    ],
)
def test_user_comments_in_all_their_encodings(raw: bytes, text: str | None) -> None:
    decoded = decode_user_comment(raw)
    assert text is None or decoded == text
    decoded.encode()


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "AVIF"])
@pytest.mark.parametrize("encoding", ["utf-16-be", "utf-16-le", "utf-8"])
async def test_a_user_comment_becomes_fields(imaging: PillowImaging, format: str, encoding: str) -> None:
    exif = exif_of(comment=b"UNICODE\0" + TEXT.encode(encoding), gps=(1.0, 2.0, 3.0))
    facts = await imaging.inspect(encoded(quarters(), format, exif=exif))
    assert facts.metadata == {"exif": {"UserComment": TEXT}}
    assert facts.meta == parse_parameters(TEXT)


@pytest.mark.parametrize("kind", ["tEXt", "zTXt", "iTXt", "iTXt packed"])
async def test_every_kind_of_png_text(imaging: PillowImaging, kind: str) -> None:
    raw = TEXT.encode()
    body = {
        "tEXt": b"\0" + raw,
        "zTXt": b"\0\0" + zlib.compress(raw),
        "iTXt": b"\0\0\0en\0x\0" + raw,
        "iTXt packed": b"\0\1\0\0\0" + zlib.compress(raw),
    }[kind]
    data = with_chunks(encoded(quarters(), "PNG"), chunk(kind[:4].encode(), b"parameters" + body))
    facts = await imaging.inspect(data)
    assert facts.metadata == {"text": {"parameters": TEXT}}
    assert facts.meta == parse_parameters(TEXT)


async def test_comfy_graphs_with_nan_are_kept_and_read(imaging: PillowImaging) -> None:
    workflow = {"nodes": [{"id": 1, "size": float("nan")}], "version": 0.4}
    data = chunks.embed_text(encoded(quarters(), "PNG"), json.dumps(GRAPH), keyword="prompt")
    data = chunks.embed_text(data, json.dumps(workflow), keyword="workflow")
    meta = (await imaging.inspect(data)).meta
    assert meta["comfy"]["prompt"] == GRAPH
    assert meta["comfy"]["workflow"]["nodes"] == [{"id": 1, "size": None}]
    assert (meta["prompt"], meta["negativePrompt"], meta["seed"], meta["steps"]) == ("a fox", "blur", 77, 25)
    assert (meta["cfgScale"], meta["sampler"], meta["scheduler"], meta["denoise"]) == (
        6.5,
        "dpmpp_2m",
        "karras",
        1,
    )
    assert meta["Model"] == "fox_v1"
    assert {"type": "lora", "name": "fur", "weight": 0.7} in meta["resources"]


async def test_comfy_graphs_in_exif(imaging: PillowImaging) -> None:
    exif = exif_of(model="prompt:" + json.dumps(GRAPH), make='workflow:{"nodes": []}')
    meta = (await imaging.inspect(encoded(quarters(), "WEBP", exif=exif))).meta
    assert meta["comfy"] == {"prompt": GRAPH, "workflow": {"nodes": []}}
    assert meta["seed"] == 77


def test_custom_samplers_and_loops_are_walked() -> None:
    graph = {
        "1": {"class_type": "RandomNoise", "inputs": {"noise_seed": 9}},
        "2": {"class_type": "BasicScheduler", "inputs": {"steps": 8, "scheduler": "simple", "denoise": 1.0}},
        "3": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler"}},
        "4": {"class_type": "CLIPTextEncode", "inputs": {"text": "fox", "loop": ["5", 0]}},
        "5": {"class_type": "BasicGuider", "inputs": {"conditioning": ["4", 0], "model": ["7", 0]}},
        "6": {
            "class_type": "SamplerCustomAdvanced",
            "inputs": {"noise": ["1", 0], "guider": ["5", 0], "sampler": ["3", 0], "sigmas": ["2", 0]},
        },
        "7": {"class_type": "UNETLoader", "inputs": {"unet_name": "flux.safetensors"}},
    }
    meta = meta_of({"text": {"prompt": json.dumps(graph)}})
    expected = {
        "prompt": "fox",
        "seed": 9,
        "steps": 8,
        "sampler": "euler",
        "scheduler": "simple",
        "Model": "flux",
    }
    assert expected.items() <= meta.items()


def test_swarm_parameters() -> None:
    raw = {
        "sui_image_params": {
            "prompt": "fox",
            "negativeprompt": "b",
            "steps": 20,
            "cfgscale": 7,
            "width": 8,
            "height": 9,
        }
    }
    meta = meta_of({"text": {"parameters": json.dumps(raw)}})
    assert meta["prompt"] == "fox"
    assert (meta["negativePrompt"], meta["cfgScale"], meta["Size"]) == ("b", 7, "8x9")


@pytest.mark.parametrize(
    "text",
    ["{", "{}", "[1]", "{" * 100_000, '{"1": {"class_type": 3}}', '{"1": {"class_type": "KSampler", "inputs": []}}',
     '{"1": {"class_type": "KSampler", "inputs": {"positive": ["1", 0], "seed": [["x"], 0], "steps": NaN}}}'],
)  # fmt: skip
def test_foreign_json_never_fails(text: str) -> None:
    for key in ("parameters", "prompt", "workflow"):
        json.dumps(meta_of({"text": {key: text}}), allow_nan=False)


async def test_hostile_metadata_is_bounded(imaging: PillowImaging) -> None:
    flood = [chunk(b"tEXt", b"k%d\0v" % i) for i in range(1000)]
    long = chunk(b"tEXt", b"parameters\0" + b"p\nSteps: 1, " + b'a: "{, ' * 300_000)
    started = time.monotonic()
    facts = await imaging.inspect(with_chunks(encoded(quarters(), "PNG"), long, *flood))
    assert time.monotonic() - started < 10
    assert len(facts.metadata["text"]) <= 64
    assert sum(map(len, facts.metadata["text"].values())) <= 2 * 1024 * 1024
    assert facts.meta["steps"] == 1


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*" + b"\xff" * 500]
)
async def test_damaged_exif_loses_nothing_else(imaging: PillowImaging, exif: bytes) -> None:
    assert (await imaging.inspect(encoded(quarters(), "WEBP", exif=exif))).width == 64


def test_text_is_embedded_and_replaced() -> None:
    plain = encoded(quarters(), "PNG")
    meta = {
        "prompt": "fox",
        "steps": 20,
        "seed": 4,
        "civitaiResources": [{"type": "lora", "modelVersionId": 3}],
    }
    once = chunks.embed_text(plain, "old")
    twice = chunks.embed_text(once, write_parameters(meta))
    read = chunks.read_text(twice, entries=9, characters=9999).text
    assert parse_parameters(read["parameters"]) == meta
    assert b"old" not in twice
    unicode = chunks.embed_text(plain, TEXT)
    with Image.open(BytesIO(unicode)) as image:
        assert image.info["parameters"] == TEXT
        assert image.convert("RGB").tobytes() == quarters().tobytes()
    with pytest.raises(Invalid):
        chunks.embed_text(b"GIF89a", "x")
    with pytest.raises(ValueError, match="keyword"):
        chunks.embed_text(plain, "x", keyword="k" * 80)


async def test_many_compressed_bombs_cost_little(imaging: PillowImaging) -> None:
    packed = zlib.compress(bytes(3_000_000), 9)[:-20] + b"damaged"
    bombs = [chunk(b"zTXt", b"a\0\0" + packed), chunk(b"iCCP", b"a\0\0" + packed)] * 3000
    started = time.monotonic()
    facts = await imaging.inspect(with_chunks(encoded(quarters(), "PNG"), *bombs))
    assert time.monotonic() - started < 10
    assert facts.width == 64


@pytest.mark.parametrize("kind", ["plain", "packed"])
async def test_fifty_megabytes_of_metadata_cost_little_and_lose_nothing_else(
    imaging: PillowImaging, kind: str
) -> None:
    words = b"a boat, " * (47 * 2**17)
    if kind == "plain":
        huge = chunk(b"tEXt", b"parameters\0" + words)
    else:
        huge = chunk(b"zTXt", b"parameters\0\0" + zlib.compress(words, 1))
    small = chunk(b"tEXt", b"Software\0here")
    started = time.monotonic()
    facts = await imaging.inspect(with_chunks(encoded(quarters(), "PNG"), huge, small))
    assert (facts.width, facts.height) == (64, 48)
    assert sum(map(len, facts.metadata.get("text", {}).values())) <= 2 * 2**20
    assert time.monotonic() - started < 20
