"""The creator programme over the API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import update
from tests.factories.accounts import make_person
from tests.factories.http import Client
from tests.factories.programme import balance, make_creator, make_member, pay_cash

from civitas.domains.accounts.tables import Person
from civitas.domains.accounts.types import Scope
from civitas.domains.buzz.types import Currency, Purpose
from civitas.infra.payouts.port import MemoryPayouts
from civitas.kit import clock

BANKING = datetime(2026, 11, 10, tzinfo=UTC)
EXTRACTION = datetime(2026, 11, 29, tzinfo=UTC)
HERE = "/api/v1/creator-program"


async def creator(client: Client, scopes: Scope = Scope.FULL, **buzz: int) -> int:
    async with client.house.database.unit() as session:
        made = (await make_creator(session, **buzz)).require()
    await client.use_key(made, scopes=scopes)
    return made


async def test_joining_by_a_program(client: Client) -> None:
    async with client.house.database.unit() as session:
        person = await make_person(session)
    await client.use_key(person)
    refused = await client.post(f"{HERE}/join", json={"acceptTerms": True})
    assert (refused.status_code, refused.json()["code"]) == (403, "score_too_low")
    async with client.house.database.unit() as session:
        await session.execute(update(Person).where(Person.id == person).values(score=41_000))
        await make_member(session, person, "silver")
    joined = await client.post(f"{HERE}/join", json={"acceptTerms": True})
    assert joined.status_code == 200
    told = joined.json()
    assert (told["status"], told["tier"], told["cap"], told["payoutReady"]) == (
        "active",
        "silver",
        100_000,
        False,
    )
    assert (await client.post(f"{HERE}/leave")).json()["status"] == "left"


async def test_banking_and_taking_back(client: Client) -> None:
    with clock.held_at(BANKING):
        await creator(client, yellow=200_000, green=50_000)
        headers = {"Idempotency-Key": "one"}
        first = await client.post(
            f"{HERE}/bank", json={"yellow": 150_000, "green": 12_500.25}, headers=headers
        )
        assert first.json()["banked"] == {"green": 12_500.25, "yellow": 150_000}
        again = await client.post(
            f"{HERE}/bank", json={"yellow": 150_000, "green": 12_500.25}, headers=headers
        )
        assert again.json() == first.json()
        other = await client.post(f"{HERE}/bank", json={"yellow": 10_000}, headers=headers)
        assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
        for body in (
            {"yellow": -1},
            {"yellow": 0.1},
            {"blue": 10_000},
            {},
            {"yellow": "many"},
            {"yellow": 10**20},
        ):
            assert (await client.post(f"{HERE}/bank", json=body)).status_code in {400, 422}, body
        told: dict[str, Any] = (await client.get(HERE)).json()
        assert (told["phase"], told["month"], told["pool"]["people"]) == ("banking", "202611", 1)
        assert told["estimateCents"] == 16_250
        early = await client.post(f"{HERE}/extract")
        assert (early.status_code, early.json()["code"]) == (409, "not_extracting")
    with clock.held_at(EXTRACTION):
        seen = (await client.get(f"{HERE}/extract")).json()
        assert seen["fee"] == 3_125 and seen["received"]["yellow"] + seen["received"]["green"] == 159_375.25
        assert (await client.post(f"{HERE}/extract")).json() == seen
        assert (await client.post(f"{HERE}/extract")).json() == seen
    outlook = (await client.get(f"{HERE}/forecast", params={"more": 12_000})).json()
    assert len(outlook["ladder"]) == 12 and outlook["ladder"][-1]["more"] == 12_000
    assert (await client.get(f"{HERE}/history")).json() == []


async def test_a_key_without_the_scope_moves_nothing(client: Client) -> None:
    with clock.held_at(BANKING):
        await creator(client, Scope.BUZZ_READ | Scope.USER_READ, yellow=50_000)
        assert (await client.get(HERE)).status_code == 200
        for path, body in (
            ("bank", {"yellow": 10_000}),
            ("extract", None),
            ("withdrawals", {"amountCents": 5_000}),
        ):
            assert (await client.post(f"{HERE}/{path}", json=body)).status_code == 403, path


async def test_withdrawing_by_hand(client: Client) -> None:
    person = await creator(client)
    async with client.house.database.unit() as session:
        await pay_cash(session, person, 20_000)
    none = await client.post(f"{HERE}/withdrawals", json={"amountCents": 5_000})
    assert (none.status_code, none.json()["code"]) == (409, "no_payout_method")
    way = await client.put(
        f"{HERE}/payout-method", json={"method": "paypal", "details": {"email": "ana@example.org"}}
    )
    assert way.json() == {"method": "paypal", "ready": True, "hint": "a…@example.org", "url": None}
    headers = {"Idempotency-Key": "w"}
    made = await client.post(f"{HERE}/withdrawals", json={"amountCents": 10_000}, headers=headers)
    assert made.status_code == 201
    assert (made.json()["feeCents"], made.json()["requestState"]) == (500, "Requested")
    assert (
        await client.post(f"{HERE}/withdrawals", json={"amountCents": 10_000}, headers=headers)
    ).json() == made.json()
    few = await client.post(f"{HERE}/withdrawals", json={"amountCents": 4_999})
    assert (few.status_code, few.json()["code"]) == (400, "too_little")
    much = await client.post(f"{HERE}/withdrawals", json={"amountCents": 10_001})
    assert (much.status_code, much.json()["code"]) == (402, "insufficient_funds")
    back = await client.post(f"{HERE}/withdrawals/{made.json()['id']}/cancel")
    assert back.json()["status"] == "Canceled"
    assert [row["status"] for row in (await client.get(f"{HERE}/withdrawals")).json()["items"]] == [
        "Canceled"
    ]
    assert (await client.get(HERE)).json()["cashSettledCents"] == 20_000
    assert (await client.post(f"{HERE}/payout-method/provider")).json()["code"] == "no_provider"


async def test_withdrawing_by_a_provider(client: Client) -> None:
    provider = MemoryPayouts()
    client.state.payouts = client.house.payouts = provider
    person = await creator(client)
    async with client.house.database.unit() as session:
        await pay_cash(session, person, 20_000)
    begun = await client.post(f"{HERE}/payout-method/provider")
    assert begun.json()["ready"] is False and begun.json()["url"].startswith("https://provider.example/")
    waits = await client.post(f"{HERE}/withdrawals", json={"amountCents": 5_000})
    assert waits.json()["code"] == "no_payout_method"
    provider.accounts[f"acct_{person}"] = True
    assert (await client.post(f"{HERE}/payout-method/provider")).json()["ready"] is True
    made = await client.post(f"{HERE}/withdrawals", json={"amountCents": 20_000})
    assert (await client.post(f"{HERE}/withdrawals/{made.json()['id']}/cancel")).json()["code"] == "too_late"
    await client.run_tasks()
    row = (await client.get(f"{HERE}/withdrawals")).json()["items"][0]
    assert (row["status"], row["reference"], row["requestState"]) == ("Paid", "tr_1", "Transferred")
    assert [order.cents for order, _ in provider.paid.values()] == [20_000]
    async with client.house.database.reading() as session:
        assert await balance(session, person, Purpose.SETTLED, Currency.CASH) == 0
