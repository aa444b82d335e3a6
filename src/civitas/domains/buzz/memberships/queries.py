"""Reads of memberships: what one has, what waits, what was paid, gifts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import queries
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.economy.rules import TierRules
from civitas.domains.buzz.memberships import terms
from civitas.domains.buzz.memberships.entitlements import Entitlements, entitlements
from civitas.domains.buzz.memberships.tables import (
    Membership,
    MembershipGrant,
    MembershipMonth,
    MembershipPayment,
)
from civitas.domains.buzz.memberships.types import LIVE, RECURRING, Billing, Status
from civitas.kit import paging

PAGE = 20


@dataclass(frozen=True, slots=True)
class Run:
    """A membership as its owner sees it. `next_cents` is what is charged at `period_end`; None when nothing is."""

    id: int
    tier: TierRules
    colour: str
    billing: Billing
    status: Status
    provider: str | None
    started_at: datetime
    period_start: datetime
    period_end: datetime
    cancel_at_end: bool
    next_tier: TierRules | None
    next_billing: Billing | None
    next_cents: int | None
    grace_until: datetime
    ended_at: datetime | None
    end_reason: str | None
    refused: str | None

    @property
    def recurring(self) -> bool:
        """Whether it renews unless it is cancelled."""
        return self.billing in RECURRING


@dataclass(frozen=True, slots=True)
class Waiting:
    """Time that waits its turn or has begun."""

    id: int
    tier: TierRules
    colour: str
    months: int
    days: int
    source: str
    status: str
    giver: str | None
    recipient: str | None
    note: str
    created_at: datetime
    started_at: datetime | None


@dataclass(frozen=True, slots=True)
class Mine:
    """All that a person has."""

    holds: Entitlements
    running: tuple[Run, ...]
    waiting: tuple[Waiting, ...]
    months: tuple[MembershipMonth, ...]

    @property
    def claimable(self) -> tuple[MembershipMonth, ...]:
        """Months whose Buzz can be taken now."""
        return tuple(month for month in self.months if month.status == "unlocked")


async def of_person(session: AsyncSession, person_id: int) -> Mine:
    """What a person has, what waits, and the months of Buzz that were not taken yet."""
    rows = await session.scalars(
        select(Membership)
        .where(Membership.person_id == person_id, Membership.status.in_(LIVE))
        .order_by(Membership.id)
    )
    months = await session.scalars(
        select(MembershipMonth)
        .where(
            MembershipMonth.person_id == person_id,
            MembershipMonth.status.in_(("locked", "unlocked")),
            MembershipMonth.delivered.is_(False),
        )
        .order_by(MembershipMonth.due_at)
        .limit(60)
    )
    waits = (MembershipGrant.person_id == person_id) & (MembershipGrant.status == "queued")
    return Mine(
        await entitlements(session, person_id),
        tuple(_run(row) for row in rows),
        tuple(await _grants(session, waits, newest_first=False)),
        tuple(months),
    )


async def gifts(session: AsyncSession, person_id: int) -> Sequence[Waiting]:
    """Memberships that a person was given and gave to others, the newest first."""
    found = or_(
        (MembershipGrant.person_id == person_id) & (MembershipGrant.source == "gift"),
        (MembershipGrant.giver_id == person_id) & (MembershipGrant.source == "gift"),
    )
    return await _grants(session, found, newest_first=True)


async def _grants(session: AsyncSession, wanted: object, *, newest_first: bool) -> list[Waiting]:
    order = MembershipGrant.id.desc() if newest_first else MembershipGrant.id
    rows = list(
        await session.scalars(select(MembershipGrant).where(wanted).order_by(order).limit(100))  # type: ignore[arg-type]
    )
    people = {row.person_id for row in rows} | {row.giver_id for row in rows if row.giver_id}
    cards = await queries.by_ids(session, people)
    names = {number: card.username for number, card in cards.items()}
    tier = economy.current().tier
    return [
        Waiting(
            id=row.id,
            tier=tier(row.tier),
            colour=row.colour,
            months=row.months,
            days=row.days,
            source=row.source,
            status=row.status,
            giver=names.get(row.giver_id or 0),
            recipient=names.get(row.person_id),
            note=row.note,
            created_at=row.created_at,
            started_at=row.started_at,
        )
        for row in rows
    ]


async def history(
    session: AsyncSession, person_id: int, *, cursor: str | None = None
) -> paging.Page[MembershipPayment]:
    """What a person paid for memberships, the newest first."""
    statement = select(MembershipPayment).where(MembershipPayment.person_id == person_id)
    if cursor is not None:
        statement = statement.where(MembershipPayment.id < paging.decode(cursor, int)[0])
    rows = list(await session.scalars(statement.order_by(MembershipPayment.id.desc()).limit(PAGE + 1)))
    return paging.Page(rows[:PAGE], paging.encode(rows[PAGE - 1].id) if len(rows) > PAGE else None)


async def runs(session: AsyncSession, person_id: int) -> list[Run]:
    """Every membership that a person has or had, the newest first; for staff."""
    rows = await session.scalars(
        select(Membership).where(Membership.person_id == person_id).order_by(Membership.id.desc()).limit(100)
    )
    return [_run(row) for row in rows]


async def waiting(session: AsyncSession, person_id: int) -> Sequence[Waiting]:
    """What waits its turn for a person, in order."""
    found = (MembershipGrant.person_id == person_id) & (MembershipGrant.status == "queued")
    return await _grants(session, found, newest_first=False)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A membership whose wishes its provider refused."""

    run: Run
    person_id: int
    refused_at: datetime


async def refused(session: AsyncSession) -> list[Refusal]:
    """Memberships that stand otherwise at their provider than here, because it refused; the newest first."""
    rows = await session.scalars(
        select(Membership)
        .where(Membership.refused_at.is_not(None))
        .order_by(Membership.refused_at.desc())
        .limit(PAGE)
    )
    return [Refusal(_run(row), row.person_id, row.refused_at) for row in rows if row.refused_at]


@dataclass(frozen=True, slots=True)
class Census:
    """How many memberships of a tier run, how many of them renew, how many are in their days of grace."""

    tier: TierRules
    running: int
    renewing: int
    late: int


async def census(session: AsyncSession) -> list[Census]:
    """What runs now, by tier, the lowest first; tiers that nobody has are there too."""
    rows = await session.execute(
        select(
            Membership.tier,
            func.count().label("running"),
            func.count()
            .filter(Membership.billing.in_(RECURRING), Membership.cancel_at_end.is_(False))
            .label("renewing"),
            func.count().filter(Membership.status == Status.PAST_DUE.value).label("late"),
        )
        .where(Membership.status.in_(LIVE))
        .group_by(Membership.tier)
    )
    found = {row.tier: row for row in rows}
    return [
        Census(tier, row.running, row.renewing, row.late)
        if (row := found.get(tier.key))
        else Census(tier, 0, 0, 0)
        for tier in economy.current().tiers
        if tier.price_cents and (tier.offered or tier.key in found)
    ]


def _run(row: Membership) -> Run:
    rules = economy.current()
    billing = Billing(row.billing)
    next_billing = Billing(row.next_billing) if row.next_billing else None
    goes_on = billing in RECURRING and not row.cancel_at_end and row.ended_at is None
    following = rules.tier(row.next_tier or row.tier)
    return Run(
        id=row.id,
        tier=rules.tier(row.tier),
        colour=row.colour,
        billing=billing,
        status=Status(row.status),
        provider=row.provider,
        started_at=row.started_at,
        period_start=row.period_start,
        period_end=row.period_end,
        cancel_at_end=row.cancel_at_end,
        next_tier=rules.tier(row.next_tier) if row.next_tier else None,
        next_billing=next_billing,
        next_cents=terms.price(following, next_billing or billing) if goes_on else None,
        grace_until=row.period_end + timedelta(days=rules.memberships.grace_days),
        ended_at=row.ended_at,
        end_reason=row.end_reason,
        refused=row.refused,
    )
