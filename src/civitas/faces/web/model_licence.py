"""A model's licence as a card: what one may do, in plain words, and what the base model's licence adds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from civitas.domains.catalog import base_models, licences, licensing
from civitas.domains.catalog.licences import Commercial, Line, Permissions, Tier

_TIERS: Final = {
    Tier.OPEN: "Use it for anything, without naming anybody.",
    Tier.CREATOR: "Use it for anything, and name its creator.",
    Tier.RESTRICTED: "For personal use, without sharing works built on it.",
    Tier.CUSTOM: "The creator chose each permission.",
}


@dataclass(frozen=True, slots=True)
class BaseLicenceLine:
    """The licence of a base model that a version was made for."""

    base_model: str
    name: str
    url: str | None
    notice: str | None


@dataclass(frozen=True, slots=True)
class LicenceCard:
    """What the card shows. `id` is for machines: `catalog.licences.from_short_id` reads it."""

    tier: str
    summary: str
    id: str
    lines: tuple[Line, ...]
    bases: tuple[BaseLicenceLine, ...]
    reasons: tuple[str, ...]
    text: str | None

    @property
    def url(self) -> str | None:
        """The address of a base licence, for machines that read one."""
        return next((base.url for base in self.bases if base.url), None)


def card_of(document: Mapping[str, Any], names: Iterable[str]) -> LicenceCard:
    """The licence of a model's document under the licences of these base models."""
    chosen = Permissions(
        allow_no_credit=document["allowNoCredit"],
        commercial=tuple(Commercial(use) for use in document["allowCommercialUse"]),
        allow_derivatives=document["allowDerivatives"],
        allow_different_licence=document["allowDifferentLicense"],
    )
    names = list(dict.fromkeys(names))
    left = licensing.effective_of(chosen, names)
    tier = licences.tier_of(left.permissions)
    registry = base_models.current()
    bases = []
    for name in names:
        info = registry.find(name)
        if info is not None and info.licence is not None:
            url = str(info.licence.url) if info.licence.url else None
            bases.append(BaseLicenceLine(info.name, info.licence.name, url, info.licence.notice))
    return LicenceCard(
        tier=tier.value,
        summary=_TIERS[tier],
        id=licences.short_id(left.permissions),
        lines=licences.explain(left.permissions),
        bases=tuple(bases),
        reasons=left.reasons,
        text=document["licenseText"],
    )
