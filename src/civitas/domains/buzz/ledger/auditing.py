"""Proof that the ledger is what it says: history against balances, entries against zero, holds against what is held."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.kit import clock
from civitas.kit.sql import statements

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it must be."""

    law: str
    subject: str
    told: str


@dataclass(frozen=True, slots=True)
class Audit:
    """What was looked at, and what was wrong with it (at most `SHOWN` of each law)."""

    entries: int
    postings: int
    accounts: int
    supply: Mapping[str, int]
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """Whether every law holds."""
        return not self.findings


async def audit(session: AsyncSession) -> Audit:
    """Rebuild every balance from history and check every law. Reads only; one snapshot makes it exact.

    Laws: `zero_sum` for each entry and currency; `history` for each account; `no_overdraft`; `held` (what people's
    held accounts hold is what their open holds say); `expiry` (no hold stays open an hour after its end).
    """
    named = statements("civitas.domains.buzz.ledger", "audit.sql")
    findings: list[Finding] = []
    # It takes as long as history is long.
    await session.execute(text("SET LOCAL statement_timeout = 0"))
    for law in ("zero_sum", "history", "no_overdraft", "held", "expiry"):
        rows = await session.execute(text(named[law]), {"most": SHOWN, "now": clock.now()})
        findings += [Finding(law, str(row.subject), str(row.told)) for row in rows]
    counts = (await session.execute(text(named["counts"]))).one()
    supply = await session.execute(text(named["supply"]))
    return Audit(
        counts.entries,
        counts.postings,
        counts.accounts,
        {row.currency: int(row.amount) for row in supply},
        tuple(findings),
    )
