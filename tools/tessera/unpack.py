"""Folders to go on training from, out of a single file: what `export` wrote, taken apart again.

python -m tools.tessera.unpack --from src/civitas/engines/diffusers/models/tessera.safetensors --out DIR

Writes `DIR`/vae and `DIR`/unet, which `vae --out` and `unet --vae --out` continue.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline

CONFIG = Path("src/civitas/engines/diffusers/configs/tessera")


def unpack(file: Path, out: Path) -> None:
    pipe = StableDiffusionPipeline.from_single_file(
        str(file), config=str(CONFIG), torch_dtype=torch.float32, local_files_only=True, safety_checker=None
    )
    pipe.vae.save_pretrained(out / "vae")
    pipe.unet.save_pretrained(out / "unet" / "unet")
    pipe.text_encoder.save_pretrained(out / "unet" / "text_encoder")
    # Not save_pretrained: it leaves out the vocabulary and merges that `export` writes.
    shutil.copytree(CONFIG / "tokenizer", out / "unet" / "tokenizer", dirs_exist_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--from", dest="file", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    unpack(args.file, args.out)
    print(f"{args.out}/vae and {args.out}/unet")


if __name__ == "__main__":
    main()
