"""What others may do with a model: permission flags, the four tiers, and the licences of base models.

Tiers are names for common sets of flags; flags are what counts. A base model's licence can take permissions away
(`effective`), never add any.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, ValidationError

from civitas.kit.errors import Invalid

MAX_DATA_FILE: Final = 1024 * 1024


class Commercial(StrEnum):
    """Commercial uses, from the least to the most; each allows all that stand before it, except `NONE`."""

    NONE = "None"
    IMAGE = "Image"
    RENT_CIVIT = "RentCivit"
    RENT = "Rent"
    SELL = "Sell"


_ORDER: Final = tuple(Commercial)


class Tier(StrEnum):
    """What a creator picks first; `CUSTOM` is every other set of flags."""

    OPEN = "Open"
    CREATOR = "Creator"
    RESTRICTED = "Restricted"
    CUSTOM = "Custom"


@dataclass(frozen=True, slots=True)
class Permissions:
    """The flags of one model. `commercial` is always complete and in order: Rent holds RentCivit and Image."""

    allow_no_credit: bool = True
    commercial: tuple[Commercial, ...] = _ORDER[1:]
    allow_derivatives: bool = True
    allow_different_licence: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "commercial", implied(self.commercial))

    @property
    def highest(self) -> Commercial:
        """The furthest commercial use allowed."""
        return self.commercial[-1]

    def allows(self, use: Commercial) -> bool:
        """Whether this commercial use is allowed."""
        return use is not Commercial.NONE and use in self.commercial


def implied(uses: Iterable[Commercial | str]) -> tuple[Commercial, ...]:
    """All uses that the given ones allow, in order; `(NONE,)` for no use at all.

    Raises Invalid (`bad_commercial_use`) for a word that is no commercial use.
    """
    try:
        highest = max((_ORDER.index(Commercial(use)) for use in uses), default=0)
    except ValueError:
        names = ", ".join(_ORDER)
        raise Invalid(
            f"A commercial use is one of {names}.",
            code="bad_commercial_use",
            fields={"allowCommercialUse": f"one of {names}"},
        ) from None
    return _ORDER[1 : highest + 1] if highest else (Commercial.NONE,)


TIERS: Final[Mapping[Tier, Permissions]] = MappingProxyType(
    {
        Tier.OPEN: Permissions(),
        Tier.CREATOR: Permissions(allow_no_credit=False),
        Tier.RESTRICTED: Permissions(
            allow_no_credit=False,
            commercial=(Commercial.NONE,),
            allow_derivatives=False,
            allow_different_licence=False,
        ),
    }
)


def tier_of(permissions: Permissions) -> Tier:
    """The tier whose flags these are, else `CUSTOM`."""
    return next((tier for tier, flags in TIERS.items() if flags == permissions), Tier.CUSTOM)


def permissions_of(tier: Tier) -> Permissions:
    """The flags of a tier. Raises Invalid (`custom_needs_flags`) for `CUSTOM`, which has none of its own."""
    if tier not in TIERS:
        raise Invalid("A custom licence needs its permissions spelt out.", code="custom_needs_flags")
    return TIERS[tier]


def short_id(permissions: Permissions) -> str:
    """A short stable name of a set of flags, such as `by-rent-nd-sa`; `from_short_id` reads it."""
    parts = [
        "free" if permissions.allow_no_credit else "by",
        "nc" if permissions.highest is Commercial.NONE else permissions.highest.lower(),
    ]
    parts += [] if permissions.allow_derivatives else ["nd"]
    parts += [] if permissions.allow_different_licence else ["sa"]
    return "-".join(parts)


def from_short_id(text: str) -> Permissions:
    """The flags that `short_id` named. Raises Invalid (`bad_licence_id`) for anything else."""
    found = _BY_SHORT_ID.get(text)
    if found is None:
        raise Invalid("This is not a licence id of ours.", code="bad_licence_id")
    return found


_BY_SHORT_ID: Final = MappingProxyType(
    {
        short_id(flags): flags
        for credit in (True, False)
        for use in _ORDER
        for derivatives in (True, False)
        for licence in (True, False)
        for flags in [Permissions(credit, (use,), derivatives, licence)]
    }
)


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence of the explanation; `flag` is its name on the wire."""

    flag: str
    allowed: bool
    text: str


_USES: Final = (
    (Commercial.IMAGE, "sell images made with this model"),
    (Commercial.RENT_CIVIT, "offer this model for generation on this site for a price"),
    (Commercial.RENT, "offer this model for generation on other services for a price"),
    (Commercial.SELL, "sell this model or merges that contain it"),
)


def explain(permissions: Permissions) -> tuple[Line, ...]:
    """The flags in plain words, one line for each thing that one may or may not do."""

    def line(flag: str, allowed: bool, deed: str) -> Line:
        return Line(flag, allowed, f"You may {'' if allowed else 'not '}{deed}.")

    return (
        line("allowNoCredit", permissions.allow_no_credit, "use this model without naming its creator"),
        *(line("allowCommercialUse", permissions.allows(use), deed) for use, deed in _USES),
        line(
            "allowDerivatives",
            permissions.allow_derivatives,
            "share merges and other works built on this model",
        ),
        line(
            "allowDifferentLicense",
            permissions.allow_different_licence,
            "give merges of this model other permissions than these",
        ),
    )


class BaseLicence(BaseModel):
    """The licence of a base model, as an entry of `licences.toml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9.+-]{0,39}$")
    name: str = Field(min_length=1, max_length=120)
    url: HttpUrl | None = None
    notice: str | None = Field(default=None, max_length=1000)
    powered_by: str | None = Field(default=None, max_length=300)
    forbidden_levels: int = Field(default=0, ge=0, le=31)
    non_commercial: bool = False


@dataclass(frozen=True, slots=True)
class Effective:
    """What is left of a model's permissions under its base model's licence, and why.

    `forbidden_levels` is a mask of content levels that may neither be made with nor shown for the model;
    `may_monetise` is false when no price of any kind may be put on it.
    """

    permissions: Permissions
    forbidden_levels: int = 0
    may_monetise: bool = True
    reasons: tuple[str, ...] = field(default=())


def effective(permissions: Permissions, licence: BaseLicence | None) -> Effective:
    """Apply a base model's licence to the flags that a creator chose."""
    if licence is None:
        return Effective(permissions)
    reasons: list[str] = []
    if licence.forbidden_levels:
        reasons.append(f"The {licence.name} does not allow mature content (rated R or higher).")
    if licence.non_commercial:
        reasons.append(f"The {licence.name} does not allow commercial use, so nothing may be charged.")
        permissions = Permissions(
            allow_no_credit=permissions.allow_no_credit,
            commercial=(Commercial.NONE,),
            allow_derivatives=permissions.allow_derivatives,
            allow_different_licence=permissions.allow_different_licence,
        )
    return Effective(permissions, licence.forbidden_levels, not licence.non_commercial, tuple(reasons))


def read_data(filename: str, extra: Path | None) -> list[Mapping[str, Any]]:
    """The packaged data file of this domain and, after it, the operator's, both as parsed TOML.

    Raises Invalid (`bad_data_file`) when the operator's file is missing, too large or not TOML.
    """
    ours = resources.files("civitas.domains.catalog").joinpath(filename).read_text(encoding="utf-8")
    read: list[Mapping[str, Any]] = [tomllib.loads(ours)]
    if extra is not None:
        try:
            if extra.stat().st_size > MAX_DATA_FILE:
                raise _bad_file(extra, f"it is larger than {MAX_DATA_FILE} bytes")
            read.append(tomllib.loads(extra.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise _bad_file(extra, str(error)) from error
    return read


def _bad_file(path: Path, reason: str) -> Invalid:
    return Invalid(f"The data file {path.name} cannot be used: {reason[:300]}", code="bad_data_file")


def describe(error: ValidationError) -> str:
    """The first thing that is wrong with an entry of a data file, for its operator."""
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the entry'}: {first['msg']}"


def load(extra: Path | None = None) -> Mapping[str, BaseLicence]:
    """All base-model licences by id; entries of `extra` replace ours of the same id.

    Raises Invalid (`bad_data_file`) naming the entry that is wrong.
    """
    found: dict[str, BaseLicence] = {}
    for tree in read_data("licences.toml", extra):
        entries = tree.get("licence", [])
        for entry in entries if isinstance(entries, list) else [entries]:
            try:
                licence = BaseLicence.model_validate(entry)
            except ValidationError as error:
                raise Invalid(
                    f"A licence in the data file is wrong: {describe(error)}", code="bad_data_file"
                ) from error
            found[licence.id] = licence
    return MappingProxyType(found)


@cache
def packaged() -> Mapping[str, BaseLicence]:
    """The licences that come with the product."""
    return load()
