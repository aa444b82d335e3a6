"""Folders of unknown files."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from tests.faces.cli.conftest import Shell
from tests.faces.cli.peer import Peer
from tests.faces.cli.test_publishing import safetensors


def rows(tree: dict[str, list[dict[str, str]]]) -> dict[str, dict[str, str]]:
    return {Path(row["path"]).name: row for row in tree["files"]}


def fill(peer: Peer, folder: Path) -> int:
    model = peer.add_model("Dragon", b"dragon weights", versions=2)
    (folder / "below").mkdir(parents=True)
    (folder / "old.safetensors").write_bytes(b"dragon weights")
    (folder / "new.safetensors").write_bytes(b"dragon weights#1")
    (folder / "below" / "who.ckpt").write_bytes(b"nobody knows")
    (folder / "notes.txt").write_bytes(b"no model")
    return model


def test_a_folder_is_named_and_newer_versions_are_told(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    fill(peer, tmp_path)
    peer.knobs.ids_as_map = True
    found = rows(shell.json("identify", tmp_path))
    assert {name: row["status"] for name, row in found.items()} == {
        "old.safetensors": "newer",
        "new.safetensors": "known",
    }
    assert found["old.safetensors"]["newerVersionName"] == "v2"
    assert found["new.safetensors"]["modelName"] == "Dragon"
    deeper = rows(shell.json("identify", tmp_path, "--recursive"))
    assert deeper["who.ckpt"]["status"] == "unknown"
    told = shell.run("identify", tmp_path, "-r").stdout
    assert "1 known, 1 newer, 1 unknown" in told


def test_hashes_are_remembered_until_a_file_changes(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    fill(peer, tmp_path)
    shell.run("identify", tmp_path)
    cache = Path(shell.env["XDG_CACHE_HOME"]) / "civitas" / "hashes.jsonl"
    lines = cache.read_text().splitlines()
    assert len(lines) == 2
    cache.write_text(cache.read_text() + '["torn')
    shell.run("identify", tmp_path)
    assert len(cache.read_text().splitlines()) == 3
    (tmp_path / "old.safetensors").write_bytes(b"something else")
    assert rows(shell.json("identify", tmp_path))["old.safetensors"]["status"] == "unknown"


def test_csv_and_sidecars(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    model = fill(peer, tmp_path)
    table = list(csv.DictReader(io.StringIO(shell.run("identify", tmp_path, "--csv", "--write-info").stdout)))
    assert [row["status"] for row in table] == ["known", "newer"]
    info = json.loads((tmp_path / "old.civitai.info").read_text())
    assert info["modelId"] == model
    shell.run("identify", tmp_path, "--csv", "--json", exit=2)
    shell.run("identify", tmp_path / "absent", exit=3)


def test_edited_metadata_is_seen_through(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    model = peer.add_model("Dragon", safetensors(b"the tensors", {"a": "1"}))
    file = peer.models[model]["modelVersions"][0]["files"][0]
    edited = tmp_path / "edited.safetensors"
    edited.write_bytes(safetensors(b"the tensors", {"a": "2", "b": "edited"}))
    from civitas.faces.cli.hashing import auto_v3

    file["hashes"]["AutoV3"] = auto_v3(edited)
    assert rows(shell.json("identify", tmp_path))["edited.safetensors"]["status"] == "unknown"
    found = rows(shell.json("identify", tmp_path, "--deep"))["edited.safetensors"]
    assert (found["status"], found["matchedBy"]) == ("known", "AutoV3")


def test_many_files_go_in_batches(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    for number in range(130):
        body = b"file %d" % number
        (tmp_path / f"{number:03}.pt").write_bytes(body)
        peer.add_model(f"Model {number}", body)
    found = shell.json("identify", tmp_path, "--jobs", "4")["files"]
    assert {row["status"] for row in found} == {"known"}
    calls = [row[1] for row in peer.log if row[0] == "POST"]
    assert calls == ["/api/v1/model-versions/by-hash/ids"] + ["/api/v1/model-versions/by-hash"] * 2
