"""What people send when they publish: every field named, bounded and cleaned; what is not named is refused.

JSON names are camelCase. A patch changes the fields it holds (`model_fields_set`) and no others.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, HttpUrl, model_validator
from pydantic.alias_generators import to_camel

from civitas.domains.catalog.licences import Tier
from civitas.domains.catalog.types import (
    PRECISIONS,
    BaseModelType,
    CheckpointType,
    CommercialUse,
    FileFormat,
    FileType,
    ModelType,
    Relation,
    UsageControl,
    Visibility,
)
from civitas.kit.text import clean_line

MAX_DESCRIPTION = 100_000
MAX_WORDS = 100
MAX_TAGS = 30
# llama.cpp's names of quantisations, as they stand in file names and in the wild.
QUANTISATIONS = (
    "F32", "F16", "BF16", "Q8_0", "Q8_1", "Q8_K", "Q6_K", "Q5_K_M", "Q5_K_S", "Q5_K", "Q5_1", "Q5_0",
    "Q4_K_M", "Q4_K_S", "Q4_K", "Q4_1", "Q4_0", "Q3_K_L", "Q3_K_M", "Q3_K_S", "Q3_K", "Q2_K_S", "Q2_K",
    "IQ4_XS", "IQ4_NL", "IQ3_M", "IQ3_S", "IQ3_XS", "IQ3_XXS", "IQ2_M", "IQ2_S", "IQ2_XS", "IQ2_XXS",
    "IQ1_M", "IQ1_S", "TQ1_0", "TQ2_0", "MXFP4",
)  # fmt: skip

_BREAKS = re.compile(r"\r\n?")


def clean_text(text: str) -> str:
    """Text of many lines: NFC, line feeds, no other control characters, nothing that cannot be stored."""
    kept = unicodedata.normalize("NFC", _BREAKS.sub("\n", text))
    return "".join(ch for ch in kept if ch in "\n\t" or unicodedata.category(ch) not in {"Cc", "Cs"}).strip()


def clean_filename(name: str) -> str:
    """The last part of a path as one clean line, `""` when nothing is left that could name a file."""
    last = clean_line(name.replace("\\", "/").rsplit("/", 1)[-1])
    return "" if not last.strip(". ") else last


def _bounded(value: Any) -> Any:
    # Looked at before cleaning, whose cost grows with the text.
    if isinstance(value, str) and len(value) > 2 * MAX_DESCRIPTION:
        raise ValueError(f"at most {MAX_DESCRIPTION} characters")
    return value


def _quantisation(value: str) -> str:
    found = value.strip().upper()
    if found not in QUANTISATIONS:
        raise ValueError(f"one of {', '.join(QUANTISATIONS)}")
    return found


def _precision(value: str) -> str:
    if value not in PRECISIONS:
        raise ValueError(f"one of {', '.join(PRECISIONS)}")
    return value


def _list_of_one(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Bounded = BeforeValidator(_bounded)
ModelName = Annotated[str, Bounded, AfterValidator(clean_line), AfterValidator(lambda v: _length(v, 1, 200))]
VersionName = Annotated[
    str, Bounded, AfterValidator(clean_line), AfterValidator(lambda v: _length(v, 1, 100))
]
Word = Annotated[str, Bounded, AfterValidator(clean_line), AfterValidator(lambda v: _length(v, 1, 300))]
LongText = Annotated[
    str, Bounded, AfterValidator(clean_text), AfterValidator(lambda v: _length(v, 0, MAX_DESCRIPTION))
]
LicenceText = Annotated[
    str, Bounded, AfterValidator(clean_text), AfterValidator(lambda v: _length(v, 0, 20_000))
]
FileName = Annotated[
    str, Bounded, AfterValidator(clean_filename), AfterValidator(lambda v: _length(v, 1, 200))
]
Uses = Annotated[list[CommercialUse], BeforeValidator(_list_of_one), Field(max_length=5)]
Strength = Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)]
Id = Annotated[int, Field(ge=1, lt=2**63)]


def _length(value: str, least: int, most: int) -> str:
    if not least <= len(value) <= most:
        raise ValueError(f"{least} to {most} characters")
    return value


class Form(BaseModel):
    """Common rules: camelCase aliases, unknown fields refused (OWASP ASVS: no mass assignment)."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True, use_enum_values=False
    )

    def given(self) -> dict[str, Any]:
        """The fields that were sent, by attribute name."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class SourceForm(Form):
    """Where an imported model came from; shown as attribution."""

    url: HttpUrl | None = None
    creator: Annotated[str, AfterValidator(clean_line), Field(max_length=100)] | None = None
    platform: Annotated[str, AfterValidator(clean_line), Field(max_length=100)] | None = None
    id: Annotated[str, AfterValidator(clean_line), Field(max_length=100)] | None = None


class _ModelFields(Form):
    description: LongText = ""
    tags: list[Word] = Field(default_factory=list, max_length=MAX_TAGS)
    category: str | None = Field(default=None, max_length=60)
    nsfw: bool = False
    poi: bool = False
    minor: bool = False
    sfw_only: bool = False
    allow_no_credit: bool = True
    allow_commercial_use: Uses = Field(default_factory=lambda: [CommercialUse.SELL])
    allow_derivatives: bool = True
    allow_different_license: bool = True
    license_tier: Tier | None = None
    license_text: LicenceText | None = None
    checkpoint_type: CheckpointType | None = None
    # Early access is set by its own rules, never by a form.
    availability: Literal["Public", "Unsearchable", "Private"] = "Public"
    source: SourceForm | None = None


class ModelForm(_ModelFields):
    """A new model."""

    name: ModelName
    type: ModelType


class ModelPatch(_ModelFields):
    """Changes to a model."""

    name: ModelName = ""
    type: ModelType = ModelType.OTHER


class SettingsForm(Form):
    """How strongly an addition works best."""

    strength: Strength | None = None
    min_strength: Strength | None = None
    max_strength: Strength | None = None


class _VersionFields(Form):
    base_model_type: BaseModelType = BaseModelType.STANDARD
    description: LongText = ""
    trained_words: list[Word] = Field(default_factory=list, max_length=MAX_WORDS)
    steps: int | None = Field(default=None, ge=0, le=100_000_000)
    epochs: int | None = Field(default=None, ge=0, le=1_000_000)
    clip_skip: int | None = Field(default=None, ge=1, le=12)
    settings: SettingsForm | None = None
    usage_control: UsageControl = UsageControl.DOWNLOAD
    require_auth: bool = False
    availability: Literal["Public", "Unsearchable", "Private"] = "Public"
    vae_version_id: Id | None = None


class VersionForm(_VersionFields):
    """A new version."""

    name: VersionName
    base_model: Word


class VersionPatch(_VersionFields):
    """Changes to a version."""

    name: VersionName = ""
    base_model: Word = ""


class _FileFields(Form):
    name: FileName | None = None
    type: FileType | None = None
    format: FileFormat | None = None
    size: Literal["full", "pruned"] | None = None
    fp: Annotated[str, AfterValidator(_precision)] | None = None
    quant_type: Annotated[str, AfterValidator(_quantisation)] | None = None
    visibility: Visibility = Visibility.PUBLIC
    primary: bool | None = None


class FileForm(_FileFields):
    """How an uploaded file is to be shown; what is left out is guessed from its name and, later, its header."""


class FilePatch(_FileFields):
    """Changes to how a file is shown; its bytes never change."""


MAX_PARENTS = 50
MAX_STEPS = 100
Note = Annotated[str, Bounded, AfterValidator(clean_line), AfterValidator(lambda v: _length(v, 0, 500))]
AirText = Annotated[str, Field(min_length=1, max_length=512)]


class ParentForm(Form):
    """What a version was made from: a version here, or one elsewhere by its AIR."""

    version_id: Id | None = None
    air: AirText | None = None
    relation: Relation
    note: Note | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.version_id is None) == (self.air is None):
            raise ValueError("give either versionId or air")
        return self


class OperandForm(Form):
    """One ingredient of a merge: a version here, the result of an earlier step (from 0), an AIR, or a name."""

    version: Id | None = None
    result: Annotated[int, Field(ge=0, lt=MAX_STEPS)] | None = None
    air: AirText | None = None
    name: Word | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(value is not None for value in (self.version, self.result, self.air, self.name)) != 1:
            raise ValueError("give exactly one of version, result, air, name")
        return self


class StepForm(Form):
    """`sum`: a * (1 - m) + b * m. `difference`: a + (b - c) * m."""

    type: Literal["sum", "difference"]
    a: OperandForm
    b: OperandForm
    c: OperandForm | None = None
    multiplier: float = Field(ge=-5, le=5, allow_inf_nan=False)

    @model_validator(mode="after")
    def _third(self) -> Self:
        if (self.type == "difference") != (self.c is not None):
            raise ValueError("a difference has a, b and c; a sum has a and b")
        return self


class MergeForm(Form):
    """A recipe; the last step makes the model."""

    steps: list[StepForm] = Field(min_length=1, max_length=MAX_STEPS)


class RecommendedForm(Form):
    """Another version that goes well with this one."""

    version_id: Id
    strength: Strength | None = None
    note: Note | None = None


class LineageForm(Form):
    """Where a version comes from and what it goes with; what is left out stays as it is."""

    derived_from: list[ParentForm] = Field(default_factory=list, max_length=MAX_PARENTS)
    merge: MergeForm | None = None
    recommended: list[RecommendedForm] = Field(default_factory=list, max_length=MAX_PARENTS)
