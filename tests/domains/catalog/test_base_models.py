from __future__ import annotations

from pathlib import Path

import pytest

from civitas.domains.catalog import air, base_models
from civitas.kit.errors import Invalid

EXPECTED = """
SD 1.4|SD 1.5|SD 1.5 LCM|SD 1.5 Hyper|SD 2.0|SD 2.0 768|SD 2.1|SD 2.1 768|SD 2.1 Unclip|SD 3|SD 3.5 Large|
SD 3.5 Large Turbo|SD 3.5 Medium|Stable Cascade|SVD|SVD XT|SDXL 0.9|SDXL 1.0|SDXL 1.0 LCM|SDXL Distilled|SDXL Hyper|
SDXL Lightning|SDXL Turbo|Pony|Pony V7|Illustrious|NoobAI|Anima|Playground v2|PixArt a|PixArt E|AuraFlow|Kolors|
Lumina|Hunyuan 1|Hunyuan Video|Hunyuan3D|HiDream|HiDream-O1|Chroma|Flux.1 S|Flux.1 D|Flux.1 Krea|Flux.1 Kontext|
Flux.2 D|Flux.2 Klein 4B|Flux.2 Klein 4B-base|Flux.2 Klein 9B|Flux.2 Klein 9B-base|Flux 3 Video|Qwen|Qwen 2|Qwen 3|
ZImageTurbo|ZImageBase|Ernie|Boogu|MageFlow|Lens|Krea 2|Reve|Ideogram 4.0|Mochi|CogVideoX|LTXV|LTXV2|LTXV 2.3|
Wan Video 1.3B t2v|Wan Video 14B t2v|Wan Video 14B i2v 480p|Wan Video 14B i2v 720p|Wan Video 2.2 TI2V-5B|
Wan Video 2.2 T2V-A14B|Wan Video 2.2 I2V-A14B|Wan Video 2.5 T2V|Wan Video 2.5 I2V|Wan Video 2.7|Wan Image 2.7|
ACE Audio|HappyHorse|MiniMax H3|Kling|Vidu Q1|Veo 3|Sora 2|Seedance|Seedream|Imagen4|Nano Banana|OpenAI|Grok|MAI|
Tripo|PolyGen|ODOR|Upscaler|Other
"""


def names() -> list[str]:
    return [name.strip() for name in EXPECTED.replace("\n", "").split("|")]


def test_every_known_base_model_is_there() -> None:
    registry = base_models.packaged()
    assert [name for name in names() if registry.find(name) is None] == []


def test_names_match_whatever_their_case() -> None:
    registry = base_models.packaged()
    assert registry.get(" sdxl 1.0").name == "SDXL 1.0"
    with pytest.raises(Invalid) as caught:
        registry.get("SDXL 9.0")
    assert caught.value.code == "unknown_base_model"


def test_levels_forbidden_by_licence() -> None:
    registry = base_models.packaged()
    forbidden = {info.name for info in registry.base_models if info.forbidden_levels}
    assert {info.forbidden_levels for info in registry.base_models} == {0, 28}
    assert forbidden == {
        "SDXL Turbo", "SVD", "SVD XT", "Stable Cascade", "SD 3", "SD 3.5", "SD 3.5 Large", "SD 3.5 Large Turbo",
        "SD 3.5 Medium", "Ideogram 4.0",
    }  # fmt: skip


def test_ecosystems_and_air() -> None:
    registry = base_models.packaged()
    assert registry.get("Pony").air_ecosystem == "sdxl"
    assert registry.get("Flux.2 Klein 4B").air_ecosystem == "flux2"
    assert registry.get("Upscaler").air_ecosystem == "other"
    assert registry.line("NoobAI") == ("NoobAI", "SDXL")
    assert registry.line("nothing") == ()
    assert "Illustrious" not in {info.name for info in registry.in_ecosystem("SDXL")}
    assert "Illustrious" in {info.name for info in registry.in_ecosystem("SDXL", children=True)}
    for info in registry.base_models:
        made = air.of_version(ecosystem=info.air_ecosystem, model_type="LORA", model_id=1, version_id=2)
        assert made.ecosystem == info.air_ecosystem


def test_pickers_offer_only_what_is_not_hidden() -> None:
    registry = base_models.packaged()
    offered = {info.name for _, infos in registry.groups() for info in infos}
    assert offered == set(registry.names(hidden=False))
    assert "SVD" not in offered
    assert "SVD" in registry.names()


def test_an_operator_adds_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "more.toml"
    path.write_text(
        '[[ecosystem]]\nkey = "Studio"\nname = "Our studio"\nair = "studio"\nsupport = ["training"]\n'
        '[[base_model]]\nname = "Studio One"\necosystem = "Studio"\nlicence = "ours"\nforbidden_levels = 16\n'
        '[[base_model]]\nname = "SD 1.5"\necosystem = "SD1"\nhidden = true\n'
    )
    terms = tmp_path / "terms.toml"
    terms.write_text('[[licence]]\nid = "ours"\nname = "Our own"\nforbidden_levels = 8\n')
    registry = base_models.load(path, extra_licences=terms)
    assert registry.get("studio one").forbidden_levels == 24
    assert registry.get("studio one").group == "Our studio"
    assert registry.get("SD 1.5").hidden
    path.write_text(path.read_text() + terms.read_text())
    assert base_models.load(path).get("Studio One").forbidden_levels == 24
    assert len(registry.base_models) == len(base_models.packaged().base_models) + 1


@pytest.mark.parametrize(
    "text",
    [
        '[[base_model]]\nname = "A"\necosystem = "none"',
        '[[base_model]]\nname = "A"\necosystem = "SD1"\nlicence = "none"',
        '[[base_model]]\nname = "A"\necosystem = "SD1"\ncolour = "red"',
        '[[base_model]]\nname = "A"\necosystem = "SD1"\nmedia = ["smell"]',
        '[[ecosystem]]\nkey = "A"\nname = "A"\nair = "a"\nfamily = "none"',
        '[[ecosystem]]\nkey = "A"\nname = "A"\nair = "a"\nparent = "none"',
        '[[ecosystem]]\nkey = "A"\nname = "A"\nair = "a"\nparent = "A"',
        '[[ecosystem]]\nkey = "A"\nname = "A"\nair = "a:b"',
        "family = 5",
    ],
)
def test_a_wrong_data_file_is_explained(tmp_path: Path, text: str) -> None:
    path = tmp_path / "more.toml"
    path.write_text(text)
    with pytest.raises(Invalid) as caught:
        base_models.load(path)
    assert caught.value.code == "bad_data_file"
