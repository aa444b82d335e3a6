"""The feed and the page of one picture in a browser: weight, what is seen first and when, by Lighthouse.

Needs Chromium and npm; Lighthouse comes from its registry into a folder that goes again. It says what a slow phone on a
slow line would see (its own model of both: a fourth of this processor, 1.6 Mbit/s, 150 ms).
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import httpx

from bench import report
from bench.instance import Instance, running

LIGHTHOUSE = "lighthouse@12.8.2"
ROUNDS = 5
FIGURES = {
    "largest contentful paint": ("largest-contentful-paint", 0.001, "{:.1f} s"),
    "cumulative layout shift": ("cumulative-layout-shift", 1, "{:.3f}"),
    "total blocking time": ("total-blocking-time", 1, "{:.0f} ms"),
    "first contentful paint": ("first-contentful-paint", 0.001, "{:.1f} s"),
    "page weight": ("total-byte-weight", 1 / 1024, "{:.0f} KiB"),
}
SCORES = ("performance", "accessibility", "best-practices", "seo")


def _seen(tool: Path, url: str, folder: Path) -> dict[str, Any]:
    said = folder / "said.json"
    command = [
        str(tool),
        url,
        "--quiet",
        "--output=json",
        f"--output-path={said}",
        "--chrome-flags=--headless=new --no-sandbox",
    ]
    chromium = shutil.which("chromium") or shutil.which("google-chrome") or "chromium"
    for last in (False, False, True):
        # It loses the beginning of a page now and then (NO_NAVSTART), and asks to be run again.
        done = subprocess.run(command, env={**os.environ, "CHROME_PATH": chromium}, check=last, timeout=180)
        if done.returncode == 0:
            break
    read: dict[str, Any] = json.loads(said.read_text(encoding="utf-8"))
    return read


def _row(name: str, seen: list[dict[str, Any]]) -> list[str]:
    scores = [f"{statistics.median(one['categories'][kind]['score'] for one in seen):.2f}" for kind in SCORES]
    figures = [
        how.format(statistics.median(one["audits"][audit]["numericValue"] for one in seen) * factor)
        for audit, factor, how in FIGURES.values()
    ]
    return [name, *scores, *figures]


def _pages(instance: Instance) -> dict[str, str]:
    found = httpx.get(f"{instance.url}/api/v1/images", params={"limit": 1}, trust_env=False).json()
    models = httpx.get(f"{instance.url}/api/v1/models", params={"limit": 1}, trust_env=False).json()
    return {
        "feed": "/images",
        "one picture": f"/images/{found['items'][0]['id']}",
        "models": "/models",
        "one model": f"/models/{models['items'][0]['id']}",
    }


def run() -> None:
    """A site with its demo, every page several times by turns."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        subprocess.run(
            ["npm", "install", "--silent", "--prefix", str(folder), LIGHTHOUSE], check=True, timeout=300
        )
        tool = folder / "node_modules" / ".bin" / "lighthouse"
        with running(folder / "home") as instance:
            instance.civitas("demo", "create")
            pages = _pages(instance)
            seen: dict[str, list[dict[str, Any]]] = {name: [] for name in pages}
            load = [os.getloadavg()[0]]
            for _ in range(ROUNDS):
                for name, path in pages.items():
                    seen[name].append(_seen(tool, instance.url + path, folder))
            load.append(os.getloadavg()[0])
    told = (
        f"The demo's pages by {LIGHTHOUSE.replace('@', ' ')}, as a phone on a slow line sees them, {ROUNDS} times by turns, "
        f"medians; goal: performance 0.95, accessibility 1.00. The browser shares the cores with the site (load {load[0]:.1f} "
        f"to {load[1]:.1f}, most of it the browser's own).\n\n"
    )
    report.write(
        "Pages", told + report.table(["page", *SCORES, *FIGURES], [_row(*one) for one in seen.items()])
    )
