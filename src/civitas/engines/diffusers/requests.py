"""The words of the engine: what can be asked, what is told meanwhile, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Format = Literal["png", "jpeg", "webp"]
Stage = Literal["loading", "sampling", "enlarging", "decoding", "writing"]
MAX_SEED = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Weights:
    """A file (or diffusers folder) of weights on this machine, and what the catalogue calls it.

    `name` and `sha256` go into the picture's metadata; `version_id` makes it a Civitai resource there.
    """

    path: Path
    name: str = ""
    sha256: str = ""
    version_id: int | None = None

    @property
    def title(self) -> str:
        """The name, or else the file's."""
        return self.name or self.path.stem

    @property
    def stamp(self) -> tuple[str, int, int]:
        """What tells these weights from others: the digest where it is known, or else file, size and time of change."""
        if self.sha256:
            return (self.sha256.lower(), 0, 0)
        try:
            stat = self.path.stat()
        except OSError:
            return (str(self.path), 0, 0)
        return (str(self.path.resolve()), stat.st_size, stat.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class Lora(Weights):
    """An adapter with its strength; `text_weight` is the strength in the text encoder when it differs."""

    weight: float = 1.0
    text_weight: float | None = None


@dataclass(frozen=True, slots=True)
class Embedding(Weights):
    """A textual inversion; it takes effect where the prompt holds its `token`."""

    token: str = ""

    @property
    def word(self) -> str:
        """What to look for in the prompt."""
        return self.token or self.title


@dataclass(frozen=True, slots=True)
class Encoder(Weights):
    """A text encoder that the checkpoint's file lacks: `clip_l`, `clip_g` or `t5xxl`."""

    part: str = ""


@dataclass(frozen=True, slots=True)
class Control:
    """A ControlNet with a picture that is already what the net wants (edges, depth, pose ...)."""

    weights: Weights
    image: bytes
    weight: float = 1.0
    start: float = 0.0
    end: float = 1.0
    kind: str = ""
    """What the picture shows, as `textToImage` names it (`canny`, `midasDepth`): for nets that know several."""


@dataclass(frozen=True, slots=True)
class Hires:
    """A second pass over the enlarged picture."""

    scale: float = 1.5
    denoise: float = 0.5
    steps: int | None = None


@dataclass(frozen=True, slots=True)
class PictureRequest:
    """One set of pictures that differ by their seed only: one picture for each of `seeds`, in that order.

    With `source` it is image to image at strength `denoise`; with `mask` too (white is what may change), inpainting.
    `schedule` is how noise levels are spaced (`karras`, `exponential` ...); a sampler name that says so wins.
    `draft` takes few steps: with a distilled LoRA among `loras` as that wants it, otherwise with a fast solver.
    `preview_every` is a number of steps, 0 for none. `batch` is how many pictures are computed together: with 1 a seed
    gives the same bytes however many others are asked for; more is quicker on a GPU and may differ in the last bits.
    """

    checkpoint: Weights
    prompt: str
    seeds: tuple[int, ...]
    negative: str = ""
    width: int = 512
    height: int = 512
    steps: int = 30
    cfg: float = 7.0
    sampler: str = "eulerA"
    schedule: str = ""
    clip_skip: int = 1
    vae: Weights | None = None
    encoders: tuple[Encoder, ...] = ()
    loras: tuple[Lora, ...] = ()
    embeddings: tuple[Embedding, ...] = ()
    source: bytes | None = None
    denoise: float = 0.75
    mask: bytes | None = None
    control: Control | None = None
    hires: Hires | None = None
    draft: bool = False
    preview_every: int = 5
    batch: int = 1
    format: Format = "png"
    quality: int = 92
    extra: dict[str, object] = field(default_factory=dict)
    """Goes into the picture's metadata as it is (`Civitai metadata`)."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that is done otherwise than asked, and why. `code` is stable, `message` one sentence."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a request is. `previews` holds small JPEGs by the index of their picture, as guesses of the end."""

    stage: Stage
    done: float
    """0 to 1, over the whole request."""
    step: int = 0
    steps: int = 0
    previews: dict[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished picture: the file's bytes with the recipe inside, and what was not done as asked."""

    index: int
    seed: int
    width: int
    height: int
    content: bytes
    media_type: str
    text: str
    """The A1111 text that is in the file."""
    seconds: float
    notices: tuple[Notice, ...] = ()
