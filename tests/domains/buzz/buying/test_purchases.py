"""Buying: whatever order, repetition or race of notices, each purchase is credited once and given back once."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import actor_for, make_person

from civitas.contracts.payments import Checkout, Notice, PaymentFacts, ProviderInfo, Refunded
from civitas.domains.accounts.types import Role
from civitas.domains.buzz.buying import pricing, purchases, refunding, settling
from civitas.domains.buzz.buying.tables import Debt, Purchase
from civitas.domains.buzz.economy.economy import current
from civitas.domains.buzz.errors import KeyReused, WalletFrozen
from civitas.domains.buzz.ledger import auditing, posting
from civitas.domains.buzz.ledger.posting import Entry, transfer
from civitas.domains.buzz.payments import notices
from civitas.domains.buzz.payments.tables import PaymentEvent
from civitas.domains.buzz.types import Currency, EntryType, Purpose, house, wallet
from civitas.infra.db.database import Database
from civitas.infra.queue.context import TaskContext
from civitas.infra.queue.draining import drain
from civitas.kit import money
from civitas.kit.errors import Conflict, Invalid, NotFound

CARD = ProviderInfo("stripe", "Card", "", "green")
CRYPTO = ProviderInfo("btcpay", "Crypto", "", "yellow", 100)
BLUE, GREEN, YELLOW = Currency.BLUE, Currency.GREEN, Currency.YELLOW
CASH_IN = house(Purpose.REVENUE, Currency.CASH)


async def has(session: AsyncSession, person: int, colour: Currency = GREEN) -> int:
    account = wallet(person, colour)
    return (await posting.balances(session, [account]))[account]


async def revenue(session: AsyncSession) -> int:
    return (await posting.balances(session, [CASH_IN]))[CASH_IN]


async def set_out(
    session: AsyncSession, person: int, provider: ProviderInfo = CARD, reference: str = "cs_1", **what: Any
) -> int:
    made = await purchases.begin(
        session,
        actor_for(person),
        key=f"p:{person}:{reference}",
        provider=provider,
        **(what or {"pack": "5k"}),
    )
    await purchases.opened(
        session, purchase_id=made.id, checkout=Checkout(reference, "https://pay.example/1")
    )
    return made.id


async def sound(session: AsyncSession) -> None:
    assert (await auditing.audit(session)).findings == ()


def admin(person: int) -> Any:
    return actor_for(person, role=Role.ADMIN)


async def spend(session: AsyncSession, person: int, amount: int, colour: Currency = GREEN) -> None:
    legs = transfer(wallet(person, colour), house(Purpose.BURN, colour), amount)
    await posting.post(session, Entry(f"spent:{person}:{amount}", EntryType.GENERATION, legs))


async def test_what_is_paid_arrives_once_with_its_cash(session: AsyncSession) -> None:
    ana = await make_person(session)
    made = await set_out(session, ana)
    for _ in range(3):
        row = await settling.learn(session, made, PaymentFacts(paid_cents=500))
    assert row.state == "paid" and row.paid_at is not None and row.next_look_at is None
    assert await has(session, ana) == money.buzz(5000)
    assert await revenue(session) == 500
    await sound(session)


async def test_bulk_above_the_member_multiplier_comes_in_blue() -> None:
    gold, free = current().tier("gold"), current().tier("free")
    offer = pricing.quote(gold, colour=GREEN, pack="400k")
    assert (offer.bonus, offer.blue) == (money.buzz(80_000), 0)
    offer = pricing.quote(free, colour=GREEN, pack="400k")
    assert (offer.bonus, offer.blue) == (0, money.buzz(80_000))
    offer = pricing.quote(current().tier("bronze"), colour=GREEN, pack="250k")
    assert (offer.bonus, offer.blue) == (money.buzz(12_500), money.buzz(12_500))
    assert pricing.quote(free, colour=GREEN, buzz=money.buzz(249_999)).blue == 0


@pytest.mark.parametrize(
    "buzz", [0, -4, 1, money.buzz(4_999) - 40, money.buzz(5_000_001), money.buzz(10**12)]
)
async def test_less_or_more_than_may_be_bought_is_refused(buzz: int) -> None:
    with pytest.raises(Invalid) as refused:
        pricing.quote(current().tier("free"), colour=GREEN, buzz=buzz)
    assert refused.value.code == "bad_amount"


async def test_blue_is_not_sold_and_no_pack_is_made_up() -> None:
    free = current().tier("free")
    with pytest.raises(Invalid):
        pricing.quote(free, colour=BLUE, pack="5k")
    with pytest.raises(Invalid):
        pricing.quote(free, colour=GREEN, pack="6k")
    with pytest.raises(Invalid):
        pricing.quote(free, colour=GREEN)


async def test_the_same_key_gives_the_same_purchase(session: AsyncSession) -> None:
    ana = await make_person(session)
    me = actor_for(ana)
    first = await purchases.begin(session, me, key="k", provider=CARD, pack="5k")
    assert (await purchases.begin(session, me, key="k", provider=CARD, pack="5k")).id == first.id
    with pytest.raises(KeyReused):
        await purchases.begin(session, me, key="k", provider=CARD, pack="10k")
    with pytest.raises(KeyReused):
        await purchases.begin(
            session, actor_for(await make_person(session)), key="k", provider=CARD, pack="5k"
        )


async def test_others_purchases_are_not_there(session: AsyncSession) -> None:
    ana, ben = await make_person(session), await make_person(session)
    made = await set_out(session, ana)
    with pytest.raises(NotFound):
        await purchases.get(session, actor_for(ben), purchase_id=made)
    assert (await purchases.mine(session, actor_for(ben))).items == []
    assert (await purchases.get(session, admin(ben), purchase_id=made)).id == made


FACTS = [
    PaymentFacts(seen_cents=500),
    PaymentFacts(paid_cents=500),
    PaymentFacts(paid_cents=500, refunded_cents=200),
    PaymentFacts(refunded_cents=200),
    PaymentFacts(disputed_cents=300),
    PaymentFacts(disputed_cents=300, lost_cents=300),
    PaymentFacts(expired=True),
]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(order=st.permutations(FACTS), again=st.lists(st.sampled_from(FACTS), max_size=4))
async def test_the_end_does_not_depend_on_the_order(
    session: AsyncSession, order: list[PaymentFacts], again: list[PaymentFacts]
) -> None:
    nested = await session.begin_nested()
    ana = await make_person(session, f"p{abs(hash((tuple(order), tuple(again)))) % 10**12}")
    made = await set_out(session, ana)
    for facts in [*order, *again]:
        row = await settling.learn(session, made, facts)
    assert row.state == "charged_back"
    assert (row.taken, row.returned_cents, row.banked_cents) == (row.credited, 500, 500)
    owing = await session.scalar(select(Debt.remaining).where(Debt.person_id == ana)) or 0
    assert await has(session, ana) == 0 and owing == 0
    await nested.rollback()


async def test_every_pair_of_facts_commutes(session: AsyncSession) -> None:
    for one, other in itertools.permutations(FACTS, 2):
        assert one.joined(other) == other.joined(one)
        assert one.joined(other).joined(one) == one.joined(other)


async def test_a_part_of_a_crypto_price_is_credited_when_the_time_is_over(session: AsyncSession) -> None:
    ana = await make_person(session)
    made = await set_out(session, ana, CRYPTO, "inv")
    row = await settling.learn(session, made, PaymentFacts(paid_cents=350))
    assert row.state == "pending" and await has(session, ana, YELLOW) == 0
    row = await settling.learn(session, made, PaymentFacts(expired=True))
    # The fee of a dollar comes off first.
    assert row.state == "expired" and await has(session, ana, YELLOW) == money.buzz(2500)
    row = await settling.learn(session, made, PaymentFacts(paid_cents=600))
    assert row.state == "paid" and await has(session, ana, YELLOW) == money.buzz(5000)
    assert await revenue(session) == 600
    await sound(session)


async def test_too_much_buys_more_at_the_same_rate(session: AsyncSession) -> None:
    ana = await make_person(session)
    made = await set_out(session, ana, CRYPTO, "inv")
    await settling.learn(session, made, PaymentFacts(paid_cents=725))
    assert await has(session, ana, YELLOW) == money.buzz(6250)
    await sound(session)


async def test_a_dispute_freezes_and_a_won_one_thaws(session: AsyncSession) -> None:
    ana = await make_person(session)
    made = await set_out(session, ana)
    await settling.learn(session, made, PaymentFacts(paid_cents=500))
    row = await settling.learn(session, made, PaymentFacts(disputed_cents=500))
    assert row.state == "disputed" and await has(session, ana) == money.buzz(5000)
    with pytest.raises(WalletFrozen):
        await spend(session, ana, 4)
    row = await settling.learn(session, made, PaymentFacts(dispute_won=True))
    assert row.state == "paid"
    await spend(session, ana, 4)


async def test_a_charge_back_takes_what_is_there_and_the_rest_is_owed(session: AsyncSession) -> None:
    ana, boss = await make_person(session), await make_person(session)
    made = await set_out(session, ana, pack="250k")
    await settling.learn(session, made, PaymentFacts(paid_cents=25_000))
    assert await has(session, ana, BLUE) == money.buzz(25_000)
    await spend(session, ana, money.buzz(100_000))
    row = await settling.learn(session, made, PaymentFacts(disputed_cents=25_000, lost_cents=25_000))
    assert row.state == "charged_back" and await revenue(session) == 0
    assert await has(session, ana) == 0 and await has(session, ana, BLUE) == 0
    debt = await session.scalar(select(Debt))
    assert debt is not None and debt.remaining == money.buzz(100_000)
    with pytest.raises(Conflict):
        await refunding.collect(session, admin(boss), debt_id=debt.id, reason="owed")
    give = transfer(house(Purpose.MINT, GREEN), wallet(ana, GREEN), money.buzz(40_000))
    await posting.post(session, Entry("more", EntryType.PURCHASE, give))
    await refunding.collect(session, admin(boss), debt_id=debt.id, reason="owed")
    assert debt.remaining == money.buzz(60_000) and debt.status == "open"
    with pytest.raises(Conflict):
        await refunding.let_spend(session, admin(boss), person_id=ana, reason="please")
    await refunding.write_off(session, admin(boss), debt_id=debt.id, reason="too small")
    with pytest.raises(Invalid):
        await refunding.write_off(session, admin(boss), debt_id=debt.id, reason="again")
    await refunding.let_spend(session, admin(boss), person_id=ana, reason="settled")
    await posting.post(session, Entry("mm", EntryType.PURCHASE, give))
    await spend(session, ana, 4)
    await settling.learn(session, made, PaymentFacts(lost_cents=25_000))
    await spend(session, ana, 8)
    await sound(session)


async def test_a_refund_waits_in_escrow_for_the_provider(session: AsyncSession) -> None:
    ana, boss = await make_person(session), await make_person(session)
    made = await set_out(session, ana)
    await settling.learn(session, made, PaymentFacts(paid_cents=500))
    await refunding.refund(session, admin(boss), purchase_id=made, reason="asked for it")
    assert await has(session, ana) == 0
    with pytest.raises(Conflict):
        await refunding.refund(session, admin(boss), purchase_id=made, reason="twice")
    await refunding.refund_failed(session, purchase_id=made, told="no")
    assert await has(session, ana) == money.buzz(5000)
    await refunding.refund(session, admin(boss), purchase_id=made, reason="once more")
    asked = await refunding.asked(session, purchase_id=made)
    assert asked is not None and (asked.cents, asked.key) == (500, f"purchase-{made}-2")
    row = await refunding.refunded(session, purchase_id=made, answer=Refunded("re_1", 500))
    assert row.state == "refunded" and (row.held, row.taken) == (0, money.buzz(5000))
    # The provider tells of it too.
    await settling.learn(session, made, PaymentFacts(refunded_cents=500))
    assert await has(session, ana) == 0 and await revenue(session) == 0
    assert await session.scalar(select(Debt)) is None
    await sound(session)


async def test_the_providers_word_of_a_refund_may_come_before_its_answer(session: AsyncSession) -> None:
    ana, boss = await make_person(session), await make_person(session)
    made = await set_out(session, ana)
    await settling.learn(session, made, PaymentFacts(paid_cents=500))
    await refunding.refund(session, admin(boss), purchase_id=made, reason="asked for it")
    await settling.learn(session, made, PaymentFacts(refunded_cents=500))
    row = await refunding.refunded(session, purchase_id=made, answer=Refunded("re_1", 500))
    assert (row.state, row.refunded_cents, row.held) == ("refunded", 500, 0)
    assert await has(session, ana) == 0 and await revenue(session) == 0
    await sound(session)


async def test_what_was_spent_is_refunded_only_by_force(session: AsyncSession) -> None:
    ana, boss = await make_person(session), await make_person(session)
    made = await set_out(session, ana)
    await settling.learn(session, made, PaymentFacts(paid_cents=500))
    await spend(session, ana, money.buzz(1000))
    with pytest.raises(Conflict) as refused:
        await refunding.refund(session, admin(boss), purchase_id=made, reason="asked")
    assert refused.value.code == "spent"
    assert await has(session, ana) == money.buzz(4000)
    await refunding.refund(session, admin(boss), purchase_id=made, reason="asked", forced=True)
    await refunding.refunded(session, purchase_id=made, answer=Refunded("re", 500))
    assert await session.scalar(select(Debt.remaining)) == money.buzz(1000)
    await sound(session)


async def test_a_manual_invoice_is_paid_once_with_a_reason(session: AsyncSession) -> None:
    ana, boss = await make_person(session), await make_person(session)
    made = await refunding.invoice(
        session, admin(boss), person_id=ana, buzz=money.buzz(20_000), colour=YELLOW, reason="by bank"
    )
    with pytest.raises(Invalid):
        await refunding.mark_paid(session, admin(boss), purchase_id=made.id, reason=" ")
    await refunding.mark_paid(session, admin(boss), purchase_id=made.id, reason="arrived")
    with pytest.raises(Conflict):
        await refunding.mark_paid(session, admin(boss), purchase_id=made.id, reason="arrived")
    assert await has(session, ana, YELLOW) == money.buzz(20_000)
    logged = (await session.execute(text("SELECT action FROM staff_actions ORDER BY id"))).scalars().all()
    assert list(logged) == ["purchase.invoice", "purchase.paid"]


async def paid_notice(event: str, made: int, cents: int = 500) -> Notice:
    return Notice(event, "paid", f"purchase:{made}", "cs_1", PaymentFacts(paid_cents=cents, seen_cents=cents))


async def test_a_notice_is_recorded_once_and_processed_once(
    session: AsyncSession, context: TaskContext
) -> None:
    ana = await make_person(session)
    made = await set_out(session, ana)
    await session.commit()
    notice = await paid_notice("evt_1", made)
    for wanted in (True, False, False):
        async with context.unit() as unit:
            assert await notices.record(unit, provider="stripe", notice=notice, body=b"{}") is wanted
    assert await drain(context) >= 1
    async with context.unit() as unit:
        assert await has(unit, ana) == money.buzz(5000)
        event = await unit.scalar(select(PaymentEvent))
        assert event is not None and event.outcome == "the purchase is paid"
        told = notices.Told(event.id, "stripe", notice)
        assert await notices.process(unit, told) is None


async def test_a_notice_of_another_provider_credits_nothing(
    session: AsyncSession, context: TaskContext
) -> None:
    ana = await make_person(session)
    made = await set_out(session, ana)
    await session.commit()
    async with context.unit() as unit:
        await notices.record(unit, provider="btcpay", notice=await paid_notice("e", made), body=b"{}")
    await drain(context)
    async with context.unit() as unit:
        assert await has(unit, ana) == 0
        assert await unit.scalar(select(PaymentEvent.outcome)) == "nothing of ours"


async def test_racing_notices_and_a_crash_between_credit_once(own_dsn: str) -> None:
    database = Database(own_dsn)
    try:
        async with database.unit() as session:
            ana = await make_person(session)
            made = await set_out(session, ana)
        for number in range(6):
            async with database.unit() as session:
                notice = await paid_notice(f"evt_{number}", made)
                await notices.record(session, provider="stripe", notice=notice, body=b"{}")
        async with database.reading() as session:
            ids = (await session.scalars(select(PaymentEvent.id))).all()

        async def process(event_id: int, crash: bool = False) -> None:
            async with database.unit() as session:
                told = await notices.waiting(session, event_id)
                if told is not None:
                    await notices.process(session, told)
                if crash:
                    raise RuntimeError("killed after the credit, before the commit")

        with pytest.raises(RuntimeError):
            await process(ids[0], crash=True)
        await asyncio.gather(*(process(event_id) for event_id in [*ids, *ids]))
        async with database.reading() as session:
            assert await has(session, ana) == money.buzz(5000)
            assert await revenue(session) == 500
            assert (await auditing.audit(session)).findings == ()
            assert await session.scalar(select(Purchase.state)) == "paid"
    finally:
        await database.close()
