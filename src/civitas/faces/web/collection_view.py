"""Collections and what is in them, as cards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.subjects import Subject, SubjectFacts, resolve_all
from civitas.domains.accounts.types import Actor
from civitas.domains.catalog import reading
from civitas.domains.catalog.listing import Filters
from civitas.domains.catalog.showing import Shot
from civitas.domains.gallery.collections import pictures as shots
from civitas.domains.gallery.collections.entries import Entry
from civitas.domains.gallery.collections.pictures import Seen
from civitas.domains.gallery.collections.reads import Shown
from civitas.domains.gallery.collections.types import Kind, Mode
from civitas.faces.http.portraits import portrait
from civitas.faces.http.state import state_of
from civitas.faces.web import pictures
from civitas.faces.web.cards import cards_of
from civitas.faces.web.pictures import SAMPLE_WIDTHS, THUMB_WIDTHS, Eyes
from civitas.faces.web.props import Creator, ModelCard, Picture

NOUNS: Mapping[Kind, str] = {
    Kind.MODEL: "model",
    Kind.IMAGE: "picture",
    Kind.POST: "post",
    Kind.ARTICLE: "article",
}
PLURALS: Mapping[Kind, str] = {kind: f"{noun}s" for kind, noun in NOUNS.items()}
ICONS: Mapping[Kind, str] = {
    Kind.MODEL: "cube",
    Kind.IMAGE: "image",
    Kind.POST: "images",
    Kind.ARTICLE: "file",
}


@dataclass(frozen=True, slots=True)
class CollectionCard:
    """A collection in a grid: up to four pictures, its name, whose it is, how much is in it."""

    id: int
    name: str
    href: str
    noun: str
    icon: str
    count: int
    pictures: tuple[Picture, ...]
    creator: Creator | None
    mark: str | None = None


@dataclass(frozen=True, slots=True)
class EntryCard:
    """One thing in a collection; a model has a card of its own."""

    item_id: int
    subject_id: int
    href: str
    title: str
    note: str
    added_by: str | None
    model: ModelCard | None = None
    picture: Picture | None = None
    creator: Creator | None = None
    number: int = 1
    is_cover: bool = False
    score: str | None = None
    votes: int = 0
    voted: bool = False
    place: int | None = None


def href_of(collection_id: int) -> str:
    """The address of a collection's page."""
    return f"/collections/{collection_id}"


def card(found: Shown, seen: Sequence[Shot], eyes: Eyes) -> CollectionCard:
    """The card of a collection."""
    mark = None
    if found.mode is Mode.CONTEST:
        mark = "Contest"
    elif found.read_by != "public":
        mark = found.read_by.capitalize()
    return CollectionCard(
        id=found.id,
        name=found.name,
        href=href_of(found.id),
        noun=NOUNS[found.kind],
        icon=ICONS[found.kind],
        count=found.count,
        pictures=tuple(pictures.of_shot(shot, eyes, widths=THUMB_WIDTHS) for shot in seen),
        creator=creator_of(found),
        mark=mark,
    )


def creator_of(found: Shown) -> Creator | None:
    """Whose collection it is."""
    if found.username is None:
        return None
    return Creator(found.username, portrait(found.avatar_key), badge=found.badge)


async def cards(
    session: AsyncSession, actor: Actor, eyes: Eyes, found: Sequence[Shown]
) -> tuple[CollectionCard, ...]:
    """The cards of collections with their pictures, which are found in one statement."""
    seen = await shots.covers(session, actor, collection_ids=[one.id for one in found])
    return tuple(card(one, seen.get(one.id, ()), eyes) for one in found)


async def entry_cards(
    request: Request, session: AsyncSession, actor: Actor, eyes: Eyes, kind: Kind, items: Sequence[Entry]
) -> tuple[EntryCard, ...]:
    """The cards of what is in a collection and may be shown to this viewer, in its order."""
    ids = [one.subject_id for one in items]
    if not ids:
        return ()
    models: dict[int, ModelCard] = {}
    seen: dict[int, Seen] = {}
    facts: dict[int, SubjectFacts] = {}
    if kind is Kind.MODEL:
        found = await reading.models(
            state_of(request).reads, actor, Filters(ids=tuple(ids), mask=actor.mask), limit=len(ids)
        )
        models = {one.id: one for one in cards_of(found.objects(""), eyes)}
    else:
        told = await resolve_all(session, [Subject(kind.value, number) for number in ids])
        facts = {subject.id: one for subject, one in told.items()}
        if kind is not Kind.ARTICLE:
            seen = await shots.things(session, actor, kind=kind.value, ids=ids)
    made = (_entry(one, kind, models, seen, facts, eyes) for one in items)
    return tuple(one for one in made if one is not None)


def _entry(
    item: Entry,
    kind: Kind,
    models: Mapping[int, ModelCard],
    seen: Mapping[int, Seen],
    facts: Mapping[int, SubjectFacts],
    eyes: Eyes,
) -> EntryCard | None:
    number = item.subject_id
    model, thing, told = models.get(number), seen.get(number), facts.get(number)
    if kind is Kind.MODEL:
        if model is None:
            return None
        title, href = model.name, model.href
    else:
        if told is None or (kind is not Kind.ARTICLE and thing is None):
            return None
        title, href = told.title, told.path
    picture = creator = None
    if thing is not None:
        picture = pictures.of_shot(thing.shot, eyes, alt=title, widths=SAMPLE_WIDTHS)
        creator = Creator(thing.username, portrait(thing.avatar_key)) if thing.username else None
    return EntryCard(
        item_id=item.id,
        subject_id=number,
        href=href,
        title=title,
        note=item.note,
        added_by=item.username,
        model=model,
        picture=picture,
        creator=creator,
        number=thing.number if thing else 1,
        is_cover=item.is_cover,
        score=f"{item.score / 100:.1f}" if item.score else None,
        votes=item.votes,
        voted=item.voted,
        place=item.place,
    )
