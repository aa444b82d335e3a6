"""Files of chance for Stable Diffusion 3 and Flux, and engines with and without a folder of parts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.engines.diffusers import flow_made as made

from civitas.engines.diffusers.device import Policy
from civitas.engines.diffusers.engine import DiffusersEngine
from civitas.engines.diffusers.families import FLUX, SD3
from civitas.engines.diffusers.requests import PictureRequest, Weights


@dataclass(frozen=True)
class Files:
    """Files of chance, and a folder of parts."""

    whole: Weights
    bare: Weights
    newer: Weights
    dev: Weights
    schnell: Weights
    parts: Path


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("flow")
    parts = folder / "parts"
    parts.mkdir()
    small, large = made.clip(made.WIDTH_L, projected=False), made.clip(made.WIDTH_G, projected=True)
    vae = made.under("first_stage_model.", made.vae(SD3))
    old, newer = (
        made.under(made.UNET, made.sd3_names(made.transformer_sd3(newer=newer))) for newer in (False, True)
    )
    encoders = made.under("text_encoders.clip_l.transformer.", small) | made.under(
        "text_encoders.clip_g.transformer.", large
    )
    dev, schnell = (made.flux_names(made.transformer_flux(guided=guided)) for guided in (True, False))
    made.save(parts / "clip_l.safetensors", small)
    made.save(parts / "clip_g.safetensors", large)
    made.save(parts / "t5xxl_fp16.safetensors", made.t5())
    made.save(parts / "ae.safetensors", made.vae(FLUX))
    made.t5_tokenizer(parts / "t5_tokenizer")
    return Files(
        Weights(made.save(folder / "whole.safetensors", old, vae, encoders), name="Whole"),
        Weights(made.save(folder / "bare.safetensors", old, vae), name="Bare"),
        Weights(made.save(folder / "newer.safetensors", newer, vae, encoders), name="Newer"),
        Weights(made.save(folder / "dev.safetensors", dev), name="Dev"),
        Weights(made.save(folder / "schnell.safetensors", made.under(made.UNET, schnell)), name="Schnell"),
        parts,
    )


@pytest.fixture(scope="session")
def alone() -> DiffusersEngine:
    """An engine without a folder of parts."""
    return DiffusersEngine(Policy(device="cpu", threads=1))


@pytest.fixture(scope="session")
def furnished(files: Files) -> DiffusersEngine:
    return DiffusersEngine(Policy(device="cpu", threads=1, parts=files.parts))


def asked(checkpoint: Weights, **more: object) -> PictureRequest:
    usual = PictureRequest(
        checkpoint, "a red circle", seeds=(7,), width=64, height=64, steps=3, sampler="euler", preview_every=0
    )
    return replace(usual, **more)  # type: ignore[arg-type]


def codes(picture: object) -> list[str]:
    return [notice.code for notice in picture.notices]  # type: ignore[attr-defined]
