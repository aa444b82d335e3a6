"""Looking for what is new: which searches are due, what they find, and to whom it is told, each thing once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.community import SearchMatched
from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import reading
from civitas.domains.catalog.listing import Sort
from civitas.domains.community.searches import addresses
from civitas.domains.community.searches.addresses import Place
from civitas.domains.gallery.feeds import cards, pages
from civitas.domains.gallery.feeds.types import FeedFilter
from civitas.domains.orchestration import callbacks
from civitas.infra.db.readpool import ReadPool
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Invalid
from civitas.kit.sql import statements

# Lists show a thing a little after it was published; so far back every look goes again.
OVERLAP: Final = timedelta(hours=1)
# What lies longer behind the mark, after a standstill, is not news any more.
LONGEST_GAP: Final = timedelta(days=2)
REMEMBERED: Final = timedelta(days=30)
# More than this in one look is told as that many.
MOST: Final = 100
MOST_IN_A_BODY: Final = 20
_SQL: Final = statements("civitas.domains.community.searches", "looking.sql")
_DUE, _FOUND, _SWEEP = (text(_SQL[name]) for name in ("due", "found", "sweep"))


@dataclass(frozen=True, slots=True)
class Match:
    """A thing that meets a search, as far as its person sees it."""

    id: int
    kind: str
    title: str
    path: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Due:
    """A subscribed search and until when it was looked after."""

    id: int
    person_id: int
    name: str
    place: Place
    pairs: Sequence[Sequence[str]]
    notify: bool
    webhook_url: str | None
    subscribed_at: datetime
    looked_at: datetime

    @property
    def since(self) -> datetime:
        """What came after this is looked at: never what came before the subscription."""
        return max(self.looked_at - OVERLAP, self.subscribed_at, clock.now() - LONGEST_GAP)


async def due(session: AsyncSession, *, before: datetime, limit: int) -> Sequence[Due]:
    """Who was looked after longest ago, before this moment; one statement for all, by living people."""
    rows = await session.execute(_DUE, {"before": before, "limit": limit})
    return [Due(**{**row._mapping, "place": Place(row.place)}) for row in rows]


async def matches(
    reads: ReadPool,
    actor: Actor,
    place: Place,
    pairs: Sequence[Sequence[str]],
    *,
    mask: int,
    since: datetime | None = None,
    limit: int = MOST,
) -> list[Match]:
    """The newest that meet a search and that this person may see; filters that are not known any more find nothing."""
    try:
        if place is Place.MODELS:
            wanted = addresses.models(pairs, mask=mask, since=since)
            found = await reading.models(reads, actor, wanted, sort=Sort.NEWEST, limit=limit)
            return [_model(one) for one in found.objects("")]
        asked = addresses.feed(place, pairs, mask=mask, since=since)
    except Invalid:
        return []
    if place is Place.POSTS:
        return await _posts(reads, actor, asked, limit)
    page = await pages.page(reads, actor, asked, limit=limit)
    return [
        Match(
            one.id,
            "image",
            _title(one.post_title or one.prompt, "A picture", one.username),
            f"/images/{one.id}",
            one.username,
            one.published_at,
        )
        for one in await cards.images(reads, page.ids)
    ]


async def tell(session: AsyncSession, search: Due, actor: Actor, found: Sequence[Match], *, base: str) -> int:
    """Tell what was not told before, and move the mark; how many things are told.

    All in one transaction: after a crash the next look finds the same. One's own things are no news.
    """
    others = [one for one in found if one.by != actor.username]
    fresh = set(
        await session.scalars(
            _FOUND,
            {
                "search": search.id,
                "ids": [one.id for one in others],
                "looked": search.looked_at,
                "now": clock.now(),
            },
        )
    )
    told = [one for one in others if one.id in fresh]
    if not told:
        return 0
    path = addresses.href(search.place.value, search.pairs)
    if search.notify:
        await publish(session, SearchMatched(search.id, search.person_id, search.name, path, len(told)))
    if search.webhook_url is not None:
        await callbacks.tell(
            session,
            source=f"search-{search.id}",
            person_id=search.person_id,
            event="search:matched",
            bodies={search.webhook_url: _body(search, told, base, path)},
        )
    return len(told)


async def sweep(session: AsyncSession, *, limit: int) -> int:
    """Forget what was told long ago; how many rows went."""
    done: Any = await session.execute(_SWEEP, {"before": clock.now() - REMEMBERED, "limit": limit})
    return int(done.rowcount)


def _body(search: Due, told: Sequence[Match], base: str, path: str) -> dict[str, Any]:
    return {
        "type": "search:matched",
        "timestamp": clock.rfc3339(clock.now()),
        "search": {"id": search.id, "name": search.name, "place": search.place.value, "url": base + path},
        "count": len(told),
        "items": [
            {"kind": one.kind, "id": one.id, "title": one.title, "url": base + one.path, "by": one.by}
            for one in told[:MOST_IN_A_BODY]
        ],
    }


async def _posts(reads: ReadPool, actor: Actor, asked: FeedFilter, limit: int) -> list[Match]:
    page = await pages.posts(reads, actor, asked, limit=limit)
    return [
        Match(
            one.id,
            "post",
            _title(one.title, "A post", one.username),
            f"/posts/{one.id}",
            one.username,
            one.published_at,
        )
        for one in await cards.posts(reads, page.ids, mask=asked.mask & actor.mask)
    ]


def _model(found: dict[str, Any]) -> Match:
    newest = max(
        (version["publishedAt"] for version in found["modelVersions"] if version.get("publishedAt")),
        default=None,
    )
    return Match(
        found["id"],
        "model",
        found["name"],
        f"/models/{found['id']}",
        (found.get("creator") or {}).get("username") or "",
        datetime.fromisoformat(newest) if newest else clock.now(),
    )


def _title(words: str | None, what: str, by: str) -> str:
    return words[:120] if words else f"{what} by {by}"
