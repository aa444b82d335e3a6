"""How fast a checkpoint is on this machine: what `civitas agent bench` and `python -m bench engine` tell."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from dataclasses import dataclass, replace

from civitas.engines.diffusers.engine import DiffusersEngine
from civitas.engines.diffusers.requests import PictureRequest, Progress


@dataclass(frozen=True, slots=True)
class Speed:
    """Medians over the rounds; times in seconds, memory in bytes."""

    device: str
    precision: str
    width: int
    height: int
    steps: int
    pictures: int
    rounds: int
    load_s: float
    first_preview_s: float | None
    picture_s: float
    images_per_second: float
    steps_per_second: float
    memory: int


def peak_memory(engine: DiffusersEngine) -> int:
    """The most that was in use: of the GPU where there is one, else of this process."""
    import torch

    if engine.computes_on.startswith("cuda"):
        return int(torch.cuda.max_memory_allocated())
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def measure(engine: DiffusersEngine, request: PictureRequest, *, rounds: int = 3) -> Speed:
    """Make the request's pictures `rounds` times, after one that loads and warms up. Raises as `generate` does."""
    began = time.perf_counter()
    engine.generate(replace(request, steps=1, seeds=request.seeds[:1]))
    load = time.perf_counter() - began
    engine.generate(replace(request, seeds=request.seeds[: request.batch]))
    took, previews = [], []
    for _ in range(rounds):
        seen: list[float] = []
        began = time.perf_counter()

        def shown(progress: Progress, began: float = began, seen: list[float] = seen) -> None:
            if progress.previews and not seen:
                seen.append(time.perf_counter() - began)

        engine.generate(request, on_progress=shown)
        took.append(time.perf_counter() - began)
        previews += seen
    middle = statistics.median(took)
    count = len(request.seeds)
    return Speed(
        device=engine.computes_on,
        precision=engine.precision,
        width=request.width,
        height=request.height,
        steps=request.steps,
        pictures=count,
        rounds=rounds,
        load_s=round(load, 3),
        first_preview_s=round(statistics.median(previews), 3) if previews else None,
        picture_s=round(middle / count, 4),
        images_per_second=round(count / middle, 3),
        steps_per_second=round(count * request.steps / middle, 2),
        memory=peak_memory(engine),
    )
