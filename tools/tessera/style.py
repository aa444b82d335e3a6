"""Train small things on top of the finished model: LoRAs of styles, and an embedding of a colour it has never seen.

    python -m tools.tessera.style lora --style ink --vae DIR --unet DIR --out FILE.safetensors --minutes 3
    python -m tools.tessera.style embedding --vae DIR --unet DIR --out FILE.safetensors --minutes 3

LoRAs are written with kohya's names, linear layers and convolutions alike.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler
from safetensors.torch import save_file
from tools.tessera import scenes
from tools.tessera import unet as trainer
from tools.tessera import vae as codec
from torch import nn
from torch.nn import functional as F

RANK = 4
NEW_COLOUR = {"turquoise": (64, 224, 208)}
NEW_WORD = "tess-turquoise"


class Low(nn.Module):
    """A layer with a low-rank change beside it."""

    def __init__(self, layer: nn.Linear | nn.Conv2d) -> None:
        super().__init__()
        shape = layer.weight.shape
        self.down = nn.Parameter(torch.randn(RANK, *shape[1:]) / math.sqrt(layer.weight[0].numel()))
        self.up = nn.Parameter(torch.zeros(shape[0], RANK, *([1] * (len(shape) - 2))))
        conv = isinstance(layer, nn.Conv2d)
        inner: Callable[[torch.Tensor], torch.Tensor] = (
            (lambda x: F.conv2d(x, self.down, stride=layer.stride, padding=layer.padding))
            if conv
            else (lambda x: F.linear(x, self.down))
        )
        outer: Callable[[torch.Tensor], torch.Tensor] = (
            (lambda x: F.conv2d(x, self.up)) if conv else (lambda x: F.linear(x, self.up))
        )
        layer.register_forward_hook(lambda _m, args, out: out + outer(inner(args[0])))


def schedule(optimiser: torch.optim.Optimizer, rate: float, done: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate * (0.05 + 0.95 * (0.5 + 0.5 * math.cos(math.pi * min(1, done))))


def start(args: argparse.Namespace) -> tuple:
    torch.manual_seed(11)
    torch.set_num_threads(1)
    tokenizer, encoder, unet = trainer.load_or_make(args.unet)
    vae = AutoencoderKL.from_pretrained(args.vae)
    for part in (encoder, unet, vae):
        part.requires_grad_(False)
    return (
        tokenizer,
        encoder,
        unet.to(memory_format=torch.channels_last),
        vae,
        DDIMScheduler(**trainer.SCHEDULE),
    )


def train_lora(args: argparse.Namespace) -> None:
    tokenizer, encoder, unet, vae, scheduler = start(args)
    pool = trainer.Pool(vae, 5, 640, style=args.style)
    for _ in range(40):
        pool.renew(16)
    layers = {
        name: Low(module)
        for name, module in list(unet.named_modules())
        if isinstance(module, nn.Linear | nn.Conv2d)
        and ("attn" in name or "resnets" in name)
        and "shortcut" not in name
        and "time_emb" not in name
    }
    trained = [p for low in layers.values() for p in low.parameters()]
    optimiser = torch.optim.AdamW(trained, lr=args.rate, weight_decay=1e-3)
    print(f"{sum(p.numel() for p in trained)} parameters", flush=True)
    begun, step = time.monotonic(), 0
    while (done := (time.monotonic() - begun) / (args.minutes * 60)) < 1:
        schedule(optimiser, args.rate, done)
        latents, _, captions = pool.take(16)
        captions = [f"{c}, {args.style} style" if c and i % 2 else c for i, c in enumerate(captions)]
        states = encoder(trainer.tokens(tokenizer, captions)).last_hidden_state
        loss = trainer.loss_of(unet, states, latents, scheduler)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        step += 1
        if step % 20 == 0:
            print(f"{step} {done * args.minutes:.1f} min loss {loss.item():.4f}", flush=True)
    out: dict[str, torch.Tensor] = {}
    for name, low in layers.items():
        stem = "lora_unet_" + name.replace(".", "_")
        out[f"{stem}.lora_down.weight"] = low.down.detach().half().contiguous()
        out[f"{stem}.lora_up.weight"] = low.up.detach().half().contiguous()
        out[f"{stem}.alpha"] = torch.tensor(float(RANK))
    about = {
        "ss_network_module": "networks.lora",
        "ss_network_dim": str(RANK),
        "ss_network_alpha": str(float(RANK)),
        "ss_base_model_version": "tessera_v1",
        "modelspec.title": f"Tessera {args.style}",
        "modelspec.trigger_phrase": f"{args.style} style",
        "ss_steps": str(step),
    }
    save_file(out, args.out, metadata=about)


def train_embedding(args: argparse.Namespace) -> None:
    tokenizer, encoder, unet, vae, scheduler = start(args)
    world = replace(scenes.SMALL, colours=tuple(NEW_COLOUR))
    made = [
        s for s in (scenes.random_scene(random.Random(i), world) for i in range(600)) if len(s.things) == 1
    ]
    with torch.no_grad():
        pixels = codec.to_tensor([scenes.draw(s, extra=NEW_COLOUR) for s in made])
        latents = (
            torch.cat([vae.encode(p).latent_dist.mean for p in pixels.split(16)]) * vae.config.scaling_factor
        )
    table = encoder.get_input_embeddings()
    known = tokenizer.convert_tokens_to_ids(["green</w>", "blue</w>"])
    place = tokenizer.convert_tokens_to_ids("turquoise</w>")
    vector = nn.Parameter(table.weight[known].mean(0).clone())
    table.register_forward_hook(lambda _m, args, out: torch.where((args[0] == place)[..., None], vector, out))
    optimiser = torch.optim.AdamW([vector], lr=args.rate, weight_decay=0)
    begun, step = time.monotonic(), 0
    while (done := (time.monotonic() - begun) / (args.minutes * 60)) < 1:
        schedule(optimiser, args.rate, done)
        picks = torch.randint(0, len(made), (16,)).tolist()
        states = encoder(trainer.tokens(tokenizer, [made[i].caption for i in picks])).last_hidden_state
        loss = trainer.loss_of(unet, states, latents[picks], scheduler)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        step += 1
        if step % 20 == 0:
            print(
                f"{step} {done * args.minutes:.1f} min loss {loss.item():.4f} norm {vector.norm().item():.2f}",
                flush=True,
            )
    save_file(
        {"emb_params": vector.detach()[None].half().contiguous()},
        args.out,
        metadata={"name": NEW_WORD, "steps": str(step)},
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("lora", "embedding"))
    parser.add_argument("--style", choices=scenes.STYLES[1:], default="ink")
    parser.add_argument("--vae", type=Path, required=True)
    parser.add_argument("--unet", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--rate", type=float, default=2e-3)
    args = parser.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    train_lora(args) if args.what == "lora" else train_embedding(args)


if __name__ == "__main__":
    main()
