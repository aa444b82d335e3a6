"""How memberships should stand at their providers, so that what is charged there is what was agreed here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.payments import Interval
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.memberships import terms
from civitas.domains.buzz.memberships.tables import Membership
from civitas.domains.buzz.memberships.types import LIVE, RECURRING, Billing
from civitas.kit import clock

# Our own name of an agreement where the provider named none: there is nothing to tell it.
OWN_NAME = "order:"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a provider should do with an agreement: end it with its period, or charge `cents` when `next_at` comes."""

    provider: str
    subscription: str
    ends: bool
    cents: int
    interval: Interval
    title: str
    next_at: datetime


async def wanted(session: AsyncSession, membership_id: int) -> Wanted | None:
    """How a membership should go on at its provider; None where no provider renews it."""
    run = await session.scalar(
        select(Membership).where(Membership.id == membership_id, Membership.status.in_(LIVE))
    )
    if run is None or run.billing not in RECURRING or run.provider is None or not named(run.subscription):
        return None
    billing = Billing(run.next_billing or run.billing)
    tier = economy.current().tier(run.next_tier or run.tier)
    return Wanted(
        provider=run.provider,
        subscription=run.subscription or "",
        ends=run.cancel_at_end,
        cents=terms.price(tier, billing),
        interval="year" if billing is Billing.ANNUAL else "month",
        title=title(tier.label, billing),
        next_at=run.period_end,
    )


async def note(session: AsyncSession, membership_id: int, *, refused: str | None) -> None:
    """Keep what the provider answered when it refused, for staff to see; None once it agrees."""
    await session.execute(
        update(Membership)
        .where(Membership.id == membership_id)
        .values(refused=refused and refused[:500], refused_at=clock.now() if refused else None)
    )


def named(subscription: str | None) -> bool:
    """Whether a provider knows an agreement by this name."""
    return bool(subscription) and not str(subscription).startswith(OWN_NAME)


def title(label: str, billing: Billing) -> str:
    """What a membership is called on a bill."""
    return f"{label} membership, {'yearly' if billing is Billing.ANNUAL else 'monthly'}"
