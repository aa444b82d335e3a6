"""What the pages and the API show of the creator programme: one person's standing, the forecast, staff's month."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.programme import banking, participation, pools, sums
from civitas.domains.buzz.programme import cash as programme_cash
from civitas.domains.buzz.programme.banking import Allowance, Extraction
from civitas.domains.buzz.programme.cash import Cash, Method
from civitas.domains.buzz.programme.participation import Candidacy
from civitas.domains.buzz.programme.pools import Pool
from civitas.domains.buzz.programme.tables import Participant, ProgrammeShare
from civitas.domains.buzz.programme.types import Calendar, Month, Phase, calendar, month_of
from civitas.domains.buzz.types import Currency
from civitas.kit import clock, paging

PAGE = 50
FORECAST_STEPS = 12


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything of one person's present month. Buzz in quarters, cash in cents."""

    month: Month
    calendar: Calendar
    phase: Phase
    phase_ends: datetime
    candidacy: Candidacy
    allowance: Allowance
    banked: Mapping[Currency, int]
    spendable: Mapping[Currency, int]
    pool: Pool
    estimate_cents: int
    extraction: Extraction
    cash: Cash
    method: Method | None
    earnings: Mapping[str, int]

    @property
    def banked_total(self) -> int:
        """All that the person banked this month."""
        return sum(self.banked.values())

    @property
    def active(self) -> bool:
        """Whether the person takes part."""
        return self.candidacy.status == "active"


async def standing(session: AsyncSession, actor: Actor) -> Standing:
    """Where the actor stands in the programme now."""
    person_id = actor.require(Scope.BUZZ_READ)
    now = clock.now()
    month = month_of(now)
    when = calendar(month, economy.current().programme)
    stands = await pools.pool(session, month)
    banked = await banking.banked_by(session, person_id, month)
    return Standing(
        month=month,
        calendar=when,
        phase=when.phase_at(now),
        phase_ends=when.phase_ends(now),
        candidacy=await participation.candidacy(session, person_id),
        allowance=await banking.allowance(session, person_id, month=month),
        banked=banked,
        spendable=await banking.in_wallet(session, person_id),
        pool=stands,
        estimate_cents=sums.estimate(
            economy.current().programme,
            pool_cents=stands.cents,
            mine=sum(banked.values()),
            total=stands.banked,
        ),
        extraction=await banking.preview(session, person_id, month=month),
        cash=await programme_cash.cash_of(session, person_id),
        method=await programme_cash.method_of(session, person_id),
        earnings=await banking.earnings(session, person_id, now=month),
    )


@dataclass(frozen=True, slots=True)
class Forecast:
    """The pools of this month and the next as they look now, and what banking more would bring."""

    now: Pool
    following: Pool
    takers: int
    # Pairs of quarters banked besides, and cents that they would get.
    ladder: tuple[tuple[int, int], ...]


async def forecast(session: AsyncSession, *, more: int, mine: int = 0) -> Forecast:
    """The forecast for everybody; `more` quarters in steps on top of `mine` that are banked already."""
    rules = economy.current().programme
    month = month_of(clock.now())
    stands = await pools.pool(session, month)
    ladder = []
    for step in range(1, FORECAST_STEPS + 1):
        added = more * step // FORECAST_STEPS
        cents = sums.estimate(rules, pool_cents=stands.cents, mine=mine + added, total=stands.banked + added)
        ladder.append((added, cents))
    return Forecast(
        stands,
        await pools.pool(session, month.shifted(1)),
        await pools.participants(session),
        tuple(ladder),
    )


@dataclass(frozen=True, slots=True)
class Taker:
    """One person of a month for staff: what is banked and what it is, or would be, worth."""

    person_id: int
    green: int
    yellow: int
    cents: int
    status: str


async def takers(
    session: AsyncSession, actor: Actor, *, month: Month, cursor: str | None = None
) -> paging.Page[Taker]:
    """Who shares in a month, by id: the shares of a closed one, else a preview of what closing now would give."""
    actor.require_moderator()
    after = int(str(paging.decode(cursor, int)[0])) if cursor else 0
    stands = await pools.pool(session, month)
    if stands.status != "open":
        rows = await session.scalars(
            select(ProgrammeShare)
            .where(ProgrammeShare.month == month.key, ProgrammeShare.person_id > after)
            .order_by(ProgrammeShare.person_id)
            .limit(PAGE + 1)
        )
        found = [Taker(row.person_id, row.green, row.yellow, row.cents, row.status) for row in rows]
    else:
        shares = await pools.planned_shares(session, month)
        banked = await pools.banked_by_person(session, month)
        ids = [person for person in sorted(banked) if person > after][: PAGE + 1]
        found = [
            Taker(
                person,
                banked[person].get(Currency.GREEN, 0),
                banked[person].get(Currency.YELLOW, 0),
                shares[person],
                "preview",
            )
            for person in ids
        ]
    return paging.Page(found[:PAGE], paging.encode(found[PAGE - 1].person_id) if len(found) > PAGE else None)


async def banned(session: AsyncSession, actor: Actor, *, most: int = 50) -> list[Participant]:
    """Whom staff took out, the latest first."""
    actor.require_moderator()
    rows = await session.scalars(
        select(Participant)
        .where(Participant.status == "banned")
        .order_by(Participant.ended_at.desc())
        .limit(most)
    )
    return list(rows)
