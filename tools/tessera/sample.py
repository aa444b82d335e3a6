"""Pictures of captions from a training folder, as one sheet to look at, and VAE round trips.

python -m tools.tessera.sample --vae DIR --unet DIR --sheet FILE.png
python -m tools.tessera.sample --vae DIR --sheet FILE.png          (originals above what comes back)
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, DPMSolverMultistepScheduler
from PIL import Image
from tools.tessera import scenes
from tools.tessera import unet as trainer
from tools.tessera import vae as codec

CAPTIONS = (
    "a red circle, white background",
    "a blue square, grass",
    "a yellow star, night sky",
    "a green triangle, desert",
    "a purple heart, black background",
    "a blue circle, sea",
    "a red star on the left, grass",
    "a green square at the top, white background",
    "a red circle above a blue square, night sky",
    "a green heart below a yellow star, sea",
    "a purple triangle left of a red square, grass",
    "a yellow heart right of a blue circle, desert",
    "a blue triangle and a yellow circle, black background",
    "a red heart, night sky",
    "a picture of a green circle, masterpiece",
    "a purple square",
)


class Painter:
    """A bare sampling loop over the training folders: no pipeline, so that it shows the weights and nothing else."""

    def __init__(self, vae_folder: Path, folder: Path) -> None:
        self.vae = AutoencoderKL.from_pretrained(vae_folder)
        self.tokenizer, self.encoder, self.unet = trainer.load_or_make(folder)
        base = DDIMScheduler(**trainer.SCHEDULE)
        self.scheduler = DPMSolverMultistepScheduler.from_config(base.config)

    @torch.no_grad()
    def paint(self, captions: list[str], *, seed: int = 0, steps: int = 20, cfg: float = 4.0) -> torch.Tensor:
        states = self.encoder(
            trainer.tokens(self.tokenizer, [*captions, *([""] * len(captions))])
        ).last_hidden_state
        x = torch.randn(len(captions), 4, 16, 16, generator=torch.Generator().manual_seed(seed))
        self.scheduler.set_timesteps(steps)
        for t in self.scheduler.timesteps:
            both = self.unet(torch.cat([x, x]), t, states).sample
            yes, no = both.chunk(2)
            x = self.scheduler.step(no + cfg * (yes - no), t, x).prev_sample
        return self.vae.decode(x / self.vae.config.scaling_factor).sample.clamp(-1, 1)


def to_pictures(x: torch.Tensor) -> list[Image.Image]:
    array = ((x.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    return [Image.fromarray(a) for a in array]


def sheet(pictures: list[Image.Image], columns: int, scale: int = 2) -> Image.Image:
    side = pictures[0].width
    out = Image.new("RGB", (columns * side, -(-len(pictures) // columns) * side))
    for i, picture in enumerate(pictures):
        out.paste(picture, (i % columns * side, i // columns * side))
    return out.resize((out.width * scale, out.height * scale), Image.Resampling.NEAREST)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--vae", type=Path, required=True)
    parser.add_argument("--unet", type=Path)
    parser.add_argument("--sheet", type=Path, required=True)
    parser.add_argument("--cfg", type=float, default=4.0)
    parser.add_argument("--steps", type=int, default=20)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.unet is None:
        rng = random.Random(5)
        made = [
            scenes.draw(scenes.random_scene(rng, style=s))
            for s in ("plain",) * 16 + ("ink", "ink", "mosaic", "dusk") * 2
        ]
        vae = AutoencoderKL.from_pretrained(args.vae)
        with torch.no_grad():
            back = to_pictures(vae(codec.to_tensor(made)).sample)
        rows = [p for i in range(0, 24, 12) for p in (*made[i : i + 12], *back[i : i + 12])]
        sheet(rows, 12).save(args.sheet)
        return
    painter = Painter(args.vae, args.unet)
    pictures = to_pictures(painter.paint(list(CAPTIONS), steps=args.steps, cfg=args.cfg))
    sheet(pictures, 8, 3).save(args.sheet)


if __name__ == "__main__":
    main()
