"""What people have: what they can spend by colour, what is held, banked and paid out; freezing a wallet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from civitas.domains.accounts.types import Actor, Scope
from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.types import COLOURS, Currency, Purpose
from civitas.kit import money
from civitas.kit.errors import Invalid
from civitas.kit.sql import statements

if TYPE_CHECKING:
    from civitas.infra.db.readpool import ReadPool

SQL = statements("civitas.domains.buzz.ledger", "wallets.sql")
Amounts = Mapping[Currency, int]


@dataclass(frozen=True, slots=True)
class Wallet:
    """What a person has now. Buzz is in quarters by colour, cash in cents.

    `spendable` counts credits that wait to be added to their account (`waiting` says how much that is).
    """

    person_id: int
    spendable: Amounts
    waiting: Amounts
    held: Amounts
    banked: Amounts
    cash_pending: int
    cash_settled: int
    frozen_at: datetime | None

    @property
    def total(self) -> int:
        """All that can be spent, in quarters."""
        return sum(self.spendable.values())

    @property
    def held_total(self) -> int:
        """All that is held, in quarters."""
        return sum(self.held.values())


async def of(session: AsyncSession, person_id: int) -> Wallet:
    """A person's wallet; empty for somebody who never had Buzz."""
    rows = (await session.execute(text(SQL["wallet"]), {"person": person_id})).all()
    found = {(row.purpose, row.currency): row for row in rows}

    def amounts(purpose: Purpose, colours: Sequence[Currency] = COLOURS) -> dict[Currency, int]:
        return {
            colour: int(found[purpose, colour].amount) if (purpose, colour) in found else 0
            for colour in colours
        }

    frozen = [row.frozen_at for row in rows if row.purpose == Purpose.WALLET and row.frozen_at is not None]
    return Wallet(
        person_id=person_id,
        spendable=amounts(Purpose.WALLET),
        waiting={
            colour: int(found["wallet", colour].waiting) if ("wallet", colour) in found else 0
            for colour in COLOURS
        },
        held=amounts(Purpose.HELD),
        banked=amounts(Purpose.BANK, (Currency.GREEN, Currency.YELLOW)),
        cash_pending=amounts(Purpose.PENDING, (Currency.CASH,))[Currency.CASH],
        cash_settled=amounts(Purpose.SETTLED, (Currency.CASH,))[Currency.CASH],
        frozen_at=min(frozen) if frozen else None,
    )


async def mine(session: AsyncSession, actor: Actor) -> Wallet:
    """The actor's own wallet. Raises Unauthorised, and Forbidden for a key without the scope BuzzRead."""
    return await of(session, actor.require(Scope.BUZZ_READ))


async def spendable(reads: ReadPool, people: Sequence[int]) -> dict[int, dict[Currency, int]]:
    """What each of many people can spend, by colour in quarters, in one statement for a hot path."""
    found = {person: dict.fromkeys(COLOURS, 0) for person in people}
    if found:
        for owner, currency, amount in await reads.fetch(SQL["spendable"], (list(found),)):
            found[owner][Currency(currency)] = int(amount)
    return found


@dataclass(frozen=True, slots=True)
class Preview:
    """What paying an amount would take of which colour, in the order in which they pay, and what would be left.

    `missing` is what lacks, all in quarters; nothing would be taken unless it is 0.
    """

    total: int
    parts: Amounts
    missing: int
    after: Amounts
    colours: tuple[Currency, ...]

    @property
    def enough(self) -> bool:
        """Whether it can be paid."""
        return self.missing == 0


def preview(
    wallet: Wallet, *, total: int, activity: str, domain: str = "main", mature: bool = False
) -> Preview:
    """Which colours would pay for an activity now, as a charge would take them. Raises Invalid (`bad_amount`)."""
    rules = economy.current()
    known = {name for colour in rules.colours.values() for name in colour.pays_for}
    if activity not in known:
        raise Invalid(
            f"Nothing is paid under this name; known are {', '.join(sorted(known))}.", code="bad_activity"
        )
    if domain not in rules.spend_order:
        raise Invalid("There is no site of this name.", code="bad_domain")
    if not 0 < total <= money.buzz(money.MOST_BUZZ):
        raise Invalid("An amount must be more than nothing and less than a trillion Buzz.", code="bad_amount")
    colours = rules.purses_for(activity, domain=domain, mature=mature)
    parts, rest = divided(wallet.spendable, total=total, colours=colours)
    after = {colour: amount - parts.get(colour, 0) for colour, amount in wallet.spendable.items()}
    return Preview(total, parts, rest, after if rest == 0 else dict(wallet.spendable), colours)


def divided(held: Amounts, *, total: int, colours: Sequence[Currency]) -> tuple[dict[Currency, int], int]:
    """What `total` would take of which colour, in the order in which they pay, as a charge does; and what is missing."""
    rest, parts = total, {}
    for colour in colours:
        part = min(rest, max(0, held.get(colour, 0)))
        if part:
            parts[colour] = part
            rest -= part
    return parts, rest
