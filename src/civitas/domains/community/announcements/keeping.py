"""Staff write announcements, change them and end them; each of it is logged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import audit
from civitas.domains.accounts.types import Actor
from civitas.domains.community.announcements.tables import Announcement
from civitas.kit import clock, paging
from civitas.kit.errors import Invalid, NotFound
from civitas.kit.paging import Page
from civitas.kit.text import clean_line, clean_markdown

PAGE: Final = 30
TONES: Final = ("info", "ok", "warn")
AUDIENCES: Final = ("all", "members", "strangers")
DOMAINS: Final = ("all", "green", "blue")
MOST_ACTIONS: Final = 2


@dataclass(frozen=True, slots=True)
class Notice:
    """What an announcement says, to whom and when. `actions` are pairs of label and address."""

    title: str
    content: str = ""
    tone: str = "info"
    audience: str = "all"
    domain: str = "all"
    actions: Sequence[tuple[str, str]] = ()
    starts_at: datetime | None = None
    ends_at: datetime | None = None


async def put_up(session: AsyncSession, actor: Actor, *, notice: Notice) -> Announcement:
    """A new announcement. Raises Forbidden, Invalid (`bad_announcement`)."""
    staff = actor.require_moderator()
    found = Announcement(person_id=staff, starts_at=clock.now(), created_at=clock.now(), title="")
    _write(found, notice)
    session.add(found)
    await session.flush()
    await _log(session, actor, found, "announcement.put_up")
    return found


async def change(
    session: AsyncSession, actor: Actor, *, announcement_id: int, notice: Notice
) -> Announcement:
    """Say it differently. Raises NotFound, Forbidden, Invalid."""
    actor.require_moderator()
    found = await one(session, actor, announcement_id=announcement_id)
    _write(found, notice)
    await session.flush()
    await _log(session, actor, found, "announcement.change")
    return found


async def end(session: AsyncSession, actor: Actor, *, announcement_id: int) -> None:
    """It is shown no more; one that has not begun is gone. Twice is once."""
    actor.require_moderator()
    found = await one(session, actor, announcement_id=announcement_id)
    now = clock.now()
    if found.ends_at is not None and found.ends_at <= now:
        return
    await _log(session, actor, found, "announcement.end")
    if found.starts_at >= now:
        await session.delete(found)
    else:
        found.ends_at = now
    await session.flush()


async def one(session: AsyncSession, actor: Actor, *, announcement_id: int) -> Announcement:
    """An announcement for staff. Raises NotFound, Forbidden."""
    actor.require_moderator()
    found = await session.get(Announcement, announcement_id) if 0 < announcement_id < 2**63 else None
    if found is None:
        raise NotFound("There is no such announcement.", code="announcement_not_found")
    return found


async def every_one(session: AsyncSession, actor: Actor, *, cursor: str | None = None) -> Page[Announcement]:
    """All of them, the newest first, for staff."""
    actor.require_moderator()
    query = select(Announcement).order_by(Announcement.id.desc()).limit(PAGE + 1)
    if cursor:
        query = query.where(Announcement.id < paging.decode(cursor, int)[0])
    rows = (await session.scalars(query)).all()
    return Page(rows[:PAGE], paging.encode(rows[PAGE - 1].id) if len(rows) > PAGE else None)


def _write(found: Announcement, notice: Notice) -> None:
    title, content = clean_line(notice.title), clean_markdown(notice.content)
    wrong: dict[str, str] = {}
    if not 0 < len(title) <= 120:
        wrong["title"] = "A title of 1 to 120 characters."
    if len(content) > 1_000:
        wrong["content"] = "At most 1,000 characters."
    for name, given, known in (
        ("tone", notice.tone, TONES),
        ("audience", notice.audience, AUDIENCES),
        ("domain", notice.domain, DOMAINS),
    ):
        if given not in known:
            wrong[name] = f"One of {', '.join(known)}."
    actions = [
        (clean_line(label)[:40], href.strip()[:500]) for label, href in notice.actions if label.strip()
    ]
    if len(actions) > MOST_ACTIONS or not all(_reachable(href) for _, href in actions):
        wrong["actions"] = "At most two, each with a path of this site or an https address."
    starts = notice.starts_at or found.starts_at
    if notice.ends_at is not None and notice.ends_at <= starts:
        wrong["ends_at"] = "It must end after it starts."
    if wrong:
        raise Invalid("This announcement cannot be put up as it is.", code="bad_announcement", fields=wrong)
    found.title, found.content, found.tone = title, content, notice.tone
    found.audience, found.domain = notice.audience, notice.domain
    found.actions = [{"label": label, "href": href} for label, href in actions]
    found.starts_at, found.ends_at = starts, notice.ends_at


def _reachable(href: str) -> bool:
    ours = href.startswith("/") and not href.startswith(("//", "/\\"))
    return (ours or href.startswith("https://")) and all(ord(ch) > 32 for ch in href)


async def _log(session: AsyncSession, actor: Actor, found: Announcement, action: str) -> None:
    await audit.record(
        session, actor, action=action, reason=found.title, subject_kind="announcement", subject_id=found.id
    )
