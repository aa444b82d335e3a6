"""Which announcements a visitor is shown: in force, for them, on this site, not put away."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.community.announcements.tables import Announcement, AnnouncementDismissal
from civitas.infra.db.readpool import ReadPool
from civitas.kit import clock
from civitas.kit.errors import NotFound

MOST: Final = 3
_CURRENT: Final = (
    "SELECT id, title, content, tone, actions, audience, domain, starts_at, ends_at FROM announcements"
    " WHERE starts_at <= %s AND (ends_at IS NULL OR ends_at > %s) ORDER BY starts_at DESC, id DESC LIMIT 20"
)
_PUT_AWAY: Final = (
    "SELECT announcement_id FROM announcement_dismissals"
    " WHERE person_id = %s AND announcement_id = ANY(%s::bigint[])"
)


@dataclass(frozen=True, slots=True)
class Shown:
    """An announcement as it is shown."""

    id: int
    title: str
    content: str
    tone: str
    actions: Sequence[Any]
    audience: str
    domain: str
    starts_at: datetime
    ends_at: datetime | None


async def in_force(reads: ReadPool) -> tuple[Shown, ...]:
    """Everything that is in force now, for whomever; one statement."""
    now = clock.now()
    return tuple(Shown(*row) for row in await reads.fetch(_CURRENT, (now, now)))


def meant_for(actor: Actor, known: Sequence[Shown], *, safe_site: bool) -> list[Shown]:
    """Those of `known` that concern this visitor, put away or not."""
    now = clock.now()
    domain = "green" if safe_site else "blue"
    group = "members" if actor.id is not None else "strangers"
    return [
        one
        for one in known
        if one.domain in ("all", domain)
        and one.audience in ("all", group)
        and (one.ends_at is None or one.ends_at > now)
    ]


async def for_visitor(
    reads: ReadPool,
    actor: Actor,
    known: Sequence[Shown],
    *,
    safe_site: bool,
    put_away: Collection[int] = (),
) -> tuple[Shown, ...]:
    """Those of `known` that concern this visitor, three at most; asks only when there are any.

    `put_away` is what a stranger's browser remembers.
    """
    meant = [one for one in meant_for(actor, known, safe_site=safe_site) if one.id not in put_away]
    if meant and actor.id is not None:
        rows = await reads.fetch(_PUT_AWAY, (actor.id, [one.id for one in meant]))
        gone = {row[0] for row in rows}
        meant = [one for one in meant if one.id not in gone]
    return tuple(meant[:MOST])


async def dismiss(session: AsyncSession, actor: Actor, *, announcement_id: int) -> None:
    """Put an announcement away for good. Twice is once. Raises NotFound."""
    person = actor.require(Scope.USER_WRITE)
    found = None
    if 0 < announcement_id < 2**63:
        found = await session.scalar(select(Announcement.id).where(Announcement.id == announcement_id))
    if found is None:
        raise NotFound("There is no such announcement.", code="announcement_not_found")
    await session.execute(
        insert(AnnouncementDismissal)
        .values(person_id=person, announcement_id=announcement_id, created_at=clock.now())
        .on_conflict_do_nothing()
    )
