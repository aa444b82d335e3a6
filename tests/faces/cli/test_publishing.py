"""Publishing: manifests, headers, parts that fail, a kill in the middle, scans that say no."""

from __future__ import annotations

import json
import os
import signal
import struct
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.faces.cli.conftest import Shell
from tests.faces.cli.peer import PNG, Peer, sha

from civitas.faces.cli.headers import suggest
from civitas.faces.cli.manifest import load

TENSORS = {"lora_unet_x.lora_down.weight": {"dtype": "F16", "shape": [16, 4], "data_offsets": [0, 128]}}
KOHYA = {
    "ss_base_model_version": "sdxl_base_v1-0",
    "ss_sd_model_name": "ponyDiffusionV6XL.safetensors",
    "ss_network_dim": "16",
    "ss_network_alpha": "8.0",
    "ss_steps": "1200",
    "ss_tag_frequency": json.dumps({"10_sks": {"sks style": 40, "1girl": 12, "hat": 3}}),
    "ss_output_name": "my style",
}


def safetensors(payload: bytes, meta: dict[str, str] | None = None) -> bytes:
    header = json.dumps({"__metadata__": meta if meta is not None else KOHYA, **TENSORS}).encode()
    return struct.pack("<Q", len(header)) + header + payload


def make_files(folder: Path, size: int = 3_500_000) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "my-style.safetensors"
    weights.write_bytes(safetensors(os.urandom(size)))
    (folder / "my-style.preview.png").write_bytes(PNG)
    return weights


def sent(peer: Peer) -> dict[str, Any]:
    return next(model for model in peer.models.values() if model["creator"]["username"] == "tester")


def test_one_file_is_published_with_what_its_header_says(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    weights = make_files(tmp_path)
    tree = shell.json("publish", weights, "--version", "v2", "--image", tmp_path / "my-style.preview.png")
    assert tree["status"] == "Published"
    model = sent(peer)
    assert (model["name"], model["type"], model["status"]) == ("my style", "LORA", "Published")
    assert model["tags"] == ["sks style", "1girl", "hat"]
    version = model["modelVersions"][0]
    assert (version["name"], version["baseModel"], version["trainedWords"]) == ("v2", "Pony", ["sks style"])
    file = version["files"][0]["body"]
    assert (file["type"], file["format"], file["fp"], file["primary"]) == (
        "Model",
        "SafeTensor",
        "fp16",
        True,
    )
    assert tree["versions"][0]["files"][0]["sha256"] == sha(weights.read_bytes())
    uploads = {upload["purpose"]: upload for upload in peer.uploads.values()}
    assert uploads["file"]["data"] == weights.read_bytes()
    assert uploads["file"]["sha256"] == sha(weights.read_bytes())
    assert uploads["image"]["data"] == PNG
    assert len(peer.requests("/parts/")) == 4 + 1
    state = Path(shell.env["XDG_STATE_HOME"])
    assert list(state.rglob("*.json")) == []


def test_what_is_missing_is_said_before_anything_is_sent(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    plain = tmp_path / "thing.safetensors"
    plain.write_bytes(safetensors(b"x", {}))
    told = shell.run("publish", plain, exit=2).stderr
    assert "base_model of version 1" in told
    assert "a tag" in told
    assert "preview image" in told
    assert peer.uploads == {}
    shell.run("publish", tmp_path / "absent.safetensors", exit=3)
    shell.run("publish", plain, "--base-model", "SDXL 1.0", "--draft", exit=4, CIVITAS_KEY=None)
    assert shell.json("publish", plain, "--base-model", "SDXL 1.0", "--draft")["status"] == "Draft"
    assert sent(peer)["status"] == "Draft"


def test_busy_storage_and_expired_links_are_mended(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    weights = make_files(tmp_path)
    peer.knobs.part_503, peer.knobs.part_403 = 2, 3
    shell.run("publish", weights)
    assert sent(peer)["status"] == "Published"


def test_kill_9_in_the_middle_continues_with_the_parts_left(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    weights = make_files(tmp_path, 12_000_000)
    peer.knobs.part_delay = 0.25
    process = shell.spawn("publish", weights, "--connections", "2")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not any(len(u["held"]) >= 5 for u in peer.uploads.values()):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    upload = next(iter(peer.uploads.values()))
    held = len(upload["held"])
    assert 5 <= held < upload["count"]
    peer.knobs.part_delay = 0
    peer.log.clear()
    shell.run("publish", weights)
    assert [m["status"] for m in peer.models.values()] == ["Published"]
    assert len([u for u in peer.uploads.values() if u["purpose"] == "file"]) == 1
    again = len([row for row in peer.requests(f"/parts/{upload['id']}/") if row[0] == "PUT"])
    # Parts that were on their way at the kill may still have arrived.
    assert 0 < again <= upload["count"] - held


def test_an_interrupt_keeps_the_upload(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    weights = make_files(tmp_path, 12_000_000)
    peer.knobs.part_delay = 0.25
    process = shell.spawn("publish", weights, "--connections", "2")
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not any(u["held"] for u in peer.uploads.values()):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"same command again" in err
    assert list(Path(shell.env["XDG_STATE_HOME"]).rglob("*.json"))


def test_a_file_that_changed_starts_a_new_upload(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    weights = make_files(tmp_path)
    peer.knobs.verify_error = "The SHA-256 of the bytes is not the announced one"
    assert "announced" in shell.run("publish", weights, exit=6).stderr
    peer.knobs.verify_error = ""
    weights.write_bytes(safetensors(os.urandom(2_000_000)))
    shell.run("publish", weights)
    assert sent(peer)["modelVersions"][0]["files"][-1]["hashes"]["SHA256"] == sha(weights.read_bytes())


def test_a_dangerous_file_stays_a_draft(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    weights = make_files(tmp_path)
    peer.knobs.scan_result = "dangerous"
    tree = shell.json("publish", weights, exit=11)
    assert "is dangerous (os.system)" in tree["error"]
    assert sent(peer)["status"] == "Draft"


def test_a_replaced_file_and_an_edited_text_reach_the_draft(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    weights = make_files(tmp_path)
    peer.knobs.scan_result = "dangerous"
    shell.run("publish", weights, exit=11)
    weights.write_bytes(safetensors(os.urandom(1000)))
    peer.knobs.scan_result = "clean"
    shell.run("publish", weights, "--name", "Better name")
    assert [(m["name"], m["status"]) for m in peer.models.values()] == [("Better name", "Published")]
    (version,) = sent(peer)["modelVersions"]
    assert [file["hashes"]["SHA256"] for file in version["files"]] == [sha(weights.read_bytes())]


def test_pictures_that_are_not_ready_are_waited_for(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    peer.knobs.pictures_late = 1
    shell.run("publish", make_files(tmp_path))
    assert sent(peer)["status"] == "Published"


def test_a_new_version_of_an_old_model(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    weights = make_files(tmp_path)
    first = shell.json("publish", weights)
    weights.write_bytes(safetensors(os.urandom(1000)))
    second = shell.json("publish", weights, "--model", str(first["id"]), "--version", "v2")
    assert second["id"] == first["id"]
    assert [version["name"] for version in sent(peer)["modelVersions"]] == ["v2", "v1.0"]
    assert sent(peer)["modelVersions"][0]["status"] == "Published"


def test_init_writes_a_manifest_that_publishes(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    folder = tmp_path / "ünder [x]"
    make_files(folder)
    shell.run("publish", folder, "--init")
    text = (folder / "civitas.toml").read_text()
    assert "network rank: 16" in text
    assert tomllib.loads(text)["version"][0]["base_model"] == "Pony"
    shell.run("publish", folder, "--init", exit=2)
    shell.run("publish", folder, "--name", "Other name")
    assert sent(peer)["name"] == "Other name"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[model]\nnaem = 'x'\n", "model.naem"),
        ("[model\n", "civitas.toml"),
        ("[[version]]\nclip_skip = 'many'\n", "version.0.clip_skip"),
    ],
)
def test_mistakes_in_a_manifest_are_named(shell: Shell, tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "civitas.toml").write_text(text)
    assert words in shell.run("publish", tmp_path, exit=2).stderr


def test_a_manifest_carries_everything(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    make_files(tmp_path)
    (tmp_path / "civitas.toml").write_text(
        """
        [model]
        name = "Full"
        type = "LORA"
        tags = ["a"]
        allow_commercial_use = ["Image"]
        allow_derivatives = false
        [model.source]
        url = "https://example.org/1"
        [[version]]
        name = "v1"
        base_model = "SDXL 1.0"
        strength = 0.8
        [[version.file]]
        path = "my-style.safetensors"
        size = "pruned"
        [[version.image]]
        path = "my-style.preview.png"
        nsfw_level = 2
        meta = { prompt = "a cat" }
        """
    )
    assert load(tmp_path / "civitas.toml").model.name == "Full"
    shell.run("publish", tmp_path)
    model = sent(peer)
    assert (model["allowCommercialUse"], model["allowDerivatives"]) == (["Image"], False)
    assert model["source"] == {"url": "https://example.org/1"}
    assert model["modelVersions"][0]["settings"] == {"strength": 0.8}
    assert model["modelVersions"][0]["files"][0]["body"]["size"] == "pruned"
    image = next(iter(peer.images.values()))
    assert (image["nsfwLevel"], image["meta"]) == (2, {"prompt": "a cat"})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"1234567",
        struct.pack("<Q", 1 << 60) + b"{}",
        struct.pack("<Q", 2) + b"{x",
        b"\x02" + b"\0" * 7 + b"[]",
    ],
)
def test_lying_headers_suggest_nothing(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(body)
    assert suggest(path).base_model is None
