"""The diffusers engine beside the bare pipeline, and what it keeps and swaps: with Tessera, on this machine's CPU or GPU.

Everything is measured in turn (engine, bare, engine, bare ...). On a CPU with one thread, in seconds of the processor
that this process had, so that other work on the machine hardly shows; on a GPU by the clock.
"""

from __future__ import annotations

import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import report
from civitas.engines.diffusers import models, passes, samplers
from civitas.engines.diffusers.conditioning import condition
from civitas.engines.diffusers.device import Policy
from civitas.engines.diffusers.engine import DiffusersEngine
from civitas.engines.diffusers.measuring import peak_memory
from civitas.engines.diffusers.requests import Lora, PictureRequest, Progress, Weights

ROUNDS = int(os.environ.get("CIVITAS_BENCH_ROUNDS", "9"))
STEPS, BATCH = int(os.environ.get("CIVITAS_BENCH_STEPS", "20")), 4
MIB = 2**20


def run() -> None:
    """Measure and write the section."""
    engine = DiffusersEngine(Policy(threads=1))
    weights = Weights(models.CHECKPOINT, "Tessera")
    request = PictureRequest(
        weights, "a red circle above a blue square, night sky", tuple(range(BATCH)), width=64, height=64,
        steps=STEPS, cfg=4.0, sampler="dpM2M", batch=BATCH, preview_every=0,
    )  # fmt: skip
    engine.generate(replace(request, steps=1, seeds=(1,)))
    if engine.computes_on != "cpu":
        _CLOCK[0] = time.perf_counter
    rows = [*_overhead(engine, request), *_previews(engine, request), *_models(engine, request)]
    with tempfile.TemporaryDirectory() as folder:
        rows += _loras(engine, request, Path(folder))
    rows.append(["memory of the process, at most", f"{peak_memory(engine) / MIB:,.0f} MiB", ""])
    report.write(
        "Diffusers engine",
        f"Tessera, 64 x 64, {STEPS} steps, {BATCH} pictures a round in one batch, on {engine.computes_on} in "
        f"{engine.precision}; {ROUNDS} rounds in turn, medians. On a CPU one thread, in seconds of the processor that the "
        "process had.\n\n" + report.table(["what", "figure", "beside"], rows),
    )


# What time is measured by; a list of one, so that it can be chosen when the device is known.
_CLOCK: list[Callable[[], float]] = [time.process_time]


def _now() -> float:
    return _CLOCK[0]()


def _took(do: Callable[[], Any]) -> float:
    began = _now()
    do()
    return _now() - began


def _overhead(engine: DiffusersEngine, request: PictureRequest) -> list[list[str]]:
    """The same batch by the pipeline alone: same weights, solver, noise, and a PNG of each picture."""
    import torch

    model = engine.model(request.checkpoint, None)
    pipe = model.task("StableDiffusionPipeline")
    choice = samplers.choose(request.sampler, request.schedule)
    conditioning = condition(model, request)
    work = passes.Pass(model, request, conditioning, choice, request.width, request.height, request.steps)

    def bare() -> None:
        pipe.scheduler = choice.build(model.schedule)
        generators = [torch.Generator("cpu").manual_seed(seed) for seed in request.seeds]
        with torch.inference_mode():
            made = pipe(**passes.arguments(work, generators, len(request.seeds)), output_type="pil").images
        for picture in made:
            picture.save(io.BytesIO(), "PNG")

    bare()
    engine.generate(request)
    pairs = []
    for number in range(ROUNDS):
        # Who begins changes, so that neither always has the warmer cache.
        first, second = (bare, lambda: engine.generate(request))[:: 1 if number % 2 else -1]
        one, other = _took(first), _took(second)
        pairs.append((one, other) if number % 2 else (other, one))
    alone = statistics.median(bare for bare, _ in pairs)
    whole = statistics.median(mine for _, mine in pairs)
    ratio = statistics.median(mine / bare for bare, mine in pairs)
    count = len(request.seeds)
    return [
        ["bare pipeline", f"{count / alone:.2f} images/s", ""],
        [
            "engine: prompt, checks, recipe in the file",
            f"{count / whole:.2f} images/s",
            f"time x {ratio:.3f} (goal 1.03)",
        ],
    ]


def _previews(engine: DiffusersEngine, request: PictureRequest) -> list[list[str]]:
    first, plain, shown = [], [], []
    for _ in range(ROUNDS):
        seen: list[float] = []
        began = _now()

        def told(progress: Progress, began: float = began, seen: list[float] = seen) -> None:
            if progress.previews and not seen:
                seen.append(_now() - began)

        shown.append(
            _took(lambda told=told: engine.generate(replace(request, preview_every=5), on_progress=told))
        )  # type: ignore[misc]
        plain.append(_took(lambda: engine.generate(request)))
        first += seen
    ratio = statistics.median(a / b for a, b in zip(shown, plain, strict=True))
    return [
        [
            "first preview",
            f"{statistics.median(first) * 1000:.0f} ms",
            f"previews every 5 steps: time x {ratio:.3f}",
        ]
    ]


def _models(engine: DiffusersEngine, request: PictureRequest) -> list[list[str]]:
    """A model that is in memory, beside one that has to be loaded."""
    short = replace(request, steps=1, seeds=(1,))
    hits, misses = [], []
    for _ in range(ROUNDS):
        engine.close()
        misses.append(_took(lambda: engine.generate(short)))
        hits.append(_took(lambda: engine.generate(short)))
    hit, miss = statistics.median(hits), statistics.median(misses)
    return [
        ["one step, model in memory", f"{hit * 1000:.0f} ms", ""],
        ["one step, model loaded for it", f"{miss * 1000:.0f} ms", f"x {miss / hit:.1f}"],
    ]


def _loras(engine: DiffusersEngine, request: PictureRequest, folder: Path) -> list[list[str]]:
    """A LoRA laid over weights in memory and taken away again, beside loading the model anew."""
    path = folder / "style.safetensors"
    _lora(engine, request, path)
    short = replace(request, steps=1, seeds=(1,))
    with_lora = replace(short, loras=(Lora(path, "style", weight=0.8),))
    for _ in range(2):
        engine.generate(short)
        engine.generate(with_lora)
    swaps, plains, reloads = [], [], []
    for _ in range(3 * ROUNDS):
        engine.generate(short)
        plains.append(_took(lambda: engine.generate(short)))
        swaps.append(_took(lambda: engine.generate(with_lora)))
    for _ in range(ROUNDS):
        engine.close()
        reloads.append(_took(lambda: engine.generate(with_lora)))
    swap = statistics.median(swaps) - statistics.median(plains)
    reload = statistics.median(reloads) - statistics.median(plains)
    return [
        ["LoRA swapped in", f"{swap * 1000:.1f} ms", f"a reload with it: {reload * 1000:.0f} ms"],
    ]


def _lora(engine: DiffusersEngine, request: PictureRequest, path: Path) -> None:
    """A LoRA of chance, rank 8, on every attention of the U-Net."""
    import torch
    from safetensors.torch import save_file

    unet = engine.model(request.checkpoint, None).pipe.unet
    tensors: dict[str, Any] = {}
    for name, part in unet.named_modules():
        if name.split(".")[-1] in ("to_q", "to_k", "to_v") and hasattr(part, "weight"):
            rows, columns = part.weight.shape
            key = "lora_unet_" + name.replace(".", "_")
            tensors[f"{key}.lora_down.weight"] = torch.randn(8, columns) * 0.02
            tensors[f"{key}.lora_up.weight"] = torch.randn(rows, 8) * 0.02
            tensors[f"{key}.alpha"] = torch.tensor(8.0)
    save_file(tensors, str(path))
