"""Bonus events: a time in which everybody earns more, declared by staff."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.buzz import BonusEventDeclared
from civitas.domains.accounts import audit
from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.earning.tables import BonusEvent
from civitas.domains.buzz.economy import economy
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Conflict, Invalid, NotFound
from civitas.kit.text import clean_line

LONGEST_TITLE = 80
LISTED = 50


@dataclass(frozen=True, slots=True)
class Bonus:
    """One such time."""

    id: int
    title: str
    multiplier: Decimal
    starts_at: datetime
    ends_at: datetime

    @property
    def running(self) -> bool:
        """Whether it is now."""
        return self.starts_at <= clock.now() < self.ends_at

    @property
    def ahead(self) -> bool:
        """Whether it runs or comes."""
        return clock.now() < self.ends_at


async def current(session: AsyncSession) -> Decimal:
    """The largest multiplier that runs now; 1 when none does. Never more than the rules allow."""
    now = clock.now()
    found = await session.scalar(
        select(func.max(BonusEvent.multiplier)).where(BonusEvent.starts_at <= now, BonusEvent.ends_at > now)
    )
    return min(Decimal(found or 1), economy.current().abuse.largest_bonus_multiplier)


async def declare(
    session: AsyncSession,
    actor: Actor,
    *,
    title: str,
    multiplier: Decimal,
    starts_at: datetime,
    ends_at: datetime,
    reason: str,
) -> Bonus:
    """Declare one. Raises Forbidden (`staff_only`), Invalid (`bad_bonus`)."""
    staff = actor.require_moderator()
    name, most = clean_line(title[:1000]), economy.current().abuse.largest_bonus_multiplier
    if not 0 < len(name) <= LONGEST_TITLE:
        raise _bad("title", f"Give a title of at most {LONGEST_TITLE} characters.")
    if not multiplier.is_finite() or not 1 < multiplier <= most:
        raise _bad("multiplier", f"The multiplier must be more than 1 and at most {most}.")
    if not clock.now() < ends_at or starts_at >= ends_at:
        raise _bad("endsAt", "It must end after it starts, and in the future.")
    kept = BonusEvent(
        title=name,
        multiplier=multiplier.quantize(Decimal("0.01")),
        starts_at=starts_at,
        ends_at=ends_at,
        created_by=staff,
        created_at=clock.now(),
    )
    session.add(kept)
    await session.flush()
    details = {"multiplier": str(kept.multiplier), "from": starts_at.isoformat(), "to": ends_at.isoformat()}
    await audit.record(
        session, actor, action="bonus.declare", reason=reason, subject_kind="bonus", subject_id=kept.id,
        details=details,
    )  # fmt: skip
    await publish(session, BonusEventDeclared(kept.id, name, str(kept.multiplier)))
    return _shown(kept)


async def end(session: AsyncSession, actor: Actor, *, bonus_id: int, reason: str) -> Bonus:
    """End one now, or before it began. Raises NotFound, Conflict (`bonus_over`)."""
    actor.require_moderator()
    kept = await session.get(BonusEvent, bonus_id, with_for_update=True)
    if kept is None:
        raise NotFound("There is no such bonus event.", code="no_such_bonus")
    if kept.ends_at <= clock.now():
        raise Conflict("This bonus event is over already.", code="bonus_over")
    await audit.record(
        session, actor, action="bonus.end", reason=reason, subject_kind="bonus", subject_id=kept.id
    )
    if kept.starts_at >= clock.now():
        await session.delete(kept)
    else:
        kept.ends_at = clock.now()
    await session.flush()
    return _shown(kept)


async def listed(session: AsyncSession, *, ahead: bool = False) -> list[Bonus]:
    """Those that run or come (`ahead`), the next one first; or all of the last ones, the newest first."""
    statement = select(BonusEvent)
    if ahead:
        statement = statement.where(BonusEvent.ends_at > clock.now()).order_by(BonusEvent.starts_at)
    else:
        statement = statement.order_by(BonusEvent.id.desc())
    return [_shown(row) for row in await session.scalars(statement.limit(LISTED))]


def _shown(row: BonusEvent) -> Bonus:
    return Bonus(row.id, row.title, row.multiplier, row.starts_at, row.ends_at)


def _bad(field: str, told: str) -> Invalid:
    return Invalid(told, code="bad_bonus", fields={field: told})
