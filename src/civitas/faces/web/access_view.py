"""What the page of a version shows of its gate: what it costs, which colours would pay, what would be left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.types import Currency
from civitas.domains.catalog import access_reads
from civitas.domains.catalog.access_reads import Offer
from civitas.domains.catalog.access_types import Permission
from civitas.faces.web.cards import model_href
from civitas.kit.ids import new_uuid

PRESETS: Final = (100, 500, 1000)


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing that can be bought: what each colour would pay and keep, and how much is missing (quarters)."""

    permission: str
    title: str
    includes: str
    price: int
    parts: tuple[tuple[Currency, int, int], ...]
    missing: int

    @property
    def balance_after(self) -> int:
        """What is left in the purses that may pay."""
        return sum(left for _, _, left in self.parts)

    @property
    def paying(self) -> Mapping[Currency, int]:
        """The colours that pay, with how much."""
        return {colour: part for colour, part, _ in self.parts if part}


@dataclass(frozen=True, slots=True)
class OfferView:
    """A gate for one viewer. `key` lets a form that is sent twice pay once."""

    offer: Offer
    choices: tuple[Choice, ...]
    giving: Mapping[Currency, int]
    signed_in: bool
    key: str
    donation_key: str
    href: str
    model_href: str
    presets: tuple[int, ...] = PRESETS

    @property
    def done(self) -> float:
        """How far the goal is, 0 to 1."""
        goal = self.offer.goal
        return min(1.0, self.offer.raised / goal) if goal else 0.0

    @property
    def may_donate(self) -> bool:
        """Whether the goal still takes gifts from this viewer."""
        offer = self.offer
        return bool(offer.goal) and offer.closed and offer.goal_reached_at is None and not offer.own

    @property
    def has(self) -> str:
        """What the viewer has, in words; empty for nothing."""
        if self.offer.own or not self.offer.closed:
            return ""
        if self.offer.permissions & Permission.DOWNLOAD:
            return "You have access: download it and generate with it."
        if self.offer.permissions & Permission.GENERATE:
            return "You may generate with it."
        return ""


async def view_of(session: AsyncSession, actor: Actor, *, version_id: int) -> OfferView:
    """The gate of a version with what the viewer's purses say to it. Raises NotFound (`version_not_found`)."""
    offer = await access_reads.offer(session, actor, version_id=version_id)
    held = await access_reads.purses(session, actor, offer.colours)
    giving = await access_reads.purses(session, actor, offer.donation_colours)
    return OfferView(
        offer=offer,
        choices=tuple(_choices(offer, held)) if offer.closed and not offer.own else (),
        giving=giving,
        signed_in=actor.signed_in,
        key=str(new_uuid()),
        donation_key=str(new_uuid()),
        href=f"/model-versions/{version_id}/access",
        model_href=model_href(offer.model_id, offer.model, version_id),
    )


def _choices(offer: Offer, held: Mapping[Currency, int]) -> list[Choice]:
    made = []
    for permission, title, includes in (
        (Permission.DOWNLOAD, "Download", "The files, and generating with them."),
        (Permission.GENERATE, "Generate only", "Use it here, without the files."),
    ):
        price = offer.price_of(permission)
        if price is None or offer.permissions & permission:
            continue
        parts, missing = access_reads.split(held, price)
        name = "Download" if permission is Permission.DOWNLOAD else "Generate"
        made.append(Choice(name, title, includes, price, parts, missing))
    return made
