"""`civitas agent bench`: how fast a checkpoint is here."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Final

import orjson
from rich.table import Table

from civitas.app.console import err, out
from civitas.engines.diffusers import families, models, serving
from civitas.engines.diffusers.device import Policy
from civitas.engines.diffusers.engine import DiffusersEngine
from civitas.engines.diffusers.families import Family
from civitas.engines.diffusers.measuring import Speed, measure
from civitas.engines.diffusers.requests import PictureRequest, Weights
from civitas.infra.agent_settings import AgentSettings
from civitas.kit.errors import Invalid

GIB: Final = 2**30
PROMPT: Final = "a red circle above a blue square, night sky"


def run(
    settings: AgentSettings,
    *,
    checkpoint: Path | None,
    size: str,
    steps: int,
    pictures: int,
    batch: int,
    rounds: int,
    sampler: str,
    device: str | None,
    as_json: bool,
) -> None:
    """Measure and print. Raises Invalid for a checkpoint that is not there, and the engine's own faults."""
    if not serving.installed():
        raise Invalid("The diffusers engine is not installed here: pip install 'civitas[generate]'.")
    path = checkpoint or models.CHECKPOINT
    if not path.exists():
        raise Invalid(f"There is no checkpoint at {path}.")
    weights = Weights(path, "Tessera" if checkpoint is None else "")
    width, height = _size(size, weights)
    given = settings.diffusers
    engine = DiffusersEngine(
        Policy(
            device=device or given.device,
            dtype=given.dtype,
            memory=int(given.memory_gb * GIB) if given.memory_gb else None,
            offload=given.offload,
            threads=given.threads,
            max_pixels=given.most_pixels,
            parts=given.parts,
        )
    )
    request = PictureRequest(
        weights,
        PROMPT,
        tuple(range(pictures)),
        width=width,
        height=height,
        steps=steps,
        sampler=sampler,
        batch=batch,
    )
    if not as_json:
        err.print(
            f"{weights.title}: {rounds} rounds of {pictures}, after one that warms up ...", highlight=False
        )
    try:
        found = measure(engine, request, rounds=rounds)
    finally:
        engine.close()
    if as_json:
        out.print(
            orjson.dumps({"checkpoint": str(path), "batch": batch, **asdict(found)}).decode(),
            highlight=False,
            soft_wrap=True,
            markup=False,
        )
    else:
        out.print(_table(weights.title, batch, found))


def _size(text: str, weights: Weights) -> tuple[int, int]:
    if text:
        width, _, height = text.lower().partition("x")
        if not (width.isdecimal() and height.isdecimal() and len(text) < 12):
            raise Invalid("A size is WIDTHxHEIGHT, such as 1024x1024.")
        return int(width), int(height)
    native = _family(weights).native
    return native, native


def _family(weights: Weights) -> Family:
    """The family, as far as a header tells it; folders and pickles are taken for the most common one."""
    if weights.path.is_dir() or weights.path.suffix != ".safetensors":
        return families.SD1
    return families.of_shapes(families.read_shapes(weights.path, weights.title), weights.title)


def _table(title: str, batch: int, found: Speed) -> Table:
    table = Table(title=f"{title} on {found.device}, {found.precision}", show_header=False)
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_row("Images a second", f"{found.images_per_second:g}")
    table.add_row("Seconds an image", f"{found.picture_s:g}")
    table.add_row("Steps a second", f"{found.steps_per_second:g}")
    if found.first_preview_s is not None:
        table.add_row("First preview after", f"{found.first_preview_s:g} s")
    table.add_row("Loading and one step", f"{found.load_s:g} s")
    table.add_row("Memory at most", f"{found.memory / GIB:.2f} GiB")
    table.add_row(
        "Measured",
        f"{found.width} x {found.height}, {found.steps} steps, batches of {batch}, {found.rounds} rounds",
    )
    return table
