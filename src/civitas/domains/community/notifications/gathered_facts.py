"""What collections, contests, rooms, boards and milestones tell whom."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.community import ChatInvited, MilestoneReached, RankReached, SearchMatched
from civitas.contracts.events.gallery import (
    BoardGiftGiven,
    CollectionFollowed,
    CollectionItemReviewed,
    CollectionItemsSubmitted,
    ContestEnded,
)
from civitas.contracts.subjects import Subject
from civitas.domains.community.boards.types import BY_KEY
from civitas.domains.community.notifications.delivering import Note
from civitas.domains.community.notifications.facts import Told, about, shown
from civitas.domains.community.notifications.tables import Notification
from civitas.domains.gallery.collections.tables import CollectionContributor, CollectionItem
from civitas.domains.gallery.collections.types import MOST_ITEMS, Permission, State

# What a number of a thing is told as.
_REACHED: Final = {
    "downloads": "model-downloads",
    "likes": "model-likes",
    "reactions": "reactions-reached",
    "views": "views-reached",
}


async def search_matched(session: AsyncSession, event: SearchMatched) -> Told:
    """Whose search it is; what came while the line before was unread is counted with it."""
    key = str(event.search_id)
    before = await session.scalar(
        select(Notification.data["amount"].as_integer()).where(
            Notification.person_id == event.person_id,
            Notification.key == f"saved-search:{key}",
            Notification.read_at.is_(None),
        )
    )
    data = {"title": event.name, "path": event.path, "amount": (before or 0) + event.amount}
    return (Note("saved-search", [event.person_id], key, data=data),)


async def collection_followed(session: AsyncSession, event: CollectionFollowed) -> Told:
    """Its owner."""
    facts = await about(session, "collection", event.collection_id) if event.on else None
    if facts is None:
        return ()
    key = str(event.collection_id)
    return (Note("collection-follower", [event.owner_id], key, facts.subject, event.person_id, shown(facts)),)


async def items_submitted(session: AsyncSession, event: CollectionItemsSubmitted) -> Told:
    """Its owner, and those who manage it."""
    facts = await about(session, "collection", event.collection_id)
    if facts is None or facts.owner_id is None:
        return ()
    managers = await session.scalars(
        select(CollectionContributor.person_id).where(
            CollectionContributor.collection_id == event.collection_id,
            CollectionContributor.permissions.op("&")(int(Permission.MANAGE)) != 0,
        )
    )
    key, data = str(event.collection_id), shown(facts, f"{facts.path}/review")
    people = [facts.owner_id, *managers]
    return (Note("collection-waiting", people, key, facts.subject, event.person_id, data),)


async def item_reviewed(session: AsyncSession, event: CollectionItemReviewed) -> Told:
    """Whoever added it, unless they decided themselves."""
    facts = await about(session, "collection", event.collection_id)
    if facts is None or event.person_id == event.by or event.state not in (State.ACCEPTED, State.REJECTED):
        return ()
    note = "accepted" if event.state == State.ACCEPTED else "not taken"
    key = f"{event.collection_id}:{event.state}"
    return (
        Note("collection-decision", [event.person_id], key, facts.subject, None, shown(facts, note=note)),
    )


async def contest_ended(session: AsyncSession, event: ContestEnded) -> Told:
    """Each winner hears of their best place, everybody else who took part and the owner that it is decided."""
    facts = await about(session, "collection", event.collection_id)
    if facts is None:
        return ()
    places: dict[int, int] = {}
    for place, person in enumerate(event.winners, start=1):
        places.setdefault(person, place)
    entrants = await session.scalars(
        select(CollectionItem.person_id)
        .where(
            CollectionItem.collection_id == event.collection_id,
            CollectionItem.state == State.ACCEPTED.value,
        )
        .distinct()
        .limit(MOST_ITEMS)
    )
    others = ({event.person_id} | set(entrants)) - places.keys()
    key = str(event.collection_id)
    won = [
        Note("contest-won", [person], key, facts.subject, None, shown(facts, amount=place), once=True)
        for person, place in places.items()
    ]
    return [*won, Note("contest-ended", sorted(others), key, facts.subject, None, shown(facts), once=True)]


async def chat_invited(_: AsyncSession, event: ChatInvited) -> Told:
    """Whoever is asked into a room."""
    data = {"path": f"/chat/{event.room_id}"}
    return (Note("chat-invite", [event.person_id], str(event.room_id), actor_id=event.by_id, data=data),)


async def rank_reached(_: AsyncSession, event: RankReached) -> Told:
    """Whoever got there."""
    board = BY_KEY.get(event.board)
    if board is None:
        return ()
    note = "you are the first" if event.among == 1 else f"you are among the first {event.among}"
    data = {"title": board.title, "path": f"/leaderboard/{board.key}", "note": note}
    key = f"{event.board}:{event.among}"
    return (Note("rank-reached", [event.person_id], key, data=data, once=True),)


async def milestone_reached(session: AsyncSession, event: MilestoneReached) -> Told:
    """The owner of the thing."""
    kind = _REACHED.get(event.what)
    facts = await about(session, event.kind, event.subject_id)
    if kind is None or facts is None:
        return ()
    subject = Subject(event.kind, event.subject_id)
    key = f"{event.kind}:{event.subject_id}:{event.amount}"
    data = shown(facts, amount=event.amount)
    return (Note(kind, [event.person_id], key, subject, None, data, once=True),)


async def board_gave(session: AsyncSession, event: BoardGiftGiven) -> Told:
    """Whoever was given something."""
    facts = await about(session, "collection", event.collection_id)
    if facts is None:
        return ()
    data, key = shown(facts, quarters=event.amount), str(event.gift_id)
    return (Note("board-gift", [event.person_id], key, facts.subject, None, data, once=True),)
