"""What a person's membership gives them, asked by every domain through one function."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.economy.rules import UNLIMITED, TierRules
from civitas.domains.buzz.memberships.types import PAID, STIPENDED, Billing, Status
from civitas.domains.buzz.types import Currency
from civitas.infra.db.statements import fetch
from civitas.kit import clock


@dataclass(frozen=True, slots=True)
class Running:
    """One membership that is in force."""

    id: int
    tier: TierRules
    colour: Currency
    billing: Billing
    status: Status
    started_at: datetime
    ends_at: datetime
    renews: bool

    @property
    def paid(self) -> bool:
        """Whether money was paid for it; perks months and what was given away are not (FEATURES I85)."""
        return self.billing in PAID

    @property
    def monthly_buzz(self) -> Decimal:
        """The Buzz that comes with each month of it."""
        return self.tier.monthly_buzz if self.billing in STIPENDED else Decimal(0)


@dataclass(frozen=True, slots=True)
class Entitlements:
    """The limits and perks in force: those of the highest tier; vault and monthly Buzz are summed (FEATURES I82).

    `paid` is a membership that was paid for (FEATURES J1 asks for one), and `paid_tier` the highest such.
    """

    tier: TierRules
    paid: bool = False
    since: datetime | None = None
    ends_at: datetime | None = None
    paid_tier: TierRules | None = None
    running: tuple[Running, ...] = ()

    @property
    def key(self) -> str:
        """The tier's name: `free`, `bronze`, ..."""
        return self.tier.key

    @property
    def member(self) -> bool:
        """Whether this is more than Free."""
        return self.tier.key != "free"

    @property
    def vault_gb(self) -> int:
        """How much the vault keeps, over all memberships; -1 is no limit."""
        sizes = [one.tier.vault_gb for one in self.running] or [self.tier.vault_gb]
        return UNLIMITED if UNLIMITED in sizes else sum(sizes)

    @property
    def monthly_buzz(self) -> Decimal:
        """The Buzz that comes with each month, over all memberships."""
        return sum((one.monthly_buzz for one in self.running), Decimal(0))

    @property
    def badge(self) -> str | None:
        """The tier whose badge is shown beside the name; None for Free, perks months and tiers without one."""
        return self.paid_tier.key if self.paid_tier and "badge" in self.paid_tier.perks else None


class Row(NamedTuple):
    """One membership as it is kept."""

    person_id: int
    id: int
    tier: str
    colour: str
    billing: str
    status: str
    started_at: datetime
    period_end: datetime
    cancel_at_end: bool


_LIVE: Final = """
    SELECT person_id, id, tier, colour, billing, status, started_at, period_end, cancel_at_end FROM memberships
     WHERE person_id = ANY(%s::bigint[]) AND status IN ('active', 'past_due') AND period_end > %s
"""


def free() -> Entitlements:
    """What strangers and everybody without a membership get."""
    return Entitlements(economy.current().tier("free"))


async def entitlements(session: AsyncSession, person_id: int | None) -> Entitlements:
    """What this person may do by their membership now; strangers and everybody without one get Free's."""
    if person_id is None:
        return free()
    return (await entitlements_of(session, [person_id])).get(person_id) or free()


def latest() -> datetime:
    """Until when a membership must have run to be in force: what ought to have ended does not go on for ever."""
    return clock.now() - timedelta(days=economy.current().memberships.grace_days)


def told(rows: Iterable[Sequence[Any]]) -> Entitlements:
    """What the rows of `buzz_memberships_of`, which the database gives as JSON, mean for their one person."""
    moment = datetime.fromisoformat
    read = [Row._make((*row[:6], moment(row[6]), moment(row[7]), row[8])) for row in rows]
    return next(iter(_grouped(read).values()), None) or free()


async def entitlements_of(session: AsyncSession, ids: Iterable[int]) -> Mapping[int, Entitlements]:
    """The same for many people in one query, by id; those who have no membership are missing."""
    wanted = set(ids)
    if not wanted:
        return {}
    await session.flush()
    return _grouped(Row(*row) for row in await fetch(session, _LIVE, (sorted(wanted), latest())))


def _grouped(rows: Iterable[Row]) -> Mapping[int, Entitlements]:
    rules = economy.current()
    found: dict[int, list[Running]] = {}
    for row in rows:
        billing = Billing(row.billing)
        found.setdefault(row.person_id, []).append(
            Running(
                id=row.id,
                tier=rules.tier(row.tier),
                colour=Currency(row.colour),
                billing=billing,
                status=Status(row.status),
                started_at=row.started_at,
                ends_at=row.period_end,
                renews=billing in (Billing.MONTHLY, Billing.ANNUAL) and not row.cancel_at_end,
            )
        )
    return {person: _of(running) for person, running in found.items()}


def _of(running: list[Running]) -> Entitlements:
    rank = economy.current().rank
    running.sort(key=lambda one: (-rank(one.tier.key), one.id))
    paid = [one for one in running if one.paid and one.tier.key != "free"]
    best = running[0]
    return Entitlements(
        tier=best.tier,
        paid=bool(paid),
        since=min(one.started_at for one in running),
        ends_at=max(one.ends_at for one in running if one.tier is best.tier),
        paid_tier=paid[0].tier if paid else None,
        running=tuple(running),
    )
