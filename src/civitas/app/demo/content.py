"""What the demo shows: two creators, models whose weights are drawn numbers, their versions, a fork, a merge, a workflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TALL, WIDE, SQUARE = (640, 936), (936, 640), (768, 768)

WORKS = (
    "\n\n> **Demo content, and it works.** These are trained weights that come with Civitas: press *Create with it* and "
    "pictures are made on this machine. `civitas demo remove` takes the page away, not the weights."
)

NOTE = (
    "\n\n> **Demo content.** The pictures were drawn by arithmetic and the weights are small random numbers in the "
    "true layout: everything can be browsed, compared, downloaded and hashed, but it will not make pictures. "
    "`civitas demo remove` takes it away."
)


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """A made-up creator."""

    username: str
    bio: str
    location: str


@dataclass(frozen=True, slots=True)
class DemoPicture:
    """A drawn picture and the recipe that stands in its metadata."""

    scene: str
    palette: str
    seed: int
    prompt: str
    size: tuple[int, int] = TALL


@dataclass(frozen=True, slots=True)
class PackedPicture:
    """A picture that comes with the program, made by the model that it shows, its recipe inside."""

    file: str


@dataclass(frozen=True, slots=True)
class DemoVersion:
    """A version; `weights` names how its bytes are made, with arguments."""

    name: str
    base_model: str
    description: str
    filename: str
    weights: tuple[str, Mapping[str, Any]]
    pictures: tuple[DemoPicture | PackedPicture, ...]
    words: tuple[str, ...] = ()
    strength: tuple[float, float, float] | None = None
    steps: int | None = None
    epochs: int | None = None
    clip_skip: int | None = None


@dataclass(frozen=True, slots=True)
class DemoModel:
    """A model. `key` is how others in this file refer to it; `lineage` says from what it was made."""

    key: str
    owner: str
    name: str
    type: str
    category: str
    tags: tuple[str, ...]
    description: str
    versions: tuple[DemoVersion, ...]
    licence: Mapping[str, Any] = field(default_factory=dict)
    checkpoint_type: str | None = None
    fork_of: str | None = None
    parents: tuple[tuple[str, str], ...] = ()
    merge: tuple[Mapping[str, Any], ...] = ()
    recommended: tuple[tuple[str, float], ...] = ()
    # Trained weights that make pictures.
    works: bool = False


PEOPLE = (
    DemoPerson(
        "mira_demo", "I train small LoRAs about light, paper and weather. This is a demo account.", "Lisbon"
    ),
    DemoPerson(
        "tobias_demo", "Checkpoints, autoencoders and the odd workflow. This is a demo account.", "Tromso"
    ),
)
# They publish nothing, and like what the others publish.
FRIENDS = (
    DemoPerson(
        "ines_demo", "I print what I like and hang it in the kitchen. This is a demo account.", "Porto"
    ),
    DemoPerson("pavel_demo", "Backgrounds for small games. This is a demo account.", "Brno"),
    DemoPerson("yuki_demo", "Collecting skies. This is a demo account.", "Sapporo"),
)
# Whose newest version of which model is sold for a few days.
SOLD = "contours"


LANTERN = DemoModel(
    key="lantern",
    owner="tobias_demo",
    name="Paper Lantern",
    type="Checkpoint",
    category="base model",
    tags=("illustration", "night", "landscape"),
    checkpoint_type="Trained",
    description=(
        "A warm, quiet illustration checkpoint for **Stable Diffusion 1.5**. It likes dusk, still water and small "
        "lights far away.\n\n### What it is good at\n- evening scenes with one source of light\n- flat, printed "
        "colour\n- wide skies\n\n### Settings\n`DPM++ 2M Karras`, 24 to 30 steps, CFG 5 to 7."
    ),
    licence={"licenseTier": "Creator"},
    versions=(
        DemoVersion(
            "v1.0", "SD 1.5", "The first release.", "paper-lantern_v10.safetensors", ("checkpoint", {"seed": 11}),
            (
                DemoPicture("lanterns", "lantern", 101, "paper lanterns over a still lake at night, reflections, stars"),
                DemoPicture("lanterns", "ember", 102, "lanterns rising from a harbour at dusk, warm haze"),
                DemoPicture("ridges", "orchid", 103, "violet mountains after sunset, layered mist, one pale sun"),
            ),
            clip_skip=1, steps=42000, epochs=6,
        ),
        DemoVersion(
            "v1.2", "SD 1.5",
            "- calmer blues\n- fewer stray lights in the sky\n- trained 8,000 steps longer on dusk scenes",
            "paper-lantern_v12.safetensors", ("checkpoint", {"seed": 12}),
            (
                DemoPicture("lanterns", "lantern", 201, "paper lanterns over a still lake at night, reflections, stars"),
                DemoPicture("ridges", "dawn", 202, "layered mountains at dawn, low sun, soft mist"),
                DemoPicture("lanterns", "aurora", 203, "green lanterns over a fjord, calm water", WIDE),
            ),
            clip_skip=1, steps=50000, epochs=7,
        ),
    ),
)  # fmt: skip

TIDEGLASS = DemoModel(
    key="tideglass",
    owner="mira_demo",
    name="Tideglass",
    type="Checkpoint",
    category="base model",
    tags=("sea", "abstract", "minimal"),
    checkpoint_type="Trained",
    description=(
        "Water seen from above, cut glass, and very little else. Trained on the shapes that waves leave behind."
        "\n\nPairs well with **Clearwater VAE**."
    ),
    licence={"licenseTier": "Open"},
    versions=(
        DemoVersion(
            "v2", "SD 1.5", "Sharper foam, deeper shadows.", "tideglass_v2.safetensors", ("checkpoint", {"seed": 21}),
            (
                DemoPicture("tides", "tide", 301, "waves from above, white foam lines, deep teal water"),
                DemoPicture("tides", "moss", 302, "green river delta from above, thin foam"),
                DemoPicture("spheres", "tide", 303, "glass spheres on a seamless ground, soft light", SQUARE),
            ),
            steps=36000, epochs=5,
        ),
    ),
)  # fmt: skip

CONTOURS = DemoModel(
    key="contours",
    owner="mira_demo",
    name="Contour Lines",
    type="LORA",
    category="style",
    tags=("map", "line art", "landscape"),
    description=(
        "Turns anything into a hand-drawn map: hills in contour lines, tinted by height.\n\nUse `contour lines` and "
        "name a ground colour. Strength **0.7** keeps the subject, **1.0** keeps the map."
    ),
    licence={"allowNoCredit": False, "allowCommercialUse": ["Image"], "allowDerivatives": True, "allowDifferentLicense": True},
    recommended=(("lantern", 1.0),),
    parents=(("lantern", "trained_on"),),
    versions=(
        DemoVersion(
            "v1", "SD 1.5", "First version, rank 4.", "contour-lines_v1.safetensors",
            ("lora", {"seed": 31, "rank": 4, "images": 48, "epochs": 8, "steps": 2400, "name": "contour_lines",
                      "tags": {"contour lines": 48, "map": 40, "mountain": 22, "valley": 15, "monochrome": 9}}),
            (
                DemoPicture("contours", "moss", 401, "contour lines, a map of green hills, fine lines"),
                DemoPicture("contours", "ink", 402, "contour lines, a map in black ink on paper"),
            ),
            words=("contour lines", "topographic map"), strength=(0.8, 0.5, 1.1), steps=2400, epochs=8,
        ),
        DemoVersion(
            "v2", "SD 1.5",
            "- rank 8 instead of 4\n- twice the pictures, half the learning rate\n- lines no longer cross",
            "contour-lines_v2.safetensors",
            ("lora", {"seed": 32, "rank": 8, "images": 96, "epochs": 10, "steps": 4800, "name": "contour_lines",
                      "tags": {"contour lines": 96, "map": 81, "mountain": 47, "valley": 30, "coast": 21, "island": 12}}),
            (
                DemoPicture("contours", "moss", 401, "contour lines, a map of green hills, fine lines", WIDE),
                DemoPicture("contours", "ember", 502, "contour lines, a volcano seen from above, glowing"),
                DemoPicture("contours", "tide", 503, "contour lines, a sea chart, pale water"),
                DemoPicture("contours", "orchid", 504, "contour lines, violet dunes"),
            ),
            words=("contour lines", "topographic map"), strength=(0.7, 0.4, 1.0), steps=4800, epochs=10,
        ),
    ),
)  # fmt: skip

DUSK = DemoModel(
    key="dusk",
    owner="tobias_demo",
    name="Contour Lines, Dusk",
    type="LORA",
    category="style",
    tags=("map", "night", "line art"),
    description="A fork of *Contour Lines* trained further on maps of night: dark ground, lit summits.",
    fork_of="contours",
    versions=(
        DemoVersion(
            "v1", "SD 1.5", "Forked from v2 and trained 1,200 steps more.", "contour-lines-dusk_v1.safetensors",
            ("lora", {"seed": 41, "rank": 8, "images": 30, "epochs": 4, "steps": 1200, "name": "contour_dusk",
                      "tags": {"contour lines": 30, "night": 30, "summit": 14}}),
            (
                DemoPicture("contours", "lantern", 601, "contour lines, night, lit summits"),
                DemoPicture("contours", "aurora", 602, "contour lines, night, green light over the hills"),
            ),
            words=("contour lines", "night map"), strength=(0.8, 0.5, 1.0), steps=1200, epochs=4,
        ),
    ),
)  # fmt: skip

VEILS = DemoModel(
    key="veils",
    owner="tobias_demo",
    name="Northern Veils",
    type="LORA",
    category="background",
    tags=("aurora", "night", "sky"),
    description="Curtains of northern light behind whatever you draw. Works from strength 0.4 upwards.",
    licence={"licenseTier": "Restricted"},
    parents=(("lantern", "trained_on"),),
    recommended=(("lantern", 0.9),),
    versions=(
        DemoVersion(
            "v1", "SD 1.5", "", "northern-veils_v1.safetensors",
            ("lora", {"seed": 51, "rank": 4, "images": 60, "epochs": 6, "steps": 3000, "name": "northern_veils",
                      "tags": {"aurora": 60, "night sky": 55, "snow": 18, "mountain": 17}}),
            (
                DemoPicture("veils", "aurora", 701, "northern veils, green aurora over a dark ridge, stars"),
                DemoPicture("veils", "orchid", 702, "northern veils, violet aurora, quiet night"),
                DemoPicture("veils", "tide", 703, "northern veils, pale aurora above the sea", WIDE),
            ),
            words=("northern veils",), strength=(0.6, 0.4, 0.9), steps=3000, epochs=6,
        ),
    ),
)  # fmt: skip

PAPERCUT = DemoModel(
    key="papercut",
    owner="mira_demo",
    name="Papercut",
    type="TextualInversion",
    category="style",
    tags=("paper", "craft", "minimal"),
    description="Sheets of cut paper with soft shadows, in four vectors. Put `papercut` first in the prompt.",
    licence={"licenseTier": "Open"},
    versions=(
        DemoVersion(
            "v1", "SD 1.5", "", "papercut.safetensors", ("embedding", {"seed": 61, "vectors": 4, "name": "papercut"}),
            (
                DemoPicture("paper", "orchid", 801, "papercut, layered violet sheets, soft shadows"),
                DemoPicture("paper", "dawn", 802, "papercut, a canyon in orange paper"),
                DemoPicture("paper", "tide", 803, "papercut, waves in blue paper", SQUARE),
            ),
            words=("papercut",), steps=1500,
        ),
    ),
)  # fmt: skip

CLEARWATER = DemoModel(
    key="clearwater",
    owner="tobias_demo",
    name="Clearwater VAE",
    type="VAE",
    category="tool",
    tags=("vae", "colour"),
    description="A replacement autoencoder with a little more contrast in the shadows.",
    licence={"licenseTier": "Open"},
    versions=(
        DemoVersion(
            "v1", "SD 1.5", "", "clearwater.vae.safetensors", ("vae", {"seed": 71}),
            (DemoPicture("spheres", "ink", 901, "grey glass spheres, studio light, neutral colour", SQUARE),),
        ),
    ),
)  # fmt: skip

MERGE = DemoModel(
    key="merge",
    owner="tobias_demo",
    name="Lantern Tide",
    type="Checkpoint",
    category="base model",
    tags=("sea", "night", "illustration"),
    checkpoint_type="Merge",
    description=(
        "Half of *Paper Lantern*'s evening, half of *Tideglass*'s water: a weighted sum, then the difference that "
        "v1.2 made to v1.0 added once more. The recipe is below, step by step."
    ),
    licence={"licenseTier": "Creator"},
    merge=(
        {"type": "sum", "a": "lantern:1", "b": "tideglass:0", "multiplier": 0.45},
        {"type": "difference", "a": "result:0", "b": "lantern:1", "c": "lantern:0", "multiplier": 0.3},
    ),
    versions=(
        DemoVersion(
            "v1", "SD 1.5", "", "lantern-tide_v1.safetensors", ("merge", {}),
            (
                DemoPicture("veils", "tide", 1001, "pale light above a bay, fog"),
                DemoPicture("tides", "lantern", 1002, "night water from above, thin lines of light"),
                DemoPicture("ridges", "tide", 1003, "blue mountains behind a bay, morning"),
            ),
        ),
    ),
)  # fmt: skip

WORKFLOW = DemoModel(
    key="workflow",
    owner="mira_demo",
    name="Two-Pass Landscape",
    type="Workflows",
    category="tool",
    tags=("comfyui", "upscale", "landscape"),
    description="A ComfyUI workflow: a small first pass, a latent upscale, a second pass at low denoise.",
    licence={"licenseTier": "Open"},
    recommended=(("lantern", 1.0), ("veils", 0.6)),
    versions=(
        DemoVersion(
            "v1", "SD 1.5", "", "two-pass-landscape.json", ("workflow", {"checkpoint": "paper-lantern_v12.safetensors"}),
            (DemoPicture("ridges", "moss", 1101, "green mountains, wide valley, two passes", WIDE),),
        ),
    ),
)  # fmt: skip

# In the order in which they are made: what others refer to comes first.
DRAWN = (LANTERN, TIDEGLASS, CLEARWATER, CONTOURS, VEILS, PAPERCUT, DUSK, MERGE, WORKFLOW)
