"""The ledger against a plain model of it: whatever is asked in whatever order, both say the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_person

from civitas.domains.buzz.errors import InsufficientFunds, KeyReused
from civitas.domains.buzz.ledger import auditing, holds, posting
from civitas.domains.buzz.ledger.posting import Entry, transfer
from civitas.domains.buzz.types import Account, Currency, EntryType, Purpose, house, wallet
from civitas.infra.db.database import Database
from civitas.kit import clock
from civitas.kit.errors import Conflict, Invalid

T = TypeVar("T")
PEOPLE = 3
COLOURS = [Currency.BLUE, Currency.GREEN, Currency.YELLOW]
people = st.integers(0, PEOPLE - 1)
colours = st.sampled_from(COLOURS)
orders = st.permutations(COLOURS).flatmap(lambda all: st.integers(1, 3).map(lambda n: tuple(all[:n])))
amounts = st.integers(1, 60)


class Plain:
    """What a ledger means, without a database: purses, charges and holds in dictionaries."""

    def __init__(self) -> None:
        self.purses: dict[tuple[int, Currency], int] = {}
        self.charges: dict[int, tuple[int, dict[Currency, int]]] = {}
        self.holds: dict[int, dict[str, Any]] = {}

    def has(self, person: int, colour: Currency) -> int:
        return self.purses.get((person, colour), 0)

    def move(self, person: int, colour: Currency, amount: int) -> None:
        self.purses[person, colour] = self.has(person, colour) + amount

    def split(self, person: int, order: tuple[Currency, ...], total: int) -> dict[Currency, int] | None:
        parts: dict[Currency, int] = {}
        for colour in order:
            part = min(total, self.has(person, colour))
            if part:
                parts[colour] = part
            total -= part
        return parts if total == 0 else None


class Ledger(RuleBasedStateMachine):
    """One history; every step is a transaction that commits."""

    dsn = ""
    loop: asyncio.AbstractEventLoop
    charges = Bundle("charges")
    held = Bundle("held")
    moved = Bundle("moved")

    @initialize()
    def begin(self) -> None:
        self.database = Database(self.dsn)
        self.plain = Plain()
        self.count = 0
        self.now = datetime(2027, 1, 1, tzinfo=UTC)
        self.ids = self.run(self._people)

    async def _people(self, session: AsyncSession) -> list[int]:
        return [await make_person(session) for _ in range(PEOPLE)]

    def run(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        async def whole() -> T:
            with clock.held_at(self.now):
                async with self.database.unit() as session:
                    return await work(session)

        return self.loop.run_until_complete(whole())

    def key(self) -> str:
        self.count += 1
        return f"{self.ids[0]}:{self.count}"

    @rule(person=people, colour=colours, amount=amounts)
    def mint(self, person: int, colour: Currency, amount: int) -> None:
        entry = Entry(
            self.key(),
            EntryType.PURCHASE,
            transfer(house(Purpose.MINT, colour), wallet(self.ids[person], colour), amount),
        )
        self.run(lambda session: posting.post(session, entry))
        self.plain.move(person, colour, amount)

    @rule(target=moved, giver=people, taker=people, colour=colours, amount=amounts)
    def give(self, giver: int, taker: int, colour: Currency, amount: int) -> Entry | None:
        if giver == taker:
            return None
        entry = Entry(
            self.key(),
            EntryType.TIP,
            transfer(wallet(self.ids[giver], colour), wallet(self.ids[taker], colour), amount),
        )
        if self.plain.has(giver, colour) < amount:
            with pytest.raises(InsufficientFunds) as refused:
                self.run(lambda session: posting.post(session, entry))
            assert refused.value.missing == amount - self.plain.has(giver, colour)
            return None
        self.run(lambda session: posting.post(session, entry))
        self.plain.move(giver, colour, -amount)
        self.plain.move(taker, colour, amount)
        return entry

    @rule(entry=moved)
    def repeat(self, entry: Entry | None) -> None:
        if entry is not None:
            assert self.run(lambda session: posting.post(session, entry)).replayed
            assert self.run(lambda session: posting.post_batch(session, [entry]))[0].replayed

    @rule(entry=moved)
    def repeat_with_another_body(self, entry: Entry | None) -> None:
        if entry is not None:
            source = wallet(self.ids[0], Currency.BLUE)
            other = Entry(entry.key, EntryType.FEE, transfer(source, house(Purpose.BURN, Currency.BLUE), 1))
            with pytest.raises(KeyReused):
                self.run(lambda session: posting.post(session, other))
            with pytest.raises(KeyReused):
                self.run(lambda session: posting.post_batch(session, [other]))

    @rule(giver=people, parts=st.lists(st.tuples(people, colours, amounts), min_size=1, max_size=4))
    def give_to_many(self, giver: int, parts: list[tuple[int, Currency, int]]) -> None:
        parts = [part for part in parts if part[0] != giver]
        entries = [
            Entry(
                self.key(),
                EntryType.TIP,
                transfer(wallet(self.ids[giver], colour), wallet(self.ids[taker], colour), amount),
            )
            for taker, colour, amount in parts
        ]
        needed = {colour: sum(a for _, c, a in parts if c == colour) for colour in COLOURS}
        if any(self.plain.has(giver, colour) < amount for colour, amount in needed.items()):
            with pytest.raises(InsufficientFunds):
                self.run(lambda session: posting.post_batch(session, entries))
            return
        self.run(lambda session: posting.post_batch(session, entries))
        for taker, colour, amount in parts:
            self.plain.move(giver, colour, -amount)
            self.plain.move(taker, colour, amount)

    @rule(target=charges, person=people, order=orders, total=amounts)
    def charge(self, person: int, order: tuple[Currency, ...], total: int) -> int | None:
        key = self.key()

        async def ask(session: AsyncSession) -> posting.Posted:
            return await posting.charge(
                session,
                Entry(key, EntryType.GENERATION, ()),
                source=wallet(self.ids[person], order[0]),
                target=house(Purpose.REVENUE, order[0]),
                colours=order,
                total=total,
            )

        parts = self.plain.split(person, order, total)
        if parts is None:
            with pytest.raises(InsufficientFunds):
                self.run(ask)
            return None
        posted = self.run(ask)
        assert posted.parts == parts
        assert self.run(ask).parts == parts
        for colour, part in parts.items():
            self.plain.move(person, colour, -part)
        self.plain.charges[posted.entry_id] = (person, parts)
        return posted.entry_id

    @rule(entry_id=charges, amount=st.none() | amounts)
    def refund(self, entry_id: int | None, amount: int | None) -> None:
        if entry_id is None:
            return
        person, left = self.plain.charges[entry_id]
        key = self.key()

        async def ask(session: AsyncSession) -> posting.Posted:
            return await posting.refund(session, of=entry_id, key=key, amount=amount)

        wanted = sum(left.values()) if amount is None else amount
        if not 0 < wanted <= sum(left.values()):
            with pytest.raises(Invalid):
                self.run(ask)
            return
        self.run(ask)
        assert self.run(ask).replayed
        for colour in (Currency.YELLOW, Currency.GREEN, Currency.BLUE):
            part = min(wanted, left.get(colour, 0))
            if part:
                wanted -= part
                left[colour] -= part
                self.plain.move(person, colour, part)

    @rule(target=held, person=people, order=orders, total=amounts, minutes=st.integers(1, 30))
    def reserve(self, person: int, order: tuple[Currency, ...], total: int, minutes: int) -> int | None:
        key, until = self.key(), self.now + timedelta(minutes=minutes)

        async def ask(session: AsyncSession) -> holds.Held:
            return await holds.reserve(
                session,
                key=key,
                person_id=self.ids[person],
                colours=order,
                total=total,
                type=EntryType.GENERATION,
                expires_at=until,
            )

        parts = self.plain.split(person, order, total)
        if parts is None:
            with pytest.raises(InsufficientFunds):
                self.run(ask)
            return None
        hold = self.run(ask)
        assert hold.reserved == parts
        assert self.run(ask).id == hold.id
        for colour, part in parts.items():
            self.plain.move(person, colour, -part)
        self.plain.holds[hold.id] = {"person": person, "left": dict(parts), "until": until, "open": True}
        return hold.id

    @rule(hold_id=held, amount=st.none() | amounts, final=st.booleans())
    def capture(self, hold_id: int | None, amount: int | None, final: bool) -> None:
        if hold_id is None:
            return
        known, key = self.plain.holds[hold_id], self.key()

        async def ask(session: AsyncSession) -> posting.Posted:
            return await holds.capture(session, hold_id=hold_id, key=key, amount=amount, final=final)

        wanted = sum(known["left"].values()) if amount is None else amount
        if not known["open"] or known["until"] <= self.now:
            with pytest.raises(Conflict):
                self.run(ask)
            return
        if wanted > sum(known["left"].values()):
            with pytest.raises(Invalid):
                self.run(ask)
            return
        self.run(ask)
        assert self.run(ask).replayed
        for colour in list(known["left"]):
            part = min(wanted, known["left"][colour])
            wanted -= part
            known["left"][colour] -= part
        if final or not sum(known["left"].values()):
            self._end(known)

    @rule(hold_id=held)
    def release(self, hold_id: int | None) -> None:
        if hold_id is None:
            return
        known = self.plain.holds[hold_id]
        assert self.run(lambda session: holds.release(session, hold_id=hold_id)) == known["open"]
        if known["open"]:
            self._end(known)

    @precondition(lambda self: self.plain.holds)
    @rule(minutes=st.integers(1, 20))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        due = [known for known in self.plain.holds.values() if known["open"] and known["until"] <= self.now]
        assert self.run(holds.expire) == len(due)
        for known in due:
            self._end(known)

    def _end(self, known: dict[str, Any]) -> None:
        known["open"] = False
        for colour, part in known["left"].items():
            self.plain.move(known["person"], colour, part)
        known["left"] = {}

    @invariant()
    def both_say_the_same(self) -> None:
        async def ask(session: AsyncSession) -> dict[Account, int]:
            return await posting.balances(session, [wallet(i, c) for i in self.ids for c in COLOURS])

        found = self.run(ask)
        for place, person in enumerate(self.ids):
            for colour in COLOURS:
                assert found[wallet(person, colour)] == self.plain.has(place, colour)

    def teardown(self) -> None:
        if hasattr(self, "database"):
            # No hold outlives its end, and none is left for the next history, which begins at the same moment.
            self.now += timedelta(days=1)
            self.run(holds.expire)
            assert self.run(auditing.audit).findings == ()
            self.loop.run_until_complete(self.database.close())


def test_the_ledger_does_what_its_model_does(own_dsn: str) -> None:
    loop = asyncio.new_event_loop()
    machine = type("Machine", (Ledger,), {"dsn": own_dsn, "loop": loop})
    try:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=15,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                print_blob=True,
            ),
        )
    finally:
        loop.close()
