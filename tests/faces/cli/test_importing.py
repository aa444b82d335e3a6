"""Mirroring from one server to another: what is kept, what is skipped, what happens twice."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.faces.cli.conftest import Shell
from tests.faces.cli.peer import KEY, Peer, sha

DATA = os.urandom(400_000)


@pytest.fixture
def source() -> Iterator[Peer]:
    with Peer().serving() as running:
        yield running


def mine(peer: Peer) -> list[dict[str, Any]]:
    return [model for model in peer.models.values() if model["creator"]["username"] == "tester"]


def test_a_model_arrives_with_name_permissions_and_source(shell: Shell, peer: Peer, source: Peer) -> None:
    model = source.add_model("Dragon", DATA, versions=2, allowCommercialUse=["Image", "Video"])
    tree = shell.json("import", "--from", source.url, "--model", str(model))
    report = tree["models"][0]
    assert report["status"] == "imported"
    (made,) = mine(peer)
    assert made["id"] == report["modelId"]
    assert made["status"] == "Published"
    assert made["source"] == {
        "url": f"{source.url}/models/{model}",
        "creator": "maker",
        "platform": "127.0.0.1",
    }
    assert (made["allowNoCredit"], made["allowCommercialUse"], made["allowDifferentLicense"]) == (
        False,
        ["Image"],
        False,
    )
    assert [version["name"] for version in made["modelVersions"]] == ["v2", "v1"]
    assert made["modelVersions"][1]["files"][0]["hashes"]["SHA256"] == sha(DATA)
    assert made["modelVersions"][1]["trainedWords"] == ["sks style"]
    assert {image["meta"]["prompt"] for image in peer.images.values()} == {"a cat"}
    assert source.requests("/image/")[0][1] == "/image/abc/original=true/1.png"
    assert not [row for row in source.log if row[2].get("authorization") == f"Bearer {KEY}"]


@pytest.mark.parametrize("as_map", [True, False])
def test_a_second_run_changes_nothing(
    shell: Shell, peer: Peer, source: Peer, tmp_path: Path, as_map: bool
) -> None:
    peer.knobs.ids_as_map = as_map
    model = source.add_model("Dragon", DATA)
    shell.run("import", "--from", source.url, "--model", str(model))
    before = len(source.requests("/storage/"))
    assert (
        shell.json("import", "--from", source.url, "--model", str(model))["models"][0]["status"] == "present"
    )
    # Without the state, the hashes tell that everything is here.
    lost = str(tmp_path / "elsewhere")
    again = shell.json("import", "--from", source.url, "--model", str(model), XDG_STATE_HOME=lost)["models"][
        0
    ]
    assert (again["status"], again["modelId"]) == ("present", mine(peer)[0]["id"])
    assert len(source.requests("/storage/")) == before
    # A new version goes to the model that is already ours, although the memory of it is lost.
    source.add_version(model, "v2", b"newer", filename="m.safetensors", base_model="SDXL 1.0", day=20)
    shell.run("import", "--from", source.url, "--model", str(model), XDG_STATE_HOME=lost)
    assert len(mine(peer)) == 1


def test_a_dry_run_writes_nothing(shell: Shell, peer: Peer, source: Peer) -> None:
    model = source.add_model("Dragon", DATA)
    row = shell.json("import", "--from", source.url, "--model", str(model), "--dry-run", CIVITAS_KEY=None)[
        "models"
    ][0]
    assert row["status"] == "planned"
    assert row["versions"][0]["bytes"] == len(DATA)
    assert mine(peer) == []
    assert source.requests("/storage/") == []


def test_what_is_not_free_or_not_safe_is_left_alone(shell: Shell, peer: Peer, source: Peer) -> None:
    early = source.add_model("Early", b"1")
    source.models[early]["modelVersions"][0]["availability"] = "EarlyAccess"
    closed = source.add_model("Closed", b"2")
    source.models[closed]["modelVersions"][0]["usageControl"] = "Generation"
    bad = source.add_model("Bad", b"3")
    source.models[bad]["modelVersions"][0]["files"][0]["pickleScanResult"] = "Danger"
    gone = source.add_model("Gone", b"4", mode="Archived")
    found = shell.json("import", "--from", source.url, "--creator", "maker")["models"]
    assert [row["status"] for row in found] == ["skipped"] * 4
    assert found[-1]["sourceModelId"] == gone
    assert mine(peer) == []


def test_a_lie_at_the_source_is_found_and_the_next_model_goes_on(
    shell: Shell, peer: Peer, source: Peer
) -> None:
    lying = source.add_model("Lying", DATA)
    source.blobs[source.models[lying]["modelVersions"][0]["files"][0]["id"]] = b"z" * len(DATA)
    source.add_model("Honest", b"honest")
    found = shell.json("import", "--from", source.url, "--creator", "maker", exit=12)["models"]
    assert {row["name"]: row["status"] for row in found} == {"Lying": "failed", "Honest": "imported"}
    assert [model["name"] for model in mine(peer) if model["status"] == "Published"] == ["Honest"]
    assert "SHA256" in found[0]["reason"]


def test_limits_of_the_source_are_respected(shell: Shell, peer: Peer, source: Peer) -> None:
    source.add_model("Dragon", DATA)
    source.knobs.api_429, source.knobs.retry_after = 1, "1"
    started = time.monotonic()
    shell.run("import", "--from", source.url, "--search", "dragon")
    assert time.monotonic() - started >= 1
    assert len(mine(peer)) == 1
    source.knobs.api_429, source.knobs.retry_after = 1, "3000"
    shell.run("import", "--from", source.url, "--search", "dragon", "--patience", "10", exit=8)


def test_an_unknown_base_model_becomes_other(shell: Shell, peer: Peer, source: Peer) -> None:
    peer.knobs.base_models = ("SDXL 1.0", "Other")
    model = source.add_model("Dragon", DATA, base_model="Tomorrow 9")
    result = shell.run("import", "--from", source.url, "--model", str(model))
    assert "unknown base model" in result.stderr
    assert mine(peer)[0]["modelVersions"][0]["baseModel"] == "Other"


def test_kill_9_in_the_middle_makes_no_second_model(shell: Shell, peer: Peer, source: Peer) -> None:
    model = source.add_model("Dragon", os.urandom(6_000_000), versions=2)
    source.knobs.chunk_delay = 0.02
    process = shell.spawn("import", "--from", source.url, "--model", str(model))
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not source.requests("/storage/"):
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert [made["status"] for made in mine(peer)] == ["Draft"]
    source.knobs.chunk_delay = 0
    shell.run("import", "--from", source.url, "--model", str(model))
    (made,) = mine(peer)
    assert made["status"] == "Published"
    assert len(made["modelVersions"]) == 2
    assert all(len(version["files"]) == 1 for version in made["modelVersions"])


def test_wrong_words_are_told(shell: Shell, peer: Peer, source: Peer) -> None:
    shell.run("import", "--from", source.url, exit=2)
    shell.run("import", "--from", source.url, "--model", "1", "--search", "x", exit=2)
    shell.run("import", "--from", source.url, "--model", "1", "--with", "everything", exit=2)
    shell.run("import", "--from", peer.url, "--model", "1", exit=2)
    shell.run("import", "--from", source.url, "--model", "1", exit=4, CIVITAS_KEY=None)
    shell.run("import", "--from", source.url, "--model", "404", exit=3)


def test_withheld_downloads_end_a_model_or_everything(shell: Shell, peer: Peer, source: Peer) -> None:
    source.add_model("One", DATA)
    source.add_model("Two", DATA[:1000])
    source.knobs.download_status = 401
    source.knobs.download_body = {"error": "The creator of this asset has disabled downloads"}
    told = shell.run("import", "--from", source.url, "--creator", "maker", exit=4).stderr
    assert "CIVITAS_SOURCE_KEY" in told
    found = shell.json(
        "import", "--from", source.url, "--creator", "maker", exit=12, CIVITAS_SOURCE_KEY="source-key"
    )["models"]
    assert ["disabled downloads" in row["reason"] for row in found] == [True, True]
    assert source.requests("/api/download/")[-1][2]["authorization"] == "Bearer source-key"
    assert not [row for row in peer.log if row[2].get("authorization") == "Bearer source-key"]
