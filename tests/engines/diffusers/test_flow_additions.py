"""What is added to Stable Diffusion 3 and Flux: LoRAs by every name, ControlNets, and checkpoints that stay quantised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.engines.diffusers import flow_made as made
from tests.engines.diffusers.conftest import pixels, png
from tests.engines.diffusers.flow_files import Files, asked, codes

from civitas.engines.diffusers.device import Policy
from civitas.engines.diffusers.engine import DiffusersEngine
from civitas.engines.diffusers.errors import ModelUnsupported, RequestImpossible, WeightsCorrupt
from civitas.engines.diffusers.families import FLUX, SD3
from civitas.engines.diffusers.requests import Control, Lora, Weights

pytestmark = [
    pytest.mark.usefixtures("engine"),  # skipped without the extra
    pytest.mark.filterwarnings("ignore:.*FluxPosEmbed:FutureWarning"),
]

Names = Callable[[str], str]
SPELLINGS: dict[str, tuple[Names, str, str]] = {
    "kohya": (lambda n: "lora_unet_" + n.replace(".", "_"), ".lora_down.weight", ".lora_up.weight"),
    "comfy": (lambda n: "diffusion_model." + n, ".lora_A.weight", ".lora_B.weight"),
    "bare": (lambda n: n, ".lora_A.weight", ".lora_B.weight"),
    "lycoris": (lambda n: "lycoris_" + n.replace(".", "_"), ".lora_down.weight", ".lora_up.weight"),
}
LAYERS = {
    "flux": (
        "double_blocks.0.img_attn.qkv",
        "double_blocks.0.txt_mlp.0",
        "single_blocks.1.linear1",
        "single_blocks.0.linear2",
        "final_layer.adaLN_modulation.1",
        "img_in",
    ),
    "sd3": (
        "joint_blocks.0.x_block.attn.qkv",
        "joint_blocks.0.context_block.attn.proj",
        "joint_blocks.1.context_block.adaLN_modulation.1",
        "joint_blocks.1.x_block.mlp.fc1",
        "final_layer.linear",
    ),
}


def original(engine: DiffusersEngine, files: Files, family: str) -> dict[str, Any]:
    """The weights of the loaded transformer as its makers name them."""
    transformer = engine.model(files.dev if family == "flux" else files.whole, None).pipe.transformer
    state = made.flux_names(transformer) if family == "flux" else made.sd3_names(transformer)
    return {k: v.detach().clone() for k, v in state.items()}


@pytest.fixture
def begun(furnished: DiffusersEngine) -> DiffusersEngine:
    """An engine that has its device, so that models can be looked at without a picture."""
    furnished._begin()
    return furnished


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("family", LAYERS)
def test_loras_in_the_original_layout_change_the_layers_they_mean(
    begun: DiffusersEngine, files: Files, family: str, spelling: str, tmp_path: Path
) -> None:
    import torch

    before = original(begun, files, family)
    patches = begun.model(files.dev if family == "flux" else files.whole, None).patches
    spelt, down, up = SPELLINGS[spelling]
    factors, wanted = {}, {}
    torch.manual_seed(3)
    for name in LAYERS[family]:
        weight = before[f"{name}.weight"]
        a, b = torch.randn(4, weight.shape[1]), torch.randn(weight.shape[0], 4)
        factors |= {spelt(name) + down: a, spelt(name) + up: b, spelt(name) + ".alpha": torch.tensor(2.0)}
        wanted[f"{name}.weight"] = weight + 0.7 * 0.5 * (b @ a)
    lora = Lora(made.save(tmp_path / "one.safetensors", factors), weight=0.7)
    assert patches.use((lora,)) == ()
    after = original(begun, files, family)
    patches.use(())
    assert all(torch.allclose(after[k], v, atol=1e-4) for k, v in wanted.items())
    assert all(torch.equal(after[k], v) for k, v in before.items() if k not in wanted)
    now = original(begun, files, family)
    assert all(torch.equal(now[k], v) for k, v in before.items()), "nothing of it is left"


def test_xlabs_pairs_and_text_encoders_are_met(begun: DiffusersEngine, files: Files, tmp_path: Path) -> None:
    import torch

    before = original(begun, files, "flux")
    model = begun.model(files.dev, None)
    qkv, first = before["double_blocks.0.txt_attn.qkv.weight"], before["single_blocks.0.linear1.weight"]
    width = first.shape[1]
    t5 = model.pipe.text_encoder_2.get_submodule("encoder.block.0.layer.0.SelfAttention.q")
    kept = t5.weight.detach().clone()
    factors = {
        "double_blocks.0.processor.qkv_lora2.down.weight": torch.ones(2, width) * 0.1,
        "double_blocks.0.processor.qkv_lora2.up.weight": torch.ones(qkv.shape[0], 2),
        "single_blocks.0.processor.qkv_lora.down.weight": torch.ones(2, width) * 0.1,
        "single_blocks.0.processor.qkv_lora.up.weight": torch.ones(3 * width, 2),
        "lora_te1_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight": torch.ones(1, made.WIDTH_L),
        "lora_te1_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight": torch.ones(made.WIDTH_L, 1),
        "lora_te3_encoder_block_0_layer_0_SelfAttention_q.lora_down.weight": torch.ones(1, kept.shape[1]),
        "lora_te3_encoder_block_0_layer_0_SelfAttention_q.lora_up.weight": torch.ones(kept.shape[0], 1),
    }
    lora = Lora(made.save(tmp_path / "xlabs.safetensors", factors), weight=1.0)
    assert model.patches.use((lora,)) == ()
    after = original(begun, files, "flux")
    moved = t5.weight.detach().clone()
    model.patches.use(())
    assert torch.allclose(after["double_blocks.0.txt_attn.qkv.weight"], qkv + 0.2, atol=1e-5)
    rows = after["single_blocks.0.linear1.weight"]
    assert torch.allclose(rows[: 3 * width], first[: 3 * width] + 0.2, atol=1e-5)
    assert torch.equal(rows[3 * width :], first[3 * width :]), "the perceptron is left alone"
    assert torch.allclose(moved, kept + 1, atol=1e-5)


def test_dora_and_lokr_of_a_layer_that_is_several_here(
    begun: DiffusersEngine, files: Files, tmp_path: Path
) -> None:
    import torch

    before = original(begun, files, "flux")
    patches = begun.model(files.dev, None).patches
    weight = before["double_blocks.0.img_attn.qkv.weight"]
    stem, other = "lora_unet_double_blocks_0_img_attn_qkv", "lora_unet_single_blocks_1_linear1"
    a, b = torch.randn(2, weight.shape[1]), torch.randn(weight.shape[0], 2)
    second = before["single_blocks.1.linear1.weight"]
    one, two = torch.randn(2, 2), torch.randn(second.shape[0] // 2, second.shape[1] // 2)
    factors = {
        f"{stem}.lora_down.weight": a,
        f"{stem}.lora_up.weight": b,
        f"{stem}.dora_scale": weight.norm(dim=1, keepdim=True),
        f"{other}.lokr_w1": one,
        f"{other}.lokr_w2": two,
    }
    assert patches.use((Lora(made.save(tmp_path / "d.safetensors", factors)),)) == ()
    after = original(begun, files, "flux")
    patches.use(())
    moved = weight + b @ a
    wanted = moved * (weight.norm(dim=1, keepdim=True) / moved.norm(dim=1, keepdim=True))
    assert torch.allclose(after["double_blocks.0.img_attn.qkv.weight"], wanted, atol=1e-4)
    assert torch.allclose(after["single_blocks.1.linear1.weight"], second + torch.kron(one, two), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("oft_blocks", "OFT"),
        ("boft_R", "BOFT"),
        ("on_input", "IA3"),
        ("a1.weight", "GLoRA"),
        ("vera_lambda_b", "VeRA"),
    ],
)
def test_adapters_of_other_kinds_are_refused_by_name(
    begun: DiffusersEngine, files: Files, name: str, kind: str, tmp_path: Path
) -> None:
    import torch

    stem = "lora_unet_double_blocks_0_img_attn_qkv"
    tensors = {f"{stem}.{name}": torch.ones(2, 2), f"{stem}.alpha": torch.tensor(1.0)}
    lora = Lora(made.save(tmp_path / "strange.safetensors", tensors), name="Strange")
    with pytest.raises(ModelUnsupported, match=f"Strange is an adapter of the kind {kind}"):
        begun.model(files.dev, None).patches.use((lora,))
    only = made.save(tmp_path / "only.safetensors", {f"{stem}.alpha": torch.tensor(1.0)})
    with pytest.raises(ModelUnsupported, match="no LoRA of a known kind"):
        begun.model(files.dev, None).patches.use((Lora(only),))


@pytest.mark.parametrize("family", ["sd3", "flux"])
def test_a_lora_with_the_names_of_diffusers_is_added_and_taken_away(
    furnished: DiffusersEngine, files: Files, family: str, tmp_path: Path
) -> None:
    import torch

    checkpoint = files.bare if family == "sd3" else files.dev
    plain = pixels(furnished.generate(asked(checkpoint))[0].content)
    layer = furnished.model(checkpoint, None).pipe.transformer.transformer_blocks[0].attn.to_q.weight
    torch.manual_seed(2)
    name = "transformer.transformer_blocks.0.attn.to_q"
    factors = {
        f"{name}.lora_A.weight": torch.randn(4, layer.shape[1]),
        f"{name}.lora_B.weight": torch.randn(layer.shape[0], 4),
    }
    lora = Lora(made.save(tmp_path / "ink.safetensors", factors), weight=1.0)
    styled = furnished.generate(asked(checkpoint, loras=(lora,)))[0]
    assert codes(styled) == []
    assert bool((pixels(styled.content) != plain).any())
    assert bool((pixels(furnished.generate(asked(checkpoint))[0].content) == plain).all())


@pytest.mark.parametrize("form", ["folder", "file"])
@pytest.mark.parametrize("family", [SD3, FLUX], ids=lambda f: f.key)
def test_a_control_net_steers_and_is_the_same_each_time(
    furnished: DiffusersEngine, files: Files, family: Any, form: str, tmp_path: Path
) -> None:
    checkpoint = files.whole if family is SD3 else files.dev
    plain = furnished.generate(asked(checkpoint))[0].content
    net = made.control_net(family, furnished.model(checkpoint, None).pipe.transformer)
    path = tmp_path / "net"
    if form == "folder":
        net.save_pretrained(path)
    else:
        path = made.save(tmp_path / "net.safetensors", dict(net.state_dict()))
    edges = png(Image.linear_gradient("L").resize((64, 64)).convert("RGB"))
    control = Control(Weights(path, name="Net"), edges)
    steered, again = (furnished.generate(asked(checkpoint, control=control))[0].content for _ in range(2))
    slack, other = (
        furnished.generate(asked(checkpoint, control=replace(control, weight=0.0, image=image)))[0].content
        for image in (edges, png(Image.new("RGB", (64, 64), (9, 200, 90))))
    )
    assert abs(pixels(steered) - pixels(slack)).mean() > 0.3
    assert steered == again
    # Flux draws numbers for the control picture first, so its noise is another one than without.
    assert abs(pixels(slack) - pixels(plain if family is SD3 else other)).max() <= 1
    source = png(Image.new("RGB", (64, 64), (200, 40, 40)))
    begun_from = asked(checkpoint, control=control, source=source, denoise=0.6)
    if family is SD3:
        with pytest.raises(ModelUnsupported, match="from words only"):
            furnished.generate(begun_from)
    else:
        assert furnished.generate(begun_from)[0].content != steered


def test_a_control_net_for_several_kinds_needs_to_know_which(
    furnished: DiffusersEngine, files: Files, tmp_path: Path
) -> None:
    import torch

    net = made.control_net(FLUX, None)
    state = dict(net.state_dict()) | {"controlnet_mode_embedder.weight": torch.randn(7, 64)}
    path = made.save(tmp_path / "union.safetensors", state)
    edges = png(Image.linear_gradient("L").resize((64, 64)).convert("RGB"))
    control = Control(Weights(path, name="Union"), edges, kind="canny")
    one = furnished.generate(asked(files.dev, control=control))[0].content
    other = furnished.generate(asked(files.dev, control=replace(control, kind="midasDepth")))[0].content
    assert one != other
    with pytest.raises(RequestImpossible, match="say which kind"):
        furnished.generate(asked(files.dev, control=replace(control, kind="shuffle")))


def test_control_nets_of_others_are_refused(furnished: DiffusersEngine, files: Files, tmp_path: Path) -> None:
    import torch

    edges = png(Image.new("RGB", (64, 64)))
    with pytest.raises(ModelUnsupported, match="not in the form that is read here"):
        furnished.generate(asked(files.dev, control=Control(files.dev, edges)))
    net = made.control_net(FLUX, None)
    wide = dict(net.state_dict())
    wide["context_embedder.weight"] = torch.zeros(64, 17)
    path = made.save(tmp_path / "wide.safetensors", wide)
    with pytest.raises(ModelUnsupported, match="another kind of model"):
        furnished.generate(asked(files.dev, control=Control(Weights(path), edges)))


@pytest.mark.parametrize("family", [SD3, FLUX], ids=lambda f: f.key)
def test_a_gguf_file_makes_what_its_original_makes_and_stays_small(
    furnished: DiffusersEngine, files: Files, family: Any, tmp_path: Path
) -> None:
    pytest.importorskip("gguf")
    import torch

    checkpoint = files.bare if family is SD3 else files.dev
    plain = furnished.generate(asked(checkpoint))[0]
    transformer = furnished.model(checkpoint, None).pipe.transformer
    state = made.sd3_names(transformer) if family is SD3 else made.flux_names(transformer)
    path = made.packed(tmp_path / "packed.gguf", state)
    given = Weights(path, name="Packed")
    small = furnished.generate(asked(given, vae=files.bare if family is SD3 else None))[0]
    assert 0 < abs(pixels(small.content) - pixels(plain.content)).mean() < 6
    loaded = furnished.model(given, files.bare if family is SD3 else None)
    block = loaded.pipe.transformer.transformer_blocks[0]
    assert block.ff.net[0].proj.weight.dtype == torch.uint8, "it stays quantised"

    stem = "double_blocks.0.img_mlp.0" if family is FLUX else "joint_blocks.0.x_block.mlp.fc1"
    wide = block.ff.net[0].proj.out_features
    factors = {
        f"diffusion_model.{stem}.lora_A.weight": torch.randn(2, 64),
        f"diffusion_model.{stem}.lora_B.weight": torch.randn(wide, 2),
    }
    lora = Lora(made.save(tmp_path / "on_top.safetensors", factors))
    more = {"vae": files.bare if family is SD3 else None}
    styled = furnished.generate(asked(given, loras=(lora,), **more))[0]
    assert codes(styled) == codes(small)
    assert abs(pixels(styled.content) - pixels(small.content)).mean() > 0.2
    assert furnished.generate(asked(given, **more))[0].content == small.content
    assert block.ff.net[0].proj.weight.dtype == torch.uint8, "and is so again"


def test_gguf_files_that_cannot_be_used_are_refused(files: Files, tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    import torch

    engine = DiffusersEngine(Policy(device="cpu", threads=1, parts=files.parts))
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\x03" * 40)
    with pytest.raises(WeightsCorrupt, match="no whole GGUF file"):
        engine.generate(asked(Weights(broken)))
    old = {
        "model.diffusion_model.input_blocks.0.0.weight": torch.zeros(320, 4, 3, 3),
        "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": torch.zeros(
            320, 768
        ),
        "cond_stage_model.transformer.text_model.final_layer_norm.weight": torch.zeros(768),
    }
    with pytest.raises(ModelUnsupported, match=r"only Flux\.1 and Stable Diffusion 3"):
        engine.generate(asked(Weights(made.packed(tmp_path / "old.gguf", old))))
