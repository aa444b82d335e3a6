"""Write what was trained as people use it: one .safetensors in the original layout, and the folder of configurations.

python -m tools.tessera.export --vae DIR --unet DIR --out DIR
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler
from safetensors.torch import save_file
from tools.tessera import unet as trainer

from civitas.engines.diffusers import layout

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}
ABOUT = {
    "modelspec.sai_model_spec": "1.0.0",
    "modelspec.architecture": "tessera-v1",
    "modelspec.implementation": "diffusers",
    "modelspec.title": "Tessera",
    "modelspec.author": "Civitas",
    "modelspec.license": "CC0-1.0",
    "modelspec.resolution": "64x64",
    "modelspec.prediction_type": "v",
    "modelspec.description": "A small text-to-image model of simple scenes, made from drawings by rule.",
}


def export(vae_folder: Path, folder: Path, out: Path) -> Path:
    """Write `out`/tessera.safetensors (half precision) and `out`/config; gives back the path of the weights."""
    vae = AutoencoderKL.from_pretrained(vae_folder)
    _, encoder, unet = trainer.load_or_make(folder)
    out.mkdir(parents=True, exist_ok=True)
    weights = {k: v.to(torch.float16) for k, v in layout.original(unet, vae, encoder).items()}
    path = out / "tessera.safetensors"
    save_file(weights, path, metadata=ABOUT)
    write_configs(out / "config", vae, encoder, unet, folder / "tokenizer")
    return path


def write_configs(out: Path, vae, encoder, unet, tokenizer: Path) -> None:
    for name, part in (("vae", vae), ("text_encoder", encoder), ("unet", unet)):
        (out / name).mkdir(parents=True, exist_ok=True)
        config = json.loads(part.config.to_json_string() if name == "text_encoder" else part.to_json_string())
        config.pop("_name_or_path", None)
        config.pop("dtype", None)
        _dump(out / name / "config.json", config)
    DDIMScheduler(**trainer.SCHEDULE).save_pretrained(out / "scheduler")
    (out / "tokenizer").mkdir(exist_ok=True)
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
        shutil.copy(tokenizer / name, out / "tokenizer" / name)
    _dump(out / "model_index.json", INDEX)


def _dump(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--vae", type=Path, required=True)
    parser.add_argument("--unet", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    path = export(args.vae, args.unet, args.out)
    print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
