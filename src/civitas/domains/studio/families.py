"""What the generator offers for the models of an ecosystem: sizes, steps, samplers, limits. Data, read once."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from civitas.domains.catalog import base_models
from civitas.domains.studio.samplers import NAMES

_FROZEN = ConfigDict(frozen=True, extra="forbid")


class Span(BaseModel):
    """A number between two bounds, with what is usual."""

    model_config = _FROZEN
    least: float
    most: float
    usual: float
    by: float = 1

    @model_validator(mode="after")
    def _ordered(self) -> Span:
        if not self.least <= self.usual <= self.most:
            raise ValueError("usual lies outside of least and most")
        return self


class Draft(BaseModel):
    """How a draft is made: fewer steps, four pictures at once (FEATURES G7)."""

    model_config = _FROZEN
    steps: int = Field(ge=1, le=50)
    cfg: float
    sampler: str


class Family(BaseModel):
    """The generator's offer for one ecosystem."""

    model_config = _FROZEN
    ecosystem: str
    batch: int = Field(default=1, ge=1, le=100)
    prompt: int = Field(ge=100, le=20_000)
    negative: bool
    sizes: tuple[tuple[str, int, int], ...] = Field(min_length=1)
    smallest: int = Field(ge=8)
    largest: int = Field(le=16_384)
    step: int = Field(ge=1)
    area: int
    steps: Span
    cfg: Span
    sampler: str
    samplers: tuple[str, ...] = NAMES
    clip_skip: Span | None = None
    draft: Draft | None = None
    # Whether a ControlNet may lead: never, when pictures are made from words alone, or always.
    controls: Literal["none", "words", "always"] = "always"

    @model_validator(mode="after")
    def _consistent(self) -> Family:
        for _, width, height in self.sizes:
            if not self.fits(width, height):
                raise ValueError(f"the size {width} x {height} breaks this family's own bounds")
        if self.sampler not in self.samplers:
            raise ValueError(f"the sampler {self.sampler} is not among the samplers")
        return self

    def fits(self, width: int, height: int) -> bool:
        """Whether a picture may have this size."""
        return (
            all(self.smallest <= edge <= self.largest and edge % self.step == 0 for edge in (width, height))
            and width * height <= self.area
        )

    def nearest(self, width: int, height: int) -> tuple[int, int]:
        """The size nearest to one that was wished for: into the bounds, down to the step, the shape kept."""
        scale = min(1.0, (self.area / max(1, width * height)) ** 0.5, self.largest / max(width, height, 1))
        return self._edge(width * scale), self._edge(height * scale)

    def _edge(self, edge: float) -> int:
        whole = int(edge) // self.step * self.step
        least = -(-self.smallest // self.step) * self.step
        return max(least, min(whole, self.largest // self.step * self.step))


@cache
def families() -> dict[str, Family]:
    """Every family by the key of its ecosystem."""
    read = tomllib.loads(files(__package__).joinpath("families.toml").read_text(encoding="utf-8"))
    found = [Family.model_validate(entry) for entry in read["family"]]
    return {family.ecosystem: family for family in found}


def of_base_model(name: str) -> Family | None:
    """What is offered for a base model: its ecosystem's family, or the nearest ancestor's; None when there is none."""
    registry = base_models.current()
    entry = registry.find(name)
    if entry is None:
        return None
    return next((families()[key] for key in registry.line(entry.ecosystem.key) if key in families()), None)
