"""LoRAs and embeddings: what they add, that they add up, and that nothing is left of them afterwards."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.engines.diffusers.conftest import pixels

from civitas.engines.diffusers.engine import DiffusersEngine
from civitas.engines.diffusers.errors import ModelUnsupported, WeightsCorrupt
from civitas.engines.diffusers.requests import Embedding, Lora, PictureRequest

LINEAR = "down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q"
CONV = "mid_block_resnets_0_conv1"
TEXT = "text_model_encoder_layers_0_self_attn_q_proj"


def save(path: Path, tensors: dict[str, Any]) -> Path:
    from safetensors.torch import save_file

    save_file({k: v.contiguous() for k, v in tensors.items()}, path)
    return path


def kohya(path: Path, seed: int, *, alpha: float = 2.0) -> Path:
    """A LoRA of rank 4 for one linear layer, one convolution and one layer of the text encoder."""
    import torch

    g = torch.Generator().manual_seed(seed)
    out = {}
    for stem, shape in (
        (f"lora_unet_{LINEAR}", (96,)),
        (f"lora_unet_{CONV}", (128, 3, 3)),
        (f"lora_te_{TEXT}", (128,)),
    ):
        rows = {"lora_te": 128}.get(stem[:7], 128 if len(shape) == 3 else 96)
        out[f"{stem}.lora_down.weight"] = torch.randn(4, *shape, generator=g) * 0.3
        out[f"{stem}.lora_up.weight"] = torch.randn(rows, 4, *([1] * (len(shape) - 1)), generator=g) * 0.3
        out[f"{stem}.alpha"] = torch.tensor(alpha)
    return save(path, out)


def layers(engine: DiffusersEngine, request: PictureRequest) -> dict[str, Any]:
    pipe = engine.model(request.checkpoint, None).pipe
    return {
        "linear": pipe.unet.get_submodule("down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"),
        "conv": pipe.unet.get_submodule("mid_block.resnets.0.conv1"),
        "text": pipe.text_encoder.get_submodule("encoder.layers.0.self_attn.q_proj"),
    }


def test_a_lora_comes_and_goes_without_a_trace(
    engine: DiffusersEngine, request_: PictureRequest, tmp_path: Path
) -> None:
    before = engine.generate(request_)[0]
    lora = Lora(kohya(tmp_path / "a.safetensors", 1), name="a", weight=0.8)
    misses = engine.tally.misses
    with_it = engine.generate(replace(request_, loras=(lora,)))[0]
    after = engine.generate(request_)[0]

    assert abs(pixels(with_it.content) - pixels(before.content)).mean() > 0.5
    assert after.content == before.content
    assert "<lora:a:0.8>" in with_it.text
    assert engine.tally.misses == misses


def test_loras_add_up_as_the_mathematics_says(
    engine: DiffusersEngine, request_: PictureRequest, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file

    first, second = kohya(tmp_path / "a.safetensors", 1), kohya(tmp_path / "b.safetensors", 2, alpha=4.0)
    model = engine.model(request_.checkpoint, None)
    model.patches.restore()
    base = {k: m.weight.detach().clone() for k, m in layers(engine, request_).items()}
    model.patches.use((Lora(first, weight=0.7), Lora(second, weight=-0.4, text_weight=0.25)))
    now = {k: m.weight.detach().clone() for k, m in layers(engine, request_).items()}
    model.patches.use(())

    a, b = load_file(first), load_file(second)

    def delta(found: dict[str, Any], stem: str) -> Any:
        up, down = found[f"{stem}.lora_up.weight"], found[f"{stem}.lora_down.weight"]
        return (float(found[f"{stem}.alpha"]) / 4) * (up.flatten(1) @ down.flatten(1))

    for key, stem, other in (
        ("linear", f"lora_unet_{LINEAR}", -0.4),
        ("conv", f"lora_unet_{CONV}", -0.4),
        ("text", f"lora_te_{TEXT}", 0.25),
    ):
        wanted = base[key] + (0.7 * delta(a, stem) + other * delta(b, stem)).reshape(base[key].shape)
        assert torch.allclose(now[key], wanted, atol=1e-5)
        assert torch.equal(layers(engine, request_)[key].weight, base[key])


def test_strength_nought_is_no_lora(
    engine: DiffusersEngine, request_: PictureRequest, tmp_path: Path
) -> None:
    lora = Lora(kohya(tmp_path / "a.safetensors", 1), weight=0.0)
    assert (
        pixels(engine.generate(replace(request_, loras=(lora,)))[0].content)
        == pixels(engine.generate(request_)[0].content)
    ).all()


def test_names_of_diffusers_and_of_the_original_layout_mean_the_same_layer(
    engine: DiffusersEngine, request_: PictureRequest
) -> None:
    names = engine.model(request_.checkpoint, None).patches
    names.use(())
    from civitas.engines.diffusers.lora_names import layer_names

    table = layer_names(engine.model(request_.checkpoint, None).pipe)
    dotted = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
    same = {
        id(table[name].rows[0].module)
        for name in (
            f"lora_unet_{LINEAR}",
            f"unet.{dotted}",
            "diffusion_model.input_blocks.3.1.transformer_blocks.0.attn1.to_q",
            "lora_unet_input_blocks_3_1_transformer_blocks_0_attn1_to_q",
        )
    }
    assert len(same) == 1


def test_lycoris_kinds_make_what_their_papers_say() -> None:
    torch = pytest.importorskip("torch")
    from civitas.engines.diffusers.loras import change

    g = torch.Generator().manual_seed(0)

    def r(*shape: int) -> Any:
        return torch.randn(*shape, generator=g)

    weight = r(6, 8)
    loha = {
        "hada_w1_a": r(6, 2),
        "hada_w1_b": r(2, 8),
        "hada_w2_a": r(6, 2),
        "hada_w2_b": r(2, 8),
        "alpha": torch.tensor(1.0),
    }
    wanted = (loha["hada_w1_a"] @ loha["hada_w1_b"]) * (loha["hada_w2_a"] @ loha["hada_w2_b"]) / 2
    assert torch.allclose(change(loha, weight), wanted)

    lokr = {"lokr_w1": r(2, 2), "lokr_w2_a": r(3, 1), "lokr_w2_b": r(1, 4), "alpha": torch.tensor(1.0)}
    assert torch.allclose(
        change(lokr, weight), torch.kron(lokr["lokr_w1"], lokr["lokr_w2_a"] @ lokr["lokr_w2_b"])
    )

    conv = r(6, 8, 3, 3)
    tucker = {"down": r(2, 8, 1, 1), "mid": r(2, 2, 3, 3), "up": r(6, 2, 1, 1)}
    first = torch.nn.functional.conv2d(r(1, 8, 5, 5), tucker["down"])
    direct = torch.nn.functional.conv2d(torch.nn.functional.conv2d(first, tucker["mid"]), tucker["up"])
    x = torch.linalg.lstsq(tucker["down"].flatten(1), first.flatten(2)[0]).solution.reshape(1, 8, 5, 5)
    assert torch.allclose(torch.nn.functional.conv2d(x, change(tucker, conv)), direct, atol=1e-3)

    pair = {"down": r(2, 8), "up": r(6, 2)}
    moved = weight + pair["up"] @ pair["down"]
    rows = weight.norm(dim=1, keepdim=True)
    dora = change({**pair, "magnitude": rows}, weight)
    assert torch.allclose((weight + dora).norm(dim=1, keepdim=True), rows, atol=1e-4)
    assert torch.allclose((weight + dora) / rows, moved / moved.norm(dim=1, keepdim=True), atol=1e-5)


def test_a_lora_for_another_model_or_of_rubbish_fails_and_leaves_nothing(
    engine: DiffusersEngine, request_: PictureRequest, tmp_path: Path
) -> None:
    import torch

    before = engine.generate(request_)[0].content
    good = Lora(kohya(tmp_path / "good.safetensors", 1))
    strange = save(
        tmp_path / "strange.safetensors",
        {
            "lora_unet_nowhere.lora_down.weight": torch.zeros(1, 4),
            "lora_unet_nowhere.lora_up.weight": torch.zeros(4, 1),
        },
    )
    wrong = save(
        tmp_path / "wrong.safetensors",
        {
            f"lora_unet_{LINEAR}.lora_down.weight": torch.ones(2, 77),
            f"lora_unet_{LINEAR}.lora_up.weight": torch.ones(96, 2),
        },
    )
    for path in (strange, wrong):
        with pytest.raises(ModelUnsupported):
            engine.generate(replace(request_, loras=(good, Lora(path))))
    (tmp_path / "bad.safetensors").write_bytes(b"\x10" * 100)
    with pytest.raises(WeightsCorrupt):
        engine.generate(replace(request_, loras=(good, Lora(tmp_path / "bad.safetensors"))))
    assert engine.generate(request_)[0].content == before


def test_what_fits_of_a_lora_is_used_and_the_rest_is_said(
    engine: DiffusersEngine, request_: PictureRequest, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file

    tensors = load_file(kohya(tmp_path / "a.safetensors", 1))
    tensors["lora_unet_nowhere.lora_down.weight"] = torch.zeros(1, 4)
    partly = Lora(save(tmp_path / "partly.safetensors", tensors))
    made = engine.generate(replace(request_, loras=(partly,)))[0]
    assert [notice.code for notice in made.notices] == ["lora_partly"]


def test_an_embedding_acts_where_its_word_stands_and_nowhere_else(
    engine: DiffusersEngine, request_: PictureRequest, tmp_path: Path
) -> None:
    import torch

    path = save(tmp_path / "tess-new.safetensors", {"emb_params": torch.randn(3, 128) * 3})
    embedding = Embedding(path, token="tess-new")
    spoken = replace(request_, prompt="a tess-new circle")
    without = engine.generate(spoken)[0].content
    with_it = engine.generate(replace(spoken, embeddings=(embedding,)))[0].content
    assert with_it != without
    assert engine.generate(spoken)[0].content == without
    silent = engine.generate(replace(request_, embeddings=(embedding,)))[0].content
    assert (pixels(silent) == pixels(engine.generate(request_)[0].content)).all()
    wide = save(tmp_path / "wide.safetensors", {"emb_params": torch.randn(1, 768)})
    with pytest.raises(ModelUnsupported):
        engine.generate(replace(spoken, embeddings=(Embedding(wide, token="tess-new"),)))
