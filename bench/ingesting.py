"""Pictures from a client's disk to the feed, beside bare Pillow making the same copies of the same files."""

from __future__ import annotations

import io
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urljoin

import httpx
import numpy as np
from PIL import Image

from bench import report
from bench.instance import Instance, running
from bench.uploading import api_key
from civitas.infra.imaging.settings import ImagingSettings
from civitas.infra.imaging.transforms import widths_for

PICTURES = 40
PER_POST = 20
SIZE = (832, 1216)
ROUNDS = 3
AT_ONCE = 4
PATIENCE_S = 300
FORMATS = ("avif", "webp", "jpeg")


def draw(folder: Path, seed: int) -> list[Path]:
    """Pictures of soft shapes with grain, as generators make them; none like another."""
    luck = np.random.default_rng(seed)
    paths = []
    for number in range(PICTURES):
        coarse = luck.integers(0, 255, (12, 8, 3), dtype=np.uint8)
        soft = Image.fromarray(coarse).resize(SIZE, Image.Resampling.BICUBIC)
        grain = luck.integers(-6, 7, (*SIZE[::-1], 3))
        picture = Image.fromarray(np.clip(np.asarray(soft).astype(int) + grain, 0, 255).astype(np.uint8))
        path = folder / f"picture-{seed}-{number}.png"
        picture.save(path, "PNG", compress_level=3)
        paths.append(path)
    return paths


def bare(path: Path) -> int:
    """All copies of one picture, in memory; their bytes."""
    limits, size = ImagingSettings(), 0
    with Image.open(path) as opened:
        master = opened.convert("RGB")
    for width in widths_for(master.width, limits.widths):
        height = round(master.height * width / master.width)
        copy = master.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
        for format in FORMATS:
            sink = io.BytesIO()
            if format == "jpeg":
                copy.save(sink, "JPEG", quality=limits.jpeg_quality, progressive=True, optimize=True)
            elif format == "webp":
                copy.save(sink, "WEBP", quality=limits.webp_quality, method=4)
            else:
                copy.save(sink, "AVIF", quality=limits.avif_quality, speed=limits.avif_speed, max_threads=1)
            size += sink.tell()
    return size


def limit(paths: Sequence[Path]) -> float:
    """Pictures a second by bare Pillow, one process a core."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(bare, paths[:2]))
        began = time.perf_counter()
        list(pool.map(bare, paths))
        return len(paths) / (time.perf_counter() - began)


def ingest(instance: Instance, key: str, paths: Sequence[Path]) -> tuple[float, float]:
    """Pictures a second from the first upload until all are in the feed, and seconds from publishing until then."""
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(
        base_url=instance.url + "/api/v1/", trust_env=False, timeout=120, headers=headers
    ) as client:

        def said(method: str, path: str, **body: object) -> httpx.Response:
            return client.request(method, path, json=body).raise_for_status()

        def send(given: tuple[int, Path]) -> None:
            post, path = given
            body = path.read_bytes()
            made = said("POST", "uploads", filename=path.name, size=len(body), purpose="media").json()
            for part in made["parts"]:
                piece = body[part["offset"] : part["offset"] + part["size"]]
                httpx.put(
                    urljoin(instance.url, part["url"]), content=piece, trust_env=False, timeout=120
                ).raise_for_status()
            said("POST", f"uploads/{made['id']}/complete")
            while (status := client.get(f"uploads/{made['id']}").json()["status"]) == "verifying":
                time.sleep(0.02)
            if status != "done":
                raise RuntimeError(status)
            said("POST", f"posts/{post}/images", uploadId=made["id"], nsfwLevel=1)

        began = time.perf_counter()
        posts = [said("POST", "posts").json()["id"] for _ in range(len(paths) // PER_POST)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(send, [(posts[n % len(posts)], path) for n, path in enumerate(paths)]))
        waits = [_published(client, post) for post in posts]
        return len(paths) / (time.perf_counter() - began), max(waits)


def _published(client: httpx.Client, post: int) -> float:
    """Publish once every picture is read; seconds until all of them are listed."""
    deadline = time.perf_counter() + PATIENCE_S
    while any(one["status"] != "ready" for one in client.get(f"posts/{post}").json()["images"]):
        if time.perf_counter() > deadline:
            raise RuntimeError("the pictures were not read")
        time.sleep(0.05)
    client.post(f"posts/{post}/publish").raise_for_status()
    began = time.perf_counter()
    while len(client.get("images", params={"postId": post, "limit": PER_POST}).json()["items"]) < PER_POST:
        if time.perf_counter() > deadline:
            raise RuntimeError("the pictures were not shown")
        time.sleep(0.02)
    return time.perf_counter() - began


def run() -> None:
    """Both by turns, other pictures each round."""
    ours, limits, waits = list[float](), list[float](), list[float]()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        with running(folder / "home") as instance:
            key = api_key(instance)
            for turn in range(ROUNDS + 1):
                paths = draw(folder, turn)
                limits.append(limit(paths))
                rate, wait = ingest(instance, key, paths)
                ours.append(rate)
                waits.append(wait)
    # The first round warms both up.
    ours, limits, waits = ours[1:], limits[1:], waits[1:]
    ratio = statistics.median(mine / theirs for mine, theirs in zip(ours, limits, strict=True))
    rows = [
        ["bare Pillow, one process a core", f"{statistics.median(limits):.2f} pictures/s", "1.00"],
        ["upload to visible", f"{statistics.median(ours):.2f} pictures/s", f"{ratio:.2f}"],
        ["from publishing a post of 20 until all are listed", f"{statistics.median(waits):.2f} s", ""],
    ]
    widths = len(widths_for(SIZE[0], ImagingSettings().widths))
    told = (
        f"{PICTURES} PNGs of {SIZE[0]} x {SIZE[1]} a round, {AT_ONCE} uploads at once, {ROUNDS} rounds by turns, medians. "
        f"Both make the same copies ({widths} widths as {', '.join(FORMATS)}); ours also hash, scan, read recipes, compare "
        "with near-twins and keep everything, in processes that share the cores with client and database. "
        f"Load before: {load:.1f}.\n\n"
    )
    report.write("Ingestion of pictures", told + report.table(["what", "figure", "ratio"], rows))
