"""The home page's blocks made into shelves: nothing is shown twice, and what would be nearly empty is left out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import reading, showing
from civitas.domains.catalog.listing import Filters, Period, Sort
from civitas.domains.catalog.showing import Front
from civitas.domains.catalog.tagging import categories
from civitas.domains.community.announcements import showing as announcements
from civitas.domains.community.announcements.showing import Shown as Announced
from civitas.domains.community.articles import reads as articles
from civitas.domains.community.articles.reads import Wanted
from civitas.domains.community.boards import reading as boards
from civitas.domains.community.boards.types import BY_KEY, Span
from civitas.domains.gallery.collections import entries
from civitas.domains.gallery.collections import pictures as shots
from civitas.domains.gallery.collections import reads as collections
from civitas.domains.gallery.collections.reads import Shown
from civitas.domains.gallery.collections.types import Kind
from civitas.domains.gallery.collections.types import Sort as CollectionSort
from civitas.domains.gallery.feeds import pages as feeds
from civitas.domains.gallery.feeds.types import FeedFilter
from civitas.domains.gallery.home.blocks import TITLES, Block, BlockKind
from civitas.faces.web.articles import ArticleCard
from civitas.faces.web.articles import cards_of as article_cards
from civitas.faces.web.cards import cards_of, with_badges
from civitas.faces.web.collection_view import CollectionCard
from civitas.faces.web.collection_view import cards as collection_cards
from civitas.faces.web.pictures import Eyes, avatar_url
from civitas.faces.web.profile_front import Tile, tiles
from civitas.faces.web.props import Creator, ModelCard
from civitas.infra.db.readpool import ReadPool
from civitas.kit.errors import NotFound

SHELF: Final = 14
MIN_SHELF: Final = 4
MIN_CREATORS: Final = 3
FEW: Final = 6


@dataclass(frozen=True, slots=True)
class Shelf:
    """One block with what is on it, and the address of all there is."""

    key: str
    title: str
    href: str | None = None
    cards: tuple[ModelCard, ...] = ()
    tiles: tuple[Tile, ...] = ()
    articles: tuple[ArticleCard, ...] = ()
    collections: tuple[CollectionCard, ...] = ()
    creators: tuple[Creator, ...] = ()
    news: tuple[Announced, ...] = ()
    ranked: bool = False
    text: str = ""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (
            self.cards
            or self.tiles
            or self.articles
            or self.collections
            or self.creators
            or self.news
            or self.text
        )


@dataclass
class Making:
    """Who looks, and what the shelves above show already."""

    reads: ReadPool
    session: AsyncSession
    actor: Actor
    eyes: Eyes
    front: Front
    safe_site: bool
    models: set[int] = field(default_factory=set)
    sources: set[str] = field(default_factory=set)

    def take(self, cards: tuple[ModelCard, ...], least: int = MIN_SHELF) -> tuple[ModelCard, ...]:
        """Those that no shelf above has; none where so few are left that a shelf would look bare."""
        fresh = tuple(card for card in cards if card.id not in self.models)
        if len(fresh) < least:
            return ()
        self.models.update(card.id for card in fresh)
        self.sources.update(card.picture.src.split("/")[2] for card in fresh if card.picture)
        return fresh


async def shelves(made: Making, blocks: tuple[Block, ...]) -> tuple[Shelf, ...]:
    """The blocks in their order, those with nothing to show left out."""
    found = [await _MAKERS[block.kind](made, block) for block in blocks]
    return tuple(
        Shelf(**{**_fields(shelf), "key": f"{shelf.key}-{place}"})
        for place, shelf in enumerate(found)
        if not shelf.empty
    )


def _fields(shelf: Shelf) -> dict[str, Any]:
    return {name: getattr(shelf, name) for name in Shelf.__dataclass_fields__}


def _shelf(block: Block, **parts: Any) -> Shelf:
    title = block.title or parts.pop("named", "") or TITLES[block.kind]
    return Shelf(key=block.kind.value.replace("_", "-"), title=title, **parts)


async def _listed(made: Making, filters: Filters, sort: Sort, limit: int) -> tuple[ModelCard, ...]:
    page = await reading.models(made.reads, made.actor, filters, sort=sort, limit=limit)
    return cards_of(page.objects(""), made.eyes)


async def _new(made: Making, block: Block) -> Shelf:
    found = made.take(await _listed(made, Filters(mask=made.actor.mask), Sort.NEWEST, SHELF), least=1)
    return _shelf(block, href="/models", cards=await with_badges(made.reads, found))


async def _popular(made: Making, block: Block) -> Shelf:
    """Only once something was downloaded: before, the order would say nothing."""
    filters = Filters(mask=made.actor.mask, period=Period.MONTH)
    found = await _listed(made, filters, Sort.MOST_DOWNLOADED, 2 * SHELF)
    used = tuple(card for card in found if any(s.icon == "download" and s.value for s in card.stats))
    cards = await with_badges(made.reads, made.take(used)[:SHELF])
    return _shelf(block, href="/models?period=Month&sort=Most+Downloaded", cards=cards)


async def _featured(made: Making, block: Block) -> Shelf:
    ids = tuple(block.settings.get("models", ()))
    found = await _listed(made, Filters(mask=made.actor.mask, ids=ids), Sort.NEWEST, max(1, len(ids)))
    by_id = {card.id: card for card in found}
    chosen = tuple(by_id[number] for number in ids if number in by_id)
    made.models.update(card.id for card in chosen)
    return _shelf(block, cards=chosen)


async def _tag(made: Making, block: Block) -> Shelf:
    """Of the tag that was chosen, or of the category with most models."""
    names = {category.key: category.name for category in categories()}
    tag = str(block.settings.get("tag") or (made.front.categories[0][0] if made.front.categories else ""))
    if not tag:
        return _shelf(block)
    filters = Filters(mask=made.actor.mask, tags=(tag,))
    found = made.take(await _listed(made, filters, Sort.HIGHEST_RATED, 2 * SHELF))[:SHELF]
    return _shelf(
        block, named=names.get(tag, tag.capitalize()), href=f"/tag/{quote(tag, safe='')}", cards=found
    )


async def _images(made: Making, block: Block) -> Shelf:
    """The newest pictures, without those that stand for a model above."""
    wanted = FeedFilter(mask=made.actor.mask, kinds=("image",))
    found = await feeds.page(made.reads, made.actor, wanted, limit=3 * SHELF)
    seen = await shots.things(made.session, made.actor, kind="image", ids=found.ids)
    kept = {
        number: seen[number]
        for number in found.ids
        if number in seen and seen[number].shot.key not in made.sources
    }
    chosen = dict(list(kept.items())[:SHELF])
    if len(chosen) < MIN_SHELF:
        return _shelf(block)
    return _shelf(block, href="/images", tiles=await tiles(made.session, made.eyes, "image", chosen))


async def _posts(made: Making, block: Block) -> Shelf:
    found = await feeds.posts(made.reads, made.actor, FeedFilter(mask=made.actor.mask), limit=2 * SHELF)
    seen = await shots.things(made.session, made.actor, kind="post", ids=found.ids)
    several = {number: seen[number] for number in found.ids if number in seen and seen[number].title}
    chosen = dict(list(several.items())[:SHELF])
    if len(chosen) < MIN_SHELF:
        return _shelf(block)
    return _shelf(block, href="/posts", tiles=await tiles(made.session, made.eyes, "post", chosen))


async def _articles(made: Making, block: Block) -> Shelf:
    wanted = Wanted(mask=made.actor.mask)
    found = await articles.page(made.session, made.actor, wanted=wanted, cursor=None, limit=3)
    return _shelf(block, href="/articles", articles=article_cards(found.items, made.eyes))


async def _collections(made: Making, block: Block) -> Shelf:
    found = await collections.public(made.session, made.actor, sort=CollectionSort.POPULAR, limit=FEW)
    cards = await collection_cards(made.session, made.actor, made.eyes, found.items)
    return _shelf(block, href="/collections", collections=cards)


async def _collection(made: Making, block: Block) -> Shelf:
    """What is in one collection; nothing when it is gone, or not for this viewer."""
    number = int(block.settings.get("collection", 0))
    try:
        shown: Shown = await collections.one(made.session, made.actor, collection_id=number)
    except NotFound:
        return _shelf(block)
    page = await entries.page(made.session, made.actor, collection=shown, limit=SHELF)
    ids = [one.subject_id for one in page.items]
    where = {"named": shown.name, "href": f"/collections/{shown.id}"}
    if shown.kind is Kind.MODEL:
        found = await _listed(
            made, Filters(mask=made.actor.mask, ids=tuple(ids)), Sort.NEWEST, max(1, len(ids))
        )
        by_id = {card.id: card for card in found}
        made.models.update(by_id)
        return _shelf(block, cards=tuple(by_id[one] for one in ids if one in by_id), **where)
    if shown.kind is Kind.ARTICLE:
        return _shelf(block)
    seen = await shots.things(made.session, made.actor, kind=shown.kind.value, ids=ids)
    chosen = {one: seen[one] for one in ids if one in seen}
    return _shelf(block, tiles=await tiles(made.session, made.eyes, shown.kind.value, chosen), **where)


async def _creators(made: Making, block: Block) -> Shelf:
    if len(made.front.creators) < MIN_CREATORS:
        return _shelf(block)
    return _shelf(
        block,
        href="/creators",
        creators=tuple(
            Creator(name, avatar_url(key), f"{models} {'model' if models == 1 else 'models'}")
            for name, key, models, _ in made.front.creators
        ),
    )


async def _leaderboard(made: Making, block: Block) -> Shelf:
    """The first of a board on the last day for which there are places."""
    board = BY_KEY.get(str(block.settings.get("board", "overall")))
    day = await boards.newest_day(made.session, board) if board else None
    if board is None or day is None:
        return _shelf(block)
    found = await boards.places(made.session, board, span=Span.WINDOW, day=day, limit=FEW)
    return _shelf(
        block,
        named=f"Leading: {board.title}",
        href=f"/leaderboard/{board.key}",
        ranked=True,
        creators=tuple(
            Creator(one.username, avatar_url(one.avatar_key), f"{one.points:,} {board.unit}")
            for one in found.items
        ),
    )


async def _announcements(made: Making, block: Block) -> Shelf:
    """All that is in force for this viewer: here it stays when it was put away elsewhere."""
    known = await announcements.in_force(made.reads)
    meant = announcements.meant_for(made.actor, known, safe_site=made.safe_site)
    return _shelf(block, news=tuple(meant[:FEW]))


async def _text(made: Making, block: Block) -> Shelf:
    return _shelf(block, text=str(block.settings.get("text", "")))


async def front_of(reads: ReadPool, actor: Actor) -> Front:
    """What several blocks are made from."""
    return await showing.front(reads, actor)


_MAKERS: Final[Mapping[BlockKind, Callable[[Making, Block], Awaitable[Shelf]]]] = {
    BlockKind.NEW_MODELS: _new,
    BlockKind.POPULAR_MODELS: _popular,
    BlockKind.FEATURED_MODELS: _featured,
    BlockKind.TAG: _tag,
    BlockKind.IMAGES: _images,
    BlockKind.POSTS: _posts,
    BlockKind.ARTICLES: _articles,
    BlockKind.COLLECTION: _collection,
    BlockKind.COLLECTIONS: _collections,
    BlockKind.CREATORS: _creators,
    BlockKind.LEADERBOARD: _leaderboard,
    BlockKind.ANNOUNCEMENTS: _announcements,
    BlockKind.TEXT: _text,
}
