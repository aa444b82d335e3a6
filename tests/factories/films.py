"""Small true videos and sounds for tests."""

from __future__ import annotations

from io import BytesIO
from itertools import count
from typing import Any

import av
import numpy as np

_numbers = count(1)


def film(
    *,
    seconds: float = 2,
    width: int = 96,
    height: int = 64,
    shape: str = "mp4",
    video: str | None = "libx264",
    audio: str | None = None,
    told: dict[str, str] | None = None,
) -> bytes:
    """A video in which something moves, unlike every other one; or, without `video`, a sound."""
    file = BytesIO()
    colour = next(_numbers) * 37 % 200
    with av.open(
        file, "w", format=shape, options={"movflags": "use_metadata_tags"} if shape == "mp4" else {}
    ) as out:
        out.metadata.update(told or {})
        picture: Any = out.add_stream(video, rate=10) if video else None
        sound: Any = out.add_stream(audio, rate=48_000) if audio else None
        if picture is not None:
            picture.width, picture.height, picture.pix_fmt = width, height, "yuv420p"
            for place in range(int(seconds * 10)):
                frame = np.full((height, width, 3), colour, np.uint8)
                frame[:, : 8 + place * 4 % width] = (240, 40, 90)
                made = av.VideoFrame.from_ndarray(frame, format="rgb24")
                made.pts = place
                out.mux(picture.encode(made))
            out.mux(picture.encode(None))
        if sound is not None:
            for start in range(0, int(seconds * 48_000), 1024):
                wave = (np.sin(np.arange(start, start + 1024) / 20) * 0.3).astype(np.float32)
                # Loud and quiet by turns, so that there is something to draw.
                wave *= 0.1 if start // 12_000 % 2 else 1.0
                heard = av.AudioFrame.from_ndarray(np.stack([wave, wave]), format="fltp", layout="stereo")
                heard.rate, heard.pts = 48_000, start
                out.mux(sound.encode(heard))
            out.mux(sound.encode(None))
    return file.getvalue()
