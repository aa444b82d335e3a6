"""Train the U-Net together with its text encoder on captioned scenes, as latents of the finished VAE.

    python -m tools.tessera.unet --vae DIR --out DIR --minutes 80

v-prediction on Stable Diffusion's own kind of noise schedule. Each process keeps a pool of encoded scenes and renews it
while training goes on. The learning rate falls with the wall clock; averaged weights are written every three minutes and
a file OUT/stop ends the run early with what is there.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import random
import time
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from tools.tessera import scenes, together, words
from tools.tessera import vae as codec
from transformers import CLIPTextModel, CLIPTokenizer

UNET = {
    "sample_size": 16,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": [32, 96, 128],
    "layers_per_block": 1,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "cross_attention_dim": 128,
    "attention_head_dim": 4,
    "norm_num_groups": 16,
}
SCHEDULE = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.02,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "timestep_spacing": "trailing",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}


class Pool:
    """Encoded scenes with their captions; `renew` replaces the oldest by new ones."""

    def __init__(
        self,
        vae: AutoencoderKL,
        seed: int,
        size: int,
        world: scenes.World = scenes.SMALL,
        style: str = "plain",
    ) -> None:
        self.vae, self.rng, self.world, self.style = vae, random.Random(seed), world, style
        self.weights = torch.ones(size, 1, 16, 16)
        self.latents = torch.zeros(size, 4, 16, 16)
        self.scenes: list[scenes.Scene] = [None] * size  # type: ignore[list-item]
        self.at = 0

    @torch.no_grad()
    def renew(self, count: int) -> None:
        made = [scenes.random_scene(self.rng, self.world, style=self.style) for _ in range(count)]
        pixels = codec.to_tensor([scenes.draw(s) for s in made]).contiguous(memory_format=torch.channels_last)
        fresh = self.vae.encode(pixels).latent_dist.mean * self.vae.config.scaling_factor
        for scene, latent in zip(made, fresh, strict=True):
            self.scenes[self.at], self.latents[self.at] = scene, latent
            self.weights[self.at] = emphasis(scene)
            self.at = (self.at + 1) % len(self.scenes)

    def take(self, count: int) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
        picks = [self.rng.randrange(len(self.scenes)) for _ in range(count)]
        return (
            self.latents[picks],
            self.weights[picks],
            [words.spoken(self.scenes[i], self.rng) for i in picks],
        )


def emphasis(scene: scenes.Scene, factor: float = 4.0) -> torch.Tensor:
    """How much each latent counts: things are small and say most, grounds are large and soon learnt."""
    rows = (torch.arange(16) + 0.5) / 16
    out = torch.ones(1, 16, 16)
    for thing in scene.things:
        near = ((rows - thing.x).abs()[None, :] < thing.radius * 1.25) & (
            (rows - thing.y).abs()[:, None] < thing.radius * 1.25
        )
        out[0, near] = factor
    return out


def tokens(tokenizer: CLIPTokenizer, captions: list[str]) -> torch.Tensor:
    return tokenizer(
        captions, padding="max_length", truncation=True, max_length=words.LENGTH, return_tensors="pt"
    ).input_ids


def loss_of(
    unet: UNet2DConditionModel,
    states: torch.Tensor,
    latents: torch.Tensor,
    scheduler: DDIMScheduler,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """The v-prediction error; times are spread evenly over the batch so that its mean says more."""
    count = len(latents)
    spread = (torch.arange(count) + torch.rand(count)) / count
    times = (spread * scheduler.config.num_train_timesteps).long()
    noise = torch.randn_like(latents)
    target = scheduler.get_velocity(latents, noise, times)
    given = scheduler.add_noise(latents, noise, times).contiguous(memory_format=torch.channels_last)
    error = (unet(given, times, states).sample - target).pow(2)
    return error.mean() if weights is None else (error * weights).sum() / (weights.sum() * error.shape[1])


def load_or_make(out: Path) -> tuple[CLIPTokenizer, CLIPTextModel, UNet2DConditionModel]:
    if (out / "unet" / "config.json").exists():
        return (
            CLIPTokenizer.from_pretrained(out / "tokenizer"),
            CLIPTextModel.from_pretrained(out / "text_encoder", torch_dtype=torch.float32),
            UNet2DConditionModel.from_pretrained(out / "unet", torch_dtype=torch.float32),
        )
    tokenizer = words.write_tokenizer(out / "tokenizer")
    return tokenizer, words.new_encoder(tokenizer), UNet2DConditionModel(**UNET)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--vae", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=80)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--pool", type=int, default=8000)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--world", choices=scenes.WORLDS, default="small")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    load_or_make(args.out)[0]
    together.launch(train, args.processes, args)


def train(rank: int, count: int, args: argparse.Namespace) -> None:
    torch.manual_seed(1)
    tokenizer, encoder, unet = load_or_make(args.out)
    print(
        f"{sum(p.numel() for m in (encoder, unet) for p in m.parameters()) / 1e6:.2f} M parameters",
        flush=True,
    )
    unet.to(memory_format=torch.channels_last).train()
    encoder.train()
    torch.manual_seed(time.time_ns() % 2**31 + rank)
    scheduler = DDIMScheduler(**SCHEDULE)
    vae = AutoencoderKL.from_pretrained(args.vae).to(memory_format=torch.channels_last).requires_grad_(False)
    pool = Pool(vae, time.time_ns() + rank, args.pool, scenes.WORLDS[args.world])
    start = time.monotonic()
    for _ in range(args.pool // 16):
        pool.renew(16)
    print(f"{args.pool} scenes encoded in {time.monotonic() - start:.0f} s", flush=True)
    both = torch.nn.ModuleList([unet, encoder])
    meeting = together.Meeting(both.parameters(), 6, args.minutes)
    ema = copy.deepcopy(both).requires_grad_(False)
    optimiser = torch.optim.AdamW(both.parameters(), lr=args.rate, betas=(0.9, 0.99), weight_decay=0.01)
    saved, shown, step, mean, meetings = time.monotonic(), 0.0, 0, 1.0, 0
    while True:
        rate = (
            args.rate
            * min(1, (step + 1) / 40)
            * (0.02 + 0.98 * (0.5 + 0.5 * math.cos(math.pi * min(1, meeting.done))))
        )
        for group in optimiser.param_groups:
            group["lr"] = rate
        if step % 3 == 0:
            pool.renew(8)
        latents, weights, captions = pool.take(args.batch)
        states = encoder(tokens(tokenizer, captions)).last_hidden_state
        loss = loss_of(unet, states, latents, scheduler, weights)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(both.parameters(), 1.0)
        optimiser.step()
        step += 1
        mean = 0.98 * mean + 0.02 * loss.item()
        if not meeting.step():
            continue
        meetings += 1
        if rank == 0:
            decay = min(0.97, meetings / (meetings + 6))
            for a, b in zip(ema.parameters(), both.parameters(), strict=True):
                a.lerp_(b.detach(), 1 - decay)
        over = meeting.over(args.out / "stop")
        if rank == 0 and (over or time.monotonic() - shown > 20):
            shown = time.monotonic()
            print(
                f"{meeting.total} steps {step} mine {meeting.done * args.minutes:.1f} min loss {mean:.4f} rate {rate:.1e}",
                flush=True,
            )
            if over or time.monotonic() - saved > 180:
                save(ema, args.out, meeting.total, mean)
                saved = time.monotonic()
        if over:
            return


def save(ema: torch.nn.ModuleList, out: Path, steps: int, loss: float) -> None:
    ema[0].save_pretrained(out / "unet")
    ema[1].save_pretrained(out / "text_encoder")
    (out / "training.json").write_text(json.dumps({"steps": steps, "loss": round(loss, 5)}))


if __name__ == "__main__":
    main()
