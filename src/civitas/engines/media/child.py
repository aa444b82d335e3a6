"""The child: `python -m civitas.engines.media.child FD LIMITS`, shut in, one request after another.

Over the socket FD come requests: a length, JSON, and open files along with them, the last one to write to. Answers go
back as length and JSON: `{"progress": 0.5}` any number of times, then `{"done": ...}` or `{"fault": [kind, sentence]}`.
"""

from __future__ import annotations

import codecs
import contextlib
import gc
import json
import logging
import os
import socket
import struct
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Final

import av
import av.filter
import av.logging
from PIL import AvifImagePlugin, Image, UnidentifiedImageError

from civitas.engines.media import (
    composing,
    converting,
    cutting,
    frames,
    hashing,
    moving,
    preprocessing,
    probing,
)
from civitas.engines.media.work import Limits, NotOurs, Unfit, Work
from civitas.kit import confine

MOST_FILES: Final = 40
MOST_REQUEST: Final = 4 * 1024 * 1024
TELL_EVERY_S: Final = 0.2
# A child lives for some requests only, each bounded by the agent's clock; this bounds one that was forgotten.
CPU_S: Final = 24 * 3_600

Handler = Callable[[Work], Mapping[str, Any]]
WORKS: Final[Mapping[str, Handler]] = {
    "convertImage": converting.convert,
    "imageUpscaler": converting.enlarge,
    "imageBackgroundRemoval": cutting.cut_out,
    "mediaHash": hashing.hash_media,
    "preprocessImage": preprocessing.preprocess,
    "videoMetadata": probing.metadata,
    "videoFrameExtraction": frames.extract,
    "transcode": moving.transcode,
    "videoUpscaler": moving.enlarge,
    "videoInterpolation": moving.interpolate,
    "videoEnhancement": moving.enhance,
    "composeMedia": composing.compose,
    # No steps: a file as small JPEGs for models that look at it, and measured, for engines that get it elsewhere.
    "glance": frames.glance,
    "measure": probing.measure,
}


class _Line:
    def __init__(self, line: socket.socket) -> None:
        self._line = line

    def next(self) -> tuple[dict[str, Any], list[int]] | None:
        head, fds, _, _ = socket.recv_fds(self._line, 4, MOST_FILES)
        if len(head) < 4:
            return None
        (size,) = struct.unpack(">I", head)
        if size > MOST_REQUEST:
            return None
        body = bytearray()
        while len(body) < size:
            piece = self._line.recv(size - len(body))
            if not piece:
                return None
            body += piece
        return json.loads(body), list(fds)

    def say(self, answer: Mapping[str, Any]) -> None:
        body = json.dumps(answer).encode()
        self._line.sendall(struct.pack(">I", len(body)) + body)


def _handle(line: _Line, request: Mapping[str, Any], fds: list[int], limits: Limits) -> dict[str, Any]:
    last = 0.0

    def tell(fraction: float) -> None:
        nonlocal last
        # Zero was told by the engine before the work came here; the first real step is always told.
        if fraction > 0 and time.monotonic() - last >= TELL_EVERY_S:
            last = time.monotonic()
            line.say({"progress": max(0.0, min(1.0, fraction))})

    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(os.fdopen(fd, "rb")) for fd in fds[:-1]]
        out = stack.enter_context(os.fdopen(fds[-1], "w+b"))
        work = Work(
            given=request["input"],
            files=dict(zip(request["words"], files, strict=True)),
            out=out,
            slots=request["slots"],
            limits=limits,
            tell=tell,
        )
        try:
            return {"done": work.answer(WORKS[request["do"]](work))}
        except Unfit as unfit:
            return {"fault": ["unfit", str(unfit)]}
        except NotOurs as other:
            return {"fault": ["other", str(other)]}
        except MemoryError:
            return {"fault": ["memory", "This needs more memory than the agent allows for one job."]}
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            return {"fault": ["unfit", "The picture has more pixels than this agent takes."]}
        except UnidentifiedImageError:
            return {"fault": ["unfit", "The file is not a picture that can be read."]}
        except (av.FFmpegError, OSError, SyntaxError, EOFError, ValueError, struct.error) as error:
            return {
                "fault": ["unfit", f"The file cannot be read: {str(error)[:300] or type(error).__name__}."]
            }


def main() -> int:
    """Serve requests until the socket closes."""
    line = _Line(socket.socket(fileno=int(sys.argv[1])))
    limits = Limits(**json.loads(sys.argv[2]))
    logging.disable(logging.CRITICAL)
    av.logging.set_level(None)
    Image.init()
    # Found by name only when first used, and by then this process can no longer read where Python lives.
    for encoding in ("utf-8", "utf-16-be", "utf-16-le", "latin-1", "ascii", "cp437", "idna"):
        codecs.lookup(encoding)
    Image.MAX_IMAGE_PIXELS = limits.pixels
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    AvifImagePlugin.DEFAULT_MAX_THREADS = min(4, os.cpu_count() or 1)
    os.nice(5)
    confine.limit(limits.memory, CPU_S, limits.file_bytes, threads=True)
    isolation = confine.isolate()
    confine.end_with_parent()
    gc.freeze()
    line.say({"ready": isolation})
    while (got := line.next()) is not None:
        request, fds = got
        answer = _handle(line, request, fds, limits)
        line.say(answer)
        gc.collect()
        if answer.get("fault", [""])[0] == "memory":
            return 0
    return 0


if __name__ == "__main__":
    code = main()
    # Skips what the interpreter would still do at its end, which the limits may not allow.
    os._exit(code)
