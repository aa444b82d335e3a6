"""A large file from a client's disk into the catalogue's storage, beside plain `cp` and `sha256sum`."""

from __future__ import annotations

import re
import statistics
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urljoin

import httpx

from bench import report
from bench.hashing import make
from bench.instance import Instance, running

MIB = 2**20
ROUNDS = 3
PARALLEL = 4


def api_key(instance: Instance) -> str:
    """A key of a new person, made as people make it."""
    instance.civitas(
        "admin", "create-user", "bench_person", "--email", "bench@example.org", "--password", PASSWORD
    )
    with httpx.Client(base_url=instance.url, trust_env=False, follow_redirects=True) as browser:
        page = browser.get("/login").text
        token = re.search(r'name="csrf-token" content="([^"]+)"', page)[1]  # type: ignore[index]
        browser.post("/login", data={"csrf_token": token, "login": "bench_person", "password": PASSWORD})
        page = browser.get("/account/keys").text
        token = re.search(r'name="csrf-token" content="([^"]+)"', page)[1]  # type: ignore[index]
        made = browser.post(
            "/api/v1/me/keys", headers={"x-csrf-token": token}, json={"name": "bench", "scopes": 33554431}
        )
        made.raise_for_status()
        return str(made.json()["key"])


PASSWORD = "a long bench password 47"


def upload(instance: Instance, key: str, path: Path) -> tuple[float, float]:
    """Seconds until every byte is stored, and until it is verified and all hashes are known."""
    size = path.stat().st_size
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=instance.url, trust_env=False, timeout=120, headers=headers) as client:
        began = time.perf_counter()
        upload = (
            client.post("/api/v1/uploads", json={"filename": path.name, "size": size})
            .raise_for_status()
            .json()
        )
        numbers = list(range(1, upload["partCount"] + 1))
        parts = {part["number"]: part for part in upload["parts"]}
        for start in range(100, len(numbers), 100):
            links = client.post(
                f"/api/v1/uploads/{upload['id']}/parts", json={"numbers": numbers[start : start + 100]}
            )
            parts |= {part["number"]: part for part in links.raise_for_status().json()}

        def send(part: dict[str, int | str]) -> None:
            with path.open("rb") as source:
                source.seek(int(part["offset"]))
                body = source.read(int(part["size"]))
            with httpx.Client(trust_env=False, timeout=120) as sender:
                sender.put(urljoin(instance.url, str(part["url"])), content=body).raise_for_status()

        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(send, parts.values()))
        client.post(f"/api/v1/uploads/{upload['id']}/complete", json={}).raise_for_status()
        stored = time.perf_counter() - began
        while client.get(f"/api/v1/uploads/{upload['id']}").json()["status"] == "verifying":
            time.sleep(0.05)
        return stored, time.perf_counter() - began


def plain(path: Path) -> float:
    """Seconds of `cp` followed by `sha256sum`."""
    copy = path.with_suffix(".copy")
    began = time.perf_counter()
    subprocess.run(["cp", str(path), str(copy)], check=True)
    subprocess.run(["sha256sum", str(copy)], check=True, stdout=subprocess.DEVNULL)
    took = time.perf_counter() - began
    copy.unlink()
    return took


def run(size_mb: int = 4096, times: int = ROUNDS) -> None:
    """Measure both in turn; every round uploads other bytes, so that nothing is recognised as known."""
    rounds: list[tuple[float, float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with running(Path(folder) / "home") as instance:
            key = api_key(instance)
            before = instance.memory_mb()
            instance.forget_peaks()
            for number in range(times):
                path = Path(folder) / f"model{number}.bin"
                make(path, size_mb * MIB)
                with path.open("r+b") as sink:
                    sink.write(number.to_bytes(1, "little") * 64)
                rounds.append((plain(path), *upload(instance, key, path)))
                path.unlink()
            serve, background = instance.peak_mb("serve"), instance.peak_mb("background")
    rows = [
        ["`cp` then `sha256sum`", _rate(size_mb, [r[0] for r in rounds]), "1.00"],
        [
            "upload until stored",
            _rate(size_mb, [r[1] for r in rounds]),
            _ratio([r[1] / r[0] for r in rounds]),
        ],
        [
            "upload until verified, all hashes",
            _rate(size_mb, [r[2] for r in rounds]),
            _ratio([r[2] / r[0] for r in rounds]),
        ],
    ]
    report.write(
        "Upload",
        f"A {size_mb} MiB file over HTTP on this machine, {PARALLEL} parts at a time, {times} round(s) in turn, medians; the "
        f"ratio is of time. Client, server, database and disk share the cores.\n\n"
        + report.table(["what", "rate", "time beside cp + sha256sum"], rows)
        + f"\n\nPeak resident memory over all rounds, signing in left out: serving process {serve:.0f} MB, background process "
        f"{background:.0f} MB (goal: each under 150 MB, whatever the file's size). Before the first byte they held "
        f"{before['serve']:.0f} and {before['background']:.0f} MB.",
    )


def _rate(size_mb: int, seconds: list[float]) -> str:
    return f"{size_mb / statistics.median(seconds):.0f} MiB/s"


def _ratio(values: list[float]) -> str:
    return f"{statistics.median(values):.2f}"
