"""Memberships paid through providers: a Stripe of this machine, and the development provider."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import Request
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.factories.accounts import actor_for, make_person
from tests.factories.http import Client, make_settings, serving
from tests.factories.payment_servers import SECRET_KEY, WEBHOOK_SECRET, StripeServer, running, stripe_signed

from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.ledger import auditing, posting
from civitas.domains.buzz.memberships import orders as membership_orders
from civitas.domains.buzz.memberships import queries as membership_queries
from civitas.domains.buzz.memberships import wishes as membership_wishes
from civitas.domains.buzz.memberships.messages import MirrorSubscription
from civitas.domains.buzz.memberships.tables import Membership, MembershipOrder, MembershipPayment
from civitas.domains.buzz.memberships.tasks import (
    look_at_membership_orders,
    mirror_subscription,
    turn_memberships,
)
from civitas.domains.buzz.memberships.types import Billing
from civitas.domains.buzz.types import Currency, Purpose, house
from civitas.faces.http.paying import open_membership_checkout, take_in
from civitas.infra.db.database import BoundDatabase
from civitas.infra.payments.settings import PaymentSettings, StripeSettings
from civitas.infra.settings import SiteSettings
from civitas.kit import clock


@dataclass
class Desk:
    """A site that sells memberships, and a person who wants one."""

    client: Client
    stripe: StripeServer
    actor: Actor

    async def order(self, provider: str, tier: str) -> str:
        async with self.client.house.database.unit() as session:
            order = await membership_orders.subscribe(
                session, self.actor, tier=tier, billing=Billing.MONTHLY, provider=provider, colour="green"
            )
        request = Request(
            {
                "type": "http", "method": "POST", "path": "/", "headers": [(b"host", b"testserver")],
                "scheme": "http", "server": ("testserver", 80), "query_string": b"", "app": self.client.app,
            }
        )  # fmt: skip
        assert await open_membership_checkout(request, order) == await open_membership_checkout(
            request, order
        )
        async with self.client.house.database.reading() as session:
            found = await session.get_one(MembershipOrder, order.id)
            return str(found.reference)

    async def tell(self, kind: str, thing: dict[str, Any]) -> None:
        headers, body = stripe_signed(self.stripe.event(kind, thing))
        answer = await self.client.post("/hooks/stripe", content=body, headers=headers)
        assert answer.status_code == 200, answer.text
        await self.client.run_tasks()

    async def membership(self) -> Membership:
        async with self.client.house.database.reading() as session:
            return (await session.scalars(select(Membership).order_by(Membership.id.desc()))).one()

    async def payments(self) -> list[tuple[str, int, str]]:
        async with self.client.house.database.reading() as session:
            rows = await session.scalars(select(MembershipPayment).order_by(MembershipPayment.id))
            return [(row.reason, row.cents, row.status) for row in rows]


@pytest.fixture
async def desk(units: BoundDatabase, connection: AsyncConnection, tmp_path: Path) -> AsyncIterator[Desk]:
    stripe = StripeServer()
    with running(stripe):
        payments = PaymentSettings(
            stripe=StripeSettings(
                secret_key=SECRET_KEY, webhook_secrets=[WEBHOOK_SECRET], api_base=stripe.url
            )
        )
        async with serving(
            units, connection, make_settings(tmp_path, payments=payments, site=SiteSettings(development=True))
        ) as client:
            async with client.house.database.unit() as session:
                person = await make_person(session)
            yield Desk(client, stripe, actor_for(person))
        async with units.reading() as session:
            assert (await auditing.audit(session)).findings == ()


def bill(name: str, reference: str, cents: int, start: int) -> dict[str, Any]:
    return {
        "id": reference, "subscription": name, "amount_paid": cents, "amount_due": cents,
        "lines": {"data": [{"period": {"start": start, "end": start + 31 * 86400}}]},
    }  # fmt: skip


async def test_a_card_begins_renews_changes_and_ends_a_membership(desk: Desk) -> None:
    reference = await desk.order("stripe", "bronze")
    completed = desk.stripe.pay(reference)["data"]["object"]
    name, now = str(completed["subscription"]), int(time.time())
    # The first bill comes before and after the checkout's own word, and counts as nothing.
    await desk.tell("invoice.paid", bill(name, "in_1", 1000, now))
    assert await desk.payments() == []
    for _ in range(2):
        await desk.tell("checkout.session.completed", completed)
    first = bill(name, "in_1", 1000, now) | {"subscription_details": {"metadata": completed["metadata"]}}
    await desk.tell("invoice.paid", first)
    run = await desk.membership()
    assert (run.tier, run.provider, run.subscription) == ("bronze", "stripe", name)
    assert await desk.payments() == [("start", 1000, "paid")]

    # An upgrade is paid once by itself; the agreement charges the new price when the new period ends.
    other = await desk.order("stripe", "gold")
    await desk.tell("checkout.session.completed", desk.stripe.pay(other)["data"]["object"])
    run, standing = await desk.membership(), desk.stripe.subscriptions[name]
    assert run.tier == "gold" and standing["items"]["data"][0]["price"]["unit_amount"] == 5000
    assert standing["current_period_end"] == int(run.period_end.timestamp())

    for paid in (True, True, False):
        kind = "invoice.paid" if paid else "invoice.payment_failed"
        await desk.tell(kind, bill(name, "in_2", 5000, int(run.period_end.timestamp())))
    renewed = await desk.membership()
    assert renewed.period_end > run.period_end and renewed.status == "active"
    assert [reason for reason, _, _ in await desk.payments()] == ["start", "upgrade", "renewal"]

    for wish in (membership_wishes.cancel, membership_wishes.resume, membership_wishes.cancel):
        async with desk.client.house.database.unit() as session:
            await wish(session, desk.actor, membership_id=run.id)
        await desk.client.run_tasks()
        assert standing["cancel_at_period_end"] == (wish is membership_wishes.cancel)
    # Ended at Stripe's own desk: a wish to go on cannot be kept, and says so by ending as before.
    standing["status"] = "canceled"
    async with desk.client.house.database.unit() as session:
        await membership_wishes.resume(session, desk.actor, membership_id=run.id)
    await desk.client.run_tasks()
    assert (await desk.membership()).cancel_at_end


async def test_the_pretend_card_pays_once_and_a_charge_back_ends_it(desk: Desk) -> None:
    reference = await desk.order("development", "silver")
    state = desk.client.state
    provider: Any = state.payments.get("development")
    for deed in ("pay", "pay", "renew", "lose"):
        before = await desk.payments()
        headers, body = await provider.act(reference, deed)
        assert await take_in(state, "development", headers, body)
        await desk.client.run_tasks()
        if deed == "renew":
            assert len(await desk.payments()) == len(before) + 1
    assert [(reason, status) for reason, _, status in await desk.payments()] == [
        ("start", "refunded"),
        ("renewal", "paid"),
    ]


async def cash(desk: Desk) -> int:
    """What the site took in and kept, in cents."""
    async with desk.client.house.database.reading() as session:
        account = house(Purpose.REVENUE, Currency.CASH)
        return (await posting.balances(session, [account]))[account]


async def begun(desk: Desk) -> tuple[str, dict[str, Any]]:
    """A bronze membership that a card pays for: its agreement, and its first bill."""
    completed = desk.stripe.pay(await desk.order("stripe", "bronze"))["data"]["object"]
    await desk.tell("checkout.session.completed", completed)
    name = str(completed["subscription"])
    first = desk.stripe.bill(name, 1000, int(time.time()))
    await desk.tell("invoice.paid", first)
    return name, first


async def test_the_money_of_a_bill_comes_and_goes_back_in_parts(desk: Desk) -> None:
    name, _ = await begun(desk)
    assert await cash(desk) == 1000
    run = await desk.membership()
    bill = desk.stripe.bill(name, 1000, int(run.period_end.timestamp()))
    await desk.tell("invoice.paid", bill)
    assert await cash(desk) == 2000
    charge = desk.stripe.charge(bill["id"])
    charge["amount_refunded"] = 400
    for _ in range(2):
        await desk.tell("charge.refunded", charge)
    assert await cash(desk) == 1600 and (await desk.membership()).status == "active"
    charge["amount_refunded"] = 1000
    await desk.tell("charge.refunded", charge)
    ended = await desk.membership()
    assert (ended.status, ended.end_reason, await cash(desk)) == ("cancelled", "refunded", 1000)
    assert [(reason, status) for reason, _, status in await desk.payments()] == [
        ("start", "paid"), ("renewal", "refunded"),
    ]  # fmt: skip
    assert desk.stripe.subscriptions[name]["status"] == "canceled"


async def test_a_refund_of_the_first_bill_ends_what_its_checkout_began(desk: Desk) -> None:
    _, first = await begun(desk)
    charge = desk.stripe.charge(first["id"])
    charge["amount_refunded"] = 1000
    await desk.tell("charge.refunded", charge)
    assert (await desk.membership()).end_reason == "refunded" and await cash(desk) == 0


async def test_a_disputed_bill_ends_the_membership_only_when_it_is_lost(desk: Desk) -> None:
    name, _ = await begun(desk)
    run = await desk.membership()
    bill = desk.stripe.bill(name, 1000, int(run.period_end.timestamp()))
    await desk.tell("invoice.paid", bill)
    for status in ("needs_response", "lost", "lost"):
        event = desk.stripe.dispute(bill["id"], status)
        await desk.tell(event["type"], event["data"]["object"])
        lost = status == "lost"
        assert (await desk.membership()).end_reason == ("refunded" if lost else None)
        assert await cash(desk) == (1000 if lost else 2000)


async def test_a_bill_of_which_only_its_refund_was_heard_counts_and_goes_back(desk: Desk) -> None:
    name, _ = await begun(desk)
    run = await desk.membership()
    bill = desk.stripe.bill(name, 1000, int(run.period_end.timestamp()))
    charge = desk.stripe.charge(bill["id"])
    charge["amount_refunded"] = 1000
    await desk.tell("charge.refunded", charge)
    await desk.tell("invoice.paid", bill)
    assert [(reason, status) for reason, _, status in await desk.payments()] == [
        ("start", "paid"), ("renewal", "refunded"),
    ]  # fmt: skip
    assert await cash(desk) == 1000


async def test_what_was_never_paid_is_stopped_and_a_late_bill_begins_without_renewing(desk: Desk) -> None:
    name, _ = await begun(desk)
    run = await desk.membership()
    with clock.held_at(run.period_end + timedelta(days=40)):
        await turn_memberships(desk.client.context)
        await desk.client.run_tasks()
    assert (await desk.membership()).end_reason == "unpaid"
    assert desk.stripe.subscriptions[name]["status"] == "canceled"
    late = desk.stripe.bill(name, 1000, int(run.period_end.timestamp()))
    await desk.tell("invoice.paid", late)
    async with desk.client.house.database.reading() as session:
        both = list(await session.scalars(select(Membership).order_by(Membership.id)))
    assert [one.status for one in both] == ["lapsed", "active"] and both[1].cancel_at_end


async def test_a_checkout_whose_word_was_lost_is_found_by_looking(desk: Desk) -> None:
    reference = await desk.order("stripe", "bronze")
    desk.stripe.pay(reference)
    await look_at_membership_orders(desk.client.context)
    assert await desk.payments() == []
    with clock.held_at(clock.now() + timedelta(minutes=6)):
        for _ in range(2):
            await look_at_membership_orders(desk.client.context)
    assert await desk.payments() == [("start", 1000, "paid")]
    assert (await desk.membership()).subscription == desk.stripe.sessions[reference]["subscription"]


async def test_what_stripe_refuses_is_kept_for_staff_until_it_agrees(desk: Desk) -> None:
    name, _ = await begun(desk)
    run, standing = await desk.membership(), desk.stripe.subscriptions[name]
    async with desk.client.house.database.unit() as session:
        (await session.get_one(Membership, run.id)).next_tier = "silver"
    desk.stripe.refuses_prices = True
    await mirror_subscription(MirrorSubscription(run.id), desk.client.context)
    refused = await desk.membership()
    assert refused.refused_at is not None and "cannot be used" in str(refused.refused)
    async with desk.client.house.database.unit() as session:
        assert [one.run.id for one in await membership_queries.refused(session)] == [run.id]
    desk.stripe.refuses_prices = False
    await mirror_subscription(MirrorSubscription(run.id), desk.client.context)
    agreed = await desk.membership()
    assert (agreed.refused, agreed.refused_at) == (None, None)
    assert standing["items"]["data"][0]["price"]["unit_amount"] == 2500


async def test_an_upgrade_that_credit_pays_for_costs_nothing_and_is_settled_at_once(desk: Desk) -> None:
    await begun(desk)
    run = await desk.membership()
    async with desk.client.house.database.unit() as session:
        row = await session.get_one(Membership, run.id)
        # Nothing of a period that was paid at gold's price is used up.
        row.period_cents = 5000
        row.period_start = clock.now() + timedelta(hours=1)
    assert await desk.order("stripe", "gold") == "None"
    assert (await desk.membership()).tier == "gold"
    assert (await desk.payments())[1:] == [("upgrade", 0, "paid")] and await cash(desk) == 1000
