"""Tips: Buzz from one person to another, for what they made or for who they are (FEATURES I12)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.contracts import subjects
from civitas.contracts.events.buzz import TipGiven
from civitas.contracts.subjects import Subject, SubjectFacts
from civitas.domains.accounts import following
from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.earning.tables import Tip, TippedTotal
from civitas.domains.buzz.economy import economy, rules
from civitas.domains.buzz.ledger import posting
from civitas.domains.buzz.ledger.posting import Entry
from civitas.domains.buzz.ledger.tables import LedgerEntry
from civitas.domains.buzz.types import COLOURS, Currency, EntryType, wallet
from civitas.infra.queue.outbox import publish
from civitas.kit import clock, money, paging
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound
from civitas.kit.ids import new_uuid
from civitas.kit.text import clean_line

PAGE = 50
LONGEST_MESSAGE = 200
LONGEST_KEY = 255


@dataclass(frozen=True, slots=True)
class Given:
    """A tip that stands; `replayed` when it was given before under the same key. Amounts in quarters."""

    id: int
    from_id: int
    to_id: int
    subject: Subject
    colour: Currency
    amount: int
    message: str
    created_at: datetime
    entry_id: int
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Purse:
    """A colour that may pay for a tip, and what the person has of it in quarters."""

    colour: Currency
    balance: int


async def target(session: AsyncSession, actor: Actor, *, subject: Subject) -> SubjectFacts:
    """What a tip would be for, when the actor may give one.

    Raises NotFound (`no_such_subject`), Invalid (`self_tip`, `nobody_to_tip`), Forbidden (`blocked`).
    """
    person_id = actor.require(Scope.SOCIAL_TIP)
    found = await subjects.resolve(session, subject)
    if found is None or (not found.public and found.owner_id != person_id):
        raise NotFound("There is no such thing to tip for.", code="no_such_subject")
    if found.owner_id == person_id:
        raise Invalid("You cannot tip yourself.", code="self_tip")
    owner = found.owner_id or 0
    status = await session.scalar(select(Person.status).where(Person.id == owner, Person.id > 0))
    if status != "active":
        raise Invalid("Nobody is there who could take this tip.", code="nobody_to_tip")
    await following.require_no_block(session, actor, target_id=owner)
    return found


def colours(facts: SubjectFacts, *, domain: str = "main") -> tuple[Currency, ...]:
    """The colours in which this may be tipped: those that can be given away, and for mature things yellow alone."""
    found = economy.current()
    return tuple(
        colour
        for colour in found.purses_for("tips", domain=domain, mature=facts.mature)
        if found.colours[colour].transferable
    )


async def purses(session: AsyncSession, actor: Actor, facts: SubjectFacts) -> list[Purse]:
    """What the actor has of each colour that may pay for this."""
    person_id, may = actor.require(), colours(facts, domain=actor.domain)
    found = await posting.balances(session, [wallet(person_id, colour) for colour in may])
    return [Purse(colour, found[wallet(person_id, colour)]) for colour in may]


async def give(
    session: AsyncSession,
    actor: Actor,
    *,
    subject: Subject,
    amount: int,
    colour: Currency,
    message: str = "",
    quick: bool = False,
    key: str | None = None,
) -> Given:
    """Give `amount` quarters of `colour`; the same `key` again gives the first answer.

    `quick` is a tip by one press, which has a lower bound of its own. Raises as `target` and `posting.post` do,
    Invalid (`bad_amount`, `wrong_colour`, `message_too_long`, `bad_key`), Forbidden (`muted`, `not_onboarded`).
    """
    person_id = actor.require(Scope.SOCIAL_TIP)
    if not actor.onboarded:
        raise Forbidden("Finish setting up your account first.", code="not_onboarded")
    _check_amount(amount, quick)
    words = _words(actor, message)
    full_key = f"tip:{person_id}:{key or new_uuid()}"
    if len(full_key) > LONGEST_KEY:
        raise Invalid("This idempotency key is too long.", code="bad_key")
    if key is not None and (before := await _before(session, full_key)) is not None:
        if (before.subject, before.amount, before.colour) != (subject, amount, colour):
            raise Conflict(
                "This idempotency key was used for another tip. Nothing was charged; send a new key.",
                code="idempotency_key_reused",
            )
        return before
    facts = await target(session, actor, subject=subject)
    if colour not in colours(facts, domain=actor.domain):
        raise _wrong(colour, facts, actor.domain)
    owner = facts.owner_id or 0
    posted = await posting.post(session, _entry(full_key, actor, facts, colour, amount))
    if posted.replayed:
        found = await _before(session, full_key)
        if found is not None:
            return found
    kept = Tip(
        entry_id=posted.entry_id, from_id=person_id, to_id=owner, subject_kind=subject.kind,
        subject_id=subject.id, colour=colour.value, amount=amount, message=words, created_at=clock.now(),
    )  # fmt: skip
    session.add(kept)
    await session.flush()
    await publish(
        session, TipGiven(kept.id, person_id, owner, subject.kind, subject.id, colour.value, amount)
    )
    return _given(kept)


def _entry(key: str, actor: Actor, facts: SubjectFacts, colour: Currency, amount: int) -> Entry:
    giver, owner = actor.require(), facts.owner_id or 0
    return Entry(
        key=key,
        type=EntryType.TIP,
        legs=posting.transfer(wallet(giver, colour), wallet(owner, colour), amount),
        description=f"Tip for {facts.title}"[:100],
        subject=facts.subject,
        details={"from": giver, "to": owner},
        actor_id=giver,
        key_id=actor.key_id,
    )


def _check_amount(amount: int, quick: bool) -> None:
    bounds = economy.current().tips
    least, most = rules.quarters(bounds.least), rules.quarters(bounds.quick_most if quick else bounds.most)
    if not least <= amount <= most:
        told = f"A tip is {money.shown(least)} to {money.shown(most)} Buzz{' by one press' if quick else ''}."
    elif amount % money.QUARTERS:
        told = "A tip is in whole Buzz."
    else:
        return
    raise Invalid(told, code="bad_amount", fields={"amount": told})


def _words(actor: Actor, message: str) -> str:
    words = clean_line(message[: 10 * LONGEST_MESSAGE])
    if len(words) > LONGEST_MESSAGE:
        told = f"A message has at most {LONGEST_MESSAGE} characters."
        raise Invalid(told, code="message_too_long", fields={"message": told})
    if words and actor.muted:
        raise Forbidden("Your account is muted: you can tip, but without a message.", code="muted")
    return words


def _wrong(colour: Currency, facts: SubjectFacts, domain: str) -> Invalid:
    may = " or ".join(one.value for one in colours(facts, domain=domain)) or "no colour"
    what = "mature things" if facts.mature else "this"
    told = f"{colour.value.capitalize()} Buzz cannot be given; tip for {what} with {may}."
    return Invalid(told, code="wrong_colour", fields={"colour": told})


async def _before(session: AsyncSession, key: str) -> Given | None:
    found = await session.scalar(
        select(Tip).join(LedgerEntry, LedgerEntry.id == Tip.entry_id).where(LedgerEntry.key == key)
    )
    return _given(found, replayed=True) if found is not None else None


def _given(row: Tip, *, replayed: bool = False) -> Given:
    return Given(
        row.id, row.from_id, row.to_id, Subject(row.subject_kind, row.subject_id), Currency(row.colour),
        row.amount, row.message, row.created_at, row.entry_id, replayed,
    )  # fmt: skip


async def listed(
    session: AsyncSession, actor: Actor, *, way: Literal["received", "given"], cursor: str | None = None
) -> paging.Page[Given]:
    """The actor's tips, the newest first."""
    person_id = actor.require(Scope.BUZZ_READ)
    statement = select(Tip).where((Tip.to_id if way == "received" else Tip.from_id) == person_id)
    if cursor is not None:
        statement = statement.where(Tip.id < paging.decode(cursor, int)[0])
    rows = list(await session.scalars(statement.order_by(Tip.id.desc()).limit(PAGE + 1)))
    items = [_given(row) for row in rows[:PAGE]]
    return paging.Page(items, paging.encode(items[-1].id) if len(rows) > PAGE else None)


async def count(session: AsyncSession, event: TipGiven) -> None:
    """Add a tip to what its subject was tipped."""
    await session.execute(
        insert(TippedTotal)
        .values(
            subject_kind=event.subject_kind, subject_id=event.subject_id, colour=event.colour,
            amount=event.amount, count=1,
        )
        .on_conflict_do_update(
            index_elements=["subject_kind", "subject_id", "colour"],
            set_={"amount": TippedTotal.amount + event.amount, "count": TippedTotal.count + 1},
        )
    )  # fmt: skip


async def totals(
    session: AsyncSession, wanted: Iterable[Subject]
) -> Mapping[Subject, Mapping[Currency, tuple[int, int]]]:
    """What each subject was tipped: quarters and number of tips by colour."""
    pairs = [(subject.kind, subject.id) for subject in wanted]
    if not pairs:
        return {}
    rows = await session.scalars(
        select(TippedTotal).where(tuple_(TippedTotal.subject_kind, TippedTotal.subject_id).in_(pairs))
    )
    found: dict[Subject, dict[Currency, tuple[int, int]]] = {}
    for row in rows:
        subject = Subject(row.subject_kind, row.subject_id)
        found.setdefault(subject, {})[Currency(row.colour)] = (row.amount, row.count)
    return found


async def total(session: AsyncSession, subject: Subject) -> tuple[int, int]:
    """Quarters of all colours that a subject was tipped, and how many tips."""
    row = (
        await session.execute(
            select(
                func.coalesce(func.sum(TippedTotal.amount), 0), func.coalesce(func.sum(TippedTotal.count), 0)
            ).where(TippedTotal.subject_kind == subject.kind, TippedTotal.subject_id == subject.id)
        )
    ).one()
    return int(row[0]), int(row[1])


def giveable() -> Sequence[Currency]:
    """The colours that can be given away at all."""
    return tuple(colour for colour in COLOURS if economy.current().colours[colour].transferable)
