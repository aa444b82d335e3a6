"""How often pictures show what was trained on top of Tessera, with it and without, by rule from their pixels.

    python -m tools.tessera.additions --out FILE.json

`orange`: of the colours that drawings have, orange is the nearest to the middle of the thing. `blueprint`: most of the
picture is in the blues of its paper, and some of it is chalk. Every shape on every ground, seeds not chosen.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from tools.tessera import inversion, palettes, scenes

from civitas.engines.diffusers.device import Policy
from civitas.engines.diffusers.engine import DiffusersEngine
from civitas.engines.diffusers.models import CHECKPOINT, FOLDER
from civitas.engines.diffusers.requests import Embedding, Lora, PictureRequest, Weights

WORD = Embedding(FOLDER / "tess-orange.safetensors", "Tess Orange", token=inversion.WORD)
BLUEPRINT = Lora(FOLDER / "tessera-blueprint.safetensors", "Tessera Blueprint")
BASE = PictureRequest(
    Weights(CHECKPOINT, "Tessera"), "", seeds=(0,), width=64, height=64, steps=20, cfg=4.0, preview_every=0,
    sampler="dpmpp_2m",
)  # fmt: skip


def nearest_colour(pixels: np.ndarray) -> str:
    """The name of the colour of the middle."""
    middle = pixels[26:38, 26:38].reshape(-1, 3).mean(0)
    return min(scenes.COLOURS, key=lambda name: float(((middle - np.array(scenes.COLOURS[name])) ** 2).sum()))


def is_blueprint(pixels: np.ndarray) -> bool:
    """More than six tenths within 30 of the paper's blues, and 2 to 40 hundredths chalk."""
    dark, light = (np.array(c, float) for c in (palettes.PAPER_DARK, palettes.PAPER_LIGHT))
    way = light - dark
    share = ((pixels - dark) @ way / (way @ way)).clip(0, 1)
    paper = np.linalg.norm(pixels - (dark + share[..., None] * way), axis=-1) < 30
    chalk = pixels.min(-1) > 185
    return bool(paper.mean() > 0.6 and 0.02 < chalk.mean() < 0.4)


def share_of(
    engine: DiffusersEngine, requests: list[PictureRequest], rule: Callable[[np.ndarray], bool]
) -> float:
    met = []
    for request in requests:
        for made in engine.generate(request):
            with Image.open(io.BytesIO(made.content)) as picture:
                met.append(rule(np.asarray(picture.convert("RGB"), float)))
    return round(sum(met) / len(met), 3)


def requests_of(caption: str, seeds: int, **more: object) -> list[PictureRequest]:
    """Every shape on every ground; `caption` has {thing} and {ground}."""
    pairs = itertools.product(scenes.SMALL.things, scenes.GROUNDS)
    return [
        replace(
            BASE,
            prompt=caption.format(thing=thing, ground=ground),
            seeds=tuple(range(1000 + i * seeds, 1000 + (i + 1) * seeds)),
            **more,  # type: ignore[arg-type]
        )
        for i, (thing, ground) in enumerate(pairs)
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    engine = DiffusersEngine(Policy(threads=1))
    asks: dict[str, tuple[str, dict[str, object], Callable[[np.ndarray], bool]]] = {}
    orange = lambda pixels: nearest_colour(pixels) == inversion.COLOUR  # noqa: E731
    asks["orange: the word"] = ("a tess-orange {thing}, {ground}", {"embeddings": (WORD,)}, orange)
    asks["orange: the word without the file"] = ("a tess-orange {thing}, {ground}", {}, orange)
    asks["orange: as the model itself has it"] = ("an orange {thing}, {ground}", {}, orange)
    asks["orange: without a word"] = ("a {thing}, {ground}", {}, orange)
    said = "a red {thing}, {ground}, blueprint style"
    asks["blueprint: strength 1"] = (said, {"loras": (BLUEPRINT,)}, is_blueprint)
    asks["blueprint: strength 0.6"] = (said, {"loras": (replace(BLUEPRINT, weight=0.6),)}, is_blueprint)
    asks["blueprint: strength 1, without the word"] = (
        "a red {thing}, {ground}", {"loras": (BLUEPRINT,)}, is_blueprint,
    )  # fmt: skip
    asks["blueprint: the word without the file"] = (said, {}, is_blueprint)
    figures = {}
    for name, (caption, more, rule) in asks.items():
        requests = requests_of(caption, args.seeds, **more)
        figures[name] = share_of(engine, requests, rule)
        print(f"{name}: {figures[name]:.1%} of {len(requests) * args.seeds}", flush=True)
    args.out.write_text(json.dumps(figures, indent=2) + "\n")
    engine.close()


if __name__ == "__main__":
    main()
