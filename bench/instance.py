"""A whole Civitas in a folder of its own, started as people start it, ended by its own process id."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

CIVITAS = Path(sys.executable).parent / "civitas"


@dataclass
class Instance:
    """A running instance. Memory is the proportional set size, so that shared pages count once."""

    home: Path
    port: int
    process: subprocess.Popen[bytes]
    ready_s: float

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def pids(self) -> dict[int, str]:
        """Every process of the instance with a short name."""
        found = {self.process.pid: "up"}
        todo = [self.process.pid]
        while todo:
            listed = subprocess.run(
                ["ps", "-o", "pid=", "--ppid", str(todo.pop())], capture_output=True, text=True, check=False
            )
            for word in listed.stdout.split():
                command = Path(f"/proc/{word}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                name = (
                    "postgres"
                    if "postgres" in command
                    else (re.findall(r"main (\w+)", command) or ["other"])[0]
                )
                found[int(word)] = name
                todo.append(int(word))
        return found

    def memory_mb(self) -> dict[str, float]:
        """Proportional set size by kind of process, in MB."""
        sums: dict[str, float] = {}
        for pid, name in self.pids().items():
            try:
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            sums[name] = sums.get(name, 0.0) + int(re.search(r"^Pss:\s+(\d+)", rollup, re.M)[1]) / 1000  # type: ignore[index]
        return sums

    def peak_mb(self, name: str) -> float:
        """The highest resident size that one kind of process has had, in MB."""
        peaks = [0.0]
        for pid, kind in self.pids().items():
            if kind == name:
                status = Path(f"/proc/{pid}/status").read_text()
                peaks.append(int(re.search(r"^VmHWM:\s+(\d+)", status, re.M)[1]) / 1000)  # type: ignore[index]
        return max(peaks)

    def forget_peaks(self) -> None:
        """Let peaks count from now on: signing in takes 64 MiB for a moment, because argon2 is meant to."""
        for pid in self.pids():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def civitas(self, *arguments: str) -> str:
        """Run one command of this instance and return what it prints."""
        done = subprocess.run(
            [str(CIVITAS), *arguments],
            env=environment(self.home, self.port),
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout


def environment(home: Path, port: int) -> dict[str, str]:
    return {
        **os.environ,
        "CIVITAS_HOME": str(home),
        "PORT": str(port),
        "CIVITAS_LIMITS__ENABLED": "false",
        "CIVITAS_TELEMETRY__LOG_LEVEL": "error",
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(home: Path) -> Iterator[Instance]:
    """Start `civitas up`, wait until it is ready, stop it at the end."""
    port = free_port()
    began = time.perf_counter()
    process = subprocess.Popen(
        [str(CIVITAS), "up"],
        env=environment(home, port),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    instance = Instance(home, port, process, 0.0)
    try:
        while True:
            try:
                if httpx.get(f"{instance.url}/readyz", timeout=2, trust_env=False).status_code == 200:
                    break
            except httpx.HTTPError:
                pass
            if process.poll() is not None or time.perf_counter() - began > 120:
                raise RuntimeError("the instance did not start")
            time.sleep(0.01)
        instance.ready_s = time.perf_counter() - began
        yield instance
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
