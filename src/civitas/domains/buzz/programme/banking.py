"""Banking Buzz in the month's bank, and taking it back (FEATURES J3 to J5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Actor, Onboarding, Scope
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.economy.rule_types import quarters
from civitas.domains.buzz.ledger import posting
from civitas.domains.buzz.ledger.posting import Entry, Leg, transfer
from civitas.domains.buzz.ledger.tables import LedgerEntry
from civitas.domains.buzz.memberships.entitlements import entitlements
from civitas.domains.buzz.programme import sums
from civitas.domains.buzz.programme.tables import Participant, ProgrammeMonth
from civitas.domains.buzz.programme.types import Month, Phase, calendar, month_named, month_of
from civitas.domains.buzz.types import COLOURS, Account, Currency, EntryType, Purpose, house, wallet
from civitas.kit import clock, money
from civitas.kit.errors import Conflict, Forbidden, Invalid
from civitas.kit.sql import statements

SQL = statements("civitas.domains.buzz.programme", "programme.sql")


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much somebody may bank this month; amounts in quarters."""

    cap: int
    banked: int
    best_month: int
    tier: str | None

    @property
    def left(self) -> int:
        """What may still be banked."""
        return max(0, self.cap - self.banked)


@dataclass(frozen=True, slots=True)
class Extraction:
    """What taking everything back gives: by colour what was banked, what the fee takes, what arrives."""

    month: str
    banked: Mapping[Currency, int]
    fees: Mapping[Currency, int]

    @property
    def total(self) -> int:
        """All that was banked."""
        return sum(self.banked.values())

    @property
    def fee(self) -> int:
        """The whole fee."""
        return sum(self.fees.values())

    @property
    def received(self) -> dict[Currency, int]:
        """What arrives in the wallet, by colour."""
        return {colour: amount - self.fees.get(colour, 0) for colour, amount in self.banked.items()}


def bankable() -> tuple[Currency, ...]:
    """The colours that can be banked, by the rules."""
    return tuple(colour for colour in COLOURS if economy.current().colours[colour].bankable)


def bank_of(person_id: int, month: Month, colour: Currency) -> Account:
    """The account in which a person's Buzz of one colour lies for a month."""
    return Account(person_id, Purpose.BANK.of(month.key), colour)


async def banked_by(session: AsyncSession, person_id: int, month: Month) -> dict[Currency, int]:
    """What a person has banked in a month, by colour; every colour that can be banked is named."""
    found = await posting.balances(session, [bank_of(person_id, month, colour) for colour in bankable()])
    return {account.currency: amount for account, amount in found.items()}


async def in_wallet(session: AsyncSession, person_id: int) -> dict[Currency, int]:
    """What a person could bank: their purses of the colours that can be banked."""
    found = await posting.balances(session, [wallet(person_id, colour) for colour in bankable()])
    return {account.currency: amount for account, amount in found.items()}


async def earnings(session: AsyncSession, person_id: int, *, now: Month) -> dict[str, int]:
    """What a person earned in each of the last months of the rules, the present one included, by `202611`."""
    rules = economy.current().programme
    first = now.shifted(1 - rules.earning_months)
    rows = await session.execute(
        text(SQL["earnings"]),
        {
            "person": person_id,
            "colours": [colour.value for colour in bankable()],
            "types": [kind.value for kind in rules.earning_types],
            "since": first.start,
            "until": now.end,
        },
    )
    found = {row.month: int(row.earned) for row in rows}
    return {
        first.shifted(place).key: found.get(first.shifted(place).key, 0)
        for place in range(rules.earning_months)
    }


async def allowance(session: AsyncSession, person_id: int, *, month: Month) -> Allowance:
    """The cap of a person this month and what is left of it."""
    holds = await entitlements(session, person_id)
    rules = economy.current().programme
    tier = holds.paid_tier.key if holds.paid_tier and holds.paid_tier.key in rules.tiers else None
    best = max(0, *(await earnings(session, person_id, now=month)).values())
    cap = sums.cap(rules, tier=tier, best_month=best) if tier else 0
    return Allowance(cap, sum((await banked_by(session, person_id, month)).values()), best, tier)


async def open_month(session: AsyncSession, month: Month, *, lock: bool) -> ProgrammeMonth:
    """The row of a month, made when it is first needed and kept from being closed until this unit ends.

    With `lock` it is ours alone: whoever closes the month waits for everybody who banks or takes back.
    """
    await session.execute(insert(ProgrammeMonth).values(month=month.key).on_conflict_do_nothing())
    statement = select(ProgrammeMonth).where(ProgrammeMonth.month == month.key)
    locked = statement.with_for_update() if lock else statement.with_for_update(read=True)
    return (await session.execute(locked.execution_options(populate_existing=True))).scalar_one()


async def bank(session: AsyncSession, actor: Actor, *, amounts: Mapping[Currency, int], key: str) -> int:
    """Move quarters from the wallet into this month's bank, by colour; the entry's id. Replays give the first answer.

    Raises Conflict (`not_banking`, `over_cap`), Forbidden (`not_in_programme`, `membership_needed`), Invalid
    (`bad_colour`, `too_little`), and as `posting.post`.
    """
    person_id = actor.require(Scope.USER_WRITE)
    known = await session.scalar(select(LedgerEntry.details).where(LedgerEntry.key == key))
    month = month_named(known["month"]) if known and "month" in known else month_of(clock.now())
    given = {colour: amount for colour, amount in amounts.items() if amount}
    if known is None:
        await _may_bank(session, person_id, month, given)
    legs = [
        leg
        for colour, amount in sorted(given.items())
        for leg in transfer(wallet(person_id, colour), bank_of(person_id, month, colour), amount)
    ]
    posted = await posting.post(
        session,
        Entry(
            key,
            EntryType.BANK,
            tuple(legs),
            f"Banked for {month.label}",
            details={"month": month.key},
            actor_id=person_id,
        ),
    )
    return posted.entry_id


async def _may_bank(
    session: AsyncSession, person_id: int, month: Month, given: Mapping[Currency, int]
) -> None:
    rules = economy.current().programme
    if any(amount < 0 for amount in given.values()) or set(given) - set(bankable()):
        raise Invalid(
            f"Only {' and '.join(bankable())} Buzz can be banked, in amounts above nothing.",
            code="bad_colour",
        )
    least, total = quarters(rules.least_bank), sum(given.values())
    if total < least:
        told = f"Bank at least {money.shown(least)} Buzz at once."
        raise Invalid(told, code="too_little", fields={"amount": told})
    taking_part = await session.get(Participant, person_id, with_for_update=True, populate_existing=True)
    steps = Onboarding(await session.scalar(select(Person.onboarding).where(Person.id == person_id)) or 0)
    if taking_part is None or taking_part.status != "active" or Onboarding.BANNED_CREATOR_PROGRAM in steps:
        raise Forbidden("Join the creator programme first.", code="not_in_programme")
    row = await open_month(session, month, lock=False)
    when = calendar(month, rules)
    if row.status != "open" or when.phase_at(clock.now()) is not Phase.BANKING:
        raise Conflict(
            f"Buzz can be banked until {when.extraction_opens:%-d %B}, and again from {when.ends:%-d %B} on.",
            code="not_banking",
        )
    allowed = await allowance(session, person_id, month=month)
    if allowed.tier is None:
        raise Forbidden("Banking needs a paid membership that is in force.", code="membership_needed")
    if total > allowed.left:
        told = f"You may bank {money.shown(allowed.left)} Buzz more this month; your cap is {money.shown(allowed.cap)}."
        raise Conflict(
            told, code="over_cap", details={"left": money.as_number(allowed.left), "fields": {"amount": told}}
        )


async def preview(session: AsyncSession, person_id: int, *, month: Month | None = None) -> Extraction:
    """What taking everything back would give now."""
    month = month or month_of(clock.now())
    banked = sums.in_order(bankable(), await banked_by(session, person_id, month))
    fee = sums.extraction_fee(economy.current().programme, sum(banked.values()))
    return Extraction(month.key, banked, sums.fee_by_colour(fee, banked))


async def extract(session: AsyncSession, actor: Actor) -> Extraction:
    """Take back all that is banked this month, less the fee; each colour comes back as itself. Once a month.

    Asking again gives the first answer. Raises Conflict (`not_extracting`, `nothing_banked`), and as `posting.post`.
    """
    person_id = actor.require(Scope.USER_WRITE)
    month = month_of(clock.now())
    row = await open_month(session, month, lock=False)
    key = f"extract:{month.key}:{person_id}"
    done = await session.scalar(select(LedgerEntry.details).where(LedgerEntry.key == key))
    if done is not None:
        return _remembered(month, done)
    when = calendar(month, economy.current().programme)
    if row.status != "open" or when.phase_at(clock.now()) is not Phase.EXTRACTION:
        raise Conflict(
            f"Banked Buzz can be taken back from {when.extraction_opens:%-d %B} until {when.closes:%-d %B, %H:%M} UTC.",
            code="not_extracting",
        )
    await session.get(Participant, person_id, with_for_update=True)
    found = await preview(session, person_id, month=month)
    if not found.banked:
        raise Conflict("Nothing of yours is banked this month.", code="nothing_banked")
    await posting.post_batch(session, _taking_back(person_id, month, key, found))
    return found


def _taking_back(person_id: int, month: Month, key: str, found: Extraction) -> list[Entry]:
    details = {
        "month": month.key,
        "banked": {colour.value: amount for colour, amount in found.banked.items()},
        "fees": {colour.value: amount for colour, amount in found.fees.items()},
    }
    back: list[Leg] = []
    fees: list[Leg] = []
    for colour, amount in found.banked.items():
        back += transfer(bank_of(person_id, month, colour), wallet(person_id, colour), amount)
        if fee := found.fees.get(colour, 0):
            fees += transfer(wallet(person_id, colour), house(Purpose.REVENUE, colour), fee)
    entries = [
        Entry(key, EntryType.EXTRACT, tuple(back), f"Taken back from {month.label}", None, details, person_id)
    ]
    if fees:
        told = f"Fee for taking back from {month.label}"
        entries.append(
            Entry(
                f"extract-fee:{month.key}:{person_id}", EntryType.FEE, tuple(fees), told, actor_id=person_id
            )
        )
    return entries


def _remembered(month: Month, details: Mapping[str, Mapping[str, int]]) -> Extraction:
    return Extraction(
        month.key,
        {Currency(colour): amount for colour, amount in details["banked"].items()},
        {Currency(colour): amount for colour, amount in details["fees"].items()},
    )


async def give_back(session: AsyncSession, person_id: int, *, month: Month, actor_id: int | None) -> None:
    """Return what somebody banked without a fee, when staff take them out; nothing once the month is closed."""
    row = await open_month(session, month, lock=False)
    if row.status != "open":
        return
    await session.get(Participant, person_id, with_for_update=True)
    banked = sums.in_order(bankable(), await banked_by(session, person_id, month))
    if not banked:
        return
    legs: list[Leg] = []
    for colour, amount in banked.items():
        legs += transfer(bank_of(person_id, month, colour), wallet(person_id, colour), amount)
    # What was banked so far tells this return from a later one of the same month.
    last = await session.scalar(select(LedgerEntry.id).order_by(LedgerEntry.id.desc()).limit(1))
    await posting.post(
        session,
        Entry(
            f"bank-returned:{month.key}:{person_id}:{last}",
            EntryType.EXTRACT,
            tuple(legs),
            f"Returned from {month.label}",
            details={"month": month.key},
            actor_id=actor_id,
        ),
        forced=True,
    )
