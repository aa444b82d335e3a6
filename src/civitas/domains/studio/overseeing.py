"""One person's prompts as moderators look at them: what was refused, what was cleared, every decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import audit as staff_log
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor
from civitas.domains.studio import blocking
from civitas.domains.studio.tables import PromptAllowance, PromptBlock, StudioRestriction
from civitas.kit.errors import NotFound
from civitas.kit.paging import Page


@dataclass(frozen=True, slots=True)
class Case:
    """A restriction, whose it is, and how it stands."""

    id: int
    person_id: int
    username: str | None
    state: str
    reason: str
    created_at: datetime
    decided_by: int | None
    decided_at: datetime | None
    note: str | None

    @property
    def stands(self) -> bool:
        """Whether the person cannot generate because of it."""
        return self.state in ("pending", "upheld")


@dataclass(frozen=True, slots=True)
class Record:
    """Everything that moderators decide by."""

    person_id: int
    username: str | None
    cases: Sequence[Case]
    blocks: Sequence[PromptBlock]
    allowances: Sequence[PromptAllowance]

    @property
    def restricted(self) -> bool:
        """Whether this person cannot generate at present."""
        return any(case.stands for case in self.cases)


async def cases(
    session: AsyncSession, actor: Actor, *, state: str = "pending", cursor: str | None = None, most: int = 50
) -> Page[Case]:
    """Restrictions of a state with whose they are, the oldest first. Raises Forbidden, Invalid (`bad_cursor`)."""
    page = await blocking.restrictions(session, actor, state=state, cursor=cursor, most=most)
    names = await _names(session, {one.person_id for one in page.items})
    return Page([_case(one, names.get(one.person_id)) for one in page.items], page.next_cursor)


async def of_person(session: AsyncSession, actor: Actor, *, person_id: int) -> Record:
    """What is known of somebody's prompts. Raises Forbidden, NotFound (`person_not_found`)."""
    actor.require_moderator()
    names = await _names(session, {person_id})
    if person_id not in names:
        raise NotFound("There is nobody with this number.", code="person_not_found")
    found = await session.scalars(
        select(StudioRestriction)
        .where(StudioRestriction.person_id == person_id)
        .order_by(StudioRestriction.id.desc())
        .limit(50)
    )
    cleared = await session.scalars(
        select(PromptAllowance)
        .where(PromptAllowance.person_id == person_id)
        .order_by(PromptAllowance.created_at.desc(), PromptAllowance.phrase)
    )
    return Record(
        person_id,
        names[person_id],
        [_case(one, names[person_id]) for one in found],
        await blocking.blocks_of(session, actor, person_id=person_id),
        list(cleared),
    )


async def withdraw(session: AsyncSession, actor: Actor, *, person_id: int, phrase: str, reason: str) -> None:
    """Take back that a phrase was cleared for somebody. Raises Forbidden, NotFound (`no_such_allowance`)."""
    actor.require_moderator()
    gone = await session.scalar(
        delete(PromptAllowance)
        .where(PromptAllowance.person_id == person_id, PromptAllowance.phrase == phrase)
        .returning(PromptAllowance.phrase)
    )
    if gone is None:
        raise NotFound("This phrase is not cleared for them.", code="no_such_allowance")
    await staff_log.record(
        session,
        actor,
        action="studio.phrase.withdraw",
        reason=reason,
        person_id=person_id,
        details={"phrase": phrase},
    )


async def _names(session: AsyncSession, ids: set[int]) -> dict[int, str | None]:
    if not ids:
        return {}
    rows = await session.execute(select(Person.id, Person.username).where(Person.id.in_(ids)))
    return {row.id: row.username for row in rows}


def _case(row: StudioRestriction, username: str | None) -> Case:
    return Case(
        row.id,
        row.person_id,
        username,
        row.state,
        row.reason,
        row.created_at,
        row.decided_by,
        row.decided_at,
        row.note,
    )
