"""What people write to mean a model, where files go, and how long a server may ask us to wait."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest

from civitas.faces.cli.client import retry_after
from civitas.faces.cli.exits import UsageFault
from civitas.faces.cli.layouts import FOLDERS, Layout, place, safe_name
from civitas.faces.cli.profiles import tidy_url
from civitas.faces.cli.records import RemoteFile, RemoteModel
from civitas.faces.cli.references import Reference, parse
from civitas.kit.clock import held_at, now


@pytest.mark.parametrize(
    ("text", "model", "version", "file"),
    [
        ("123", 123, None, None),
        ("123@456", 123, 456, None),
        ("@456", None, 456, None),
        ("12345678", 12345678, None, None),
        ("urn:air:sdxl:lora:civitai:123@456", 123, 456, None),
        ("urn:air:sdxl:lora:civitai:123@456+789.safetensors", 123, 456, 789),
        ("air:sd1:checkpoint:civitai:123", 123, None, None),
        ("sdxl:lora:civitai:123@456", 123, 456, None),
        ("lora:civitai:123@456:layer", 123, 456, None),
        ("civitai:123@456", 123, 456, None),
        ("https://civitai.com/models/123", 123, None, None),
        ("https://civitai.com/models/123/some-name?modelVersionId=456#x", 123, 456, None),
        ("https://civitai.com/api/v1/models/123", 123, None, None),
        ("https://civitai.com/api/v1/model-versions/456", None, 456, None),
        ("https://civitai.com/api/download/models/456?type=Model&fileId=789", None, 456, 789),
    ],
)
def test_references(text: str, model: int | None, version: int | None, file: int | None) -> None:
    found = parse(f" {text} ")
    assert (found.model_id, found.version_id, found.file_id, found.digest) == (model, version, file, None)


@pytest.mark.parametrize(
    "text", ["a" * 64, "ABCDEF0123", "abcdef012345", "hash:12345678", "sha256:" + "0" * 64]
)
def test_hashes(text: str) -> None:
    found = parse(text)
    assert found == Reference(text, digest=text.rsplit(":", 1)[-1].upper())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "hello",
        "a b",
        "urn:air:sdxl:lora:huggingface:org/name@main",
        "https://x.org/",
        "https://x.org/images/1",
        "1" * 30,
        "١٢٣",
        "urn:air:::",
    ],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(UsageFault):
        parse(text)


def file(**facts: object) -> RemoteFile:
    return RemoteFile.read({"id": 1, "name": "a.safetensors", "type": "Model", **facts})


@pytest.mark.parametrize(
    ("layout", "kind", "facts", "wanted"),
    [
        ("comfyui", "Checkpoint", {}, "models/checkpoints"),
        ("comfyui", "Checkpoint", {"name": "a.gguf"}, "models/diffusion_models"),
        ("comfyui", "Checkpoint", {"type": "VAE"}, "models/vae"),
        ("comfyui", "Checkpoint", {"type": "Text Encoder"}, "models/text_encoders"),
        ("comfyui", "Checkpoint", {"type": "Config"}, "models/checkpoints"),
        ("comfyui", "Upscaler", {}, "models/upscale_models"),
        ("comfyui", "CLIPVision", {}, "models/clip_vision"),
        ("a1111", "Checkpoint", {}, "models/Stable-diffusion"),
        ("a1111", "TextualInversion", {}, "embeddings"),
        ("a1111", "lora", {}, "models/Lora"),
        ("forge", "Controlnet", {}, "models/ControlNet"),
        ("invoke", "TextualInversion", {}, "autoimport/embedding"),
        ("swarm", "Checkpoint", {}, "Models/Stable-Diffusion"),
        ("swarm", "SomethingNew", {}, "Models/Other"),
    ],
)
def test_layouts(layout: str, kind: str, facts: dict[str, object], wanted: str) -> None:
    assert place(Path("/r"), Layout(layout), kind, file(**facts)) == Path("/r") / wanted


def test_a_models_folder_is_a_root_too() -> None:
    assert place(Path("/ui/models"), Layout.COMFYUI, "LORA", file()) == Path("/ui/models/loras")
    assert place(Path("/ui/Models"), Layout.SWARM, "LORA", file()) == Path("/ui/Models/Lora")


def test_no_folder_leaves_the_root() -> None:
    for places in FOLDERS.values():
        assert not [path for path in places.values() if path.startswith("/") or ".." in path]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("模型 v1.safetensors", "模型 v1.safetensors"),
        ("../../etc/passwd", "passwd"),
        ("..", "model"),
        ("", "model"),
        ("con.safetensors", "_con.safetensors"),
        ('a<b>:"c|?*.pt', "a_b_c_.pt"),
        ("a\x00\x1b[2J.pt", "a [2J.pt"),
        ("gnp\u202efdp.exe", "gnp fdp.exe"),
        (".hidden", "hidden"),
    ],
)
def test_names_are_safe(name: str, wanted: str) -> None:
    assert safe_name(name, "model") == wanted


def test_long_names_keep_their_extension() -> None:
    made = safe_name("é" * 500 + ".safetensors", "model")
    assert made.endswith("é.safetensors")
    assert len(made.encode()) <= 180


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("example.org", "https://example.org"),
        ("localhost:8000", "http://localhost:8000"),
        ("https://Example.org:443/models/1?x#y", "https://example.org"),
        ("http://user:secret@example.org:80/", "http://example.org"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
    ],
)
def test_addresses_are_tidied(text: str, wanted: str) -> None:
    assert tidy_url(text) == wanted


def test_retry_after_in_both_forms() -> None:
    with held_at(now().replace(microsecond=0)):
        soon = format_datetime(now() + timedelta(seconds=90), usegmt=True)
        past = format_datetime(now() - timedelta(seconds=90), usegmt=True)
        for text, wanted in (("7", 7.0), (soon, 90.0), (past, 0.0), ("soon", None), ("-5", None), ("", None)):
            assert retry_after(httpx.Response(429, headers={"Retry-After": text})) == wanted


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"id": "7", "name": 12, "tags": None, "creator": None, "modelVersions": [None, 5, {"files": "no"}]},
        {
            "modelVersions": [
                {"files": [{"hashes": {"SHA256": None}, "sizeKB": "big"}], "images": [{"url": 5}]}
            ]
        },
        {"tags": [{"name": "a"}, {"name": None}], "allowCommercialUse": "{Image,Sell}"},
    ],
)
def test_strange_answers_are_read_leniently(raw: dict[str, object]) -> None:
    model = RemoteModel.read(raw)
    assert isinstance(model.id, int)
    assert isinstance(model.name, str)
