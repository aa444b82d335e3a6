"""Train an embedding on top of the finished model: vectors for a word that stands for a colour it has never seen.

    python -m tools.tessera.inversion --vae DIR --unet DIR --out FILE.safetensors --minutes 3

Nothing of the model changes. The colour has to lie between colours that it knows (orange, between red and yellow):
one that lies outside (turquoise) cannot be reached by words.
"""

from __future__ import annotations

import argparse
import random
import time
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from tools.tessera import scenes, style, words
from tools.tessera import unet as trainer
from tools.tessera import vae as codec
from torch import nn
from torch.nn import functional as F

COLOUR = "orange"
WORD = "tess-orange"
VECTORS = 4
SCENES = 300
# What stands for the word while a caption is cut into tokens.
_GAP = "@"


def captions_of(made: list[scenes.Scene]) -> list[str]:
    """The captions with a gap where the new word belongs."""
    return [
        s.caption.replace(f"{scenes.article(COLOUR)} {COLOUR}", f"a {_GAP}").replace(COLOUR, _GAP)
        for s in made
    ]


def numbers(tokenizer, captions: list[str], first: int) -> torch.Tensor:
    """Token numbers; the gap becomes `VECTORS` numbers from `first` on, which the table does not have."""
    rows = []
    for caption in captions:
        row = [tokenizer.bos_token_id]
        for place, piece in enumerate(caption.split(_GAP)):
            row += list(range(first, first + VECTORS)) if place else []
            row += tokenizer(piece, add_special_tokens=False).input_ids
        row.append(tokenizer.eos_token_id)
        rows.append(row + [tokenizer.pad_token_id] * (words.LENGTH - len(row)))
    return torch.tensor(rows)


def train(args: argparse.Namespace) -> None:
    tokenizer, encoder, unet, vae, scheduler = style.start(args)
    world = replace(scenes.SMALL, colours=(COLOUR,))
    made, rng = [], random.Random(5)
    while len(made) < SCENES:
        scene = scenes.random_scene(rng, world)
        made += [scene] if len(scene.things) == 1 else []
    with torch.no_grad():
        pixels = codec.to_tensor([scenes.draw(s) for s in made])
        latents = (
            torch.cat([vae.encode(p).latent_dist.mean for p in pixels.split(16)]) * vae.config.scaling_factor
        )
    weights = torch.stack([trainer.emphasis(s) for s in made])
    table = encoder.get_input_embeddings()
    known = table.weight.detach().clone()
    vectors = nn.Parameter(
        known.mean(0).repeat(VECTORS, 1) + torch.randn(VECTORS, known.shape[1]) * known.std() / 2
    )
    table.forward = lambda ids: F.embedding(ids, torch.cat([known, vectors]))
    spoken = numbers(tokenizer, captions_of(made), len(known))
    optimiser = torch.optim.AdamW([vectors], lr=args.rate, weight_decay=0)
    begun, step = time.process_time(), 0
    while (done := (time.process_time() - begun) / (args.minutes * 60)) < 1:
        style.schedule(optimiser, args.rate, done)
        picks = torch.randint(0, len(made), (16,)).tolist()
        states = encoder(spoken[picks]).last_hidden_state
        loss = trainer.loss_of(unet, states, latents[picks], scheduler, weights[picks])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        step += 1
        if step % 20 == 0:
            print(f"{step} {done * args.minutes:.1f} min loss {loss.item():.4f}", flush=True)
    about = {"name": WORD, "steps": str(step)}
    save_file({"emb_params": vectors.detach().half().contiguous()}, args.out, metadata=about)
    args.out.chmod(0o644)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--vae", type=Path, required=True)
    parser.add_argument("--unet", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=3, help="of one processor core")
    parser.add_argument("--rate", type=float, default=5e-3)
    args = parser.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    train(args)


if __name__ == "__main__":
    main()
