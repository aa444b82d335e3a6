"""A site, its background process and agents as they run in earnest: from a submission to a blob, and a kill in the middle."""

from __future__ import annotations

import base64
import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from tests.engines.media.made import frames_of, picture, saved, video
from tests.factories.accounts import make_key, make_person
from tests.factories.buzz import give_buzz

from civitas.domains.accounts.types import SYSTEM
from civitas.domains.orchestration.dispatch import agents
from civitas.infra.db.database import Database

PATIENCE_S = 120.0


class Site:
    """Processes on one database; every one is ended by its own id."""

    def __init__(self, dsn: str, folder: Path) -> None:
        self.dsn, self.folder = dsn, folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.key = ""
        self.tokens: list[str] = []

    async def people(self) -> None:
        """Somebody with Buzz and a key, and tokens for two agents."""
        database = Database(self.dsn)
        try:
            async with database.unit() as session:
                person = await make_person(session)
                await give_buzz(session, person, 1_000)
                self.key = await make_key(session, person)
                self.tokens = [(await agents.make(session, SYSTEM, name=f"agent {n}"))[1] for n in (1, 2)]
        finally:
            await database.close()

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """One process of the program."""
        process = subprocess.Popen(
            [sys.executable, "-m", "civitas.app.main", *arguments],
            env={
                **os.environ,
                "DATABASE_URL": self.dsn,
                "PORT": str(self.port),
                "CIVITAS_HOME": str(self.folder / "home"),
                "CIVITAS_SECRET_KEY": "a secret of this test, 32 letters",
                "CIVITAS_TELEMETRY__LOG_LEVEL": "warning",
                "CIVITAS_AGENTS__HEARTBEAT_S": "0.4",
                "CIVITAS_AGENTS__LEASE_S": "1.5",
                "CIVITAS_AGENTS__SECOND_CHANCE_S": "0.5",
                **environment,
            },
        )
        self.processes.append(process)
        return process

    def agent(self, number: int) -> subprocess.Popen[bytes]:
        """An agent with the token of this number."""
        token, cache = self.tokens[number], str(self.folder / f"cache-{number}")
        return self.start(
            "agent", "--server", self.url, "--cache", cache, "--slots", "1", CIVITAS_AGENT_TOKEN=token
        )

    def call(self, method: str, path: str, **what: Any) -> Any:
        """A call with the person's key; the JSON of the answer."""
        headers = {"authorization": f"Bearer {self.key}"}
        answer = httpx.request(method, self.url + path, headers=headers, timeout=90, trust_env=False, **what)
        assert answer.is_success, answer.text
        return answer.json()

    def ready(self) -> None:
        """Wait until the site answers."""
        until(lambda: self._answers())

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def stop(self) -> None:
        """End all processes."""
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def until(true: Any, within_s: float = PATIENCE_S) -> Any:
    deadline = time.monotonic() + within_s
    while not (found := true()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)
    return found


@pytest.fixture
def site(own_dsn: str, tmp_path: Path) -> Iterator[Site]:
    site = Site(own_dsn, tmp_path)
    try:
        yield site
    finally:
        site.stop()


def data_url(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def step_of(site: Site, workflow: str) -> dict[str, Any]:
    found: dict[str, Any] = site.call("GET", f"/v2/consumer/workflows/{workflow}")
    return {**found["steps"][0], "workflow": found}


def bytes_of(blob: dict[str, Any]) -> bytes:
    """What lies behind a blob's address, which needs no key."""
    answer = httpx.get(blob["url"], trust_env=False, follow_redirects=True, timeout=60)
    assert answer.is_success, (blob, answer.text)
    return answer.content


async def test_from_a_submission_to_a_blob_and_past_a_killed_agent(site: Site) -> None:
    await site.people()
    site.start("serve")
    site.start("background")
    first = site.agent(0)
    site.ready()

    convert = {
        "image": data_url(saved(picture(640, 400)), "image/png"),
        "transforms": [{"type": "resize", "targetWidth": 160}],
        "output": {"format": "webp", "quality": 80, "hideMetadata": True},
    }
    submitted = site.call(
        "POST",
        "/v2/consumer/workflows",
        params={"wait": 90},
        json={"steps": [{"$type": "convertImage", "input": convert}]},
    )
    assert submitted["status"] == "succeeded", submitted
    blob = submitted["steps"][0]["output"]["blob"]
    assert (blob["width"], blob["height"], blob["available"]) == (160, 100, True)
    made = Image.open(io.BytesIO(bytes_of(blob)))
    assert (made.format, made.size) == ("WEBP", (160, 100))

    # Long enough to be killed in the middle.
    smoother = {
        "video": data_url(video(3.0, size=(400, 300), fps=20, tone=None), "video/mp4"),
        "interpolationFactor": 2,
    }
    workflow = site.call(
        "POST", "/v2/consumer/workflows", json={"steps": [{"$type": "videoInterpolation", "input": smoother}]}
    )["id"]
    until(lambda: step_of(site, workflow)["status"] == "processing")
    first.send_signal(signal.SIGKILL)
    first.wait()
    second = site.agent(1)
    ended = until(lambda: (found := step_of(site, workflow))["status"] in {"succeeded", "failed"} and found)
    assert ended["status"] == "succeeded", ended
    assert len(frames_of(bytes_of(ended["output"]["video"]))) == 120
    assert "motion compensation" in ended["warnings"][0]

    second.terminate()
    assert second.wait(timeout=20) == 0
