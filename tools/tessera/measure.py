"""How often Tessera's pictures show what the caption asks for, read by `reader` and judged by rule.

    python -m tools.tessera.measure --vae DIR --unet DIR --reader FILE.pt --count 256 --out FILE.json

The same reader on drawn scenes gives the ceiling: what it gets wrong there is not Tessera's fault.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from pathlib import Path

import torch
from tools.tessera import reader as reading
from tools.tessera import sample, scenes
from tools.tessera import vae as codec


def judge(reader: reading.Reader, made: list[scenes.Scene], x: torch.Tensor) -> tuple[Counter, Counter]:
    met, asked = Counter(), Counter()
    for scene, (seen, ground) in zip(made, reading.read(reader, x), strict=True):
        group = "one" if len(scene.things) == 1 else "several" if not scene.relation else "pair"
        for name, fine in reading.verdict(scene, seen, ground).items():
            for key in (name, f"{group}.{name}") if name in ("all", "pairs") else (name,):
                asked[key] += 1
                met[key] += fine
    return met, asked


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--vae", type=Path, required=True)
    parser.add_argument("--unet", type=Path, required=True)
    parser.add_argument("--reader", type=Path, required=True)
    parser.add_argument("--count", type=int, default=256)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--cfg", type=float, default=4.0)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    reader = reading.load(args.reader)
    painter = sample.Painter(args.vae, args.unet)
    rng = random.Random(20_000_003)
    met, asked, ceiling, ceiling_asked, back, back_asked = (Counter() for _ in range(6))
    seconds = 0.0
    for begin in range(0, args.count, 16):
        made = [scenes.random_scene(rng) for _ in range(min(16, args.count - begin))]
        drawn = codec.to_tensor([scenes.draw(s) for s in made])
        start = time.monotonic()
        x = painter.paint([s.caption for s in made], seed=begin, steps=args.steps, cfg=args.cfg)
        seconds += time.monotonic() - start
        with torch.no_grad():
            round_trip = painter.vae(drawn).sample.clamp(-1, 1)
        for source, (a, b) in (
            (x, (met, asked)),
            (drawn, (ceiling, ceiling_asked)),
            (round_trip, (back, back_asked)),
        ):
            m, n = judge(reader, made, source)
            a.update(m)
            b.update(n)

    def share(a: Counter, b: Counter) -> dict:
        return {k: round(a[k] / b[k], 3) for k in sorted(b)}

    figures = {
        "count": args.count,
        "steps": args.steps,
        "cfg": args.cfg,
        "seconds_per_picture": round(seconds / args.count, 3),
        "tessera": share(met, asked),
        "reader_on_drawings": share(ceiling, ceiling_asked),
        "reader_on_vae_round_trips": share(back, back_asked),
    }
    args.out.write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
