"""Keeping searches: saving, naming, forgetting, and choosing how one hears of new matches."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.memberships.entitlements import entitlements
from civitas.domains.community.searches import addresses
from civitas.domains.community.searches.addresses import Place
from civitas.domains.community.searches.tables import SavedSearch
from civitas.kit import clock
from civitas.kit.errors import Conflict, Invalid, NotFound
from civitas.kit.internet import call_trouble
from civitas.kit.text import clean_line

LONGEST_NAME: Final = 80
# However many a membership gives, a list of them is one page.
MOST: Final = 500
_LOCK: Final = text("SELECT FROM people WHERE id = :person FOR UPDATE")


@dataclass(frozen=True, slots=True)
class Kept:
    """A saved search of the actor's."""

    id: int
    name: str
    place: Place
    pairs: tuple[tuple[str, str], ...]
    created_at: datetime
    notify: bool
    webhook_url: str | None
    feed_number: int | None
    # Whether there are looks for new matches; a membership that ended may have left it without.
    told: bool

    @property
    def href(self) -> str:
        """The list with its filters."""
        return addresses.href(self.place.value, self.pairs)


@dataclass(frozen=True, slots=True)
class Wish:
    """How one hears of new matches: what is None stays. An empty `webhook_url` takes it away."""

    name: str | None = None
    notify: bool | None = None
    webhook_url: str | None = None
    feed: bool | None = None
    new_feed_link: bool = False


async def save(
    session: AsyncSession, actor: Actor, *, name: str, place: Place, pairs: Iterable[tuple[str, str]]
) -> Kept:
    """Keep a search under a name.

    Raises Invalid (`bad_name`, `bad_filters`), Conflict (`name_taken`, `too_many_searches`).
    """
    person = actor.require(Scope.USER_WRITE)
    wanted = addresses.read(place, pairs)
    called = _name(name)
    await session.execute(_LOCK, {"person": person})
    most = (await entitlements(session, person)).tier.saved_searches
    count = await session.scalar(select(func.count()).where(SavedSearch.person_id == person)) or 0
    if count >= (MOST if most < 0 else min(most, MOST)):
        raise Conflict(
            f"You keep {count} searches, as many as your membership has room for. Forget one first.",
            code="too_many_searches",
        )
    row = SavedSearch(person_id=person, name=called, place=place.value, pairs=[list(pair) for pair in wanted])
    session.add(row)
    await _flush(session)
    await session.refresh(row)
    return _kept(row, told=False)


async def mine(session: AsyncSession, actor: Actor, *, like: str = "", limit: int = MOST) -> Sequence[Kept]:
    """The actor's searches by name; only those whose name holds `like`."""
    person = actor.require(Scope.USER_READ)
    query = select(SavedSearch).where(SavedSearch.person_id == person)
    if like:
        query = query.where(func.lower(SavedSearch.name).contains(like.lower(), autoescape=True))
    rows = await session.scalars(query.order_by(func.lower(SavedSearch.name)).limit(limit))
    heard = await heard_of(session, person)
    return [_kept(row, told=row.id in heard) for row in rows]


async def one(session: AsyncSession, actor: Actor, *, search_id: int) -> Kept:
    """One of the actor's searches. Raises NotFound."""
    person = actor.require(Scope.USER_READ)
    row = await _row(session, person, search_id)
    return _kept(row, told=search_id in await heard_of(session, person))


async def change(
    session: AsyncSession, actor: Actor, *, search_id: int, wish: Wish, own_hosts: Collection[str] = ()
) -> Kept:
    """Rename it, or choose how one hears of new matches. What came before a subscription is not told.

    Raises NotFound, Invalid (`bad_name`, `bad_webhook`), Conflict (`name_taken`, `too_many_told`, `nothing_filtered`).
    """
    person = actor.require(Scope.USER_WRITE)
    await session.execute(_LOCK, {"person": person})
    row = await _row(session, person, search_id)
    if wish.name is not None:
        row.name = _name(wish.name)
    if wish.notify is not None:
        row.notify = wish.notify
    if wish.webhook_url is not None:
        row.webhook_url = _webhook(wish.webhook_url, own_hosts)
    if wish.feed is not None and wish.feed != (row.feed_number is not None):
        row.feed_number = int(clock.now().timestamp()) if wish.feed else None
    elif wish.new_feed_link and row.feed_number is not None:
        row.feed_number += 1
    subscribed = row.notify or row.webhook_url is not None
    if subscribed and row.subscribed_at is None:
        await _may_be_told(session, row)
        row.subscribed_at = row.looked_at = clock.now()
    elif not subscribed:
        row.subscribed_at = row.looked_at = None
    await _flush(session)
    return _kept(row, told=search_id in await heard_of(session, person))


async def forget(session: AsyncSession, actor: Actor, *, search_id: int) -> None:
    """Keep it no longer. Raises NotFound."""
    person = actor.require(Scope.USER_WRITE)
    row = await _row(session, person, search_id)
    await session.execute(delete(SavedSearch).where(SavedSearch.id == row.id))


async def heard_of(session: AsyncSession, person: int) -> set[int]:
    """Which of a person's subscribed searches are looked after: the oldest, as many as their membership has room for."""
    most = (await entitlements(session, person)).tier.told_searches
    rows = await session.scalars(
        select(SavedSearch.id)
        .where(SavedSearch.person_id == person, SavedSearch.subscribed_at.is_not(None))
        .order_by(SavedSearch.subscribed_at, SavedSearch.id)
        .limit(MOST if most < 0 else most)
    )
    return set(rows)


async def _may_be_told(session: AsyncSession, row: SavedSearch) -> None:
    if not addresses.matters(row.pairs):
        raise Conflict(
            "This search has no filters, so everything would match. Filter by something first.",
            code="nothing_filtered",
        )
    most = (await entitlements(session, row.person_id)).tier.told_searches
    count = await session.scalar(
        select(func.count()).where(
            SavedSearch.person_id == row.person_id, SavedSearch.subscribed_at.is_not(None)
        )
    )
    if 0 <= most <= (count or 0):
        raise Conflict(
            f"{count} of your searches tell of new matches, as many as your membership has room for.",
            code="too_many_told",
        )


async def _row(session: AsyncSession, person: int, search_id: int) -> SavedSearch:
    row = await session.scalar(
        select(SavedSearch)
        .where(SavedSearch.id == search_id, SavedSearch.person_id == person)
        .execution_options(populate_existing=True)
    )
    if row is None:
        raise NotFound("There is no such search of yours.", code="search_not_found")
    return row


async def _flush(session: AsyncSession) -> None:
    try:
        async with session.begin_nested():
            await session.flush()
    except IntegrityError as error:
        if "uq_saved_searches_name" not in str(error.orig):
            raise
        told = "You keep another search under this name."
        raise Conflict(told, code="name_taken", details={"name": told}) from None


def _name(name: str) -> str:
    found = clean_line(name)
    if not 1 <= len(found) <= LONGEST_NAME:
        told = f"A name has 1 to {LONGEST_NAME} characters."
        raise Invalid(told, code="bad_name", fields={"name": told})
    return found


def _webhook(url: str, own_hosts: Collection[str]) -> str | None:
    if not url.strip():
        return None
    trouble = call_trouble(url.strip(), own_hosts=own_hosts)
    if trouble is not None:
        raise Invalid(trouble, code="bad_webhook", fields={"webhookUrl": trouble})
    return url.strip()


def _kept(row: SavedSearch, *, told: bool) -> Kept:
    pairs: Any = [tuple(pair) for pair in row.pairs]
    return Kept(
        id=row.id,
        name=row.name,
        place=Place(row.place),
        pairs=tuple(pairs),
        created_at=row.created_at,
        notify=row.notify,
        webhook_url=row.webhook_url,
        feed_number=row.feed_number,
        told=told,
    )
