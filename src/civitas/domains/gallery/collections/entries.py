"""What is in a collection, as one viewer may see it: keyset pages in four orders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import following
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import ALL_MASK, Actor
from civitas.domains.gallery.collections import contests
from civitas.domains.gallery.collections.reads import Shown
from civitas.domains.gallery.collections.tables import CollectionItem, CollectionVote
from civitas.domains.gallery.collections.types import Mode, Order, State
from civitas.kit import clock, paging
from civitas.kit.errors import Forbidden, Invalid
from civitas.kit.paging import Page

LARGEST_PAGE: Final = 100
HOUR: Final = 3600


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in a collection. `score` is in hundredths; `voted` whether the viewer voted for it."""

    id: int
    kind: str
    subject_id: int
    person_id: int
    username: str | None
    state: State
    note: str
    is_cover: bool
    owner_id: int | None
    level: int
    tag_id: int | None
    score: int
    votes: int
    place: int | None
    created_at: datetime
    voted: bool


async def page(
    session: AsyncSession,
    actor: Actor,
    *,
    collection: Shown,
    order: Order | None = None,
    tag_id: int | None = None,
    state: State = State.ACCEPTED,
    mask: int | None = None,
    cursor: str | None = None,
    limit: int = 48,
) -> Page[Entry]:
    """One page, in the collection's own order when none is asked for.

    Those who do not manage it see what was accepted, and of what waits or was rejected only what they added.
    Things of people whom the viewer hides or blocks are left out. Raises Invalid (`bad_cursor`), Forbidden.
    """
    size = max(1, min(limit, LARGEST_PAGE))
    levels = actor.mask if mask is None else actor.mask & mask
    statement = _visible(actor, collection, state, levels)
    if collection.mode is Mode.CONTEST:
        rules = await contests.rules_of(session, collection.id)
        levels &= rules.level or ALL_MASK
        statement = statement.where(CollectionItem.level.op("&")(levels) != 0)
    if tag_id is not None:
        statement = statement.where(CollectionItem.tag_id == tag_id)
    if actor.id is not None:
        unseen = await following.unseen_by(session, actor.id)
        if unseen:
            statement = statement.where(
                or_(CollectionItem.owner_id.is_(None), CollectionItem.owner_id.not_in(unseen)),
                CollectionItem.person_id.not_in(unseen),
            )
    chosen = order or Order(collection.order_by)
    statement, key = _ordered(statement, chosen, cursor)
    rows = (await session.execute(statement.limit(size + 1))).all()
    items = [_made(row) for row in rows[:size]]
    return Page(items, paging.encode(chosen.value, *key(rows[size - 1])) if len(rows) > size else None)


def _visible(actor: Actor, collection: Shown, state: State, levels: int) -> Any:
    statement = (
        select(CollectionItem, Person.username, CollectionVote.person_id.label("voter"))
        .join(Person, Person.id == CollectionItem.person_id)
        .outerjoin(
            CollectionVote,
            and_(CollectionVote.item_id == CollectionItem.id, CollectionVote.person_id == (actor.id or 0)),
        )
        .where(
            CollectionItem.collection_id == collection.id,
            CollectionItem.state == state.value,
            CollectionItem.level.op("&")(levels) != 0,
        )
        .execution_options(populate_existing=True)
    )
    if state is not State.ACCEPTED and not collection.rights.manage:
        if actor.id is None:
            raise Forbidden("Only its people see what waits.", code="not_yours")
        statement = statement.where(CollectionItem.person_id == actor.id)
    if not actor.is_moderator:
        statement = statement.where(or_(CollectionItem.shown, CollectionItem.owner_id == (actor.id or 0)))
    return statement


def _hour() -> int:
    return int(clock.now().timestamp()) // HOUR


def _shuffled(hour: int) -> Any:
    return func.hashint8extended(CollectionItem.id, hour)


def _ordered(statement: Any, order: Order, cursor: str | None) -> tuple[Any, Any]:
    """The statement in its order after the cursor, and what a row's place in it is."""
    item = CollectionItem
    kinds = {Order.RANDOM: (int, int, int), Order.BEST: (int, int, int)}.get(order, (int,))
    place: tuple[Any, ...] = ()
    if cursor:
        named, *rest = paging.decode(cursor, str, *kinds)
        if named != order.value:
            raise Invalid(
                "This cursor belongs to another order; start again from the first page.", code="bad_cursor"
            )
        place = tuple(rest)
    if order is Order.OLDEST:
        found = statement.where(item.id > place[0]) if place else statement
        return found.order_by(item.id), lambda row: (row[0].id,)
    if order is Order.RANDOM:
        # A walk that began before the hour ends in the order in which it began.
        hour = place[0] if place else _hour()
        shuffled = _shuffled(hour)
        found = statement.add_columns(shuffled.label("shuffled"))
        if place:
            found = found.where(tuple_(shuffled, item.id) > tuple_(*place[1:]))
        return found.order_by(shuffled, item.id), lambda row: (hour, row.shuffled, row[0].id)
    if order is Order.BEST:
        found = (
            statement.where(tuple_(item.score, item.votes, item.id) < tuple_(*place)) if place else statement
        )
        ordered = found.order_by(item.score.desc(), item.votes.desc(), item.id.desc())
        return ordered, lambda row: (row[0].score, row[0].votes, row[0].id)
    found = statement.where(item.id < place[0]) if place else statement
    return found.order_by(item.id.desc()), lambda row: (row[0].id,)


def _made(row: Any) -> Entry:
    item: CollectionItem = row[0]
    return Entry(
        id=item.id,
        kind=item.kind,
        subject_id=item.subject_id,
        person_id=item.person_id,
        username=row.username,
        state=State(item.state),
        note=item.note,
        is_cover=item.is_cover,
        owner_id=item.owner_id,
        level=item.level,
        tag_id=item.tag_id,
        score=item.score,
        votes=item.votes,
        place=item.place,
        created_at=item.created_at,
        voted=row.voter is not None,
    )
