"""A peer to talk to, and a home in which the CLI may keep its files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.faces.cli.peer import KEY, Peer
from typer.testing import CliRunner

from civitas.faces.cli.commands import user_app

LAUNCH = "from civitas.faces.cli.commands import user_app; user_app()"


class Shell:
    """Runs commands against a peer, in this process or in another one that can be killed."""

    def __init__(self, home: Path, peer: Peer) -> None:
        self.home = home
        self.peer = peer
        self.env = {
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "XDG_STATE_HOME": str(home / "state"),
            "CIVITAS_URL": peer.url,
            "CIVITAS_KEY": KEY,
            "COLUMNS": "160",
        }

    def run(self, *words: str | Path, exit: int = 0, stdin: str = "", **env: str | None) -> Any:
        result = CliRunner().invoke(
            user_app, [str(word) for word in words], input=stdin, env={**self.env, **env}
        )
        assert result.exit_code == exit, (result.exit_code, result.output, result.exception)
        return result

    def json(self, *words: str | Path, exit: int = 0, **env: str | None) -> Any:
        return json.loads(self.run(*words, "--json", exit=exit, **env).stdout)

    def spawn(self, *words: str | Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", LAUNCH, *(str(word) for word in words)],
            env={**os.environ, **self.env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )


@pytest.fixture
def peer() -> Iterator[Peer]:
    with Peer().serving() as running:
        yield running


@pytest.fixture
def shell(tmp_path: Path, peer: Peer) -> Shell:
    home = tmp_path / "home"
    home.mkdir()
    return Shell(home, peer)
