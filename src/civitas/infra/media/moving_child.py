"""The child: `python -m civitas.infra.media.moving_child IN STILL PREVIEW CLEAN LIMITS`, shut in, for one file.

The first four are open files. It answers once, in JSON on stdout: `{"done": ...}` or `{"fault": [code, sentence]}`.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import logging
import os
import sys
from typing import Any, Final

import av
import av.filter
import av.logging
from PIL import Image, ImageDraw, PngImagePlugin

from civitas.infra.media import moving_parts
from civitas.infra.media.moving_parts import Refused
from civitas.kit import confine

MIB: Final = 2**20


def main() -> int:
    """Read one file, make what is shown of it."""
    answers = os.dup(1)
    os.dup2(2, 1)
    source, still, preview, clean = (int(fd) for fd in sys.argv[1:5])
    limits: dict[str, Any] = json.loads(sys.argv[5])
    logging.disable(logging.CRITICAL)
    av.logging.set_level(None)
    Image.init()
    # Found by name only when first used, and by then this process can no longer read where Python lives.
    for encoding in ("utf-8", "latin-1", "ascii"):
        codecs.lookup(encoding)
    _ = (ImageDraw, PngImagePlugin)
    os.nice(5)
    largest = (limits["max_post_mb"] + 16) * MIB
    confine.limit(limits["video_memory_mb"] * MIB, limits["video_cpu_seconds"], largest, threads=True)
    confine.isolate()
    confine.end_with_parent()
    answer = _answer(source, still, preview, clean, limits)
    body = json.dumps(answer).encode()
    while body:
        body = body[os.write(answers, body) :]
    return 0


def _answer(source: int, still: int, preview: int, clean: int, limits: dict[str, Any]) -> dict[str, Any]:
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(os.fdopen(source, "rb"))
        outs = [stack.enter_context(os.fdopen(fd, "w+b")) for fd in (still, preview, clean)]
        try:
            return {"done": moving_parts.work(file, *outs, limits=limits)}
        except Refused as refused:
            return {"fault": [refused.code, str(refused)]}
        except MemoryError:
            return {
                "fault": [
                    "video_too_complex",
                    "Reading the video needs more memory than is allowed. Make it smaller.",
                ]
            }
        except (av.FFmpegError, OSError, SyntaxError, EOFError, ValueError, TypeError, IndexError, KeyError):
            return {
                "fault": [
                    "video_broken",
                    "The video cannot be read: it is cut off or damaged. Export it again and send the new file.",
                ]
            }


if __name__ == "__main__":
    code = main()
    # Skips what the interpreter would still do at its end, which the limits may not allow.
    os._exit(code)
