"""Answering offers: the owner approves or declines, once, and the Buzz goes its way in the same transaction."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.gallery import PlacementApproved, PlacementEnded
from civitas.contracts.subjects import Subject
from civitas.domains.accounts import following
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.ledger import holds, posting
from civitas.domains.buzz.ledger.posting import Entry, Leg
from civitas.domains.buzz.types import Account, Currency, EntryType, Purpose, house, wallet
from civitas.domains.gallery.placements import things
from civitas.domains.gallery.placements.tables import Placement
from civitas.domains.gallery.placements.types import Status
from civitas.domains.gallery.tables import Image, Post
from civitas.infra.queue.outbox import publish
from civitas.kit import clock
from civitas.kit.errors import Conflict, NotFound


def escrow(row: Placement) -> Account:
    """Where what was paid for a placement lies until it is settled."""
    return house(Purpose.ESCROW.of(f"placement-{row.id}"), Currency(row.colour))


async def locked(session: AsyncSession, placement_id: int) -> Placement:
    """A placement under lock until the transaction ends. Raises NotFound."""
    found = await session.scalar(
        select(Placement)
        .where(Placement.id == placement_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise not_found()
    return found


def not_found() -> NotFound:
    """Nothing there, or nothing of the actor's."""
    return NotFound("There is no such placement.", code="no_such_placement")


async def approve(session: AsyncSession, actor: Actor, *, placement_id: int) -> Placement:
    """Take an offer: what is held for it is captured. Approving again changes nothing.

    Raises NotFound, Conflict (`answered`, `offer_over`, `no_longer_fits`).
    """
    row = await _own(session, actor, placement_id)
    if row.status == Status.APPROVED:
        return row
    _require_open(row)
    if not await fits(session, row):
        raise Conflict(
            "What this is about is gone or no longer public, or one of you blocked the other.",
            code="no_longer_fits",
        )
    await accept(session, row, by_owner=True)
    return row


async def accept(session: AsyncSession, row: Placement, *, by_owner: bool) -> None:
    """Show what was offered and put what was paid into its escrow; settled at once where the rules keep nothing."""
    now = clock.now()
    await holds.capture(
        session,
        hold_id=row.hold_id,
        key=f"placement:{row.id}:captured",
        target=escrow(row),
        description="Placed on a picture",
        final=True,
    )
    row.status, row.answered_at = Status.APPROVED.value, now
    row.settles_at = now + timedelta(hours=economy.current().placements.settle_hours)
    await session.flush()
    if row.settles_at <= now:
        await settle(session, [row])
    await publish(
        session,
        PlacementApproved(row.id, row.surface, row.image_id, row.owner_id, row.placer_id, by_owner),
    )


async def decline(session: AsyncSession, actor: Actor, *, placement_id: int) -> Placement:
    """Turn an offer down: its owner gets the fee, the placer the rest. Declining again changes nothing.

    Raises NotFound, Conflict (`answered`, `offer_over`).
    """
    row = await _own(session, actor, placement_id)
    if row.status == Status.DECLINED:
        return row
    _require_open(row)
    if row.decline_fee:
        await holds.capture(
            session,
            hold_id=row.hold_id,
            key=f"placement:{row.id}:declined",
            amount=row.decline_fee,
            target=wallet(row.owner_id, Currency(row.colour)),
            type=EntryType.FEE,
            description="Fee of an offer that was declined",
            final=True,
        )
    else:
        await holds.release(session, hold_id=row.hold_id)
    row.status, row.answered_at = Status.DECLINED.value, clock.now()
    row.ended_at = row.answered_at
    await stated(session, row)
    return row


async def settle(session: AsyncSession, rows: list[Placement]) -> None:
    """Share out what lies in the escrow of these placements, which are locked, each once."""
    await posting.post_batch(session, [_split(row) for row in rows])
    for row in rows:
        row.settles_at = None
    await session.flush()


def _split(row: Placement) -> Entry:
    colour = Currency(row.colour)
    owners = row.price - row.platform_part - row.seller_part
    legs = [
        Leg(escrow(row), -row.price),
        Leg(house(Purpose.REVENUE, colour), row.platform_part),
        Leg(wallet(row.owner_id, colour), owners),
    ]
    if row.seller_id is not None:
        legs.append(Leg(wallet(row.seller_id, colour), row.seller_part))
    elif row.seller_part:
        # Whoever made the sticker is gone.
        legs.append(Leg(house(Purpose.REVENUE, colour), row.seller_part))
    return Entry(
        f"placement:{row.id}:settled",
        EntryType.SELL,
        tuple(leg for leg in legs if leg.amount),
        "A place on a picture",
        Subject("image", row.image_id),
        {"placement": row.id},
    )


async def fits(session: AsyncSession, row: Placement) -> bool:
    """Whether an offer can still be taken: picture and remix are public, both people are there and no block is."""
    wanted = [row.image_id] if row.remix_id is None else [row.image_id, row.remix_id]
    found = {
        image.id: image
        for image in await session.scalars(
            select(Image)
            .join(Post, Post.id == Image.post_id)
            .join(Person, Person.id == Image.person_id)
            .where(Image.id.in_(wanted), things.fit(), Person.status == "active")
            .execution_options(populate_existing=True)
        )
    }
    source = found.get(row.image_id)
    if source is None or len(found) != len(wanted):
        return False
    if row.remix_id is not None and things.tops(found[row.remix_id], source):
        return False
    # What turned mature meanwhile is paid in yellow alone.
    pays = economy.current().may_pay(
        Currency(row.colour), "placements", mature=things.mature(source.nsfw_level)
    )
    active = await session.scalar(select(Person.status).where(Person.id == row.placer_id))
    apart = await following.blocked_between(session, row.owner_id, row.placer_id)
    return pays and active == "active" and not apart


async def stated(session: AsyncSession, row: Placement) -> None:
    """Tell that a placement ended, as its row says."""
    await session.flush()
    await publish(
        session,
        PlacementEnded(
            row.id, row.surface, row.image_id, row.owner_id, row.placer_id, row.status, row.removed_by or ""
        ),
    )


async def _own(session: AsyncSession, actor: Actor, placement_id: int) -> Placement:
    person_id = actor.require(Scope.SOCIAL_WRITE)
    row = await locked(session, placement_id)
    if row.owner_id != person_id:
        raise not_found()
    return row


def _require_open(row: Placement) -> None:
    if row.status != Status.PENDING:
        raise Conflict("This offer was answered already.", code="answered")
    if row.expires_at <= clock.now():
        raise Conflict("The time to answer this offer is over; its Buzz goes back.", code="offer_over")
