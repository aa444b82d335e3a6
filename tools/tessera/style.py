"""Train LoRAs of styles on top of the finished model.

    python -m tools.tessera.style --style ink --vae DIR --unet DIR --out FILE.safetensors --minutes 3

LoRAs are written with kohya's names, linear layers and convolutions alike.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler
from safetensors import safe_open
from safetensors.torch import save_file
from tools.tessera import scenes
from tools.tessera import unet as trainer
from torch import nn
from torch.nn import functional as F

RANK = 4


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
    before = 0
    pool = trainer.Pool(vae, 5 if not args.resume else 6, 640, style=args.style)
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
    if args.resume:
        with safe_open(args.resume, "pt") as file:
            for name, low in layers.items():
                stem = "lora_unet_" + name.replace(".", "_")
                low.down.data = file.get_tensor(f"{stem}.lora_down.weight").float()
                low.up.data = file.get_tensor(f"{stem}.lora_up.weight").float()
            before = int(file.metadata()["ss_steps"])
    trained = [p for low in layers.values() for p in low.parameters()]
    optimiser = torch.optim.AdamW(trained, lr=args.rate, weight_decay=1e-3)
    print(f"{sum(p.numel() for p in trained)} parameters", flush=True)
    begun, step = time.process_time(), 0
    while (done := (time.process_time() - begun) / (args.minutes * 60)) < 1:
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
        "ss_steps": str(before + step),
    }
    save_file(out, args.out, metadata=about)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--style", choices=scenes.STYLES[1:], default="ink")
    parser.add_argument("--vae", type=Path, required=True)
    parser.add_argument("--unet", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=3, help="of one processor core")
    parser.add_argument("--resume", type=Path, help="a LoRA of the same style to go on from")
    parser.add_argument("--rate", type=float, default=2e-3)
    args = parser.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    train_lora(args)
    args.out.chmod(0o644)


if __name__ == "__main__":
    main()
