"""The front of a profile: shelves that the person chose and put in order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fastapi import Request
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.subjects import Subject, SubjectFacts, resolve_all
from civitas.domains.accounts.queries import ProfileView
from civitas.domains.accounts.types import SAFE_MASK, Actor
from civitas.domains.catalog import reading
from civitas.domains.catalog.listing import Filters, Sort
from civitas.domains.catalog.tables import Model, ModelMetric
from civitas.domains.community.articles import reads as articles
from civitas.domains.community.articles.reads import Wanted
from civitas.domains.community.reviews import reading as reviews
from civitas.domains.community.reviews.reading import ReviewTold
from civitas.domains.gallery.collections import pictures as shots
from civitas.domains.gallery.collections import reads as collections
from civitas.domains.gallery.collections.pictures import Seen
from civitas.faces.http.portraits import portrait
from civitas.faces.http.state import state_of
from civitas.faces.web import pictures
from civitas.faces.web.articles import ArticleCard
from civitas.faces.web.articles import cards_of as article_cards
from civitas.faces.web.cards import cards_of
from civitas.faces.web.collection_view import CollectionCard
from civitas.faces.web.collection_view import cards as collection_cards
from civitas.faces.web.pictures import Eyes
from civitas.faces.web.props import Creator, ModelCard, Picture

SHELF: Final = 12
FEW: Final = 6


@dataclass(frozen=True, slots=True)
class Tile:
    """A picture, post or title on a shelf."""

    kind: str
    id: int
    href: str
    title: str
    picture: Picture | None
    number: int = 1
    creator: Creator | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """One shelf; exactly one of the sequences is filled, but for the showcase, which mixes."""

    key: str
    title: str
    href: str | None = None
    # Where one chooses many of these.
    select_href: str | None = None
    models: tuple[ModelCard, ...] = ()
    tiles: tuple[Tile, ...] = ()
    articles: tuple[ArticleCard, ...] = ()
    collections: tuple[CollectionCard, ...] = ()
    reviews: tuple[ReviewTold, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.models or self.tiles or self.articles or self.collections or self.reviews)


@dataclass(frozen=True, slots=True)
class Figures:
    """What a person's models add up to."""

    downloads: int
    favourites: int


@dataclass(frozen=True, slots=True)
class _Looking:
    request: Request
    session: AsyncSession
    actor: Actor
    eyes: Eyes
    person: ProfileView


async def figures(session: AsyncSession, person_id: int) -> Figures:
    """The sums of a person's public models. One statement."""
    row = (
        await session.execute(
            select(
                func.coalesce(func.sum(ModelMetric.downloads), 0),
                func.coalesce(func.sum(ModelMetric.favourites), 0),
            )
            .join(Model, Model.id == ModelMetric.model_id)
            .where(Model.person_id == person_id, Model.status == "Published", Model.availability == "Public")
        )
    ).one()
    return Figures(int(row[0]), int(row[1]))


async def sections(
    request: Request, session: AsyncSession, actor: Actor, eyes: Eyes, person: ProfileView
) -> tuple[Section, ...]:
    """The shelves that have something on them, in the person's order."""
    looking = _Looking(request, session, actor, eyes, person)
    made = [await _MAKERS[key](looking) for key in person.text.sections if key in _MAKERS]
    return tuple(one for one in made if not one.empty)


async def _models(look: _Looking, sort: Sort, limit: int = SHELF) -> tuple[ModelCard, ...]:
    filters = Filters(usernames=(look.person.username,), mask=look.actor.mask)
    found = await reading.models(state_of(look.request).reads, look.actor, filters, sort=sort, limit=limit)
    return cards_of(found.objects(""), look.eyes)


async def _newest(look: _Looking) -> Section:
    return Section(
        "models", "Models", f"/user/{look.person.username}/models", models=await _models(look, Sort.NEWEST)
    )


async def _popular(look: _Looking) -> Section:
    """Only where it says something that the newest ones do not."""
    if look.person.model_count <= FEW:
        return Section("popular", "Popular models")
    found = await _models(look, Sort.MOST_DOWNLOADED, FEW)
    used = tuple(card for card in found if any(stat.value for stat in card.stats))
    href = f"/user/{look.person.username}/models?sort=downloads"
    return Section("popular", "Popular models", href, models=used)


async def _images(look: _Looking) -> Section:
    found = await shots.latest(look.session, look.actor, kind="image", person_id=look.person.id, limit=SHELF)
    href = f"/images?user={look.person.username}"
    choose = "/images/mine" if look.actor.id == look.person.id else f"{href}&select=1"
    return Section(
        "images",
        "Recent pictures",
        href,
        select_href=choose if look.actor.signed_in else None,
        tiles=await tiles(look.session, look.eyes, "image", found),
    )


async def _posts(look: _Looking) -> Section:
    found = await shots.latest(look.session, look.actor, kind="post", person_id=look.person.id, limit=SHELF)
    href = f"/posts?user={look.person.username}"
    return Section("posts", "Posts", href, tiles=await tiles(look.session, look.eyes, "post", found))


async def _articles(look: _Looking) -> Section:
    wanted = Wanted(mask=look.actor.mask, username=look.person.username)
    found = await articles.page(look.session, look.actor, wanted=wanted, cursor=None, limit=FEW)
    href = f"/articles?by={look.person.username}"
    return Section("articles", "Articles", href, articles=article_cards(found.items, look.eyes))


async def _collections(look: _Looking) -> Section:
    found = await collections.public(look.session, look.actor, person_id=look.person.id, limit=FEW)
    cards = await collection_cards(look.session, look.actor, look.eyes, found.items)
    return Section(
        "collections", "Collections", f"/user/{look.person.username}/collections", collections=cards
    )


async def _reviews(look: _Looking) -> Section:
    """What the person wrote about others' work; thumbs without words stand in the tab alone."""
    found = await reviews.page(look.session, look.actor, person_id=look.person.id, limit=4 * FEW)
    written = tuple(one for one in found.items if one.content)[:FEW]
    return Section("reviews", "Reviews", f"/user/{look.person.username}/reviews", reviews=written)


async def _showcase(look: _Looking) -> Section:
    """What is pinned, of all kinds, as far as this viewer may see it."""
    pins = look.person.text.showcase
    if not pins:
        return Section("showcase", "Showcase")
    subjects = [Subject(kind, number) for kind, number in pins]
    facts = await resolve_all(look.session, subjects)
    seen: dict[Subject, Seen] = {}
    for kind in ("model", "image", "post"):
        ids = [one.id for one in subjects if one.kind == kind and _open(facts.get(one), look.actor)]
        found = await shots.things(look.session, look.actor, kind=kind, ids=ids)
        seen |= {Subject(kind, number): one for number, one in found.items()}
    made = [
        _tile(one, facts[one], seen.get(one), look.eyes)
        for one in subjects
        if _open(facts.get(one), look.actor) and (one in seen or one.kind in ("article", "collection"))
    ]
    return Section("showcase", "Showcase", tiles=tuple(made))


def _open(facts: SubjectFacts | None, actor: Actor) -> bool:
    if facts is None or not facts.public:
        return False
    level = facts.level or (4 if facts.mature else 1)
    return bool(level & actor.mask) and (actor.mask & ~SAFE_MASK != 0 or not facts.mature)


async def tiles(session: AsyncSession, eyes: Eyes, kind: str, found: Mapping[int, Seen]) -> tuple[Tile, ...]:
    """Pictures or posts as tiles, in their order."""
    subjects: Sequence[Subject] = [Subject(kind, number) for number in found]
    facts = await resolve_all(session, subjects)
    return tuple(_tile(one, facts[one], found[one.id], eyes) for one in subjects if one in facts)


def _tile(subject: Subject, facts: SubjectFacts, seen: Seen | None, eyes: Eyes) -> Tile:
    creator = Creator(seen.username, portrait(seen.avatar_key)) if seen and seen.username else None
    return Tile(
        kind=subject.kind,
        id=subject.id,
        href=facts.path,
        title=facts.title,
        picture=pictures.of_shot(seen.shot, eyes, alt=facts.title) if seen else None,
        number=seen.number if seen else 1,
        creator=creator,
    )


_MAKERS: Final[Mapping[str, Callable[[_Looking], Awaitable[Section]]]] = {
    "showcase": _showcase,
    "popular": _popular,
    "models": _newest,
    "images": _images,
    "posts": _posts,
    "articles": _articles,
    "collections": _collections,
    "reviews": _reviews,
}
