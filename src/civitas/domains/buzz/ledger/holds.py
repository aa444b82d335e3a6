"""Holds: Buzz set aside for something under way, until it is captured, released or expires.

What is held lies in the person's `held` accounts, so the wallet shows less and nothing can be spent twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts.subjects import Subject
from civitas.domains.accounts.keys import BuzzRule
from civitas.domains.buzz.ledger import key_limits, posting
from civitas.domains.buzz.ledger.entries import fingerprint
from civitas.domains.buzz.ledger.posting import Entry, Leg, Posted, Where
from civitas.domains.buzz.ledger.tables import Hold
from civitas.domains.buzz.types import HOUSE, Account, Currency, EntryType, Purpose
from civitas.kit import clock
from civitas.kit.errors import Conflict, Invalid, NotFound

LONGEST = timedelta(days=45)
EXPIRE_BATCH = 200

_THERE = "SELECT 1 FROM buzz_holds WHERE key = %s"
_RESERVE = (
    "SELECT status, missing, (hold).id, (hold).entry_id, (hold).status, (hold).reserved, (hold).remaining, "
    "(hold).expires_at FROM buzz_reserve(%s, %s, %s::text[], %s, %s, %s, %s, %s, %s, %s, %s, %s)"
)
# The same, and what a key spent with it is noted: for a key without limits, which need not be weighed.
_RESERVE_NOTED = """
WITH r AS MATERIALIZED (
  SELECT * FROM buzz_reserve(%s, %s, %s::text[], %s, %s, %s, %s, %s, %s, %s, %s, %s)
), noted AS (
  INSERT INTO key_spends (key_id, entry_id, currency, quarters, spent_at)
  SELECT %s, (r.hold).entry_id, part ->> 0, (part ->> 1)::bigint, %s
    FROM r, jsonb_array_elements((r.hold).reserved) AS part
   WHERE r.status = 'posted'
)
SELECT status, missing, (hold).id, (hold).entry_id, (hold).status, (hold).reserved, (hold).remaining,
       (hold).expires_at FROM r
"""
_CAPTURE_WHOLE = """
SELECT g.hold, c.status, c.entry_id
  FROM unnest(%s::bigint[], %s::bytea[], %s::bigint[]) WITH ORDINALITY AS g(hold, body, amount, n),
       LATERAL buzz_capture(g.hold, %s, g.body, g.amount, %s, %s, NULL, '', true, %s) AS c
"""
_CAPTURE = "SELECT status, entry_id FROM buzz_capture(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"


@dataclass(frozen=True, slots=True)
class Held:
    """A hold as it stands; amounts in quarters by colour, in the order in which they were taken."""

    id: int
    key: str
    person_id: int
    status: str
    reserved: Mapping[Currency, int]
    remaining: Mapping[Currency, int]
    expires_at: datetime

    @property
    def left(self) -> int:
        """What can still be captured."""
        return sum(self.remaining.values())


async def reserve(
    where: Where,
    *,
    key: str,
    person_id: int,
    colours: Sequence[Currency],
    total: int,
    type: EntryType,
    expires_at: datetime,
    description: str = "",
    subject: Subject | None = None,
    actor_id: int | None = None,
    key_id: int | None = None,
    limits: Sequence[BuzzRule] | None = None,
) -> Held:
    """Set `total` quarters aside, from the purses in the order of `colours`. Replays give the first hold.

    `key_id` is the API key that asked; what is given back may be spent with it again. `limits` are that key's, for a
    caller who has read them under its lock already (`buzz_key_limit`). Raises as `posting.charge` does, and Invalid
    for an end that is past or more than 45 days ahead.
    """
    now = clock.now()
    if not now < expires_at <= now + LONGEST and not await posting.ask(where, _THERE, (key,)):
        raise Invalid("A hold must end within 45 days from now.", code="bad_expiry")
    taken = posting.taking(
        Account(person_id, Purpose.WALLET, colours[0]),
        Account(person_id, Purpose.HELD, colours[0]),
        colours,
        total,
    )
    entry = Entry(f"hold:{key}", type, (), description, subject, actor_id=actor_id, key_id=key_id)
    if limits is None:
        limits = await posting.limits_of(where, entry)
    noted = key_id is not None and not limits
    values = (
        key,
        person_id,
        [colour.value for colour in colours],
        total,
        type.value,
        fingerprint(entry, taken),
        description,
        subject.kind if subject else None,
        subject.id if subject else None,
        actor_id,
        now,
        expires_at,
        *((key_id, now) if noted else ()),
    )
    status, missing, hold_id, entry_id, state, reserved, remaining, until = (
        await posting.ask(where, _RESERVE_NOTED if noted else _RESERVE, values)
    )[0]
    posting.refuse(status, missing, taken.colours)
    held = Held(hold_id, key, person_id, state, _parts(reserved), _parts(remaining), until)
    if status == "posted" and not noted:
        await posting.count(where, entry, limits, entry_id=entry_id, parts=held.reserved)
    return held


async def by_key(session: AsyncSession, key: str) -> Held:
    """A hold by the key it was made with. Raises NotFound."""
    hold = await session.scalar(select(Hold).where(Hold.key == key).execution_options(populate_existing=True))
    if hold is None:
        raise NotFound("There is no such hold.", code="no_such_hold")
    return _held(hold)


async def capture(
    where: Where,
    *,
    hold_id: int,
    key: str,
    amount: int | None = None,
    target: Account | None = None,
    type: EntryType | None = None,
    description: str = "",
    final: bool = False,
) -> Posted:
    """Spend what is held, or `amount` quarters of it, to the target's accounts (the house's revenue when left out).

    May be done several times. `final` gives the rest back. Colours are spent in the order in which they were taken.
    Raises Conflict (`hold_ended`) when it was released, captured whole or expired, Invalid (`capture_too_large`), and
    KeyReused for another capture of this hold under the same key.
    """
    goal = target or Account(HOUSE, Purpose.REVENUE, Currency.BLUE)
    values = (
        hold_id,
        key,
        _body(amount, goal, type, final=final),
        amount,
        goal.owner,
        str(goal.purpose),
        type.value if type else None,
        description,
        final,
        clock.now(),
    )
    status, entry_id = (await posting.ask(where, _CAPTURE, values))[0]
    _refuse(status)
    return Posted(entry_id, status == "replayed")


def _body(amount: int | None, goal: Account, type: EntryType | None, *, final: bool) -> bytes:
    """What tells one capture of a hold from another under the same key."""
    return hashlib.sha256(orjson.dumps([amount, goal.owner, str(goal.purpose), type, final])).digest()


def _refuse(status: str) -> None:
    if status == "no_hold":
        raise NotFound("There is no such hold.", code="no_such_hold")
    if status == "ended":
        raise Conflict("This hold has ended; nothing was charged.", code="hold_ended")
    if status == "too_large":
        raise Invalid("That is more than is held.", code="capture_too_large")
    posting.refuse(status, None, ())


async def capture_whole(
    session: AsyncSession, amounts: Sequence[tuple[int, int]], *, key: str
) -> dict[int, int | None]:
    """Spend so many quarters of each hold to the house's revenue and give back the rest of it, in the order given.

    In one statement what `capture` with `final` does for each. The ledger's entries by hold; None for a hold that had
    ended. Raises as `capture` does for everything else, and then nothing was captured that stays.
    """
    if not amounts:
        return {}
    goal = Account(HOUSE, Purpose.REVENUE, Currency.BLUE)
    rows = await posting.ask(
        session,
        _CAPTURE_WHOLE,
        (
            [hold for hold, _ in amounts],
            [_body(amount, goal, None, final=True) for _, amount in amounts],
            [amount for _, amount in amounts],
            key,
            goal.owner,
            str(goal.purpose),
            clock.now(),
        ),
    )
    found: dict[int, int | None] = {}
    for hold_id, status, entry_id in rows:
        if status != "ended":
            _refuse(status)
        found[hold_id] = entry_id if status != "ended" else None
    return found


async def release(session: AsyncSession, *, hold_id: int) -> bool:
    """Give back everything still held. False when it had ended already, which is no fault."""
    hold = await _locked(session, hold_id)
    if hold.status != "open":
        return False
    await _give_back(session, [hold], "released")
    return True


async def expire(session: AsyncSession, *, most: int = EXPIRE_BATCH) -> int:
    """Give back what is held by holds whose time is over; how many there were."""
    due = (
        await session.scalars(
            select(Hold)
            .where(Hold.status == "open", Hold.expires_at <= clock.now())
            .order_by(Hold.expires_at)
            .limit(most)
            .with_for_update(skip_locked=True)
        )
    ).all()
    await _give_back(session, list(due), "expired")
    return len(due)


async def extend(session: AsyncSession, *, hold_id: int, expires_at: datetime) -> None:
    """Let an open hold end later than it would. Raises Conflict (`hold_ended`), Invalid (`bad_expiry`)."""
    hold = await _locked(session, hold_id)
    if hold.status != "open" or hold.expires_at <= clock.now():
        raise Conflict("This hold has ended.", code="hold_ended")
    if not hold.expires_at <= expires_at <= clock.now() + LONGEST:
        raise Invalid("A hold can only be made longer, and ends within 45 days from now.", code="bad_expiry")
    hold.expires_at = expires_at


async def open_of(session: AsyncSession, person_id: int, *, most: int = 100) -> list[Hold]:
    """A person's open holds, the newest first."""
    return list(
        await session.scalars(
            select(Hold)
            .where(Hold.person_id == person_id, Hold.status == "open")
            .order_by(Hold.id.desc())
            .limit(most)
            .execution_options(populate_existing=True)
        )
    )


async def _give_back(session: AsyncSession, holds: list[Hold], status: str) -> None:
    entries = [_return(hold) for hold in holds if hold.remaining]
    await key_limits.give_back(session, [part for hold in holds for part in _returned(hold)])
    if holds:
        await session.execute(
            update(Hold)
            .where(Hold.id.in_([hold.id for hold in holds]))
            .values(status=status, remaining=[], ended_at=clock.now())
        )
    await posting.post_batch(session, entries)


def _returned(hold: Hold) -> list[tuple[int, Currency, int]]:
    return [(hold.entry_id, Currency(colour), part) for colour, part in hold.remaining]


def _return(hold: Hold) -> Entry:
    legs: list[Leg] = []
    for colour, part in hold.remaining:
        currency = Currency(colour)
        legs += posting.transfer(
            Account(hold.person_id, Purpose.HELD, currency),
            Account(hold.person_id, Purpose.WALLET, currency),
            part,
        )
    return Entry(
        f"return:{hold.id}",
        EntryType(hold.type),
        tuple(legs),
        hold.description,
        _subject(hold),
        {"hold": "return"},
    )


async def _locked(session: AsyncSession, hold_id: int) -> Hold:
    hold = await session.scalar(
        select(Hold).where(Hold.id == hold_id).with_for_update().execution_options(populate_existing=True)
    )
    if hold is None:
        raise NotFound("There is no such hold.", code="no_such_hold")
    return hold


def _subject(hold: Hold) -> Subject | None:
    return Subject(hold.subject_kind, hold.subject_id) if hold.subject_kind and hold.subject_id else None


def _held(hold: Hold) -> Held:
    return Held(
        hold.id,
        hold.key,
        hold.person_id,
        hold.status,
        _parts(hold.reserved),
        _parts(hold.remaining),
        hold.expires_at,
    )


def _parts(stored: Sequence[Sequence[Any]]) -> dict[Currency, int]:
    return {Currency(colour): int(part) for colour, part in stored}
