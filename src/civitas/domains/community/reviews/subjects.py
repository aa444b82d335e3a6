"""How reviews are found when others point at them: comments, reactions, reports, notifications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts import subjects
from civitas.contracts.subjects import Subject, SubjectFacts, resolves
from civitas.domains.accounts.tables import Person
from civitas.domains.community.reviews.tables import Review


@resolves("review")
async def reviews(session: AsyncSession, ids: Sequence[int]) -> Mapping[int, SubjectFacts]:
    """Reviews; their writers own them. They are as public and as mature as the version."""
    rows = (
        await session.execute(
            select(Review.id, Review.version_id, Review.person_id, Person.username)
            .join(Person, Person.id == Review.person_id)
            .where(Review.id.in_(ids))
        )
    ).all()
    about = await subjects.resolve_all(session, [Subject("model_version", row.version_id) for row in rows])
    found: dict[int, SubjectFacts] = {}
    for row in rows:
        version = about.get(Subject("model_version", row.version_id))
        if version is not None:
            found[row.id] = SubjectFacts(
                subject=Subject("review", row.id),
                owner_id=row.person_id,
                title=f"Review of {version.title}" + (f" by {row.username}" if row.username else ""),
                path=f"/reviews/{row.id}",
                mature=version.mature,
                public=version.public,
            )
    return found
