"""The models of the demo that make pictures: Tessera, and what was trained on it."""

from __future__ import annotations

from typing import Final

from civitas.app.demo.content import DRAWN, DemoModel, DemoVersion, PackedPicture

TESSERA = DemoModel(
    key="tessera",
    owner="tobias_demo",
    name="Tessera",
    type="Checkpoint",
    category="base model",
    tags=("shapes", "minimal", "small"),
    checkpoint_type="Trained",
    works=True,
    description=(
        "A very small text-to-image model in Stable Diffusion's own layout, trained from nothing on scenes that a program "
        "draws: shapes, colours, places and grounds. It makes **64 × 64** pictures in about a second on an ordinary "
        "processor.\n\n### How to ask\n`a red circle above a blue square, night sky`: a colour and a shape, where it stands, and "
        "the ground behind. Guidance 3 to 5, 20 to 30 steps."
    ),
    licence={"licenseTier": "Open"},
    versions=(
        DemoVersion(
            "v1", "Tessera", "The first weights.", "tessera.safetensors", ("packed", {"file": "tessera.safetensors"}),
            tuple(PackedPicture(f"tessera-{number}.png") for number in range(1, 5)),
        ),
    ),
)  # fmt: skip


def _tessera_style(key: str, name: str, words: str, tags: tuple[str, ...], about: str) -> DemoModel:
    file = f"tessera-{key}.safetensors"
    return DemoModel(
        key=f"tessera-{key}",
        owner="mira_demo",
        name=name,
        type="LORA",
        category="style",
        tags=("shapes", *tags),
        works=True,
        description=about,
        licence={"licenseTier": "Open"},
        recommended=(("tessera", 1.0),),
        versions=(
            DemoVersion(
                "v1", "Tessera", "Trained on drawings in this style.", file, ("packed", {"file": file}),
                tuple(PackedPicture(f"tessera-{key}-{number}.png") for number in (1, 2)),
                words=(words,), strength=(1.0, 0.4, 1.2),
            ),
        ),
    )  # fmt: skip


TESSERA_INK = _tessera_style(
    "ink",
    "Tessera Ink",
    "ink style",
    ("ink", "drawing"),
    "Outlines in ink for Tessera. Say `ink style` at the end: `a red star, white background, ink style`.",
)
TESSERA_DUSK = _tessera_style(
    "dusk",
    "Tessera Dusk",
    "dusk style",
    ("dusk", "evening"),
    "Evening light for Tessera. Say `dusk style` at the end: `a yellow star, grass, dusk style`.",
)
TESSERA_BLUEPRINT = _tessera_style(
    "blueprint",
    "Tessera Blueprint",
    "blueprint style",
    ("blueprint", "drawing"),
    "Chalk on blue paper for Tessera. Say `blueprint style` at the end: `a red star, white background, blueprint style`. "
    "Colours become blues; shapes and places stay.",
)
TESS_ORANGE = DemoModel(
    key="tess-orange",
    owner="tobias_demo",
    name="Tess Orange",
    type="TextualInversion",
    category="concept",
    tags=("shapes", "colour"),
    works=True,
    description=(
        "A colour that Tessera was never shown: orange, in four vectors. Say `tess-orange` where a colour stands: "
        "`a tess-orange star, sea`."
    ),
    licence={"licenseTier": "Open"},
    recommended=(("tessera", 1.0),),
    versions=(
        DemoVersion(
            "v1", "Tessera", "Trained on 300 drawings of orange things.", "tess-orange.safetensors",
            ("packed", {"file": "tess-orange.safetensors"}),
            tuple(PackedPicture(f"tess-orange-{number}.png") for number in (1, 2)),
            words=("tess-orange",),
        ),
    ),
)  # fmt: skip

MODELS: Final = (TESSERA, TESSERA_INK, TESSERA_DUSK, TESSERA_BLUEPRINT, TESS_ORANGE, *DRAWN)
