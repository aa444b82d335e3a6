"""How people are found when others point at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.subjects import Subject, SubjectFacts, resolves
from civitas.domains.accounts.tables import Person


@resolves("user")
async def people(session: AsyncSession, ids: Sequence[int]) -> Mapping[int, SubjectFacts]:
    """Living people; their own owners. A banned account is there but not public. The site's account is not one."""
    rows = await session.execute(
        select(Person.id, Person.username, Person.status).where(
            Person.id.in_(ids), Person.id > 0, Person.status != "deleted"
        )
    )
    return {
        row.id: SubjectFacts(
            subject=Subject("user", row.id),
            owner_id=row.id,
            title=row.username,
            path=f"/user/{row.username}",
            public=row.status == "active",
        )
        for row in rows
    }
