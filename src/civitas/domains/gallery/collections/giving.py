"""Boards: collections that give Buzz of their owner's for each entry that somebody else accepted (FEATURES C17)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.gallery import BoardGiftGiven
from civitas.contracts.subjects import Subject
from civitas.domains.accounts import audit
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import SYSTEM, SYSTEM_ID, Actor, Scope
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.economy.rules import quarters
from civitas.domains.buzz.errors import InsufficientFunds, WalletFrozen
from civitas.domains.buzz.ledger import posting
from civitas.domains.buzz.ledger.posting import Entry
from civitas.domains.buzz.types import Currency, EntryType, wallet
from civitas.domains.gallery.collections import filling, policy
from civitas.domains.gallery.collections.tables import (
    BoardGift,
    Collection,
    CollectionBoard,
    CollectionContributor,
    CollectionItem,
)
from civitas.domains.gallery.collections.types import BATCH, Mode, Permission, State, WriteBy
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Conflict, Forbidden

SHOWN: Final = 30
# Why an entry was given nothing, in words for those who manage the board.
REASONS: Final = {
    "manages": "They manage this board",
    "not_theirs": "They did not make it themselves",
    "ineligible": "Rewards of their account are off, or it is not active",
    "person_cap": "They had theirs for the day",
    "day_cap": "The board had given all of the day",
    "gone": "It was taken off before the purse was filled",
    "short": "The purse was empty; it is tried again",
}


@dataclass(frozen=True, slots=True)
class Board:
    """What a board gives. Amounts in quarters; `left` of today."""

    gift: int
    colour: Currency
    each_a_day: int
    left: int
    days: int


@dataclass(frozen=True, slots=True)
class Line:
    """What became of one entry."""

    subject_id: int
    username: str | None
    status: str
    reason: str
    amount: int
    at: datetime


async def board_of(session: AsyncSession, collection_id: int) -> Board | None:
    """What a collection gives; None when it is no board."""
    if await session.get(CollectionBoard, collection_id) is None:
        return None
    rule = economy.current().gift_board
    left = quarters(rule.most_a_day) - await _given(session, collection_id)
    return Board(quarters(rule.gift), rule.colour, quarters(rule.most_each_a_day), max(0, left), rule.days)


async def lines(session: AsyncSession, collection_id: int) -> list[Line]:
    """What became of the last entries, for those who manage the board."""
    rows = await session.execute(
        select(BoardGift, Person.username)
        .join(Person, Person.id == BoardGift.person_id)
        .where(BoardGift.collection_id == collection_id)
        .order_by(BoardGift.id.desc())
        .limit(SHOWN)
    )
    return [
        Line(row.subject_id, name, row.status, REASONS.get(row.reason, ""), row.amount, row.accepted_at)
        for row, name in rows
    ]


async def arrange(session: AsyncSession, actor: Actor, *, collection_id: int, on: bool, reason: str) -> None:
    """Make a collection a board, or one no more: staff, of their own or the site's, since its owner's Buzz is given.

    Raises NotFound, Forbidden (`staff_only`, `not_yours`), Conflict (`board_needs_review`), Invalid (`reason_needed`).
    """
    actor.require(Scope.COLLECTIONS_WRITE)
    actor.require_moderator()
    collection = await policy.managed(session, actor, collection_id)
    if collection.person_id not in (actor.id, SYSTEM_ID):
        raise Forbidden("A board gives its owner's Buzz; make your own one, or the site's.", code="not_yours")
    if on and (collection.mode != Mode.STANDARD or collection.write_by != WriteBy.REVIEW):
        raise Conflict("A board is a plain collection whose entries are reviewed.", code="board_needs_review")
    before = await session.get(CollectionBoard, collection_id)
    if on == (before is not None):
        return
    if before is not None:
        await session.delete(before)
    else:
        session.add(CollectionBoard(collection_id=collection_id, set_by=actor.id))
    await audit.record(
        session, actor, action=f"board.{'on' if on else 'off'}", reason=reason, subject_kind="collection",
        subject_id=collection_id,
    )  # fmt: skip


async def give(session: AsyncSession, *, collection_id: int, item_id: int, by: int) -> None:
    """Give for an entry that was accepted; for each thing once, however often it is entered or this is called."""
    board = await session.scalar(
        select(CollectionBoard).where(CollectionBoard.collection_id == collection_id).with_for_update()
    )
    item = await session.get(CollectionItem, item_id, populate_existing=True)
    collection = await session.get(Collection, collection_id)
    if board is None or collection is None or collection.deleted_at is not None:
        return
    if item is None or item.collection_id != collection_id or item.state != State.ACCEPTED:
        return
    rule = economy.current().gift_board
    row_id = await session.scalar(
        insert(BoardGift)
        .values(
            collection_id=collection_id, kind=item.kind, subject_id=item.subject_id, person_id=item.person_id,
            status="refused", amount=quarters(rule.gift), colour=rule.colour.value, accepted_at=clock.now(),
        )
        .on_conflict_do_nothing(index_elements=["collection_id", "kind", "subject_id"])
        .returning(BoardGift.id)
    )  # fmt: skip
    if row_id is None:
        return
    row = await session.get_one(BoardGift, row_id)
    row.reason = await _refusal(session, collection, item, by)
    if not row.reason:
        await _pay(session, collection, row)
    await session.flush()


async def retry_short(session: AsyncSession, *, most: int = BATCH) -> int:
    """Give what could not be given for want of Buzz, where it is there now. How many were tried."""
    since = clock.now() - timedelta(days=economy.current().gift_board.days)
    boards = (
        select(CollectionBoard.collection_id)
        .join(BoardGift, BoardGift.collection_id == CollectionBoard.collection_id)
        .where(BoardGift.status == "short", BoardGift.accepted_at > since)
    )
    tried = 0
    for board in await session.scalars(
        select(CollectionBoard)
        .where(CollectionBoard.collection_id.in_(boards))
        .order_by(CollectionBoard.collection_id)
        .with_for_update()
    ):
        collection = await session.get_one(Collection, board.collection_id)
        rows = await session.scalars(
            select(BoardGift)
            .where(
                BoardGift.collection_id == board.collection_id,
                BoardGift.status == "short",
                BoardGift.accepted_at > since,
            )
            .order_by(BoardGift.id)
            .limit(most)
        )
        for row in rows:
            tried += 1
            if not await _tried_again(session, collection, row):
                break
    return tried


async def _tried_again(session: AsyncSession, collection: Collection, row: BoardGift) -> bool:
    """Whether it is worth trying the next one."""
    item = await session.scalar(
        select(CollectionItem).where(
            CollectionItem.collection_id == row.collection_id,
            CollectionItem.kind == row.kind,
            CollectionItem.subject_id == row.subject_id,
            CollectionItem.state == State.ACCEPTED.value,
        )
    )
    refusal = await _refusal(session, collection, item, 0) if item is not None else "gone"
    if refusal in ("person_cap", "day_cap"):
        return refusal == "person_cap"
    if refusal:
        row.status, row.reason = "refused", refusal
        return True
    return await _pay(session, collection, row)


async def clear(session: AsyncSession) -> int:
    """Take off boards what was accepted some days ago, and what was rejected, so that it can be entered anew."""
    since = clock.now() - timedelta(days=economy.current().gift_board.days)
    old = select(BoardGift.subject_id).where(
        BoardGift.collection_id == CollectionItem.collection_id,
        BoardGift.kind == CollectionItem.kind,
        BoardGift.subject_id == CollectionItem.subject_id,
        BoardGift.accepted_at <= since,
    )
    rows = await session.execute(
        select(CollectionItem.collection_id, CollectionItem.subject_id)
        .join(CollectionBoard, CollectionBoard.collection_id == CollectionItem.collection_id)
        .where(
            (CollectionItem.state == State.REJECTED.value)
            | ((CollectionItem.state == State.ACCEPTED.value) & old.exists())
        )
        .order_by(CollectionItem.collection_id)
        .limit(BATCH)
    )
    gone: dict[int, list[int]] = {}
    for collection_id, subject_id in rows:
        gone.setdefault(collection_id, []).append(subject_id)
    for collection_id, ids in gone.items():
        await filling.remove(session, SYSTEM, collection_id=collection_id, subject_ids=ids)
    return sum(len(ids) for ids in gone.values())


async def _refusal(session: AsyncSession, collection: Collection, item: CollectionItem, by: int) -> str:
    person = await session.get(Person, item.person_id)
    manages = await session.scalar(
        select(CollectionContributor.person_id).where(
            CollectionContributor.collection_id == collection.id,
            CollectionContributor.person_id == item.person_id,
            CollectionContributor.permissions.op("&")(int(Permission.MANAGE)) != 0,
        )
    )
    if item.person_id in (collection.person_id, by) or manages is not None:
        return "manages"
    if item.owner_id != item.person_id:
        return "not_theirs"
    if person is None or person.status != "active" or person.rewards_eligibility == "ineligible":
        return "ineligible"
    return await _spent(session, item)


async def _spent(session: AsyncSession, about: CollectionItem | BoardGift) -> str:
    rule = economy.current().gift_board
    gift = quarters(rule.gift)
    theirs = await _given(session, about.collection_id, about.person_id)
    if theirs + gift > quarters(rule.most_each_a_day):
        return "person_cap"
    if await _given(session, about.collection_id) + gift > quarters(rule.most_a_day):
        return "day_cap"
    return ""


async def _given(session: AsyncSession, collection_id: int, person_id: int | None = None) -> int:
    today = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    query = select(func.coalesce(func.sum(BoardGift.amount), 0)).where(
        BoardGift.collection_id == collection_id, BoardGift.status == "given", BoardGift.given_at >= today
    )
    if person_id is not None:
        query = query.where(BoardGift.person_id == person_id)
    return int(await session.scalar(query) or 0)


async def _pay(session: AsyncSession, collection: Collection, row: BoardGift) -> bool:
    """Give it, or note that the purse was empty. The caller holds the board."""
    colour = Currency(row.colour)
    legs = posting.transfer(wallet(collection.person_id, colour), wallet(row.person_id, colour), row.amount)
    entry = Entry(
        f"board:{row.collection_id}:{row.kind}:{row.subject_id}",
        EntryType.DONATION,
        legs,
        f"Board: {collection.name}"[:100],
        Subject("collection", row.collection_id),
    )
    try:
        await posting.post(session, entry)
    except (InsufficientFunds, WalletFrozen):
        row.status, row.reason = "short", "short"
        return False
    row.status, row.reason, row.given_at = "given", "", clock.now()
    await session.flush()
    await publish(session, BoardGiftGiven(row.id, row.collection_id, row.person_id, row.amount, row.colour))
    return True
