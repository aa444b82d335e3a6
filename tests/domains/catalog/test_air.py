from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from civitas.domains.catalog import air
from civitas.domains.catalog.air import Air
from civitas.kit.errors import Invalid

DIGEST = "sha256:" + "ab" * 32
FULL = Air("civitai", "827184", "sdxl", "checkpoint", "2514310")

# The pattern of the orchestration protocol: what we write, existing servers must accept.
WIRE = re.compile(
    r"^(?:urn:)?(?:air:)?(?:([a-zA-Z0-9_\-\/]+):)?(?:([a-zA-Z0-9_\-\/]+):)?([a-zA-Z0-9_\-\/]+):"
    r"([a-zA-Z0-9_\-\/\.]+)(?:@([a-zA-Z0-9_\-\/.=,%+:]+))?(?:\.([a-zA-Z0-9_\-]+))?$"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("urn:air:sdxl:checkpoint:civitai:827184@2514310", FULL),
        ("air:sdxl:checkpoint:civitai:827184@2514310", FULL),
        ("sdxl:checkpoint:civitai:827184@2514310", FULL),
        (" URN:AIR:SDXL:Checkpoint:Civitai:827184@2514310\n", FULL),
        ("urn:sdxl:checkpoint:civitai:827184@2514310", FULL),
        ("civitai:827184@2514310", Air("civitai", "827184", version="2514310")),
        ("checkpoint:civitai:1@2", Air("civitai", "1", type="checkpoint", version="2")),
        ("sdxl:civitai:1@2", Air("civitai", "1", ecosystem="sdxl", version="2")),
        ("urn:air:flux1:lora:civitai:5", Air("civitai", "5", "flux1", "lora")),
        (
            "urn:air:sdxl:checkpoint:civitai:827184@2514310+2402203.safetensor",
            Air("civitai", "827184", "sdxl", "checkpoint", "2514310", None, 2402203, "safetensor"),
        ),
        ("urn:air:sd1:vae:civitai:5+7", Air("civitai", "5", "sd1", "vae", file_id=7)),
        ("urn:air:sd1:vae:civitai:5.ckpt", Air("civitai", "5", "sd1", "vae", format="ckpt")),
        ("urn:air:sd1:lora:civitai:5@6:unet.pt", Air("civitai", "5", "sd1", "lora", "6", "unet", None, "pt")),
        ("urn:air:sd1:lora:civitai:5:unet", Air("civitai", "5", "sd1", "lora", layer="unet")),
        (
            "urn:air:other:other:civitai-r2:civitai-worker-assets@sam_vit_b_01ec64.pth",
            Air("civitai-r2", "civitai-worker-assets", "other", "other", "sam_vit_b_01ec64", format="pth"),
        ),
        (
            "urn:air:sdxl:checkpoint:huggingface:stabilityai/sdxl-turbo.v1@main",
            Air("huggingface", "stabilityai/sdxl-turbo.v1", "sdxl", "checkpoint", "main"),
        ),
        ("urn:air:x:lora:huggingface:a/b@v1.0", Air("huggingface", "a/b", "x", "lora", "v1.0")),
        (
            "urn:air:oci:image:dockerhub:library/python@3.12-slim",
            Air("dockerhub", "library/python", "oci", "image", "3.12-slim"),
        ),
        (f"urn:air:oci:image:ghcr:o/r@{DIGEST}", Air("ghcr", "o/r", "oci", "image", DIGEST)),
        ("urn:air:oci:image:ghcr:o/r@v1.pt+5", Air("ghcr", "o/r", "oci", "image", "v1.pt+5")),
    ],
)
def test_every_form(text: str, expected: Air) -> None:
    found = air.parse(text)
    assert found == expected
    assert air.parse(str(found)) == found
    assert air.parse(found.bare) == found


@pytest.mark.parametrize(
    "text",
    [
        "", "urn:air:", "civitai", "air:5", ":5", "civitai:", "civitai:5@", "a:b:civitai:5@6@7", "a:b:c:d:e:f",
        "a:b:c:d:e@f", "civitai:5@6:", "civitai:5@:x", "civitai:5 6", "civitai:\u0665", "civitai:5@6\x00",
        "urn:air:oci:image:ghcr@1", "sd 1:lora:civitai:5", "a:b:c:5:.pt", "civitai:+5", "civitai:.ckpt",
        "c:" + "x" * 600, "civitai:5@+6",
    ],
)  # fmt: skip
def test_what_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        air.parse(text)
    assert caught.value.code == "bad_air"


def test_numbers_and_types() -> None:
    assert (FULL.model_id, FULL.version_id, FULL.model_type) == (827184, 2514310, "Checkpoint")
    assert air.parse("huggingface:5@6").model_id is None
    assert air.parse("civitai:5").version_id is None
    assert air.parse("civitai:5").model_type is None
    assert air.parse("a:lycoris:civitai:5").model_type == "LoCon"
    assert air.parse("a:unet:civitai:5").model_type == "Checkpoint"
    assert air.parse("a:wings:civitai:5").model_type == "Other"


def test_of_a_version_here() -> None:
    made = air.of_version(
        ecosystem="sdxl", model_type="Checkpoint", model_id=1, version_id=2, file_id=3, file_type="Model"
    )
    assert str(made) == "urn:air:sdxl:checkpoint:civitai:1@2+3"
    bare = air.of_version(
        ecosystem="boogu", model_type="Checkpoint", model_id=1, version_id=2, file_type="Diffusion Model"
    )
    assert str(bare) == "urn:air:boogu:diffusionmodel:civitai:1@2"
    assert str(air.of_version(ecosystem="other", model_type="Poses", model_id=1, version_id=2)) == (
        "urn:air:other:other:civitai:1@2"
    )


def test_making_one_refuses_what_would_not_read_back() -> None:
    with pytest.raises(Invalid):
        air.make(source="a:b:c:d", id="5")
    with pytest.raises(Invalid):
        air.make(source="civitai", id="5 ")
    assert air.make(source="civitai", id=5, version="x.pth").format == "pth"


words = st.from_regex(r"[A-Za-z0-9_\-/]{1,12}", fullmatch=True)


@given(
    source=words,
    id=st.from_regex(r"[A-Za-z0-9_\-/.]{1,20}", fullmatch=True),
    ecosystem=st.none() | words,
    type=st.none() | words,
    version=st.none() | st.from_regex(r"[A-Za-z0-9_\-/.=,%+:]{1,20}", fullmatch=True),
    layer=st.none() | st.from_regex(r"[A-Za-z0-9_\-]{1,8}", fullmatch=True),
    file_id=st.none() | st.integers(0, 10**15),
    format=st.none() | st.sampled_from(["safetensors", "ckpt", "v2"]),
)
def test_what_is_made_reads_back(**parts: str | int | None) -> None:
    try:
        made = air.make(**parts)  # type: ignore[arg-type]
    except Invalid:
        return
    assert air.parse(str(made)) == made
    assert air.parse(made.bare) == made
    assert str(air.parse(str(made))) == str(made)
    if made.layer is None and (made.file_id is None or made.version is not None):
        assert WIRE.match(str(made))


@given(st.text(max_size=80) | st.from_regex(r"[a-z0-9:@+./]{1,40}", fullmatch=True))
@example("urn:urn:air:a:b")
def test_noise_is_read_or_refused(text: str) -> None:
    try:
        found = air.parse(text)
    except Invalid as fault:
        assert fault.code == "bad_air"
    else:
        assert air.parse(str(found)) == found
