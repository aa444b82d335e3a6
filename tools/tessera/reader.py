"""Reads pictures: which things of which colours lie where, on what ground. It measures Tessera; it is not part of it.

    python -m tools.tessera.reader --out FILE.pt --minutes 6

A small convolutional network looks at the picture in 8 x 8 fields and says for each whether a thing has its centre there,
of what kind, colour and size; a rule then compares what was read with what the caption asked for.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from tools.tessera import scenes
from tools.tessera import vae as codec
from torch import nn
from torch.nn import functional as F

KINDS, HUES = len(scenes.THINGS), len(scenes.COLOURS)
HUE_NAMES = tuple(scenes.COLOURS)
FIELDS = 16


class Reader(nn.Module):
    """Pixels to a map of (centre, kind, colour, radius) and to the ground."""

    def __init__(self) -> None:
        super().__init__()

        def block(a: int, b: int, stride: int) -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(a, b, 3, stride, 1), nn.BatchNorm2d(b), nn.ReLU(inplace=True))

        self.body = nn.Sequential(
            block(3, 24, 2),
            block(24, 48, 2),
            block(48, 64, 1),
            block(64, 96, 1),
            block(96, 96, 1),
            block(96, 96, 1),
        )
        self.head = nn.Conv2d(96, 1 + KINDS + HUES + 1, 1)
        self.ground = nn.Linear(96, len(scenes.GROUNDS))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.body(x)
        return self.head(features), self.ground(features.mean((2, 3)))


@dataclass(frozen=True)
class Seen:
    kind: str
    colour: str
    x: float
    y: float
    radius: float


@torch.no_grad()
def read(reader: Reader, x: torch.Tensor) -> list[tuple[list[Seen], str]]:
    """The things and the ground of each picture of the batch."""
    maps, grounds = reader(x)
    heat = maps[:, 0].sigmoid()
    peak = (F.max_pool2d(heat[:, None], 5, 1, 2)[:, 0] == heat) & (heat > 0.4)
    out = []
    for i in range(len(x)):
        seen = []
        for row, column in peak[i].nonzero().tolist():
            values = maps[i, :, row, column]
            seen.append(
                Seen(
                    scenes.THINGS[int(values[1 : 1 + KINDS].argmax())],
                    HUE_NAMES[int(values[1 + KINDS : 1 + KINDS + HUES].argmax())],
                    (column + 0.5) / FIELDS,
                    (row + 0.5) / FIELDS,
                    float(values[-1]),
                )
            )
        out.append((seen, scenes.GROUNDS[int(grounds[i].argmax())]))
    return out


def _targets(made: list[scenes.Scene]) -> tuple[torch.Tensor, ...]:
    heat = torch.zeros(len(made), FIELDS, FIELDS)
    kind = torch.full((len(made), FIELDS, FIELDS), -1)
    hue = torch.full((len(made), FIELDS, FIELDS), -1)
    radius = torch.zeros(len(made), FIELDS, FIELDS)
    for i, scene in enumerate(made):
        for thing in scene.things:
            row, column = (min(FIELDS - 1, max(0, int(v * FIELDS))) for v in (thing.y, thing.x))
            heat[i, row, column] = 1
            kind[i, row, column] = scenes.THINGS.index(thing.kind)
            hue[i, row, column] = HUE_NAMES.index(thing.colour)
            radius[i, row, column] = thing.radius
    return heat, kind, hue, radius, torch.tensor([scenes.GROUNDS.index(s.ground) for s in made])


def train(out: Path, minutes: float) -> None:
    torch.manual_seed(3)
    rng = random.Random(99)
    reader = Reader().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(reader.parameters(), lr=3e-3, weight_decay=1e-3)
    start, step = time.monotonic(), 0
    while (done := (time.monotonic() - start) / (minutes * 60)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = 3e-3 * (0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * done)))
        made = [scenes.random_scene(rng) for _ in range(48)]
        x = codec.to_tensor([scenes.draw(s) for s in made])
        x = (x + torch.randn_like(x) * rng.uniform(0, 0.08)).clamp(-1, 1)
        if rng.random() < 0.3:
            x = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), "replicate"), 3, 1)
        maps, grounds = reader(x.contiguous(memory_format=torch.channels_last))
        heat, kind, hue, radius, ground = _targets(made)
        at = heat > 0
        loss = (
            F.binary_cross_entropy_with_logits(maps[:, 0], heat, pos_weight=torch.tensor(8.0)) * 4
            + F.cross_entropy(maps[:, 1 : 1 + KINDS].permute(0, 2, 3, 1)[at], kind[at])
            + F.cross_entropy(maps[:, 1 + KINDS : 1 + KINDS + HUES].permute(0, 2, 3, 1)[at], hue[at])
            + (maps[:, -1][at] - radius[at]).abs().mean() * 5
            + F.cross_entropy(grounds, ground)
        )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        step += 1
        if step % 50 == 0:
            print(f"{step} {done * minutes:.1f} min loss {loss.item():.3f}", flush=True)
    torch.save(reader.eval().state_dict(), out)


def load(path: Path) -> Reader:
    reader = Reader()
    reader.load_state_dict(torch.load(path, weights_only=True))
    return reader.eval()


def verdict(scene: scenes.Scene, seen: list[Seen], ground: str) -> dict[str, bool]:
    """Which demands of the scene's caption the picture meets: count, kinds, colours, pairs, place, size, ground."""
    asked, got = scene.things, seen
    out = {
        "count": len(asked) == len(got),
        "kinds": sorted(t.kind for t in asked) == sorted(t.kind for t in got),
        "colours": sorted(t.colour for t in asked) == sorted(t.colour for t in got),
        "pairs": sorted((t.kind, t.colour) for t in asked) == sorted((t.kind, t.colour) for t in got),
        "ground": scene.ground == ground,
    }
    if scene.relation in ("above", "below", "left of", "right of"):
        out["place"] = out["pairs"] and _related(scene, got)
    elif len(asked) == 1 and (" on the " in scene.words or " at the " in scene.words):
        out["place"] = len(got) == 1 and math.dist((got[0].x, got[0].y), (asked[0].x, asked[0].y)) < 0.16
    if len(asked) == 1:
        out["size"] = len(got) == 1 and _size(got[0].radius) == _size(asked[0].radius)
    out["all"] = all(out.values())
    return out


def _size(radius: float) -> str:
    return "small" if radius < 0.165 else "large" if radius > 0.285 else ""


def _related(scene: scenes.Scene, got: list[Seen]) -> bool:
    first = next(t for t in got if (t.kind, t.colour) == (scene.things[0].kind, scene.things[0].colour))
    other = next(t for t in got if t is not first)
    gap = {
        "above": other.y - first.y,
        "below": first.y - other.y,
        "left of": other.x - first.x,
        "right of": first.x - other.x,
    }
    return gap[scene.relation] > 0.15


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=6)
    args = parser.parse_args()
    torch.set_num_threads(1)
    train(args.out, args.minutes)


if __name__ == "__main__":
    main()
