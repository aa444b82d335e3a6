"""The pool of a month: what it is made of, what staff set, and closing: shares, payment, carrying over, settling.

Every step is done for one month and in batches, under keys made of the month and the person: whatever is killed
between two batches and begun again pays everybody exactly once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts import audit
from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.ledger import posting
from civitas.domains.buzz.ledger.posting import Entry, Leg, transfer
from civitas.domains.buzz.programme import notices
from civitas.domains.buzz.programme import sums as programme_sums
from civitas.domains.buzz.programme.banking import SQL, bank_of, bankable, open_month
from civitas.domains.buzz.programme.sums import PoolFacts
from civitas.domains.buzz.programme.tables import Participant, ProgrammeMonth, ProgrammeShare
from civitas.domains.buzz.programme.types import Month, calendar, month_named, month_of
from civitas.domains.buzz.types import Account, Currency, EntryType, Purpose, house
from civitas.kit import clock
from civitas.kit.errors import Conflict, Invalid

BATCH = 200
_GREATEST_CENTS = 10**11


@dataclass(frozen=True, slots=True)
class Pool:
    """A month's pool as it stands, or as it ended. `banked` in quarters over everybody."""

    month: Month
    status: str
    facts: PoolFacts
    banked: int
    people: int
    shared_cents: int | None

    @property
    def cents(self) -> int:
        """The value of the pool."""
        return self.facts.cents

    @property
    def worth_of_1000(self) -> int:
        """What a thousand banked Buzz would get now, in cents, the limit of the rules at most."""
        rules = economy.current().programme
        if self.banked <= 0:
            return rules.most_cents_per_1000
        return min(rules.most_cents_per_1000, self.cents * 4000 // self.banked)


async def income(session: AsyncSession, month: Month) -> int:
    """What the site sold and redeemed in a month, less what was charged back, in quarters of colours that can be banked."""
    rules = economy.current().programme.pool
    found = await session.scalar(
        text(SQL["income"]),
        {
            "colours": [colour.value for colour in bankable()],
            "types": [kind.value for kind in rules.income_types],
            "since": month.start,
            "until": month.end,
        },
    )
    return int(found or 0)


async def pool(session: AsyncSession, month: Month) -> Pool:
    """The pool of a month: live while it is open, as it was once it is closed."""
    row = await session.get(ProgrammeMonth, month.key, populate_existing=True)
    closed = row is not None and row.status != "open"
    facts = await _facts(session, month, row)
    if row is not None and closed:
        return Pool(month, row.status, facts, row.banked or 0, row.people or 0, row.shared_cents)
    total = (await session.execute(text(SQL["banked_total"]), {"purpose": Purpose.BANK.of(month.key)})).one()
    return Pool(month, "open", facts, int(total.total), int(total.people), None)


async def _facts(session: AsyncSession, month: Month, row: ProgrammeMonth | None) -> PoolFacts:
    rules = economy.current()
    made_of = rules.programme.pool
    known = row.income if row is not None else None
    return PoolFacts(
        income=known if known is not None else await income(session, month.shifted(-1)),
        taxes=made_of.taxes if row is None or row.taxes is None else row.taxes,
        portion=made_of.portion if row is None or row.portion is None else row.portion,
        override_cents=(row.pool_cents if row.status != "open" else row.override_cents) if row else None,
        fallback_cents=made_of.fallback_cents,
        buzz_per_dollar=rules.money.buzz_per_dollar,
    )


def share_of_one(given: str, *, name: str) -> Decimal | None:
    """A percentage that staff typed as a part of one; None for an empty field. Raises Invalid (`bad_share`)."""
    if not given.strip():
        return None
    try:
        found = Decimal(given.strip().rstrip("%")) / 100
    except InvalidOperation:
        found = Decimal(-1)
    if not (found.is_finite() and 0 <= found <= 1):
        raise Invalid("Give a percentage from 0 to 100.", code="bad_share", fields={name: "From 0 to 100."})
    return found.quantize(Decimal("0.000001"))


async def adjust(
    session: AsyncSession,
    actor: Actor,
    *,
    month: Month,
    taxes: Decimal | None,
    portion: Decimal | None,
    value_cents: int | None,
    reason: str,
) -> Pool:
    """Staff set taxes, portion or the whole value of an open month; None goes back to the rules. Logged.

    Raises Forbidden, Conflict (`month_closed`), Invalid (`reason_needed`, `bad_amount`).
    """
    actor.require_moderator()
    if value_cents is not None and not 0 <= value_cents <= _GREATEST_CENTS:
        told = "Give an amount of money from nothing to a billion."
        raise Invalid(told, code="bad_amount", fields={"value": told})
    row = await open_month(session, month, lock=True)
    if row.status != "open":
        raise Conflict("This month is closed; its pool is shared out already.", code="month_closed")
    before = {"taxes": _text(row.taxes), "portion": _text(row.portion), "value": row.override_cents}
    row.taxes, row.portion, row.override_cents = taxes, portion, value_cents
    await session.flush()
    await audit.record(
        session,
        actor,
        action="programme.pool",
        reason=reason,
        subject_kind="programme",
        subject_id=int(month.key),
        details={
            "month": month.key,
            "before": before,
            "after": {"taxes": _text(taxes), "portion": _text(portion), "value": value_cents},
        },
    )
    return await pool(session, month)


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


async def banked_by_person(session: AsyncSession, month: Month) -> dict[int, dict[Currency, int]]:
    """Everybody's banked Buzz of a month by colour, in the order of their ids; those with nothing are left out."""
    rows = await session.execute(text(SQL["banked"]), {"purpose": Purpose.BANK.of(month.key)})
    found: dict[int, dict[Currency, int]] = {}
    for row in rows:
        if row.amount > 0:
            found.setdefault(row.person_id, {})[Currency(row.currency)] = int(row.amount)
    return found


async def planned_shares(session: AsyncSession, month: Month) -> Mapping[int, int]:
    """What everybody would get if the month were closed now, in cents by person."""
    stands = await pool(session, month)
    banked = await banked_by_person(session, month)
    return programme_sums.shares(
        economy.current().programme,
        pool_cents=stands.cents,
        banked={person: sum(parts.values()) for person, parts in banked.items()},
    )


async def plan(session: AsyncSession, month: Month) -> bool:
    """Close a month: fix its pool and everybody's share, and put the money aside. True when it was done now.

    Nothing before the month's extraction closes, and nothing the second time. Waits for whoever is banking or
    taking back; they find the month closed afterwards.
    """
    rules = economy.current().programme
    if clock.now() < calendar(month, rules).closes:
        return False
    row = await open_month(session, month, lock=True)
    if row.status != "open":
        return False
    stands = await pool(session, month)
    banked = await banked_by_person(session, month)
    sums = {person: sum(parts.values()) for person, parts in banked.items()}
    shares = programme_sums.shares(rules, pool_cents=stands.cents, banked=sums)
    if banked:
        await session.execute(
            insert(ProgrammeShare),
            [
                {
                    "month": month.key,
                    "person_id": person,
                    "green": parts.get(Currency.GREEN, 0),
                    "yellow": parts.get(Currency.YELLOW, 0),
                    "cents": shares[person],
                    "status": "planned",
                }
                for person, parts in banked.items()
            ],
        )
    shared = sum(shares.values())
    row.income, row.taxes, row.portion = stands.facts.income, stands.facts.taxes, stands.facts.portion
    row.banked, row.people = sum(sums.values()), len(sums)
    row.pool_cents, row.shared_cents = stands.cents, shared
    row.status, row.planned_at = "planned", clock.now()
    await session.flush()
    if shared:
        cash = Currency.CASH
        await posting.post(
            session,
            Entry(
                f"programme-pool:{month.key}",
                EntryType.COMPENSATION,
                transfer(house(Purpose.REVENUE, cash), house(Purpose.POOL.of(month.key), cash), shared),
                f"Creator programme, pool of {month.label}",
                details={"month": month.key},
            ),
        )
    return True


async def _due(
    session: AsyncSession, month: Month, status: str, *, worth: bool
) -> list[tuple[int, int, int, int]]:
    rows = await session.execute(
        text(SQL["due_shares"]), {"month": month.key, "status": status, "worth": worth, "most": BATCH}
    )
    return [(row.person_id, row.green, row.yellow, row.cents) for row in rows]


async def _mark(session: AsyncSession, month: Month, people: list[int], status: str) -> None:
    await session.execute(
        update(ProgrammeShare)
        .where(ProgrammeShare.month == month.key, ProgrammeShare.person_id.in_(people))
        .values(status=status)
        .execution_options(synchronize_session=False)
    )


async def distribute(session: AsyncSession, month: Month) -> int:
    """Pay one batch of a closed month's shares: banked Buzz ends, cash is pending. How many were paid.

    Whoever's wallet is frozen waits until it is not.
    """
    due = await _due(session, month, "planned", worth=True)
    if not due:
        await session.execute(
            update(ProgrammeMonth)
            .where(ProgrammeMonth.month == month.key, ProgrammeMonth.status == "planned")
            .values(status="distributed", distributed_at=clock.now())
        )
        return 0
    cash = Currency.CASH
    entries: list[Entry] = []
    for person, green, yellow, cents in due:
        legs: list[Leg] = []
        for colour, amount in ((Currency.GREEN, green), (Currency.YELLOW, yellow)):
            if amount:
                legs += transfer(bank_of(person, month, colour), house(Purpose.BURN, colour), amount)
        legs += transfer(
            house(Purpose.POOL.of(month.key), cash), Account(person, Purpose.PENDING, cash), cents
        )
        entries.append(
            Entry(
                f"programme-share:{month.key}:{person}",
                EntryType.COMPENSATION,
                tuple(legs),
                f"Creator programme, {month.label}",
                details={"month": month.key},
            )
        )
    await posting.post_batch(session, entries)
    await _mark(session, month, [person for person, *_ in due], "paid")
    await notices.tell_paid(session, month, [person for person, *_ in due], settled=False)
    return len(due)


async def carry(session: AsyncSession, month: Month) -> int:
    """On day 1: Buzz that was not worth a cent goes into the next open month's bank, one batch. How many were carried."""
    if clock.now() < month.end:
        return 0
    due = await _due(session, month, "planned", worth=False)
    if not due:
        return 0
    following = max(month.shifted(1), month_of(clock.now()))
    if (await open_month(session, following, lock=False)).status != "open":
        following = following.shifted(1)
        await open_month(session, following, lock=False)
    entries = []
    for person, green, yellow, _ in due:
        legs: list[Leg] = []
        for colour, amount in ((Currency.GREEN, green), (Currency.YELLOW, yellow)):
            if amount:
                legs += transfer(bank_of(person, month, colour), bank_of(person, following, colour), amount)
        told = f"Carried over from {month.label}"
        entries.append(
            Entry(
                f"programme-carry:{month.key}:{person}",
                EntryType.BANK,
                tuple(legs),
                told,
                details={"month": following.key},
            )
        )
    await posting.post_batch(session, entries)
    await _mark(session, month, [person for person, *_ in due], "carried")
    return len(due)


async def settle(session: AsyncSession, month: Month) -> int:
    """From the day of the rules on: pending cash of one batch can be withdrawn. How many were settled."""
    if clock.now() < calendar(month, economy.current().programme).settles:
        return 0
    due = await _due(session, month, "paid", worth=True)
    if not due:
        await session.execute(
            update(ProgrammeMonth)
            .where(ProgrammeMonth.month == month.key, ProgrammeMonth.status == "distributed")
            .values(status="settled", settled_at=clock.now())
        )
        return 0
    cash = Currency.CASH
    await posting.post_batch(
        session,
        [
            Entry(
                f"programme-settle:{month.key}:{person}",
                EntryType.COMPENSATION,
                transfer(
                    Account(person, Purpose.PENDING, cash), Account(person, Purpose.SETTLED, cash), cents
                ),
                f"Settled, {month.label}",
                details={"month": month.key},
            )
            for person, _, _, cents in due
        ],
    )
    await _mark(session, month, [person for person, *_ in due], "settled")
    await notices.tell_paid(session, month, [person for person, *_ in due], settled=True)
    return len(due)


async def months_with_work(session: AsyncSession) -> list[Month]:
    """The months that something may be due for, the oldest first; the present one is made here on day 1."""
    now = month_of(clock.now())
    await session.execute(insert(ProgrammeMonth).values(month=now.key).on_conflict_do_nothing())
    rows = await session.execute(text(SQL["months_with_work"]))
    return [month_named(row.month) for row in rows]


async def history(session: AsyncSession, person_id: int, *, most: int = 24) -> list[ProgrammeShare]:
    """A person's shares, the newest month first."""
    found = await session.scalars(
        select(ProgrammeShare)
        .where(ProgrammeShare.person_id == person_id)
        .order_by(ProgrammeShare.month.desc())
        .limit(most)
    )
    return list(found)


async def past_pools(session: AsyncSession, *, most: int = 13) -> list[ProgrammeMonth]:
    """Closed months, the newest first."""
    found = await session.scalars(
        select(ProgrammeMonth)
        .where(ProgrammeMonth.status != "open")
        .order_by(ProgrammeMonth.month.desc())
        .limit(most)
    )
    return list(found)


async def participants(session: AsyncSession) -> int:
    """How many take part now."""
    statement = select(func.count()).select_from(Participant).where(Participant.status == "active")
    return int(await session.scalar(statement) or 0)
