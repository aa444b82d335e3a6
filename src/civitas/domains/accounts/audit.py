"""What staff did, kept for good. Every domain writes its rulings here through `record`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.tables import StaffAction
from civitas.domains.accounts.types import Actor
from civitas.kit import paging
from civitas.kit.errors import Invalid
from civitas.kit.text import clean_block

PAGE = 50
LONGEST_REASON = 2000


@dataclass(frozen=True, slots=True)
class Deed:
    """One line of the log."""

    id: int
    actor_id: int
    action: str
    person_id: int | None
    subject_kind: str | None
    subject_id: int | None
    reason: str
    details: dict[str, Any]
    created_at: datetime


async def record(
    session: AsyncSession,
    actor: Actor,
    *,
    action: str,
    reason: str,
    person_id: int | None = None,
    subject_kind: str | None = None,
    subject_id: int | None = None,
    details: Mapping[str, Any] | None = None,
) -> int:
    """Add a line: who did what (`ban`, `model.unpublish`) to whom or to which thing, and why. The line's id.

    The line can never be changed or removed; the database refuses it. Raises Invalid (`reason_needed`).
    """
    told = clean_block(reason[:20_000])
    if not 0 < len(told) <= LONGEST_REASON:
        raise Invalid(
            f"Give a reason of 1 to {LONGEST_REASON} characters.",
            code="reason_needed",
            fields={"reason": "A reason is needed."},
        )
    line = await session.scalar(
        insert(StaffAction)
        .values(
            actor_id=actor.require(),
            action=action,
            person_id=person_id,
            subject_kind=subject_kind,
            subject_id=subject_id,
            reason=told,
            details=dict(details or {}),
        )
        .returning(StaffAction.id)
    )
    return int(line or 0)


async def page(
    session: AsyncSession,
    actor: Actor,
    *,
    by: int | None = None,
    about: int | None = None,
    action: str | None = None,
    cursor: str | None = None,
) -> paging.Page[Deed]:
    """The log, the newest first, for staff; filtered by who did it, to whom, and what."""
    actor.require_moderator()
    statement = select(
        StaffAction.id,
        StaffAction.actor_id,
        StaffAction.action,
        StaffAction.person_id,
        StaffAction.subject_kind,
        StaffAction.subject_id,
        StaffAction.reason,
        StaffAction.details,
        StaffAction.created_at,
    )
    if by is not None:
        statement = statement.where(StaffAction.actor_id == by)
    if about is not None:
        statement = statement.where(StaffAction.person_id == about)
    if action is not None:
        statement = statement.where(StaffAction.action == action)
    if cursor is not None:
        statement = statement.where(StaffAction.id < paging.decode(cursor, int)[0])
    rows = (await session.execute(statement.order_by(StaffAction.id.desc()).limit(PAGE + 1))).all()
    deeds = [Deed(*row) for row in rows[:PAGE]]
    return paging.Page(deeds, paging.encode(deeds[-1].id) if len(rows) > PAGE else None)
