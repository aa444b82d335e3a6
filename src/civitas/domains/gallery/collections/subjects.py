"""How collections are found when others point at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.subjects import Subject, SubjectFacts, resolves
from civitas.domains.accounts.types import SAFE_MASK
from civitas.domains.gallery.collections.tables import Collection
from civitas.domains.gallery.collections.types import ReadBy


@resolves("collection")
async def collections(session: AsyncSession, ids: Sequence[int]) -> Mapping[int, SubjectFacts]:
    """Collections that are not deleted; one is mature when nothing in it is safe."""
    rows = await session.execute(
        select(
            Collection.id, Collection.person_id, Collection.name, Collection.read_by, Collection.level
        ).where(Collection.id.in_(ids), Collection.deleted_at.is_(None))
    )
    return {
        row.id: SubjectFacts(
            subject=Subject("collection", row.id),
            owner_id=row.person_id,
            title=row.name,
            path=f"/collections/{row.id}",
            mature=bool(row.level) and not row.level & SAFE_MASK,
            public=row.read_by != ReadBy.PRIVATE,
            level=row.level,
        )
        for row in rows
    }
