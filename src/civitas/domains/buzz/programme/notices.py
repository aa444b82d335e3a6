"""Mails about the months of the creator programme: before a phase ends, after payment, and what is still missing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.notices import inform
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.programme.banking import SQL
from civitas.domains.buzz.programme.tables import ProgrammeShare
from civitas.domains.buzz.programme.types import Month, Phase, calendar
from civitas.domains.buzz.types import Purpose
from civitas.kit import clock, money

BATCH = 200
PATH = "/creator-program"


@dataclass(frozen=True, slots=True)
class Notice:
    """A mail about a month, to those it concerns: everybody, who banked, or who cannot be paid yet."""

    kind: str
    month: Month
    subject: str
    told: str
    path: str = PATH
    banked: bool = False
    unpayable: bool = False


def due(month: Month) -> list[Notice]:
    """What is to be said now about the present month."""
    rules = economy.current().programme
    now, when = clock.now(), calendar(month, rules)
    ahead = timedelta(hours=rules.notice_hours)
    name, found = month.label, []
    phase = when.phase_at(now)
    if phase is Phase.BANKING and now >= when.extraction_opens - ahead:
        found.append(
            Notice(
                "banking_ends",
                month,
                f"Banking for {name} ends soon",
                f"Buzz can be banked until {when.extraction_opens:%-d %B, %H:%M} UTC. After that you can only take "
                f"it back, until {when.closes:%-d %B, %H:%M} UTC.",
            )
        )
    if phase is Phase.EXTRACTION and now >= when.closes - ahead:
        found.append(
            Notice(
                "extraction_ends",
                month,
                f"{name} closes soon",
                f"What you banked can be taken back until {when.closes:%-d %B, %H:%M} UTC. What is still banked then "
                "is paid out of the pool.",
                banked=True,
            )
        )
    if now >= when.opens + ahead:
        found.append(
            Notice(
                "unpayable",
                month,
                "Choose how you want to be paid",
                "You have cash from the creator programme, but we do not know yet where to send it.",
                path="/creator-program/cash",
                unpayable=True,
            )
        )
    return found


async def send(session: AsyncSession, notice: Notice) -> int:
    """Mail a notice to one batch of those who did not get it yet; how many."""
    rows = await session.scalars(
        text(SQL["to_be_told"]),
        {
            "month": notice.month.key,
            "kind": notice.kind,
            "banked": notice.banked,
            "unpayable": notice.unpayable,
            "purpose": Purpose.BANK.of(notice.month.key),
            "most": BATCH,
        },
    )
    people = list(rows)
    for person in people:
        await inform(session, person, subject=notice.subject, told=notice.told, path=notice.path)
    return len(people)


async def tell_paid(session: AsyncSession, month: Month, people: list[int], *, settled: bool) -> None:
    """Tell people of a batch that was just paid, or settled, what they got; in the unit that paid it."""
    rules = economy.current().programme
    rows = await session.execute(
        select(ProgrammeShare.person_id, ProgrammeShare.cents).where(
            ProgrammeShare.month == month.key, ProgrammeShare.person_id.in_(people)
        )
    )
    for row in rows:
        amount = money.dollars(row.cents)
        if settled:
            subject, told = f"{amount} can be withdrawn", f"Your share of {month.label} is settled: {amount}."
        else:
            settles = calendar(month, rules).settles
            subject = f"Your share of {month.label}: {amount}"
            told = f"What you banked in {month.label} earned {amount}. It can be withdrawn from {settles:%-d %B} on."
        await inform(session, row.person_id, subject=subject, told=told, path="/creator-program/cash")
