"""Memberships for tests."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.buzz.memberships.tables import Membership, MembershipMonth
from civitas.kit import clock, months


async def make_membership(session: AsyncSession, person_id: int, tier: str = "bronze", **columns: Any) -> int:
    """A membership that runs for a month from now; any column can be given. Returns the id."""
    start: datetime = columns.get("period_start", clock.now())
    values: dict[str, Any] = {
        "person_id": person_id,
        "colour": "green",
        "tier": tier,
        "billing": "monthly",
        "anchor_at": start,
        "anchor_months": 1,
        "period_start": start,
        "period_end": months.later(start, 1),
        "started_at": start,
    }
    made = await session.execute(insert(Membership).values(**(values | columns)).returning(Membership.id))
    return int(made.scalar_one())


async def make_month(session: AsyncSession, membership_id: int, person_id: int, **columns: Any) -> int:
    """A month of Buzz that was paid in advance and can be taken now. Returns the id."""
    now = clock.now()
    values: dict[str, Any] = {
        "membership_id": membership_id,
        "person_id": person_id,
        "number": 100,
        "colour": "green",
        "quarters": 4000,
        "worth": 4000,
        "due_at": now,
        "until": months.later(now, 1),
        "delivered": False,
        "status": "unlocked",
    }
    made = await session.execute(
        insert(MembershipMonth).values(**(values | columns)).returning(MembershipMonth.id)
    )
    return int(made.scalar_one())
