"""Codes: kept as digests, redeemed once by one person, whoever races."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_person

from civitas.contracts.payments import Checkout, PaymentFacts, ProviderInfo
from civitas.domains.accounts.types import Role
from civitas.domains.buzz.buying import codes, purchases, settling
from civitas.domains.buzz.buying.codes import CodeKey, Worth
from civitas.domains.buzz.ledger import auditing, posting
from civitas.domains.buzz.types import Currency, wallet
from civitas.infra.db.database import Database
from civitas.kit import clock, money
from civitas.kit.errors import Conflict, Forbidden, Invalid, NotFound

KEY = CodeKey.derived(b"a secret of thirty-two bytes....")
YELLOW = Currency.YELLOW


async def has(session: AsyncSession, person: int) -> int:
    account = wallet(person, YELLOW)
    return (await posting.balances(session, [account]))[account]


async def issued(
    session: AsyncSession, worth: Worth | None = None, count: int = 1, **more: object
) -> list[str]:
    boss = actor_for(await make_person(session), role=Role.ADMIN)
    made = await codes.issue(
        session,
        boss,
        KEY,
        worth=worth or Worth.buzz(money.buzz(100)),
        count=count,
        reason="a test",
        **more,  # type: ignore[arg-type]
    )
    return made[1]


async def test_codes_look_as_they_should_and_are_kept_as_digests(session: AsyncSession) -> None:
    made = await issued(session, count=40)
    assert len(set(made)) == 40
    assert all(re.fullmatch(r"[2-9A-HJ-NP-Z]{2}-[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}", code) for code in made)
    kept = str((await session.execute(text("SELECT * FROM redeem_codes"))).all())
    assert not any(code[3:] in kept or code.replace("-", "") in kept for code in made)


async def test_a_code_gives_its_worth_once(session: AsyncSession) -> None:
    (code,) = await issued(session)
    ana, ben = actor_for(await make_person(session)), actor_for(await make_person(session))
    got = await codes.redeem(session, ana, KEY, code=f"  {code.lower().replace('-', ' ')} ")
    assert got.worth.amount == money.buzz(100) and await has(session, ana.require()) == money.buzz(100)
    for who, told in ((ana, "already_redeemed"), (ben, "code_spent")):
        with pytest.raises(Conflict) as refused:
            await codes.redeem(session, who, KEY, code=code)
        assert refused.value.code == told
    assert (await auditing.audit(session)).findings == ()


@pytest.mark.parametrize(
    "given", ["", "AB", "AB-CDEF-GH2", "AB-CDEF-GH23X", "AB-CDEF-GH2!", "ÄB-CDEF-GH23", "x" * 5000]
)
async def test_what_is_no_code_is_told(session: AsyncSession, given: str) -> None:
    with pytest.raises(Invalid):
        await codes.redeem(session, actor_for(await make_person(session)), KEY, code=given)


async def test_unknown_expired_and_revoked_ones_give_nothing(session: AsyncSession) -> None:
    ana, boss = actor_for(await make_person(session)), actor_for(await make_person(session), role=Role.ADMIN)
    with pytest.raises(NotFound):
        await codes.redeem(session, ana, KEY, code="AB-CDEF-GH23")
    (code,) = await issued(session)
    with pytest.raises(NotFound):
        await codes.redeem(session, ana, CodeKey.derived(b"another secret"), code=code)
    (late,) = await issued(session, expires_at=clock.now() + timedelta(days=1))
    with clock.held_at(clock.now() + timedelta(days=1)), pytest.raises(Conflict) as refused:
        await codes.redeem(session, ana, KEY, code=late)
    assert refused.value.code == "code_expired"
    batch, (gone,) = await codes.issue(session, boss, KEY, worth=Worth.buzz(4), count=1, reason="x")
    assert await codes.revoke(session, boss, batch_id=batch, reason="leaked") == 1
    with pytest.raises(Conflict):
        await codes.redeem(session, ana, KEY, code=gone)
    assert await has(session, ana.require()) == 0


async def test_only_administrators_issue_and_only_what_makes_sense(session: AsyncSession) -> None:
    boss = actor_for(await make_person(session), role=Role.ADMIN)
    with pytest.raises(Forbidden):
        await codes.issue(session, actor_for(1), KEY, worth=Worth.buzz(4), count=1, reason="x")
    for worth in (Worth.buzz(0), Worth.buzz(-4), Worth.buzz(4, Currency.CASH), Worth.membership("free", 1),
                  Worth.membership("platinum", 1), Worth.membership("gold", 0)):  # fmt: skip
        with pytest.raises(Invalid):
            await codes.issue(session, boss, KEY, worth=worth, count=1, reason="x")
    for count in (0, -1, 1001):
        with pytest.raises(Invalid):
            await codes.issue(session, boss, KEY, worth=Worth.buzz(4), count=count, reason="x")
    page = await codes.batches(session, boss)
    assert page.items == []


async def test_two_who_race_for_one_code(own_dsn: str) -> None:
    database = Database(own_dsn)
    try:
        async with database.unit() as session:
            (code,) = await issued(session)
            people = [await make_person(session) for _ in range(6)]

        async def attempt(person: int) -> bool:
            try:
                async with database.unit() as session:
                    await codes.redeem(session, actor_for(person), KEY, code=code)
            except Conflict:
                return False
            return True

        assert sum(await asyncio.gather(*map(attempt, people))) == 1
        async with database.reading() as session:
            assert sum([await has(session, person) for person in people]) == money.buzz(100)
            assert (await auditing.audit(session)).findings == ()
    finally:
        await database.close()


async def test_a_gift_card_is_a_code_that_a_charge_back_makes_worthless(session: AsyncSession) -> None:
    ana, ben = actor_for(await make_person(session)), actor_for(await make_person(session))
    crypto = ProviderInfo("btcpay", "Crypto", "", "yellow")
    made = await purchases.begin_gift(
        session, ana, key="g", provider=crypto, card="buzz-10000", email="ben@example.org", message="For you"
    )
    await purchases.opened(session, purchase_id=made.id, checkout=Checkout("i", "https://x"))
    assert await codes.arm_gift(session, KEY, purchase_id=made.id) is None
    await settling.learn(session, made.id, PaymentFacts(paid_cents=1000))
    first = await codes.arm_gift(session, KEY, purchase_id=made.id)
    second = await codes.arm_gift(session, KEY, purchase_id=made.id)
    assert first is not None and second is not None
    with pytest.raises(NotFound):
        await codes.redeem(session, ben, KEY, code=first[1])
    await codes.redeem(session, ben, KEY, code=second[1])
    assert await has(session, ben.require()) == money.buzz(10_000) and await has(session, ana.require()) == 0
    assert await codes.arm_gift(session, KEY, purchase_id=made.id) is None
    await settling.learn(session, made.id, PaymentFacts(disputed_cents=1000, lost_cents=1000))
    assert (await session.execute(text("SELECT person_id, remaining FROM buzz_debts"))).all() == [
        (ana.id, money.buzz(10_000))
    ]
    assert (await auditing.audit(session)).findings == ()
