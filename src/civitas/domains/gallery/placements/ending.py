"""The other ends of a placement: its time is over, somebody takes it away, or what it is about is gone."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.subjects import Subject
from civitas.domains.accounts import audit
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.ledger import holds, posting
from civitas.domains.buzz.ledger.posting import Entry
from civitas.domains.buzz.types import Account, Currency, EntryType, Purpose, house, wallet
from civitas.domains.gallery.placements import answering
from civitas.domains.gallery.placements.tables import Placement
from civitas.domains.gallery.placements.types import LONGEST_REASON, RemovedBy, Status
from civitas.domains.gallery.tables import Image, Post
from civitas.kit import clock
from civitas.kit.errors import Conflict, Invalid
from civitas.kit.text import clean_line

BATCH = 100


async def remove(session: AsyncSession, actor: Actor, *, placement_id: int, reason: str = "") -> Placement:
    """Take a placement away: its placer, its owner once it is shown, or staff with a reason. Again changes nothing.

    Of what is not settled yet the placer gets everything back from an owner, and nothing from staff, who take away
    what breaks the rules; an offer that its placer withdraws costs nothing. Raises NotFound, Conflict (`answered`,
    `answer_first`), Invalid (`reason_needed`, `reason_too_long`).
    """
    person_id = actor.require(Scope.SOCIAL_WRITE)
    row = await answering.locked(session, placement_id)
    if person_id not in (row.owner_id, row.placer_id) and not actor.is_moderator:
        raise answering.not_found()
    if row.status == Status.REMOVED:
        return row
    if row.status not in (Status.PENDING, Status.APPROVED):
        raise Conflict("This offer was answered already.", code="answered")
    words = _words(reason)
    if person_id == row.placer_id:
        by = RemovedBy.PLACER
    elif person_id == row.owner_id:
        by = RemovedBy.OWNER
        if row.status == Status.PENDING:
            raise Conflict("Approve or decline what is offered to you.", code="answer_first")
    else:
        by = RemovedBy.STAFF
        await audit.record(
            session, actor, action="placement.remove", reason=words, person_id=row.placer_id,
            subject_kind="image", subject_id=row.image_id, details={"placement": row.id},
        )  # fmt: skip
    await _end(session, row, by, words)
    return row


async def _end(session: AsyncSession, row: Placement, by: RemovedBy, reason: str) -> None:
    """What becomes of the Buzz is decided by who ends it, and by whether it lies in the hold, in escrow, or nowhere."""
    colour = Currency(row.colour)
    if row.status == Status.PENDING:
        if by is RemovedBy.STAFF:
            await holds.capture(
                session,
                hold_id=row.hold_id,
                key=f"placement:{row.id}:forfeited",
                description="An offer that staff took away",
                final=True,
            )
        else:
            await holds.release(session, hold_id=row.hold_id)
    elif row.settles_at is not None:
        if by is RemovedBy.PLACER:
            await answering.settle(session, [row])
        elif by is RemovedBy.STAFF:
            await _move(session, row, house(Purpose.REVENUE, colour), EntryType.FEE, "forfeited")
        else:
            await _move(session, row, wallet(row.placer_id, colour), EntryType.REFUND, "returned")
    row.status, row.removed_by, row.reason = Status.REMOVED.value, by.value, reason
    row.settles_at, row.ended_at = None, clock.now()
    await answering.stated(session, row)


async def _move(session: AsyncSession, row: Placement, target: Account, type: EntryType, what: str) -> None:
    await posting.post(
        session,
        Entry(
            f"placement:{row.id}:{what}",
            type,
            posting.transfer(answering.escrow(row), target, row.price),
            "A place on a picture that was taken away",
            Subject("image", row.image_id),
            {"placement": row.id},
        ),
    )


async def expire_due(session: AsyncSession, *, most: int = BATCH) -> int:
    """End offers that nobody answered in time: everything goes back. How many there were."""
    due = list(
        await session.scalars(
            select(Placement)
            .where(Placement.status == Status.PENDING.value, Placement.expires_at <= clock.now())
            .order_by(Placement.expires_at)
            .limit(most)
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        )
    )
    for row in due:
        await holds.release(session, hold_id=row.hold_id)
        row.status, row.ended_at = Status.EXPIRED.value, clock.now()
        await answering.stated(session, row)
    return len(due)


async def settle_due(session: AsyncSession, *, most: int = BATCH) -> int:
    """Share out what was kept long enough. How many there were."""
    due = list(
        await session.scalars(
            select(Placement)
            .where(Placement.settles_at <= clock.now())
            .order_by(Placement.settles_at)
            .limit(most)
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        )
    )
    if due:
        await answering.settle(session, due)
    return len(due)


async def end_unfit(session: AsyncSession, *, images: Sequence[int] = (), people: Sequence[int] = ()) -> int:
    """End what can no longer stand on, or as, one of these pictures, or between people of whom one is named.

    Offers whose picture is not public any more are released. What was approved goes only with the picture itself:
    then what is not settled goes back, unless it was the placer who took their remix away.
    """
    about = or_(
        Placement.image_id.in_(images), Placement.remix_id.in_(images),
        Placement.owner_id.in_(people), Placement.placer_id.in_(people),
    )  # fmt: skip
    rows = await session.scalars(
        select(Placement)
        .where(
            about,
            or_(
                Placement.status == Status.PENDING.value,
                and_(Placement.status == Status.APPROVED.value, Placement.image_id.in_(images)),
                and_(Placement.status == Status.APPROVED.value, Placement.remix_id.in_(images)),
            ),
        )
        .order_by(Placement.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    ended = 0
    for row in list(rows):
        by = await _whose_end(session, row)
        if by is not None:
            await _end(session, row, by, "It is gone, or no longer public.")
            ended += 1
    return ended


async def _whose_end(session: AsyncSession, row: Placement) -> RemovedBy | None:
    if row.status == Status.PENDING:
        return None if await answering.fits(session, row) else RemovedBy.SITE
    for number, by in ((row.image_id, RemovedBy.SITE), (row.remix_id, RemovedBy.PLACER)):
        if number is None:
            continue
        gone = await session.scalar(
            select(Image.id)
            .join(Post, Post.id == Image.post_id)
            .where(Image.id == number, or_(Image.deleted_at.is_not(None), Post.deleted_at.is_not(None)))
        )
        if gone is not None:
            return by
    return None


def _words(reason: str) -> str:
    words = clean_line(reason[: 10 * LONGEST_REASON])
    if len(words) > LONGEST_REASON:
        told = f"A reason has at most {LONGEST_REASON} characters."
        raise Invalid(told, code="reason_too_long", fields={"reason": told})
    return words
