"""Pages of the feeds of pictures and posts: which ones, in which order."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from civitas.domains.accounts.types import ALL_MASK, Actor
from civitas.domains.catalog import hidden_tags
from civitas.domains.catalog.words import prefix_query
from civitas.domains.gallery.feeds import indexing, planning, terms
from civitas.domains.gallery.feeds.planning import IMAGES, POSTS, Conditions, Place, Plan, Shelf
from civitas.domains.gallery.feeds.types import FeedFilter, ImageSort
from civitas.infra.db.readpool import ReadPool
from civitas.infra.search.asking import Index
from civitas.kit import clock, paging
from civitas.kit.errors import Invalid, Unauthorised
from civitas.kit.sql import statements

MAX_PAGE: Final = 200
_SQL: Final = statements(__package__, "pages.sql")
_LASTS_S: Final = 60.0
_UNSEEN: Final = (
    "coalesce(get_bit((SELECT s.bits FROM seen_images s WHERE s.person_id = ${viewer} "
    "AND s.chunk = l.image_id >> 12), (l.image_id & 4095)::int), 0) = 0"
)


@dataclass(frozen=True, slots=True)
class Found:
    """Ids in order, and where the next page begins."""

    ids: tuple[int, ...] = ()
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a viewer does not want to see, and whom they follow."""

    people: tuple[int, ...] = ()
    tags: tuple[int, ...] = ()
    models: tuple[int, ...] = ()
    images: tuple[int, ...] = ()
    followed: tuple[int, ...] = ()


@dataclass
class Known:
    """How many pictures carry which terms, as read within the last minute. One for each process."""

    counts: dict[int, int] = field(default_factory=dict)
    read_at: float = -_LASTS_S
    # How far a bounded walk goes at least.
    shortest: int = 2048

    async def of(self, reads: ReadPool) -> Mapping[int, int]:
        """The counts; read again when they are old."""
        if time.monotonic() - self.read_at >= _LASTS_S:
            rows = await reads.fetch(_SQL["known_terms"])
            self.counts, self.read_at = dict(rows), time.monotonic()
        return self.counts


_KNOWN: Final = Known()


async def page(
    reads: ReadPool,
    actor: Actor,
    wanted: FeedFilter,
    *,
    limit: int,
    cursor: str | None = None,
    offset: int = 0,
    shelf: Shelf = IMAGES,
    known: Known | None = None,
    index: Index | None = None,
) -> Found:
    """One page of pictures that everybody may see and this viewer wants to.

    `index` is asked instead of this process's own. docs/gallery.md says what is promised about pictures that arrive,
    go, or change their rank while somebody pages.
    Raises Invalid (`bad_cursor`), Unauthorised (`sign_in_needed`) for filters that are about the viewer.
    """
    if (wanted.followed or wanted.unseen) and not actor.signed_in:
        raise Unauthorised("Sign in to filter by whom you follow or what you saw.", code="sign_in_needed")
    mask = wanted.mask & actor.mask & ALL_MASK
    if limit <= 0 or mask == 0:
        return Found()
    found = await conditions(reads, actor, replace(wanted, mask=mask), shelf)
    if found is None:
        return Found()
    place, wanted = _place(wanted, cursor)
    believed = known or _KNOWN
    plan = Plan(
        shelf=shelf,
        wanted=wanted,
        found=found,
        known=await believed.of(reads),
        shortest=believed.shortest,
        take=limit + 1 + offset,
        now=clock.now(),
        place=place,
    )
    rows = await indexing.found_by(reads, plan, index)
    wrapped = place is not None and place.wrapped
    turned = len(rows)
    if wanted.sort is ImageSort.RANDOM and not wrapped and len(rows) < plan.take:
        # Behind the end of a random order lies its beginning.
        beginning = Place(planning.LEAST, 0, wrapped=True)
        rest = replace(plan, place=beginning, take=plan.take - len(rows))
        rows += await indexing.found_by(reads, rest, index)
    rows = rows[offset:]
    shown = rows[:limit]
    cursor_of = None
    if len(rows) > limit:
        last = shown[-1]
        behind = wrapped or len(shown) + offset > turned
        cursor_of = _cursor(wanted, last[1], last[0], wrapped=behind)
    return Found(tuple(row[0] for row in shown), cursor_of)


async def posts(
    reads: ReadPool, actor: Actor, wanted: FeedFilter, *, limit: int, cursor: str | None = None
) -> Found:
    """One page of posts, whose pictures together meet the filters."""
    sort = ImageSort.NEWEST if wanted.sort is ImageSort.RANDOM else wanted.sort
    return await page(
        reads, actor, replace(wanted, sort=sort, unseen=False), limit=limit, cursor=cursor, shelf=POSTS
    )


async def named_like(
    reads: ReadPool, actor: Actor, text: str, *, limit: int, mask: int | None = None
) -> list[tuple[int, str, str]]:
    """(id, title, poster) of posts whose titles have these words, for a palette: the newest first.

    Only what the viewer's feed of posts would show; `mask` narrows the levels further.
    """
    words = prefix_query(text)
    levels = actor.mask & ALL_MASK if mask is None else actor.mask & ALL_MASK & mask
    found = await conditions(reads, actor, FeedFilter(mask=levels), POSTS) if words and levels else None
    if found is None:
        return []
    asked = _SQL["named_like"].replace("${where}", " AND ".join(found.where))
    return list(await reads.fetch(asked, {**found.values, "words": words, "take": limit}))


async def known_counts(reads: ReadPool) -> Mapping[int, int]:
    """What is known in this process of how common terms are."""
    return await _KNOWN.of(reads)


async def conditions(
    reads: ReadPool, actor: Actor, wanted: FeedFilter, shelf: Shelf = IMAGES
) -> Conditions | None:
    """What rows must be like; None when it is known that none is."""
    made = Conditions()
    made.add("l.level & {} <> 0", wanted.mask, "int")
    if not await _name(reads, made, wanted):
        return None
    _require(made, wanted)
    for column, value in (("post_id", wanted.post_id), (shelf.id, wanted.image_id)):
        if value is not None:
            made.add(f"l.{column} = {{}}", value, "bigint")
            made.planned = made.beyond = True
    if wanted.since is not None:
        made.add("l.published_at > {}", wanted.since, "timestamptz")
        made.planned = made.beyond = True
    if actor.id is not None:
        await _personal(reads, made, actor, wanted, shelf)
    return made


def _require(made: Conditions, wanted: FeedFilter) -> None:
    if wanted.kinds and wanted.base_models:
        made.require(*(terms.kind_base(k, b) for k in wanted.kinds for b in wanted.base_models))
    elif wanted.kinds:
        made.require(*(terms.KINDS[kind] for kind in wanted.kinds))
    elif wanted.base_models:
        made.require(*(terms.base(name) for name in wanted.base_models))
    if wanted.version_ids:
        made.require(*(terms.version(one) for one in wanted.version_ids))
    if wanted.model_ids:
        made.require(*(terms.model(one) for one in wanted.model_ids))
    for tag_id in wanted.tag_ids:
        made.require(terms.tag(tag_id))
    for asked, term in (
        (wanted.with_meta, terms.WITH_META),
        (wanted.made_here, terms.MADE_HERE),
        (wanted.remixes is True, terms.REMIX),
        (wanted.remixes is False, terms.ORIGINAL),
    ):
        if asked:
            made.require(term)
    if wanted.mask != ALL_MASK:
        made.columns.append(terms.levels(wanted.mask))


async def _name(reads: ReadPool, made: Conditions, wanted: FeedFilter) -> bool:
    """Turn names into numbers; False when something is asked for that nothing has."""
    people = set(wanted.person_ids)
    named = wanted.tags or wanted.without_tags or wanted.tools or wanted.usernames
    if named:
        rows = await reads.fetch(
            _SQL["named"],
            {
                "tags": [*wanted.tags, *wanted.without_tags],
                "tools": [name.lower() for name in wanted.tools],
                "people": [name.lower() for name in wanted.usernames],
            },
        )
        numbers = {(kind, name): number for kind, name, number in rows}
        for kind, names in (("tag", wanted.tags), ("tool", wanted.tools)):
            for name in names:
                number = numbers.get((kind, name.lower() if kind == "tool" else name))
                if number is None:
                    return False
                made.require(terms.tag(number) if kind == "tag" else terms.tool(number))
        without = [terms.tag(n) for name in wanted.without_tags if (n := numbers.get(("tag", name)))]
        if without:
            made.add("NOT (l.terms && {})", without, "int[]")
            made.without += without
        people |= {number for (kind, _), number in numbers.items() if kind == "person"}
    if wanted.usernames or wanted.person_ids:
        if not people:
            return False
        made.by(sorted(people))
    return True


async def _personal(
    reads: ReadPool, made: Conditions, actor: Actor, wanted: FeedFilter, shelf: Shelf
) -> None:
    wishes = await wishes_of(reads, actor, followed=wanted.followed)
    hidden = [*map(terms.tag, wishes.tags), *map(terms.model, wishes.models)]
    if wishes.people:
        made.add("l.person_id <> ALL({})", list(wishes.people), "bigint[]")
        made.not_people += wishes.people
    if hidden:
        made.add("NOT (l.terms && {})", hidden, "int[]")
        made.without += hidden
    if wishes.images and shelf is IMAGES and wanted.image_id is None:
        made.add("l.image_id <> ALL({})", list(wishes.images), "bigint[]")
        made.not_ids += wishes.images
    if wanted.followed:
        made.by(list(wishes.followed))
    if wanted.unseen and shelf is IMAGES:
        viewer = made.bind(actor.id, "bigint")
        made.where.append(_UNSEEN.replace("${viewer}", viewer))
        made.beyond = True


async def wishes_of(reads: ReadPool, actor: Actor, *, followed: bool = False) -> Wishes:
    """What a person hides and, when asked, whom they follow."""
    themes = list(hidden_tags.tags_of(actor.themes))
    ((people, tags, models, images, whom),) = await reads.fetch(
        _SQL["wishes"], {"person": actor.id, "themes": themes, "followed": followed}
    )
    return Wishes(*(tuple(found or ()) for found in (people, tags, models, images, whom)))


def _place(wanted: FeedFilter, cursor: str | None) -> tuple[Place | None, FeedFilter]:
    if not cursor:
        return None, wanted
    if wanted.sort is ImageSort.RANDOM:
        named, seed, wrapped, key, number = paging.decode(cursor, str, int, int, int, int)
        place = Place(key, _int(number), bool(wrapped))
        wanted = replace(wanted, seed=_int(seed))
    elif wanted.sort in (ImageSort.NEWEST, ImageSort.OLDEST):
        named, key, number = paging.decode(cursor, str, datetime, int)
        place = Place(datetime.fromisoformat(str(key)), _int(number))
    else:
        named, key, number = paging.decode(cursor, str, int, int)
        place = Place(_int(key), _int(number))
    if named != wanted.sort.value:
        raise Invalid("This cursor belongs to another order; start again.", code="bad_cursor")
    small = isinstance(place.key, datetime) or -(2**31) <= place.key < 2**31
    if not small or not -(2**31) <= wanted.seed < 2**31:
        raise Invalid("This cursor cannot be read; start again.", code="bad_cursor")
    return place, wanted


def _int(value: Any) -> int:
    return int(value)


def _cursor(wanted: FeedFilter, key: Any, number: int, *, wrapped: bool) -> str:
    if wanted.sort is ImageSort.RANDOM:
        return paging.encode(wanted.sort.value, wanted.seed, int(wrapped), key, number)
    return paging.encode(wanted.sort.value, key, number)


def seed_of(text: str) -> int:
    """A seed made of any text."""
    return (terms.number(text) << 8) - 2**31


async def documents(reads: ReadPool, ids: tuple[int, ...], *, base: str) -> bytes:
    """The public JSON of these pictures in their order, commas between them; `base` is `https://host`."""
    if not ids:
        return b""
    rows = await reads.fetch_bytes(_SQL["documents"], {"ids": list(ids), "base": base})
    return rows[0][0] or b""


async def own(
    reads: ReadPool, actor: Actor, *, image_id: int | None = None, post_id: int | None = None
) -> tuple[int, ...]:
    """One's own pictures (for moderators anybody's) by number or post, those that the feed does not have too."""
    if actor.id is None:
        return ()
    rows = await reads.fetch(
        _SQL["own"],
        {"image": image_id, "post": post_id, "viewer": actor.id, "staff": actor.is_moderator},
    )
    return tuple(row[0] for row in rows)
