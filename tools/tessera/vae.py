"""Train the VAE: 64 x 64 pixels to 16 x 16 x 4 latents and back, in the Stable Diffusion architecture.

    python -m tools.tessera.vae --out DIR --minutes 17

The learning rate falls with the wall clock, so training ends when the minutes are over (or a file DIR/stop appears),
wherever it is; the averaged (EMA) weights are written every two minutes, and a second start with the same DIR goes on
from them.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import random
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from tools.tessera import scenes, together

CONFIG = {
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ["DownEncoderBlock2D"] * 3,
    "up_block_types": ["UpDecoderBlock2D"] * 3,
    "block_out_channels": [16, 32, 64],
    "layers_per_block": 1,
    "latent_channels": 4,
    "norm_num_groups": 8,
    "sample_size": 64,
    "mid_block_add_attention": True,
}


def to_tensor(pictures: list) -> torch.Tensor:
    """PIL pictures as one batch in [-1, 1]."""
    array = np.stack([np.asarray(p, dtype=np.uint8) for p in pictures])
    return torch.from_numpy(array).permute(0, 3, 1, 2).float() / 127.5 - 1


def batch(rng: random.Random, count: int, crop: int = 0) -> torch.Tensor:
    """Drawn scenes, a quarter of them in a style; with `crop`, a piece of that many pixels around one of the things."""
    pieces = []
    for _ in range(count):
        style = "plain" if rng.random() < 0.75 else rng.choice(scenes.STYLES[1:])
        scene = scenes.random_scene(rng, scenes.LARGE, style=style)
        picture = scenes.draw(scene)
        if crop:
            thing = rng.choice(scene.things)
            left, top = (
                max(0, min(64 - crop, int(v * 64 + rng.uniform(-0.6, 0.6) * crop) - crop // 2)) // 4 * 4
                for v in (thing.x, thing.y)
            )
            picture = picture.crop((left, top, left + crop, top + crop))
        pieces.append(picture)
    return to_tensor(pieces)


def edges(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Differences between neighbours, down and across."""
    return x[..., 1:, :] - x[..., :-1, :], x[..., :, 1:] - x[..., :, :-1]


def loss_of(vae: AutoencoderKL, x: torch.Tensor, kl_weight: float) -> tuple[torch.Tensor, torch.Tensor]:
    posterior = vae.encode(x).latent_dist
    y = vae.decode(posterior.sample()).sample
    error = y - x
    l1 = error.abs().mean()
    tint = (
        (error - error.mean(1, keepdim=True)).abs().mean()
    )  # brightness alone is learnt first, hue late: ask for it
    edge = sum(e.abs().mean() for e in edges(error))
    kl = posterior.kl().mean() / posterior.mean[0].numel()
    return l1 + tint + 0.5 * error.pow(2).mean() + 0.3 * edge + kl_weight * kl, l1.detach()


@torch.no_grad()
def begin_simply(vae: AutoencoderKL) -> None:
    """Start as a short chain of strided convolutions with hardly any noise in the latents: it learns much sooner."""
    vae.quant_conv.bias[CONFIG["latent_channels"] :] = -6
    for name, module in vae.named_modules():
        if name.endswith(("conv2", "to_out.0")):
            module.weight.mul_(0.05)
            module.bias.zero_()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=17)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument(
        "--crops",
        type=float,
        default=0.6,
        help="share of the time spent on small pieces: four times as quick",
    )
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--decoder-only", action="store_true", help="keep the latents as they are: the U-Net stays valid"
    )
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    together.launch(train, args.processes, args)


def train(rank: int, count: int, args: argparse.Namespace) -> None:
    torch.manual_seed(rank)
    rng = random.Random(rank + (1000 if args.decoder_only else 0))
    if (args.out / "config.json").exists():
        vae = AutoencoderKL.from_pretrained(args.out, torch_dtype=torch.float32)
    else:
        vae = AutoencoderKL(**CONFIG)
        begin_simply(vae)
    vae.to(memory_format=torch.channels_last)
    if args.decoder_only:
        vae.encoder.requires_grad_(False)
        vae.quant_conv.requires_grad_(False)
    trained = [p for p in vae.parameters() if p.requires_grad]
    meeting = together.Meeting(trained, 1, args.minutes)
    ema = copy.deepcopy(vae).requires_grad_(False)
    optimiser = torch.optim.AdamW(trained, lr=args.rate, betas=(0.9, 0.99), weight_decay=1e-4)
    saved, shown, step, mean = time.monotonic(), 0.0, 0, 0.3
    while True:
        rate = (
            args.rate
            * min(1, (step + 1) / 50)
            * (0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * min(1, meeting.done))))
        )
        for group in optimiser.param_groups:
            group["lr"] = rate
        small = meeting.done < args.crops
        x = batch(rng, args.batch * (2 if small else 1), 32 if small else 0).contiguous(
            memory_format=torch.channels_last
        )
        loss, l1 = loss_of(vae, x, 2e-5)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        step += 1
        mean = 0.95 * mean + 0.05 * l1.item()
        if not meeting.step():
            continue
        decay = min(0.97, (step + 1) / (step + 100))
        with torch.no_grad():
            for a, b in zip(ema.parameters(), vae.parameters(), strict=True):
                a.lerp_(b, 1 - decay)
        over = meeting.over(args.out / "stop")
        if rank == 0 and (over or time.monotonic() - shown > 15):
            shown = time.monotonic()
            print(
                f"{meeting.total} steps {step} mine {meeting.done * args.minutes:.1f} min l1 {mean:.4f} rate {rate:.1e}",
                flush=True,
            )
            if over or time.monotonic() - saved > 120:
                save(ema, args.out, meeting.total, mean, keep_scale=args.decoder_only)
                saved = time.monotonic()
        if over:
            return


@torch.no_grad()
def save(vae: AutoencoderKL, out: Path, step: int, mean: float, *, keep_scale: bool) -> None:
    """Write the weights with a scaling factor that gives latents a standard deviation of one."""
    if not keep_scale:
        latents = vae.encode(batch(random.Random(7), 256)).latent_dist.mean
        vae.register_to_config(scaling_factor=round(1 / latents.std().item(), 5))
    vae.save_pretrained(out)
    (out / "training.json").write_text(json.dumps({"steps": step, "l1": round(mean, 5)}))


if __name__ == "__main__":
    main()
