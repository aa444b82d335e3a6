"""The ledger: what it posts, what it refuses, what the database itself holds to."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_person

from civitas.contracts.subjects import Subject
from civitas.domains.buzz.errors import InsufficientFunds, KeyReused, WalletFrozen
from civitas.domains.buzz.ledger import auditing, holds, posting
from civitas.domains.buzz.ledger.posting import Entry, Leg, transfer
from civitas.domains.buzz.types import Account, Currency, EntryType, Purpose, house, wallet
from civitas.kit import clock
from civitas.kit.errors import Conflict, Invalid

BLUE, GREEN, YELLOW = Currency.BLUE, Currency.GREEN, Currency.YELLOW


async def give(session: AsyncSession, person: int, colour: Currency, amount: int, key: str = "") -> None:
    await posting.post(
        session,
        Entry(
            key or f"give:{person}:{colour}:{amount}",
            EntryType.PURCHASE,
            transfer(house(Purpose.MINT, colour), wallet(person, colour), amount),
        ),
    )


async def in_wallet(session: AsyncSession, person: int) -> dict[Currency, int]:
    purses = [wallet(person, colour) for colour in (BLUE, GREEN, YELLOW)]
    found = await posting.balances(session, purses)
    return {account.currency: amount for account, amount in found.items() if amount}


async def spend(session: AsyncSession, person: int, total: int, key: str = "spend") -> posting.Posted:
    return await posting.charge(
        session,
        Entry(key, EntryType.GENERATION, ()),
        source=wallet(person, BLUE),
        target=house(Purpose.REVENUE, BLUE),
        colours=(BLUE, YELLOW),
        total=total,
    )


async def sound(session: AsyncSession) -> None:
    found = await auditing.audit(session)
    assert found.findings == ()


async def test_a_transfer_moves_what_it_says(session: AsyncSession) -> None:
    ana, ben = await make_person(session), await make_person(session)
    await give(session, ana, YELLOW, 400)
    entry = Entry("t1", EntryType.TIP, transfer(wallet(ana, YELLOW), wallet(ben, YELLOW), 150))
    posted = await posting.post(session, entry)
    assert not posted.replayed
    assert await in_wallet(session, ana) == {YELLOW: 250}
    assert await in_wallet(session, ben) == {YELLOW: 150}
    await sound(session)


async def test_the_same_again_gives_the_first_answer(session: AsyncSession) -> None:
    ana, ben = await make_person(session), await make_person(session)
    await give(session, ana, YELLOW, 400)
    entry = Entry("t1", EntryType.TIP, transfer(wallet(ana, YELLOW), wallet(ben, YELLOW), 400))
    first = await posting.post(session, entry)
    again = await posting.post(session, entry)
    assert (again.entry_id, again.replayed) == (first.entry_id, True)
    assert await in_wallet(session, ben) == {YELLOW: 400}
    other = Entry("t1", EntryType.TIP, transfer(wallet(ana, YELLOW), wallet(ben, YELLOW), 1))
    with pytest.raises(KeyReused):
        await posting.post(session, other)


async def test_nobody_spends_what_they_lack(session: AsyncSession) -> None:
    ana = await make_person(session)
    await give(session, ana, BLUE, 30)
    await give(session, ana, YELLOW, 10)
    with pytest.raises(InsufficientFunds) as refused:
        await spend(session, ana, 41)
    assert refused.value.missing == 1
    assert await in_wallet(session, ana) == {BLUE: 30, YELLOW: 10}


async def test_a_charge_takes_the_colours_in_order_and_a_refund_returns_them(session: AsyncSession) -> None:
    ana = await make_person(session)
    await give(session, ana, BLUE, 30)
    await give(session, ana, YELLOW, 100)
    posted = await spend(session, ana, 50)
    assert posted.parts == {BLUE: 30, YELLOW: 20}
    assert (await spend(session, ana, 50)).parts == {BLUE: 30, YELLOW: 20}
    assert await in_wallet(session, ana) == {YELLOW: 80}
    await posting.refund(session, of=posted.entry_id, key="r1", amount=25)
    assert await in_wallet(session, ana) == {BLUE: 5, YELLOW: 100}
    await posting.refund(session, of=posted.entry_id, key="r2")
    assert await in_wallet(session, ana) == {BLUE: 30, YELLOW: 100}
    assert (await posting.refund(session, of=posted.entry_id, key="r2")).replayed
    with pytest.raises(Invalid) as refused:
        await posting.refund(session, of=posted.entry_id, key="r3")
    assert refused.value.code == "nothing_to_refund"
    await sound(session)


async def test_a_frozen_wallet_takes_in_and_gives_nothing_out(session: AsyncSession) -> None:
    ana = await make_person(session)
    await give(session, ana, BLUE, 30)
    await session.execute(
        text("UPDATE buzz_accounts SET frozen_at = now() WHERE owner_id = :id"), {"id": ana}
    )
    await give(session, ana, BLUE, 5, "more")
    with pytest.raises(WalletFrozen):
        await spend(session, ana, 1)
    assert await in_wallet(session, ana) == {BLUE: 35}


async def test_a_batch_is_posted_whole_or_not_at_all(session: AsyncSession) -> None:
    ana, ben = await make_person(session), await make_person(session)
    await give(session, ana, YELLOW, 10)
    entries = [
        Entry(f"b{n}", EntryType.TIP, transfer(wallet(ana, YELLOW), wallet(ben, YELLOW), 4)) for n in range(3)
    ]
    async with session.begin_nested() as nested:
        with pytest.raises(InsufficientFunds) as refused:
            await posting.post_batch(session, entries)
        await nested.rollback()
    assert refused.value.missing == 2
    posted = await posting.post_batch(session, entries[:2])
    assert [one.replayed for one in posted] == [False, False]
    again = await posting.post_batch(session, entries[:2])
    assert [(one.entry_id, one.replayed) for one in again] == [(one.entry_id, True) for one in posted]
    assert await in_wallet(session, ben) == {YELLOW: 8}
    await sound(session)


@pytest.mark.parametrize(
    "legs",
    [
        (),
        (Leg(wallet(1, BLUE), 5),),
        (Leg(wallet(1, BLUE), -5), Leg(wallet(2, GREEN), 5)),
        (Leg(wallet(1, BLUE), 0), Leg(wallet(2, BLUE), 0)),
        (Leg(wallet(1, BLUE), -(10**14)), Leg(wallet(2, BLUE), 10**14)),
    ],
)
async def test_what_does_not_balance_is_refused(session: AsyncSession, legs: tuple[Leg, ...]) -> None:
    with pytest.raises(Invalid):
        await posting.post(session, Entry("x", EntryType.TIP, legs))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE buzz_accounts SET balance = balance + 1",
        "UPDATE buzz_accounts SET owner_id = 0",
        "UPDATE buzz_accounts SET guarded = false",
        "UPDATE buzz_accounts SET person_id = NULL",
        "INSERT INTO buzz_accounts (owner_id, purpose, currency, guarded) VALUES (-5, 'wallet', 'blue', true)",
        "INSERT INTO buzz_postings (entry_id, account_id, currency, amount)"
        " SELECT e.id, a.id, a.currency, CASE a.purpose WHEN 'burn' THEN 5 ELSE -31 END"
        " FROM buzz_entries e, buzz_accounts a WHERE a.purpose IN ('burn', 'wallet') AND e.key = 'c'",
        "INSERT INTO buzz_postings (entry_id, account_id, currency, amount)"
        " SELECT -9, a.id, a.currency, CASE a.purpose WHEN 'burn' THEN 5 ELSE -5 END"
        " FROM buzz_accounts a WHERE a.purpose IN ('burn', 'wallet')",
        "INSERT INTO buzz_postings (entry_id, account_id, currency, amount)"
        " SELECT nextval('buzz_entries_id_seq'), a.id, a.currency, -30 FROM buzz_accounts a WHERE a.purpose = 'wallet'",
        "INSERT INTO buzz_postings (entry_id, account_id, currency, amount)"
        " SELECT e.id, i, 'blue', x FROM buzz_accounts a, buzz_entries e,"
        " LATERAL (VALUES (a.id, -5), (a.id + 1000, 5)) AS g(i, x) WHERE a.purpose = 'wallet' AND e.key = 'c'",
        "INSERT INTO buzz_accounts (owner_id, purpose, currency, guarded) VALUES (0, 'pool', 'cash', false)",
        "INSERT INTO buzz_accounts (owner_id, purpose, currency, guarded) VALUES (0, 'mint', 'red', false)",
        "INSERT INTO buzz_accounts (owner_id, purpose, currency, guarded) VALUES (0, 'mint:a b', 'blue', false)",
        "INSERT INTO buzz_postings (entry_id, account_id, currency, amount)"
        " SELECT e.id, a.id, 'green', CASE a.purpose WHEN 'burn' THEN 5 ELSE -5 END"
        " FROM buzz_entries e, buzz_accounts a WHERE a.purpose IN ('burn', 'mint') AND e.key = 'c'",
        "INSERT INTO buzz_postings (entry_id, account_id, currency, amount)"
        " SELECT n, a.id, a.currency, CASE a.purpose WHEN 'burn' THEN 5 ELSE -5 END"
        " FROM buzz_accounts a, generate_series(-9, -8) n WHERE a.purpose IN ('burn', 'mint')",
        "DELETE FROM buzz_accounts",
        "INSERT INTO buzz_accounts (owner_id, purpose, currency, guarded, balance)"
        " VALUES (0, 'mint', 'cash', false, 5)",
        "INSERT INTO buzz_accounts (owner_id, purpose, currency, guarded) VALUES (0, 'wallet', 'blue', false)",
        "INSERT INTO buzz_accounts (owner_id, purpose, currency, guarded) VALUES (-1, 'bank', 'blue', true)",
        "INSERT INTO buzz_accounts (owner_id, purpose, currency, guarded) VALUES (-1, 'wallet', 'green', false)",
        "UPDATE buzz_entries SET description = 'other'",
        "DELETE FROM buzz_entries",
        "UPDATE buzz_postings SET amount = amount * 2",
        "DELETE FROM buzz_postings",
        "TRUNCATE buzz_postings",
        "INSERT INTO buzz_unfolded (account_id, amount) SELECT id, 5 FROM buzz_accounts",
        "INSERT INTO buzz_postings (entry_id, account_id, currency, amount)"
        " SELECT e.id, a.id, a.currency, 5 FROM buzz_entries e, buzz_accounts a"
        " WHERE a.purpose = 'burn' LIMIT 1",
    ],
)
async def test_the_database_itself_refuses(session: AsyncSession, statement: str) -> None:
    ana = await make_person(session)
    await give(session, ana, BLUE, 30)
    await posting.post(
        session, Entry("b", EntryType.FEE, transfer(wallet(ana, BLUE), house(Purpose.BURN, BLUE), 1))
    )
    # An entry without postings, which those of a statement may name.
    await session.execute(
        text("INSERT INTO buzz_entries (key, type, fingerprint) VALUES ('c', 'fee', sha256('c'))")
    )
    with pytest.raises(DBAPIError):
        async with session.begin_nested():
            await session.execute(text(statement))


async def test_a_hold_is_set_aside_captured_in_parts_and_the_rest_returned(session: AsyncSession) -> None:
    ana = await make_person(session)
    await give(session, ana, BLUE, 30)
    await give(session, ana, YELLOW, 100)
    subject = Subject("workflow", 7)
    until = clock.now() + timedelta(hours=1)
    wanted = {
        "key": "w7", "person_id": ana, "colours": (BLUE, YELLOW), "total": 60, "type": EntryType.GENERATION,
        "expires_at": until, "subject": subject,
    }  # fmt: skip
    hold = await holds.reserve(session, **wanted)
    assert (await holds.reserve(session, **wanted)).id == hold.id
    assert hold.reserved == {BLUE: 30, YELLOW: 30}
    assert await in_wallet(session, ana) == {YELLOW: 70}
    await holds.capture(session, hold_id=hold.id, key="step1", amount=40)
    assert (await holds.capture(session, hold_id=hold.id, key="step1", amount=40)).replayed
    await sound(session)
    await holds.capture(session, hold_id=hold.id, key="step2", amount=5, final=True)
    assert await in_wallet(session, ana) == {YELLOW: 85}
    assert (await holds.by_key(session, "w7")).status == "captured"
    with pytest.raises(Conflict):
        await holds.capture(session, hold_id=hold.id, key="step3", amount=1)
    assert not await holds.release(session, hold_id=hold.id)
    await sound(session)


async def test_an_expired_hold_gives_everything_back(session: AsyncSession) -> None:
    ana = await make_person(session)
    await give(session, ana, YELLOW, 100)
    hold = await holds.reserve(
        session,
        key="h",
        person_id=ana,
        colours=(YELLOW,),
        total=100,
        type=EntryType.BID,
        expires_at=clock.now() + timedelta(minutes=5),
    )
    assert await holds.expire(session) == 0
    with clock.held_at(clock.now() + timedelta(minutes=6)):
        with pytest.raises(Conflict):
            await holds.capture(session, hold_id=hold.id, key="late")
        assert await holds.expire(session) == 1
        assert await holds.expire(session) == 0
    assert await in_wallet(session, ana) == {YELLOW: 100}
    await sound(session)


async def test_an_account_is_named_by_whom_and_what_for() -> None:
    assert Purpose.ESCROW.of("bounty-7") == "escrow:bounty-7"
    assert wallet(3, BLUE) == Account(3, "wallet", BLUE)
