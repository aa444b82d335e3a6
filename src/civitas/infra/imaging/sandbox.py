"""The decoder process: reads one request at a time from stdin, answers on its old stdout, limited in all it uses.

Started by `pool.py` as `python -m civitas.infra.imaging.sandbox SETTINGS-JSON`. A request is two big-endian 32-bit
lengths, JSON, and the image's bytes (none when the JSON names a `path`); an answer is one length and JSON. A decoder
that crashes, runs out of time or is killed takes nothing with it but its own image.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import resource
import signal
import struct
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

from PIL import AvifImagePlugin, Image

from civitas.infra.imaging import fingerprints, headers, metadata, motion, pictures, stripping
from civitas.infra.imaging.port import ORIGINAL, Original
from civitas.infra.imaging.settings import ImagingSettings
from civitas.kit.errors import Fault, Invalid

READY: Final = {"ready": True}
_SUMMARY_WIDTH: Final = 512
_MAX_FILE: Final = 256 * 1024 * 1024


def handle(request: Mapping[str, Any], data: bytes, limits: ImagingSettings) -> dict[str, Any]:
    """Decode once; give facts, and write copies when the request has an `out`. Raises `Fault` or dies."""
    widths = request["widths"]
    picture = pictures.decode(data, limits, width=max(widths) if request["out"] else _SUMMARY_WIDTH)
    flat = pictures.flattened(picture.master)
    format = headers.read_header(data, limits).format
    recipe = metadata.read(picture.metadata)
    facts = {
        "format": format,
        "width": picture.width,
        "height": picture.height,
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "has_alpha": picture.master.mode == "RGBA",
        "frames": picture.frames,
        "blurhash": fingerprints.blurhash(flat),
        "dominant": fingerprints.dominant(flat),
        "phash": fingerprints.phash(flat),
        "metadata": picture.metadata,
        "meta": recipe.meta,
        "meta_format": recipe.format,
        "meta_faults": recipe.faults,
    }
    variants: list[tuple[int, int, str, int]] = []
    if request["out"]:
        variants = [*pictures.encode(picture, Path(request["out"]), widths, request["formats"], limits)]
    moving: list[tuple[int, int, int]] = []
    if request["out"] and request["moving"] and picture.frames > 1 and format in motion.FORMATS:
        # A picture whose frames ask for too much is shown all the same: by the first of them.
        with contextlib.suppress(MemoryError, *pictures.DECODING_ERRORS):
            moving = motion.encode(data, format, Path(request["out"]), picture.orientation, limits)
    original: Original = "withheld"
    if request["out"] and request["strip"]:
        original = stripping.strip(data, format, Path(request["out"]) / f"{ORIGINAL}.part")
    return {"facts": facts, "variants": variants, "moving": moving, "original": original}


def main() -> int:
    """Serve requests until stdin closes."""
    limits = ImagingSettings.model_validate_json(sys.argv[1])
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    _confine(limits)
    _send(answers, READY)
    while head := requests.read(8):
        size, blob = struct.unpack(">II", head)
        request = json.loads(requests.read(size))
        data = requests.read(blob)
        _allow_one_image(limits)
        try:
            answer = handle(request, data or _read(request["path"], limits), limits)
        except Fault as fault:
            answer = {"fault": [fault.message, fault.code, fault.details]}
        except MemoryError:
            _send(answers, {"fault": _too_complex()})
            return 0
        signal.setitimer(signal.ITIMER_REAL, 0)
        _send(answers, answer)
        del data
    return 0


def _confine(limits: ImagingSettings) -> None:
    Image.MAX_IMAGE_PIXELS = limits.max_pixels
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    os.nice(5)
    hard_cpu = (limits.cpu_seconds + 1) * (limits.images_per_process + 1)
    wishes = {
        resource.RLIMIT_AS: (limits.memory, limits.memory),
        resource.RLIMIT_CPU: (hard_cpu, hard_cpu),
        resource.RLIMIT_FSIZE: (_MAX_FILE, _MAX_FILE),
        resource.RLIMIT_NOFILE: (64, 64),
        resource.RLIMIT_CORE: (0, 0),
    }
    for what, (soft, hard) in wishes.items():
        ceiling = resource.getrlimit(what)[1]
        if ceiling != resource.RLIM_INFINITY:
            soft, hard = min(soft, ceiling), min(hard, ceiling)
        try:
            resource.setrlimit(what, (soft, hard))
        except (ValueError, OSError):
            # macOS refuses a limit on address space; the other limits still hold there.
            continue


def _allow_one_image(limits: ImagingSettings) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = int(used.ru_utime + used.ru_stime) + 1 + limits.cpu_seconds
    resource.setrlimit(
        resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard)
    )
    # Ends an orphan whose parent died; a living parent kills at `wall_seconds` already.
    signal.setitimer(signal.ITIMER_REAL, limits.wall_seconds + 5)


def _read(path: str, limits: ImagingSettings) -> bytes:
    try:
        with Path(path).open("rb") as file:
            data = file.read(limits.max_bytes + 1)
            size = os.fstat(file.fileno()).st_size
    except OSError:
        raise Invalid("The image file cannot be opened; send it again.", code="image_broken") from None
    if len(data) > limits.max_bytes:
        raise headers.too_many_bytes(size, limits)
    return data


def _too_complex() -> list[Any]:
    message = "Decoding the image needs more memory than is allowed. Make it smaller and send it again."
    return [message, "image_too_complex", {}]


def _send(answers: BinaryIO, answer: Mapping[str, Any]) -> None:
    body = json.dumps(answer).encode()
    answers.write(struct.pack(">I", len(body)) + body)
    answers.flush()


if __name__ == "__main__":
    sys.exit(main())
