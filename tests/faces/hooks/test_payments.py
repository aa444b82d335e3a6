"""Paying through providers that answer on this machine: from the API to the webhook to the wallet."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.factories.accounts import actor_for, make_person
from tests.factories.http import Client, make_settings, serving
from tests.factories.payment_servers import (
    BTC_KEY,
    BTC_SECRET,
    SECRET_KEY,
    STORE,
    WEBHOOK_SECRET,
    BtcPayServer,
    StripeServer,
    btcpay_signed,
    running,
    stripe_signed,
)
from tests.factories.programme import SCORE, make_member, make_withdrawal

from civitas.contracts.payments import Mode, Order, PaymentFacts
from civitas.domains.accounts.types import Actor, Role
from civitas.domains.buzz.buying import refunding, settling, tasks
from civitas.domains.buzz.buying.tables import Debt, Purchase
from civitas.domains.buzz.ledger import auditing, posting
from civitas.domains.buzz.ledger.posting import Entry, transfer
from civitas.domains.buzz.programme.cash import become
from civitas.domains.buzz.programme.tables import CashWithdrawal
from civitas.domains.buzz.programme.types import Withdrawn
from civitas.domains.buzz.types import Currency, EntryType, Purpose, house, wallet
from civitas.infra.db.database import BoundDatabase
from civitas.infra.payments.port import LARGEST_NOTICE
from civitas.infra.payments.settings import BtcPaySettings, PaymentSettings, StripeSettings
from civitas.kit import money
from civitas.kit.errors import Unavailable


@dataclass
class Till:
    """A site with both providers, and a person who buys."""

    client: Client
    stripe: StripeServer
    btcpay: BtcPayServer
    person: int

    async def withdrawal(self, number: int) -> CashWithdrawal:
        async with self.client.house.database.reading() as session:
            return await session.get_one(CashWithdrawal, number, populate_existing=True)

    async def buy(self, provider: str, **what: Any) -> dict[str, Any]:
        answer = await self.client.post("/api/v1/buzz/purchases", json={"provider": provider, **what})
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def tell(self, provider: str, signed: tuple[dict[str, str], bytes], *, run: bool = True) -> int:
        headers, body = signed
        self.client.headers.pop("authorization", None)
        answer = await self.client.post(f"/hooks/{provider}", content=body, headers=headers)
        if run:
            await self.client.run_tasks()
        return answer.status_code

    async def has(self, colour: Currency) -> int:
        account = wallet(self.person, colour)
        async with self.client.house.database.reading() as session:
            return (await posting.balances(session, [account]))[account]

    async def row(self) -> Purchase:
        async with self.client.house.database.reading() as session:
            found = await session.scalar(select(Purchase).order_by(Purchase.id.desc()))
            assert found is not None
            return found

    async def session_id(self) -> str:
        return str((await self.row()).reference)


@pytest.fixture
async def till(units: BoundDatabase, connection: AsyncConnection, tmp_path: Path) -> AsyncIterator[Till]:
    stripe, btcpay = StripeServer(), BtcPayServer()
    with running(stripe), running(btcpay):
        payments = PaymentSettings(
            stripe=StripeSettings(
                secret_key=SECRET_KEY, webhook_secrets=["whsec_old", WEBHOOK_SECRET], api_base=stripe.url
            ),
            btcpay=BtcPaySettings(url=btcpay.url, api_key=BTC_KEY, store_id=STORE, webhook_secret=BTC_SECRET),
        )
        async with serving(units, connection, make_settings(tmp_path, payments=payments)) as client:
            async with client.house.database.unit() as session:
                person = await make_person(session)
            await client.use_key(person)
            yield Till(client, stripe, btcpay, person)
        async with units.reading() as session:
            assert (await auditing.audit(session)).findings == ()


async def test_a_card_buys_green_once_however_often_it_is_told(till: Till) -> None:
    made = await till.buy("stripe", pack="10k")
    assert made["state"] == "pending" and made["url"].startswith(till.stripe.url)
    event = till.stripe.pay(await till.session_id())
    assert await till.tell("stripe", stripe_signed(event), run=False) == 200
    assert await till.tell("stripe", stripe_signed(event)) == 200
    # Another event of the same fact.
    assert await till.tell("stripe", stripe_signed({**event, "id": "evt_other"})) == 200
    assert await till.has(Currency.GREEN) == money.buzz(10_000)
    row = await till.row()
    assert (row.state, row.banked_cents) == ("paid", 1000) and (row.payment_reference or "").startswith("pi_")


@pytest.mark.parametrize("wrong", ["secret", "old", "future", "body", "none", "empty", "swapped"])
async def test_forged_and_stale_notices_are_refused(till: Till, wrong: str) -> None:
    await till.buy("stripe", pack="10k")
    event = till.stripe.pay(await till.session_id())
    headers, body = stripe_signed(
        event,
        secret="whsec_guess" if wrong == "secret" else WEBHOOK_SECRET,
        at={"old": time.time() - 400, "future": time.time() + 400}.get(wrong),
    )
    if wrong == "body":
        body = body.replace(b'"amount_total": 1000', b'"amount_total": 100000')
    if wrong in ("none", "empty"):
        headers = {} if wrong == "none" else {"stripe-signature": "t=,v1="}
    if wrong == "swapped":
        headers = {"stripe-signature": headers["stripe-signature"].replace("v1=", "v2=")}
    assert await till.tell("stripe", (headers, body)) == 403
    assert await till.has(Currency.GREEN) == 0
    async with till.client.house.database.reading() as session:
        assert await session.scalar(text("SELECT count(*) FROM payment_events")) == 0


async def test_the_older_of_two_secrets_still_holds(till: Till) -> None:
    await till.buy("stripe", pack="10k")
    event = till.stripe.pay(await till.session_id())
    assert await till.tell("stripe", stripe_signed(event, secret="whsec_old")) == 200
    assert await till.has(Currency.GREEN) == money.buzz(10_000)


async def test_what_is_no_notice_is_told(till: Till) -> None:
    headers, body = stripe_signed({"id": "evt_1", "type": "x", "data": None})
    assert await till.tell("stripe", (headers, body)) == 400
    assert (
        await till.tell(
            "stripe", stripe_signed({"id": "evt_2", "type": "account.updated", "data": {"object": {}}})
        )
        == 200
    )
    assert await till.tell("btcpay", ({}, b"{}")) == 403
    assert await till.tell("paypal", ({}, b"{}")) == 404
    assert await till.tell("development", ({}, b"{}")) == 404
    assert await till.tell("stripe", (headers, b"x" * (LARGEST_NOTICE + 1))) == 413


async def test_a_dispute_that_comes_before_the_payment_is_told(till: Till) -> None:
    await till.buy("stripe", pack="10k")
    name = await till.session_id()
    paid = till.stripe.pay(name)
    lost = till.stripe.dispute(name, "lost")
    assert await till.tell("stripe", stripe_signed(lost)) == 200
    assert (await till.row()).state == "charged_back"
    assert await till.tell("stripe", stripe_signed(paid)) == 200
    row = await till.row()
    assert (row.state, row.banked_cents, row.returned_cents) == ("charged_back", 1000, 1000)
    assert await till.has(Currency.GREEN) == 0


async def test_a_dispute_that_is_won_lets_the_buyer_spend_again(till: Till) -> None:
    await till.buy("stripe", pack="10k")
    name = await till.session_id()
    await till.tell("stripe", stripe_signed(till.stripe.pay(name)))
    await till.tell("stripe", stripe_signed(till.stripe.dispute(name, "warning_needs_response")))
    assert (await till.row()).state == "paid"
    await till.tell("stripe", stripe_signed(till.stripe.dispute(name, "needs_response")))
    assert (await till.row()).state == "disputed" and (await till.row()).froze
    await till.tell("stripe", stripe_signed(till.stripe.dispute(name, "won")))
    row = await till.row()
    assert (row.state, row.froze) == ("paid", False)


async def test_a_lost_webhook_is_found_by_looking(till: Till) -> None:
    await till.buy("stripe", pack="10k")
    till.stripe.pay(await till.session_id())
    async with till.client.house.database.unit() as session:
        await session.execute(text("UPDATE buzz_purchases SET next_look_at = now() - interval '1 s'"))
    till.stripe.broken = 1
    await tasks.look_at_purchases(till.client.context)
    assert (await till.row()).state == "pending"
    async with till.client.house.database.unit() as session:
        await session.execute(text("UPDATE buzz_purchases SET next_look_at = now() - interval '1 s'"))
    await tasks.look_at_purchases(till.client.context)
    assert (await till.row()).state == "paid" and await till.has(Currency.GREEN) == money.buzz(10_000)


async def test_a_refund_by_staff_goes_to_the_card(till: Till) -> None:
    await till.buy("stripe", pack="10k")
    name = await till.session_id()
    await till.tell("stripe", stripe_signed(till.stripe.pay(name)))
    row = await till.row()
    async with till.client.house.database.unit() as session:
        boss = actor_for(await make_person(session), role=Role.ADMIN)
        await refunding.refund(session, boss, purchase_id=row.id, reason="asked")
    till.stripe.broken = 1
    with pytest.raises(Unavailable):
        await till.client.run_tasks()
    assert (await till.row()).refunding_cents == 1000
    await till.client.run_tasks()
    assert (await till.row()).state == "refunded"
    charge = till.stripe.charge(name)
    assert charge["amount_refunded"] == 1000
    await till.tell("stripe", stripe_signed(till.stripe.event("charge.refunded", charge)))
    row = await till.row()
    assert (row.state, row.returned_cents) == ("refunded", 1000) and await till.has(Currency.GREEN) == 0


async def test_a_provider_that_is_down_makes_no_second_purchase(till: Till) -> None:
    till.stripe.broken = 1
    body = {"provider": "stripe", "pack": "5k"}
    first = await till.client.post("/api/v1/buzz/purchases", json=body, headers={"Idempotency-Key": "one"})
    assert first.status_code == 503
    again = await till.client.post("/api/v1/buzz/purchases", json=body, headers={"Idempotency-Key": "one"})
    assert again.status_code == 201
    other = await till.client.post(
        "/api/v1/buzz/purchases", json={**body, "pack": "10k"}, headers={"Idempotency-Key": "one"}
    )
    assert other.status_code == 409
    listed = (await till.client.get("/api/v1/buzz/purchases")).json()["items"]
    assert [item["id"] for item in listed] == [again.json()["id"]]


async def test_crypto_in_two_parts_late_and_too_much(till: Till) -> None:
    made = await till.buy("btcpay", pack="5k")
    assert (made["colour"], made["cents"], made["feeCents"]) == ("yellow", 500, 100)
    name = await till.session_id()
    till.btcpay.pay(name, 3.5, status="Processing")
    await till.tell("btcpay", btcpay_signed(till.btcpay.event("InvoiceReceivedPayment", name)))
    row = await till.row()
    assert (row.state, row.seen_cents, row.paid_cents) == ("pending", 350, 0)
    till.btcpay.payments[name][0]["status"] = "Settled"
    till.btcpay.invoices[name] |= {"status": "Expired", "additionalStatus": "PaidPartial"}
    await till.tell("btcpay", btcpay_signed(till.btcpay.event("InvoiceExpired", name, partiallyPaid=True)))
    assert (await till.row()).state == "expired" and await till.has(Currency.YELLOW) == money.buzz(2500)
    till.btcpay.pay(name, 3.5)
    till.btcpay.invoices[name]["additionalStatus"] = "PaidLate"
    event = till.btcpay.event("InvoicePaymentSettled", name)
    redelivered = {**event, "deliveryId": "another", "isRedelivery": True}
    assert await till.tell("btcpay", btcpay_signed(event)) == 200
    assert await till.tell("btcpay", btcpay_signed(redelivered)) == 200
    row = await till.row()
    # Seven dollars for six: the dollar too much buys a thousand more.
    assert (row.state, row.paid_cents) == ("paid", 700) and await till.has(Currency.YELLOW) == money.buzz(
        6000
    )


async def test_forged_crypto_notices_and_those_of_another_store(till: Till) -> None:
    await till.buy("btcpay", pack="5k")
    name = await till.session_id()
    event = till.btcpay.event("InvoiceSettled", name)
    assert await till.tell("btcpay", btcpay_signed(event, secret="guess")) == 403
    # Signed, but nothing was paid: a notice is only a knock.
    assert await till.tell("btcpay", btcpay_signed(event)) == 200
    assert (
        await till.tell("btcpay", btcpay_signed({**event, "storeId": "other", "originalDeliveryId": "x"}))
        == 200
    )
    assert await till.has(Currency.YELLOW) == 0 and (await till.row()).state == "pending"


async def test_an_invoice_that_the_merchant_marked_is_paid(till: Till) -> None:
    await till.buy("btcpay", buzz=7_777)
    name = await till.session_id()
    till.btcpay.invoices[name] |= {"status": "Settled", "additionalStatus": "Marked"}
    await till.tell("btcpay", btcpay_signed(till.btcpay.event("InvoiceSettled", name, manuallyMarked=True)))
    assert await till.has(Currency.YELLOW) == money.buzz(7_777)


async def refund_all(till: Till, boss: Actor, purchase_id: int, *, forced: bool = False) -> dict[str, Any]:
    """Have staff refund it; the refund as the provider has it."""
    async with till.client.house.database.unit() as session:
        await refunding.refund(session, boss, purchase_id=purchase_id, reason="asked", forced=forced)
    await till.client.run_tasks()
    found: dict[str, Any] = till.stripe.refunds[-1]
    return found


async def administrator(till: Till) -> Actor:
    async with till.client.house.database.unit() as session:
        return actor_for(await make_person(session, role="admin"), role=Role.ADMIN)


async def revenue(till: Till) -> int:
    cash = house(Purpose.REVENUE, Currency.CASH)
    async with till.client.house.database.reading() as session:
        return (await posting.balances(session, [cash]))[cash]


async def test_a_refund_that_the_bank_sends_back_gives_the_buzz_back_once(till: Till) -> None:
    await till.buy("stripe", pack="10k")
    await till.tell("stripe", stripe_signed(till.stripe.pay(await till.session_id())))
    row, boss = await till.row(), await administrator(till)
    had, had_blue = await till.has(Currency.GREEN), await till.has(Currency.BLUE)
    failed = await refund_all(till, boss, row.id)
    assert await till.has(Currency.GREEN) == 0 and (await till.row()).state == "refunded"
    event = till.stripe.send_back(failed)
    for told in (event, event, till.stripe.event("refund.failed", failed)):
        await till.tell("stripe", stripe_signed(told))
    row = await till.row()
    assert (row.state, row.returned_cents, row.unreturned_cents, row.taken) == ("paid", 1000, 1000, 0)
    assert (await till.has(Currency.GREEN), await till.has(Currency.BLUE)) == (had, had_blue)
    assert await revenue(till) == 1000
    await till.client.run_tasks()
    await till.client.sign_in(boss.require())
    assert "A refund of $10.00 came back" in (await till.client.page(f"/staff/purchases/{row.id}")).text
    lines = (await till.client.get("/api/v1/notifications")).json()["items"]
    assert [one["text"] for one in lines if one["kind"] == "refund-case"] == [
        "A refund of $10.00 came back from the payer's bank"
    ]
    # It can be refunded once more, which takes the Buzz again and for good.
    again = await refund_all(till, boss, row.id)
    row = await till.row()
    assert again is not failed and (row.state, row.refunded_cents, row.returned_cents) == (
        "refunded",
        2000,
        2000,
    )
    assert await till.has(Currency.GREEN) == 0 and await revenue(till) == 0
    await till.tell("stripe", stripe_signed(till.stripe.event("refund.failed", failed)))
    assert await till.has(Currency.GREEN) == 0, "the first one came back long ago"
    await till.tell("stripe", stripe_signed(till.stripe.send_back(again)))
    assert await till.has(Currency.GREEN) == had and await revenue(till) == 1000


async def test_that_a_refund_came_back_may_be_told_before_the_refund(till: Till) -> None:
    await till.buy("stripe", pack="10k")
    await till.tell("stripe", stripe_signed(till.stripe.pay(await till.session_id())))
    row, boss = await till.row(), await administrator(till)
    had = await till.has(Currency.GREEN)
    async with till.client.house.database.unit() as session:
        # As if `refund.failed` overtook the answer to our own request.
        await settling.learn(session, row.id, PaymentFacts(unreturned_cents=1000))
    assert await till.has(Currency.GREEN) == had
    await refund_all(till, boss, row.id)
    row = await till.row()
    assert (row.state, row.returned_cents, row.taken) == ("paid", 1000, 0)
    assert await till.has(Currency.GREEN) == had and await revenue(till) == 1000


async def test_what_was_spent_before_the_refund_is_owed_no_more(till: Till) -> None:
    await till.buy("stripe", pack="10k")
    await till.tell("stripe", stripe_signed(till.stripe.pay(await till.session_id())))
    row, boss = await till.row(), await administrator(till)
    had = await till.has(Currency.GREEN)
    async with till.client.house.database.unit() as session:
        legs = transfer(wallet(row.person_id, Currency.GREEN), house(Purpose.BURN, Currency.GREEN), had // 4)
        await posting.post(session, Entry("spent", EntryType.GENERATION, tuple(legs), "Spent"))
    failed = await refund_all(till, boss, row.id, forced=True)
    async with till.client.house.database.reading() as session:
        debt = (await session.scalars(select(Debt))).one()
        assert (debt.status, debt.remaining) == ("open", had // 4)
    event = till.stripe.send_back(failed)
    for _ in range(2):
        await till.tell("stripe", stripe_signed(event))
    async with till.client.house.database.reading() as session:
        debt = (await session.scalars(select(Debt))).one()
        assert (debt.status, debt.remaining) == ("written_off", 0)
    assert await till.has(Currency.GREEN) == had - had // 4, "what was spent is not given twice"


async def test_a_payout_that_was_reversed_comes_back(till: Till) -> None:
    async with till.client.house.database.unit() as session:
        person = await make_person(session, score=SCORE)
        await make_member(session, person)
        row = await session.get_one(CashWithdrawal, await make_withdrawal(session, person))
        token, number = row.token, row.id
        await become(session, row, Withdrawn.PAID, note="", reference="tr_1")
        await session.flush()
    transfer = {"id": "tr_1", "object": "transfer", "amount": 6000, "amount_reversed": 2000}
    for token_of, reversed_cents in ((uuid.uuid4(), 6000), (token, 2000), (token, 6000), (token, 6000)):
        told = transfer | {"metadata": {"withdrawal": str(token_of)}, "amount_reversed": reversed_cents}
        before = (await till.withdrawal(number)).status
        await till.tell("stripe", stripe_signed(till.stripe.event("transfer.reversed", told)))
        whole = token_of == token and reversed_cents == 6000
        assert (await till.withdrawal(number)).status == ("Reclaimed" if whole else before)


async def test_a_crypto_refund_is_fetched_by_the_payer(till: Till) -> None:
    await till.buy("btcpay", pack="5k")
    name = await till.session_id()
    till.btcpay.pay(name, 6)
    till.btcpay.invoices[name]["status"] = "Settled"
    await till.tell("btcpay", btcpay_signed(till.btcpay.event("InvoiceSettled", name)))
    row = await till.row()
    async with till.client.house.database.unit() as session:
        boss = actor_for(await make_person(session), role=Role.ADMIN)
        await refunding.refund(session, boss, purchase_id=row.id, reason="asked")
    await till.client.run_tasks()
    row = await till.row()
    assert row.state == "refunded" and row.refund_url == f"{till.btcpay.url}/pull"


async def test_a_subscription_begins_renews_and_ends(till: Till) -> None:
    provider = till.client.house.payments.get("stripe")
    order = Order("membership:7", 1000, "Bronze", "https://x/ok", "https://x/no", Mode.SUBSCRIPTION)
    opened = await provider.checkout(order)
    assert (await provider.checkout(order)).reference == opened.reference
    event = till.stripe.pay(opened.reference)
    notice = await provider.verify(*stripe_signed(event))
    assert notice.order == "membership:7" and notice.subscription is not None
    name = notice.subscription.reference
    standing = await provider.subscription(opened.reference)
    assert (standing.reference, standing.status, standing.cancels_at_period_end) == (name, "active", False)
    bill = {
        "id": "in_1", "subscription": name, "amount_paid": 1000,
        "subscription_details": {"metadata": {"order": "membership:7"}},
        "lines": {"data": [{"period": {"start": 1_760_000_000, "end": 1_762_592_000}}]},
    }  # fmt: skip
    told = await provider.verify(*stripe_signed(till.stripe.event("invoice.paid", bill)))
    assert told.order == "membership:7" and told.renewal is not None
    assert (told.renewal.paid, told.renewal.cents, told.renewal.subscription) == (True, 1000, name)
    newer = {
        "id": "in_2",
        "parent": {"subscription_details": {"subscription": name, "metadata": {}}},
        "amount_due": 5,
    }
    failed = await provider.verify(*stripe_signed(till.stripe.event("invoice.payment_failed", newer)))
    assert failed.renewal is not None and (failed.renewal.paid, failed.reference) == (False, name)
    assert (await provider.cancel(opened.reference)).cancels_at_period_end
    assert (await provider.cancel(name, at_period_end=False)).status == "cancelled"
    assert (await provider.cancel(name, at_period_end=False)).status == "cancelled"
