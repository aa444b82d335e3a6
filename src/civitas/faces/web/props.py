"""What the components of `templates/components/` take when a few words are not enough: frozen, ready to show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from civitas.faces.web.formats import hash_colour

ScanState = Literal["ok", "warn", "blocked", "pending", "error"]
Level = Literal["?", "PG", "PG-13", "R", "X", "XXX", "Blocked"]

TYPE_NAMES = {
    "TextualInversion": "Embedding",
    "AestheticGradient": "Aesthetic gradient",
    "LORA": "LoRA",
    "LoCon": "LyCORIS",
    "Controlnet": "ControlNet",
    "MotionModule": "Motion module",
    "TextEncoder": "Text encoder",
    "CLIPVision": "CLIP vision",
    "ComfyWorkflows": "Comfy workflow",
    "Workflows": "Workflow",
    "VisionLanguage": "Vision language",
}
_PIGMENTS = {
    "ultramarine": ("Checkpoint", "UNet"),
    "vermilion": ("LORA", "LoCon", "DoRA"),
    "viridian": ("TextualInversion", "Hypernetwork", "AestheticGradient"),
    "ochre": ("VAE", "TextEncoder", "CLIP", "CLIPVision"),
    "violet": ("Controlnet", "Poses", "Detection"),
    "turquoise": ("Workflows", "ComfyWorkflows", "Wildcards"),
    "rose": ("MotionModule", "Upscaler"),
}
_PIGMENT_OF = {kind: pigment for pigment, kinds in _PIGMENTS.items() for kind in kinds}


def type_name(kind: str) -> str:
    """How a page names a model type of the wire: `LORA` reads `LoRA`, `TextualInversion` reads `Embedding`."""
    return TYPE_NAMES.get(kind, kind)


def type_pigment(kind: str) -> str:
    """The pigment that marks a model type; `slate` for types without their own."""
    return _PIGMENT_OF.get(kind, "slate")


@dataclass(frozen=True, slots=True)
class Picture:
    """One image in its variants. `width` and `height` are those of the original and reserve its place.

    `avif`, `webp` and `jpeg` are srcset values (`/x/320.avif 320w, ...`), empty where a variant is missing.
    """

    src: str
    width: int
    height: int
    alt: str = ""
    blurhash: str | None = None
    avif: str = ""
    webp: str = ""
    jpeg: str = ""
    href: str | None = None
    level: Level | None = None
    blurred: bool = False
    # A short copy that moves: shown on hover and focus, or from the start where `plays`.
    moving: str | None = None
    plays: bool = False

    @property
    def colour(self) -> str:
        """The colour that holds the picture's place until it arrives: the BlurHash average, or a neutral."""
        return hash_colour(self.blurhash) or "#8a8a86"


@dataclass(frozen=True, slots=True)
class Creator:
    """A person as a creator line shows them."""

    username: str
    avatar_url: str | None = None
    note: str | None = None
    # The tier whose badge stands beside the name.
    badge: str | None = None

    @property
    def url(self) -> str:
        """The address of the person's profile."""
        return f"/user/{self.username}"


@dataclass(frozen=True, slots=True)
class Stat:
    """One figure of a stat row: `label` is what a screen reader says after the number."""

    icon: str
    value: int
    label: str


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model in a grid, as a work on a wall with its label below."""

    id: int
    name: str
    href: str
    type: str
    base_model: str | None = None
    picture: Picture | None = None
    creator: Creator | None = None
    stats: tuple[Stat, ...] = ()
    level: Level | None = None
    badge: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file of a version in the files table."""

    id: int
    name: str
    type: str
    size: int
    format: str = ""
    precision: str = ""
    scan: ScanState = "pending"
    scan_note: str = ""
    href: str | None = None
    primary: bool = False
    hashes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class LineageNode:
    """A version in the lineage graph. `parents` names other nodes by `key` with the relation to each."""

    key: str
    name: str
    version: str
    href: str | None
    type: str
    generation: int
    relation: str | None = None
    parents: tuple[tuple[str, str], ...] = ()
    picture: Picture | None = None
    current: bool = False


@dataclass(frozen=True, slots=True)
class CompareRow:
    """One line of a comparison; the macro marks it when the two sides differ."""

    label: str
    left: str
    right: str

    @property
    def differs(self) -> bool:
        """Whether the two sides say different things."""
        return self.left != self.right


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a wizard; `href` only where one can go back to it."""

    label: str
    state: Literal["done", "current", "next"] = "next"
    href: str | None = None
