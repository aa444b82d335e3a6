"""Downloads against a peer that breaks, lies, limits and changes; and against kill -9."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from tests.faces.cli.conftest import Shell
from tests.faces.cli.peer import KEY, Peer, sha

from civitas.faces.cli import transfers

SMALL = os.urandom(300_000)
LARGE = os.urandom(24 * 1024 * 1024 + 12_345)


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if ".part" in path.name)


def test_a_download_is_checked_named_and_needs_no_second_fetch(
    shell: Shell, peer: Peer, tmp_path: Path
) -> None:
    model = peer.add_model("Nice", SMALL)
    out = tmp_path / "out"
    first = shell.json("download", str(model), "-o", out)["files"][0]
    assert first["status"] == "downloaded"
    assert first["verified"] == "SHA256"
    assert first["sha256"] == sha(SMALL)
    assert (out / "model.safetensors").read_bytes() == SMALL
    assert leftovers(out) == []
    before = len(peer.requests("/storage/"))
    assert shell.json("download", str(model), "-o", out)["files"][0]["status"] == "present"
    assert len(peer.requests("/storage/")) == before


def test_parallel_ranges_put_a_large_file_together(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    model = peer.add_model("Big", LARGE)
    shell.run("download", str(model), "-o", tmp_path, "--connections", "4")
    assert (tmp_path / "model.safetensors").read_bytes() == LARGE
    ranges = {row[2].get("range") for row in peer.requests("/storage/")}
    assert len(ranges) == 1 + 7
    assert all(row[2].get("if-range") for row in peer.requests("/storage/") if row[2]["range"] != "bytes=0-0")


def test_the_key_goes_to_the_api_and_never_to_storage(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    shell.run("download", str(peer.add_model("Nice", SMALL)), "-o", tmp_path)
    assert all(row[2]["authorization"] == f"Bearer {KEY}" for row in peer.requests("/api/"))
    assert not [row for row in peer.requests("/storage/") if "authorization" in row[2]]


def test_broken_lines_busy_storage_and_expired_links_are_mended(
    shell: Shell, peer: Peer, tmp_path: Path
) -> None:
    model = peer.add_model("Big", LARGE)
    peer.knobs.cut_after, peer.knobs.cuts = 1_000_000, 5
    peer.knobs.storage_503 = 2
    peer.knobs.expire_links_after = 4
    shell.run("download", str(model), "-o", tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == LARGE
    assert len(peer.requests("/api/download/")) > 1


def test_storage_without_ranges_still_serves(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    peer.knobs.ranges = False
    peer.knobs.cut_after, peer.knobs.cuts = 100_000, 1
    shell.run("download", str(peer.add_model("Nice", SMALL)), "-o", tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == SMALL


def test_wrong_bytes_never_get_the_final_name(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    model = peer.add_model("Nice", SMALL)
    peer.blobs[next(iter(peer.blobs))] = b"x" * len(SMALL)
    result = shell.run("download", str(model), "-o", tmp_path, exit=6)
    assert "SHA256" in result.stderr
    assert not (tmp_path / "model.safetensors").exists()
    assert leftovers(tmp_path) == []


def test_auto_v2_alone_is_enough_to_find_a_lie(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    model = peer.add_model("Nice", SMALL)
    peer.models[model]["modelVersions"][0]["files"][0]["hashes"] = {"AutoV2": "0123456789"}
    shell.run("download", str(model), "-o", tmp_path, exit=6)
    peer.models[model]["modelVersions"][0]["files"][0]["hashes"] = {"AutoV2": sha(SMALL)[:10]}
    assert shell.json("download", str(model), "-o", tmp_path)["files"][0]["verified"] == "AutoV2"


def test_kill_9_in_the_middle_loses_nothing(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    model = peer.add_model("Big", LARGE)
    peer.knobs.chunk_delay = 0.03
    process = shell.spawn("download", str(model), "-o", tmp_path)
    state = tmp_path / "model.safetensors.part.json"
    held = wait_for_bytes(state, 3_000_000)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "model.safetensors").exists()
    peer.knobs.chunk_delay = 0
    peer.log.clear()
    row = shell.json("download", str(model), "-o", tmp_path)["files"][0]
    assert row["resumed"] is True
    assert (tmp_path / "model.safetensors").read_bytes() == LARGE
    assert leftovers(tmp_path) == []
    assert fetched(peer) <= len(LARGE) - held


def wait_for_bytes(state: Path, least: int) -> int:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if state.exists():
            tree = json.loads(state.read_bytes())
            held = sum(position - start for start, position, _end in tree["segments"])
            if held >= least:
                return held
        time.sleep(0.05)
    raise AssertionError("the download did not begin")


def fetched(peer: Peer) -> int:
    spans = [row[2]["range"].removeprefix("bytes=").split("-") for row in peer.requests("/storage/")]
    return sum(int(end) - int(start) + 1 for start, end in spans if end != "0")


def test_an_interrupt_says_how_to_go_on(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    model = peer.add_model("Big", LARGE)
    peer.knobs.chunk_delay = 0.03
    process = shell.spawn("download", str(model), "-o", tmp_path)
    wait_for_bytes(tmp_path / "model.safetensors.part.json", 500_000)
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=20)
    assert time.monotonic() - started < 6
    assert process.returncode == 130
    assert b"run the same command again" in err
    assert leftovers(tmp_path)[:2] == ["model.safetensors.part", "model.safetensors.part.json"]


def test_a_file_that_changed_on_the_server_is_fetched_anew(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    model = peer.add_model("Big", LARGE)
    peer.knobs.chunk_delay = 0.03
    process = shell.spawn("download", str(model), "-o", tmp_path)
    wait_for_bytes(tmp_path / "model.safetensors.part.json", 500_000)
    process.kill()
    process.communicate()
    peer.knobs.chunk_delay = 0
    other = os.urandom(len(LARGE))
    peer.blobs[next(iter(peer.blobs))] = other
    hashes = peer.models[model]["modelVersions"][0]["files"][0]["hashes"]
    part = tmp_path / "model.safetensors.part.json"
    # The catalogue still tells the old hash, so the parts look usable, and If-Range is what finds the change.
    shell.run("download", str(model), "-o", tmp_path, exit=6)
    assert not part.exists()
    hashes |= {"SHA256": sha(other), "AutoV2": sha(other)[:10]}
    shell.run("download", str(model), "-o", tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == other


def test_a_damaged_part_is_fetched_again_from_the_start(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    model = peer.add_model("Big", LARGE)
    peer.knobs.chunk_delay = 0.03
    process = shell.spawn("download", str(model), "-o", tmp_path)
    wait_for_bytes(tmp_path / "model.safetensors.part.json", 500_000)
    process.kill()
    process.communicate()
    peer.knobs.chunk_delay = 0
    with (tmp_path / "model.safetensors.part").open("r+b") as part:
        part.write(b"\0" * 1000)
    shell.run("download", str(model), "-o", tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == LARGE


@pytest.mark.parametrize(
    ("status", "body", "code", "words"),
    [
        (401, {"error": "The creator of this asset has disabled downloads"}, 4, "disabled downloads"),
        (403, {"error": "Early Access", "deadline": "2030-01-01", "message": "Buy it"}, 5, "2030-01-01"),
        (404, {"error": "File not found"}, 3, "not found"),
        (410, {"error": "Archived"}, 3, "Archived"),
        (429, {"error": "slow down"}, 8, "900 s"),
        (500, {"error": "oh no"}, 7, "oh no"),
    ],
)
def test_refusals_are_one_line_and_an_exit_code(
    shell: Shell, peer: Peer, tmp_path: Path, status: int, body: dict[str, str], code: int, words: str
) -> None:
    peer.knobs.download_status, peer.knobs.download_body = status, body
    peer.knobs.retry_after = "900"
    model = peer.add_model("Nice", SMALL)
    result = shell.run("download", str(model), "-o", tmp_path, exit=code)
    assert words in result.stderr
    assert len([line for line in result.stderr.splitlines() if line.startswith("error:")]) == 1
    assert not (tmp_path / "model.safetensors").exists()


def test_a_sign_in_page_is_not_a_model(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    peer.knobs.html = True
    result = shell.run("download", str(peer.add_model("Nice", SMALL)), "-o", tmp_path, exit=7)
    assert "page instead of a file" in result.stderr
    assert list(tmp_path.glob("*.safetensors")) == []


def test_another_file_of_that_name_is_kept(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"mine")
    model = peer.add_model("Nice", SMALL)
    version = peer.models[model]["modelVersions"][0]["id"]
    shell.run("download", str(model), "-o", tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == b"mine"
    assert (tmp_path / f"model-{version}.safetensors").read_bytes() == SMALL
    shell.run("download", str(model), "-o", tmp_path, "--overwrite")
    assert (tmp_path / "model.safetensors").read_bytes() == SMALL


@pytest.mark.parametrize(
    "name",
    ["../../evil.safetensors", "..\\evil.safetensors", "/abs/evil.safetensors", "a\x1b[31m/evil.safetensors"],
)
def test_names_cannot_leave_the_folder(shell: Shell, peer: Peer, tmp_path: Path, name: str) -> None:
    model = peer.add_model("Nice", SMALL, filename=name)
    out = tmp_path / "a" / "b"
    row = shell.json("download", str(model), "-o", out)["files"][0]
    assert Path(row["path"]).parent == out
    assert [path.name for path in out.iterdir()] == ["evil.safetensors"]


def test_every_kind_of_reference_finds_the_same_file(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    model = peer.add_model("Nice", SMALL, versions=2)
    old = peer.models[model]["modelVersions"][1]["id"]
    references = [
        f"{model}@{old}",
        f"@{old}",
        f"{peer.url}/models/{model}/nice-thing?modelVersionId={old}",
        f"{peer.url}/api/download/models/{old}?type=Model&token=secret",
        f"urn:air:sdxl:lora:civitai:{model}@{old}",
        f"civitai:{model}@{old}.safetensors",
        sha(SMALL),
        sha(SMALL)[:10].lower(),
    ]
    for reference in references:
        row = shell.json("download", reference, "-o", tmp_path)["files"][0]
        assert (row["versionId"], row["sha256"]) == (old, sha(SMALL)), reference
    assert "secret" not in "".join(row[1] for row in peer.log)


def test_choices_pick_among_files_and_say_what_there_is(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    model = peer.add_model("Nice", SMALL)
    version = peer.models[model]["modelVersions"][0]
    meta = {"format": "PickleTensor", "size": "pruned", "fp": "fp32"}
    peer.add_file(version, "model.ckpt", b"pickle", metadata=meta)
    peer.add_file(version, "model.vae.pt", b"vae", type="VAE")
    assert shell.json("download", str(model), "--fp", "FP32", "-o", tmp_path)["files"][0]["size"] == 6
    rows = shell.json("download", str(model), "--all", "-o", tmp_path)["files"]
    assert [Path(row["path"]).name for row in rows] == ["model.safetensors", "model.ckpt", "model.vae.pt"]
    result = shell.run("download", str(model), "--format", "GGUF", "-o", tmp_path, exit=3)
    assert "model.ckpt" in result.stderr


def test_layouts_and_sidecars(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    model = peer.add_model("Nice", SMALL)
    peer.add_file(peer.models[model]["modelVersions"][0], "nice.vae.pt", b"vae", type="VAE")
    shell.run(
        "download",
        str(model),
        "--all",
        "--layout",
        "comfyui",
        "--root",
        tmp_path,
        "--with-info",
        "--with-preview",
    )
    loras = tmp_path / "models" / "loras"
    assert (loras / "model.safetensors").read_bytes() == SMALL
    assert (tmp_path / "models" / "vae" / "nice.vae.pt").read_bytes() == b"vae"
    info = json.loads((loras / "model.civitai.info").read_text())
    assert info["modelId"] == model
    assert info["model"]["name"] == "Nice"
    assert info["model"]["allowNoCredit"] is False
    assert info["creator"]["username"] == "maker"
    notes = json.loads((loras / "model.json").read_text())
    assert (notes["sd version"], notes["activation text"]) == ("SDXL", "sks style")
    assert (loras / "model.preview.png").read_bytes().startswith(b"\x89PNG")
    assert peer.requests("/image/")[0][1] == "/image/abc/width=450/1.png"
    shell.run("download", str(model), "--layout", "swarm", "-o", tmp_path, exit=2)


def test_several_references_go_on_after_one_fails(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    model = peer.add_model("Nice", SMALL)
    tree = shell.json("download", "99999", str(model), "-o", tmp_path, exit=12)
    assert [row["modelId"] for row in tree["files"]] == [model]
    assert tree["errors"][0]["code"] == "not_found"
    shell.run("download", "99999", "-o", tmp_path, exit=3)
    shell.run("download", "what?", "-o", tmp_path, exit=2)


def test_a_full_disk_is_seen_before_it_happens(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    assert transfers.SPARE > 0
    model = peer.add_model("Nice", SMALL)
    version = peer.models[model]["modelVersions"][0]
    file_id = version["files"][0]["id"]

    class Endless(bytes):
        def __len__(self) -> int:
            return 1 << 60

    peer.blobs[file_id] = Endless(b"ab")
    result = shell.run("download", str(model), "-o", tmp_path, exit=10)
    assert "MiB free" in result.stderr
    assert leftovers(tmp_path) == []
