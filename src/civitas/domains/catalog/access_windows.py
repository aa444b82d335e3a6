"""The life of a gate: it opens when its version is published, ends, is withdrawn; and where the money goes then.

What buyers and donors pay lies in the version's own escrow until the gate ends (or, for one that stays, until the
sale is a few days old), so that all of it can be given back as long as the version may still be withdrawn.

Locks: the row of `version_access` first, accounts of the ledger after it. Nothing here locks a model or version
while it holds a gate, except `opened` and `shown`, which take model, version and gate in that order.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.events.catalog import AccessRefunded, DonationGoalReached, EarlyAccessEnded
from civitas.contracts.subjects import Subject
from civitas.domains.accounts.types import SYSTEM_ID
from civitas.domains.buzz.ledger import posting
from civitas.domains.buzz.ledger.posting import Entry, Leg, transfer
from civitas.domains.buzz.types import Currency, EntryType, Purpose, house, wallet
from civitas.domains.catalog import editing
from civitas.domains.catalog.access_tables import AccessPayment, VersionAccess
from civitas.domains.catalog.access_types import AccessState, EndReason, Gate, PaymentStatus
from civitas.domains.catalog.messages import ReturnPayments
from civitas.domains.catalog.tables import Model, ModelVersion
from civitas.domains.catalog.types import Mode, Status
from civitas.infra.queue.outbox import defer, publish
from civitas.kit import clock
from civitas.kit.errors import Invalid
from civitas.kit.sql import statements

SQL = statements("civitas.domains.catalog", "access.sql")
SUBJECT: Final = "model_version"
BATCH: Final = 200


def escrow(version_id: int) -> str:
    """The purpose of the house's accounts that hold what was paid for a version."""
    return Purpose.ESCROW.of(f"access-{version_id}")


async def locked(session: AsyncSession, version_id: int) -> VersionAccess | None:
    """The terms of a version under lock until the transaction ends; None when it has none."""
    found: VersionAccess | None = await session.scalar(
        select(VersionAccess)
        .where(VersionAccess.version_id == version_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return found


def closed(access: VersionAccess, now: datetime) -> bool:
    """Whether the gate keeps people out at this moment."""
    if access.gate == Gate.NONE or access.state == AccessState.ENDED:
        return False
    return access.gate == Gate.PERMANENT or access.ends_at is None or access.ends_at > now


def is_public(model: Model, version: ModelVersion) -> bool:
    """Whether people may see the version and take its files."""
    return (
        model.status == Status.PUBLISHED
        and version.status == Status.PUBLISHED
        and model.mode not in (Mode.ARCHIVED, Mode.TAKEN_DOWN)
    )


def open_gate(access: VersionAccess, published_at: datetime) -> None:
    """The gate of a version that was published for the first time is in force, from that moment on."""
    if access.gate == Gate.NONE or access.state != AccessState.DRAFT:
        return
    access.state, access.opened_at = AccessState.OPEN, published_at
    if access.gate == Gate.TIMED:
        access.ends_at = published_at + timedelta(days=access.days or 1)


async def opened(session: AsyncSession, *, version_id: int) -> None:
    """A version is public: its gate begins, if it has one. Safe to repeat."""
    model, version = await _version(session, version_id)
    access = await locked(session, version_id)
    if access is None or model is None or version is None or version.published_at is None:
        return
    open_gate(access, version.published_at)
    await show(session, model, version, access)
    await editing.stated(session, model)


async def show(session: AsyncSession, model: Model, version: ModelVersion, access: VersionAccess) -> None:
    """Let the version's own row tell when its early access ends, for lists and documents."""
    ends = access.ends_at if access.gate == Gate.TIMED else None
    if version.early_access_ends_at != ends:
        version.early_access_ends_at = ends
    await session.flush()


async def shown(session: AsyncSession, *, version_id: int) -> None:
    """The gate of a version ended: its row and documents say so. Safe to repeat."""
    model, version = await _version(session, version_id)
    access = await locked(session, version_id)
    if access is None or model is None or version is None:
        return
    await show(session, model, version, access)
    await editing.stated(session, model)


async def _version(session: AsyncSession, version_id: int) -> tuple[Model | None, ModelVersion | None]:
    model = await session.scalar(
        select(Model)
        .join(ModelVersion, ModelVersion.model_id == Model.id)
        .where(ModelVersion.id == version_id)
        .with_for_update(of=Model, key_share=True)
        .execution_options(populate_existing=True)
    )
    version = await session.scalar(
        select(ModelVersion)
        .where(ModelVersion.id == version_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return model, version


async def end(session: AsyncSession, access: VersionAccess, reason: EndReason) -> None:
    """End a gate that the caller has locked: it is open to all, and what lies in escrow for it is paid out.

    Sales of a gate that was to stay go on lying for their few days. Ending twice changes nothing.
    """
    if access.state == AccessState.ENDED:
        return
    now = clock.now()
    timed = access.gate == Gate.TIMED
    access.state, access.ended_at, access.end_reason = AccessState.ENDED, now, reason
    access.updated_at = now
    if timed and (access.ends_at is None or access.ends_at > now):
        access.ends_at = now
    await session.flush()
    if timed and reason is not EndReason.WITHDRAWN:
        await _pay_out(session, access.version_id, before=None)
    await publish(session, EarlyAccessEnded(access.version_id, reason))


async def reach_goal(session: AsyncSession, access: VersionAccess, model: Model) -> None:
    """The goal of a locked gate is reached: once; a timed gate ends with it."""
    if access.goal is None or access.goal_reached_at is not None or access.raised < access.goal:
        return
    access.goal_reached_at = clock.now()
    await session.flush()
    await publish(session, DonationGoalReached(access.version_id, model.id, model.person_id, access.goal))
    if access.gate == Gate.TIMED:
        await end(session, access, EndReason.GOAL)


async def due_windows(session: AsyncSession, *, limit: int = BATCH) -> list[int]:
    """Versions whose early access is over and not yet ended."""
    found = await session.scalars(
        select(VersionAccess.version_id)
        .where(
            VersionAccess.gate == Gate.TIMED,
            VersionAccess.state == AccessState.OPEN,
            VersionAccess.ends_at <= clock.now(),
        )
        .order_by(VersionAccess.ends_at)
        .limit(limit)
    )
    return list(found)


async def end_due(session: AsyncSession, *, version_id: int) -> None:
    """End a window whose time is over; one whose version is out of view is withdrawn instead. Safe to repeat."""
    access = await locked(session, version_id)
    over = access is not None and access.ends_at is not None and access.ends_at <= clock.now()
    if access is None or not over or access.gate != Gate.TIMED or access.state != AccessState.OPEN:
        return
    model, version = await _seen(session, version_id)
    if is_public(model, version):
        await end(session, access, EndReason.TIME)
        return
    await _take_back(session, access)
    await end(session, access, EndReason.WITHDRAWN)


async def _seen(session: AsyncSession, version_id: int) -> tuple[Model, ModelVersion]:
    row = (
        await session.execute(
            select(Model, ModelVersion)
            .join(ModelVersion, ModelVersion.model_id == Model.id)
            .where(ModelVersion.id == version_id)
            .execution_options(populate_existing=True)
        )
    ).one()
    return row[0], row[1]


async def due_sales(session: AsyncSession, *, limit: int = BATCH) -> list[int]:
    """Versions with sales that have lain in escrow for long enough."""
    found = await session.scalars(
        select(AccessPayment.version_id)
        .where(AccessPayment.status == PaymentStatus.KEPT, AccessPayment.release_at <= clock.now())
        .distinct()
        .limit(limit)
    )
    return list(found)


async def release_due(session: AsyncSession, *, version_id: int) -> None:
    """Pay the creator for the sales of a version that are old enough. Safe to repeat."""
    if await locked(session, version_id) is not None:
        await _pay_out(session, version_id, before=clock.now())


async def _pay_out(session: AsyncSession, version_id: int, *, before: datetime | None) -> None:
    """Pay what lies in escrow for kept payments, by seller and colour, as the ledger has it."""
    params = {"version": version_id, "before": before, "now": clock.now(), "purpose": escrow(version_id)}
    owed = (await session.execute(text(SQL["owed"]), params)).all()
    last = await session.scalar(text(SQL["mark_paid"]), params)
    by_seller: dict[int, list[Leg]] = {}
    for seller, currency, amount in owed:
        colour = Currency(currency)
        target = wallet(seller, colour) if seller != SYSTEM_ID else house(Purpose.REVENUE, colour)
        by_seller.setdefault(seller, []).extend(
            transfer(house(escrow(version_id), colour), target, int(amount))
        )
    name = await _name(session, version_id)
    await posting.post_batch(
        session,
        [
            Entry(
                f"access:payout:{version_id}:{seller}:{last}",
                EntryType.SELL,
                tuple(legs),
                f"Access to {name}"[:100],
                Subject(SUBJECT, version_id),
                {"upTo": last},
            )
            for seller, legs in sorted(by_seller.items())
        ],
    )


async def _name(session: AsyncSession, version_id: int) -> str:
    found = await session.scalar(
        select(func.concat(Model.name, ", ", ModelVersion.name))
        .join(ModelVersion, ModelVersion.model_id == Model.id)
        .where(ModelVersion.id == version_id)
    )
    return str(found)


async def withdraw(session: AsyncSession, *, version_id: int) -> None:
    """A version went out of view: whatever lies in escrow for it goes back to who paid. Safe to repeat."""
    access = await locked(session, version_id)
    if access is not None:
        await _take_back(session, access)


async def _take_back(session: AsyncSession, access: VersionAccess) -> None:
    params = {"version": access.version_id, "now": clock.now(), "kind": SUBJECT}
    returning = int(await session.scalar(text(SQL["mark_returning"]), params) or 0)
    if not returning:
        return
    await session.execute(text(SQL["revoke"]), params)
    access.raised = int(await session.scalar(text(SQL["raised"]), params) or 0)
    await session.flush()
    await defer(session, ReturnPayments(access.version_id), once=f"return:{access.version_id}")


async def withdraw_model(session: AsyncSession, *, model_id: int) -> None:
    """As `withdraw` for every version of a model."""
    found = await session.scalars(
        select(VersionAccess.version_id)
        .join(ModelVersion, ModelVersion.id == VersionAccess.version_id)
        .where(ModelVersion.model_id == model_id, VersionAccess.gate != Gate.NONE)
        .order_by(VersionAccess.version_id)
    )
    for version_id in found.all():
        await withdraw(session, version_id=version_id)


async def returning(
    session: AsyncSession, *, version_id: int | None = None, after: int = 0, limit: int = BATCH
) -> list[int]:
    """Payments on their way back, of one version or of all, in order."""
    asked = select(AccessPayment.id).where(
        AccessPayment.status == PaymentStatus.RETURNING, AccessPayment.id > after
    )
    if version_id is not None:
        asked = asked.where(AccessPayment.version_id == version_id)
    return list(await session.scalars(asked.order_by(AccessPayment.id).limit(limit)))


async def give_back(session: AsyncSession, *, payment_id: int) -> bool:
    """Give one payment back, to the colours that paid; False when that was done already."""
    payment = await session.scalar(
        select(AccessPayment)
        .where(AccessPayment.id == payment_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if payment is None or payment.status != PaymentStatus.RETURNING:
        return False
    name = await _name(session, payment.version_id)
    try:
        await posting.refund(
            session,
            of=payment.entry_id,
            key=f"access:return:{payment.id}",
            description=f"Back: access to {name}"[:100],
        )
    except Invalid as fault:
        # Staff gave it back by hand before.
        if fault.code != "nothing_to_refund":
            raise
    payment.status, payment.settled_at = PaymentStatus.RETURNED, clock.now()
    await session.flush()
    await publish(
        session,
        AccessRefunded(payment.id, payment.version_id, payment.person_id, payment.seller_id, payment.amount),
    )
    return True
