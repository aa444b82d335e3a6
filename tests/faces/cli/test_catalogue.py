"""Signing in, searching, showing: what is kept, what is sent, what is printed."""

from __future__ import annotations

import json
import os
import pty
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from tests.faces.cli.conftest import LAUNCH, Shell
from tests.faces.cli.peer import KEY, Peer

from civitas.faces.cli.exits import MEANING, Exit


def test_a_profile_is_private_and_used_afterwards(shell: Shell, peer: Peer) -> None:
    bare = {"CIVITAS_URL": None, "CIVITAS_KEY": None}
    shell.run("login", "--url", peer.url, "--key", "-", "--profile", "home", stdin=KEY + "\n", **bare)
    book = Path(shell.env["XDG_CONFIG_HOME"]) / "civitas" / "profiles.toml"
    assert stat.S_IMODE(book.stat().st_mode) == 0o600
    assert KEY in book.read_text()
    me = shell.json("whoami", **bare)
    assert (me["username"], me["profile"]) == ("tester", "home")
    listed = shell.json("whoami", "--all", **bare)["profiles"]
    assert listed == [{"profile": "home", "url": peer.url, "username": "tester", "default": True}]
    shell.run("logout", **bare)
    assert KEY not in book.read_text()
    shell.run("whoami", exit=7, CIVITAS_URL="http://127.0.0.1:9", CIVITAS_KEY="x")


def test_a_wrong_key_is_not_kept(shell: Shell, peer: Peer) -> None:
    result = shell.run("login", "--url", peer.url, "--key", "wrong", exit=4)
    assert "error:" in result.stderr
    assert not (Path(shell.env["XDG_CONFIG_HOME"]) / "civitas" / "profiles.toml").exists()


def test_no_key_says_how_to_sign_in(shell: Shell) -> None:
    assert "civitas login" in shell.run("whoami", exit=4, CIVITAS_KEY=None).stderr


def test_an_open_profile_file_is_closed_to_others(shell: Shell, peer: Peer) -> None:
    book = Path(shell.env["XDG_CONFIG_HOME"]) / "civitas" / "profiles.toml"
    book.parent.mkdir(parents=True)
    book.write_text(f'default = "a"\n[profiles.a]\nurl = "{peer.url}"\nkey = "{KEY}"\n')
    book.chmod(0o644)
    shell.run("whoami", CIVITAS_URL=None, CIVITAS_KEY=None)
    assert stat.S_IMODE(book.stat().st_mode) == 0o600
    book.write_text("not toml = = =")
    assert "damaged" in shell.run("whoami", exit=2).stderr


def test_search_follows_pages_and_filters(shell: Shell, peer: Peer) -> None:
    for number in range(5):
        peer.add_model(f"Dragon {number}", b"x", type="LORA" if number % 2 else "Checkpoint")
    found = shell.json("search", "dragon", "--limit", "5")["items"]
    assert [item["name"] for item in found] == [f"Dragon {n}" for n in range(5)]
    assert len(shell.json("search", "dragon", "--limit", "3")["items"]) == 3
    loras = shell.json(
        "search", "dragon", "--type", "lora", "--sort", "most-downloaded", "--period", "month"
    )["items"]
    assert [item["name"] for item in loras] == ["Dragon 1", "Dragon 3"]
    assert "sort=Most+Downloaded&period=Month" in peer.log[-1][1]
    assert shell.run("search", "nothing-like-it").stdout.strip() == "Nothing found."
    assert "there are: Checkpoint" in shell.run("search", "x", "--type", "nope", exit=2).stderr


def test_a_table_shows_no_terminal_tricks(shell: Shell, peer: Peer) -> None:
    peer.add_model("Evil \x1b[31m[bold]red[/bold]\u202e", b"x")
    shown = shell.run("search", "evil").stdout
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "[bold]red[/bold]" in shown


def test_rate_limits_are_waited_for_or_told(shell: Shell, peer: Peer) -> None:
    peer.add_model("Dragon", b"x")
    peer.knobs.api_429 = 2
    assert len(shell.json("search", "dragon")["items"]) == 1
    peer.knobs.api_429, peer.knobs.retry_after = 1, "3600"
    tree = shell.json("search", "dragon", exit=8)
    assert tree["code"] == "limited"
    assert tree["exit"] == 8


def test_show_tells_what_matters(shell: Shell, peer: Peer) -> None:
    model = peer.add_model("Dragon", b"x" * 5000, versions=2)
    shown = shell.run("show", str(model)).stdout
    assert "Dragon" in shown
    assert "Hello there" in shown
    assert "sks style" in shown
    assert "model.safetensors" in shown
    tree = shell.json("show", str(model))
    assert tree["model"]["id"] == model
    assert tree["version"]["name"] == "v2"
    shell.run("show", "424242", exit=3)
    old = tree["model"]["modelVersions"][1]["id"]
    assert shell.json("show", f"{model}@{old}")["version"]["name"] == "v1"
    other = peer.add_model("Other", b"y")
    assert "belongs to model" in shell.run("show", f"{other}@{old}", exit=3).stderr


def test_open_prints_the_page(shell: Shell, peer: Peer) -> None:
    model = peer.add_model("Dragon", b"x")
    page = shell.run("open", str(model), "--no-browser").stdout.strip()
    assert page.startswith(f"{peer.url}/models/{model}?modelVersionId=")


def test_json_leaves_nothing_else_on_stdout(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    model = peer.add_model("Dragon", b"x" * 100_000)
    process = shell.spawn("download", str(model), "-o", tmp_path, "--json")
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert json.loads(out)["files"][0]["status"] == "downloaded"
    assert b"\x1b" not in out + err


@pytest.mark.parametrize("address", ["ftp://x", "http://", "http://[::1", "https://h:99999"])
def test_bad_addresses_are_refused(shell: Shell, address: str) -> None:
    shell.run("login", "--url", address, "--key", "k", exit=2)


def test_an_answer_that_is_no_api_is_told(shell: Shell, peer: Peer) -> None:
    assert "image" in shell.run("show", f"{peer.url}/image/1", exit=2).stderr


def test_every_exit_code_is_documented(shell: Shell) -> None:
    assert set(MEANING) == set(Exit)
    page = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()
    for code, meaning in MEANING.items():
        assert f"| {code.value} | {meaning} |" in page
    shown = " ".join(shell.run("download", "--help").stdout.split())
    assert "6 the bytes that arrived" in shown


def test_a_terminal_sees_a_bar_and_a_pipe_does_not(shell: Shell, peer: Peer, tmp_path: Path) -> None:
    model = peer.add_model("Dragon", b"x" * 3_000_000)
    peer.knobs.chunk_delay = 0.01
    terminal, slave = pty.openpty()
    env = {**os.environ, **shell.env, "TERM": "xterm-256color"}
    words = [sys.executable, "-c", LAUNCH, "download", str(model), "-o", str(tmp_path), "--json"]
    process = subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=slave)
    os.close(slave)
    drawn = bytearray()
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            break
        if not piece:
            break
        drawn += piece
    os.close(terminal)
    out, _err = process.communicate(timeout=30)
    assert json.loads(out)["files"][0]["status"] == "downloaded"
    assert b"MiB" in drawn
    assert b"model.safetensors" in drawn
    assert b"\x1b" in drawn
