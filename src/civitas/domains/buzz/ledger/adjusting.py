"""Staff's hands on the ledger: give or take with a reason, freeze, refund. Large amounts need a second pair of eyes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import audit, queries
from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.economy.rules import quarters
from civitas.domains.buzz.ledger import posting
from civitas.domains.buzz.ledger.posting import Entry, Posted, transfer
from civitas.domains.buzz.ledger.tables import Adjustment, LedgerAccount, LedgerEntry, Posting
from civitas.domains.buzz.types import COLOURS, Currency, EntryType, Purpose, house, wallet
from civitas.kit import clock, money, paging
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound
from civitas.kit.text import clean_block

PAGE = 50
LONGEST_REASON = 2000
_DAY = timedelta(days=1)
# What staff may give back by hand; everything else has rules of its own and is given back by its own room.
_PLAIN = ("wallet", "held", "mint", "burn", "revenue")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an adjustment: posted at once, or waiting for somebody else of staff."""

    id: int
    status: str
    entry_id: int | None


async def request(
    session: AsyncSession,
    actor: Actor,
    *,
    person_id: int,
    colour: Currency,
    amount: int,
    reason: str,
    key: str,
) -> Outcome:
    """Give (positive) or take (negative) quarters of a colour; the same key again gives the first outcome.

    More than `money.four_eyes_above`, alone or with what the same person of staff did within a day, waits for a
    second one. Raises Forbidden, NotFound, Invalid (`bad_amount`, `reason_needed`), InsufficientFunds.
    """
    staff = actor.require_admin()
    told = _reason(reason)
    if colour not in COLOURS or amount == 0 or abs(amount) > money.buzz(money.MOST_BUZZ):
        raise Invalid("Give a colour and an amount other than nothing.", code="bad_amount")
    if person_id == staff:
        raise Forbidden("Nobody adjusts their own wallet.", code="not_oneself")
    await queries.by_id(session, person_id)
    # One after the other, so that many small ones at once are seen as the large one that they are.
    await session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:who, 7240002))"), {"who": str(staff)}
    )
    known = await session.scalar(select(Adjustment).where(Adjustment.key == key))
    if known is not None:
        if (known.person_id, known.currency, known.amount, known.requested_by) != (
            person_id, colour.value, amount, staff,
        ):  # fmt: skip
            raise Conflict("This key was used for something else.", code="idempotency_key_reused")
        return Outcome(known.id, known.status, known.entry_id)
    rules = economy.current().money
    recent = await session.scalar(
        select(func.coalesce(func.sum(func.abs(Adjustment.amount)), 0)).where(
            Adjustment.requested_by == staff,
            Adjustment.created_at > clock.now() - _DAY,
            Adjustment.status == "approved",
            ~Adjustment.needs_second,
        )
    )
    needs_second = abs(amount) + int(recent or 0) > quarters(rules.four_eyes_above)
    made = Adjustment(
        key=key, person_id=person_id, currency=colour.value, amount=amount, reason=told, requested_by=staff,
        needs_second=needs_second, created_at=clock.now(),
        expires_at=clock.now() + timedelta(days=rules.four_eyes_days), status="requested",
    )  # fmt: skip
    session.add(made)
    await session.flush()
    if not needs_second:
        await _post(session, made, actor_id=staff)
    await _log(session, actor, made, "buzz.adjust" if made.entry_id else "buzz.adjust.request", told)
    return Outcome(made.id, made.status, made.entry_id)


async def decide(
    session: AsyncSession, actor: Actor, *, adjustment_id: int, approve: bool, reason: str = ""
) -> Outcome:
    """Approve or reject what another one of staff asked for; doing the same twice changes nothing.

    Raises Forbidden (`same_person`, `not_oneself`), NotFound, Conflict (`decided`), InsufficientFunds.
    """
    staff = actor.require_moderator()
    found = await session.scalar(select(Adjustment).where(Adjustment.id == adjustment_id).with_for_update())
    if found is None:
        raise NotFound("There is no such adjustment.", code="no_such_adjustment")
    if found.requested_by == staff:
        raise Forbidden("Somebody else has to look at this too.", code="same_person")
    if found.person_id == staff:
        raise Forbidden("Nobody decides about their own wallet.", code="not_oneself")
    wanted = "approved" if approve else "rejected"
    if found.status != "requested":
        if found.status == wanted and found.decided_by == staff:
            return Outcome(found.id, found.status, found.entry_id)
        raise Conflict(f"This was decided already: it is {found.status}.", code="decided")
    if found.expires_at <= clock.now():
        raise Conflict("The time to decide about this is over; ask for it anew.", code="decided")
    told = _reason(reason or ("Seen and approved." if approve else ""))
    found.decided_by, found.decided_at, found.decision = staff, clock.now(), told
    if approve:
        await _post(session, found, actor_id=staff)
    else:
        found.status = "rejected"
        await session.flush()
    await _log(session, actor, found, "buzz.adjust.approve" if approve else "buzz.adjust.reject", told)
    return Outcome(found.id, found.status, found.entry_id)


async def expire(session: AsyncSession) -> int:
    """End requests whose time is over; how many."""
    done = await session.execute(
        update(Adjustment)
        .where(Adjustment.status == "requested", Adjustment.expires_at <= clock.now())
        .values(status="expired")
        .returning(Adjustment.id)
    )
    return len(done.all())


async def adjustments(
    session: AsyncSession, actor: Actor, *, waiting: bool = False, cursor: str | None = None
) -> paging.Page[Adjustment]:
    """All adjustments, the newest first, or those that wait."""
    actor.require_moderator()
    statement = select(Adjustment)
    if waiting:
        statement = statement.where(Adjustment.status == "requested")
    if cursor is not None:
        statement = statement.where(Adjustment.id < paging.decode(cursor, int)[0])
    rows = list(await session.scalars(statement.order_by(Adjustment.id.desc()).limit(PAGE + 1)))
    return paging.Page(rows[:PAGE], paging.encode(rows[PAGE - 1].id) if len(rows) > PAGE else None)


async def freeze(session: AsyncSession, actor: Actor, *, person_id: int, frozen: bool, reason: str) -> bool:
    """Stop or allow spending from a wallet, purses that are made later included. False when it was so already."""
    staff = actor.require_moderator()
    if person_id == staff:
        raise Forbidden("Nobody freezes or frees their own wallet.", code="not_oneself")
    told = _reason(reason)
    await queries.by_id(session, person_id)
    changed = await posting.freeze(session, person_id, at=clock.now() if frozen else None)
    if changed:
        action = "buzz.freeze" if frozen else "buzz.unfreeze"
        await audit.record(session, actor, action=action, reason=told, person_id=person_id)
    return changed


async def refund(
    session: AsyncSession,
    actor: Actor,
    *,
    entry_id: int,
    amount: int | None,
    reason: str,
    key: str,
) -> Posted:
    """Give an entry back, whole or `amount` quarters of it, to the colours that paid.

    Raises NotFound, Conflict (`own_rules`) for what another room keeps books on (payments, escrow, the programme),
    Invalid (`nothing_to_refund`, `refund_too_large`), InsufficientFunds when whoever got it spent it.
    """
    staff = actor.require_admin()
    told = _reason(reason)
    sides = (
        await session.execute(
            select(LedgerAccount.purpose, LedgerAccount.currency, LedgerAccount.owner_id)
            .join(Posting, Posting.account_id == LedgerAccount.id)
            .where(Posting.entry_id == entry_id)
        )
    ).all()
    if not sides:
        raise NotFound("There is no such entry.", code="no_such_entry")
    if any(row.purpose.partition(":")[0] not in _PLAIN or row.currency == Currency.CASH for row in sides):
        raise Conflict(
            "This is part of something with rules of its own; undo it where it was made.", code="own_rules"
        )
    if staff in {row.owner_id for row in sides}:
        raise Forbidden("Nobody refunds to or from their own wallet.", code="not_oneself")
    original = await session.scalar(select(LedgerEntry.description).where(LedgerEntry.id == entry_id))
    posted = await posting.refund(
        session,
        of=entry_id,
        key=f"staff-refund:{entry_id}:{key}",
        amount=amount,
        description=f"Refund: {original}"[:100] if original else "Refund",
        actor_id=staff,
        forced=True,
    )
    if not posted.replayed:
        people = [row.owner_id for row in sides if row.owner_id]
        await audit.record(
            session,
            actor,
            action="buzz.refund",
            reason=told,
            person_id=people[0] if people else None,
            subject_kind="buzz_entry",
            subject_id=entry_id,
            details={
                "refund": posted.entry_id,
                "amount": None if amount is None else money.as_number(amount),
            },
        )
    return posted


async def _post(session: AsyncSession, found: Adjustment, *, actor_id: int) -> None:
    colour, amount = Currency(found.currency), found.amount
    purse = wallet(found.person_id, colour)
    if amount > 0:
        legs = transfer(house(Purpose.MINT, colour), purse, amount)
        kind, told = EntryType.INCENTIVE, "Given by staff"
    else:
        legs = transfer(purse, house(Purpose.BURN, colour), -amount)
        kind, told = EntryType.CHARGE_BACK, "Taken back by staff"
    entry = Entry(f"adjust:{found.id}", kind, legs, told, None, {"adjustment": found.id}, actor_id)
    found.entry_id = (await posting.post(session, entry, forced=True)).entry_id
    found.status = "approved"
    await session.flush()


async def _log(session: AsyncSession, actor: Actor, found: Adjustment, action: str, reason: str) -> None:
    await audit.record(
        session,
        actor,
        action=action,
        reason=reason,
        person_id=found.person_id,
        subject_kind="buzz_adjustment",
        subject_id=found.id,
        details={"amount": money.as_number(found.amount), "colour": found.currency, "entry": found.entry_id},
    )


def _reason(given: str) -> str:
    told = clean_block(given[:20_000])
    if not 0 < len(told) <= LONGEST_REASON:
        raise Invalid(
            f"Give a reason of 1 to {LONGEST_REASON} characters.",
            code="reason_needed",
            fields={"reason": "A reason is needed."},
        )
    return told
