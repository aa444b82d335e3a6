"""Memberships over the API, paid with the pretend card."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.factories.accounts import make_person
from tests.factories.buzz import give_buzz
from tests.factories.http import Client, make_settings, serving
from tests.factories.memberships import make_membership, make_month

from civitas.domains.accounts.types import Scope
from civitas.domains.buzz.types import Currency
from civitas.faces.http.paying import take_in
from civitas.infra.db.database import BoundDatabase
from civitas.infra.settings import SiteSettings

HERE = "/api/v1/memberships"


@pytest.fixture
async def desk(units: BoundDatabase, connection: AsyncConnection, tmp_path: Path) -> AsyncIterator[Client]:
    """A site where the pretend card pays."""
    settings = make_settings(tmp_path, site=SiteSettings(development=True))
    async with serving(units, connection, settings) as client:
        yield client


async def member(client: Client, name: str, scopes: Scope = Scope.FULL) -> int:
    async with client.house.database.unit() as session:
        person = await make_person(session, name)
    await client.use_key(person, scopes=scopes)
    return person


async def pay(client: Client, order: dict[str, Any]) -> None:
    provider: Any = client.state.payments.get("development")
    reference = order["url"].rsplit("/", 1)[-1].split("?")[0]
    headers, body = await provider.act(reference, "pay")
    assert await take_in(client.state, "development", headers, body)
    await client.run_tasks()


async def test_a_program_orders_upgrades_cancels_and_goes_on(desk: Client) -> None:
    await member(desk, "ana")
    shelf = (await desk.get(f"{HERE}/tiers")).json()
    bronze = next(tier for tier in shelf["tiers"] if tier["key"] == "bronze")
    assert bronze["priceCents"] == 1000 and shelf["providers"][0]["renews"]
    told = (await desk.get(f"{HERE}/quote", params={"tier": "bronze"})).json()
    assert (told["kind"], told["dueCents"]) == ("start", 1000)
    made = await desk.post(f"{HERE}/orders", json={"tier": "bronze", "billing": "monthly"})
    assert made.status_code == 201 and made.json()["status"] == "open"
    await pay(desk, made.json())
    order = (await desk.get(f"{HERE}/orders/{made.json()['id']}")).json()
    assert (order["status"], order["url"]) == ("paid", None)
    mine = (await desk.get(HERE)).json()
    (run,) = mine["running"]
    assert (mine["tier"], run["nextCents"], run["billing"]) == ("bronze", 1000, "monthly")

    up = await desk.post(f"{HERE}/orders", json={"tier": "gold", "billing": "monthly"})
    assert up.json()["kind"] == "upgrade" and up.json()["cents"] < 5000
    await pay(desk, up.json())
    here = f"{HERE}/{run['id']}"
    later = await desk.patch(here, json={"tier": "bronze", "billing": "monthly"})
    assert (later.json()["tier"], later.json()["nextTier"]) == ("gold", "bronze")
    refused = await desk.post(f"{HERE}/orders", json={"tier": "bronze", "billing": "monthly"})
    assert (refused.status_code, refused.json()["code"]) == (409, "no_payment_needed")
    ends = await desk.patch(here, json={"cancelAtEnd": True, "reason": "price"})
    assert ends.json()["cancelAtEnd"] and ends.json()["nextCents"] is None
    assert not (await desk.patch(here, json={"cancelAtEnd": False})).json()["cancelAtEnd"]
    paid = (await desk.get(f"{HERE}/payments")).json()["items"]
    assert [(one["reason"], one["status"]) for one in paid] == [("upgrade", "paid"), ("start", "paid")]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"tier": "bronze"},
        {"tier": "bronze", "billing": "monthly", "months": 3},
        {"tier": "bronze", "billing": "perks"},
        {"tier": "bronze", "billing": "monthly", "to": "ben"},
        {"tier": "founder", "billing": "monthly"},
        {"tier": "bronze", "months": 2},
        {"tier": "bronze", "months": -3},
        {"tier": "bronze", "months": 3, "to": "ana"},
        {"tier": "bronze", "months": 3, "to": "nobody_here"},
        {"tier": "bronze", "months": 3, "provider": "stripe"},
        {"tier": "bronze", "months": 3, "to": "ben", "note": "x" * 301},
    ],
)
async def test_orders_that_make_no_sense_are_refused(desk: Client, body: dict[str, Any]) -> None:
    await member(desk, "ben")
    await member(desk, "ana")
    answer = await desk.post(f"{HERE}/orders", json=body)
    assert answer.status_code in {400, 404, 503}, answer.text
    assert answer.json()["code"]


async def test_a_gift_is_told_to_both_and_its_buzz_is_taken_month_by_month(desk: Client) -> None:
    ben = await member(desk, "ben")
    await member(desk, "ana")
    body = {"tier": "silver", "months": 3, "to": "ben", "note": "For all your help"}
    made = await desk.post(f"{HERE}/orders", json=body)
    assert (made.json()["kind"], made.json()["months"]) == ("gift", 3)
    await pay(desk, made.json())
    (given,) = (await desk.get(f"{HERE}/gifts")).json()
    assert (given["recipient"], given["note"], given["status"]) == ("ben", body["note"], "started")
    await desk.use_key(ben)
    mine = (await desk.get(HERE)).json()
    assert mine["tier"] == "silver" and [month["status"] for month in mine["months"]] == [
        "unlocked", "locked", "locked",
    ]  # fmt: skip
    taken = await desk.post(f"{HERE}/months/claim")
    assert (taken.status_code, taken.json()["status"]) == (200, "claimed")
    locked = await desk.post(f"{HERE}/months/claim", json={"monthId": mine["months"][1]["id"]})
    assert (locked.status_code, locked.json()["code"]) == (409, "month_locked")
    assert (await desk.post(f"{HERE}/months/claim")).status_code == 404


async def test_perks_for_buzz_are_bought_once_for_a_key(desk: Client) -> None:
    ana = await member(desk, "ana")
    async with desk.house.database.unit() as session:
        await give_buzz(session, ana, 100_000, Currency.YELLOW)
    answers = [
        await desk.post(f"{HERE}/perks", json={"tier": "bronze"}, headers={"Idempotency-Key": "one"})
        for _ in range(2)
    ]
    assert [one.status_code for one in answers] == [201, 201]
    assert answers[0].json() == answers[1].json() and answers[0].json()["startedAt"]
    assert (await desk.get(HERE)).json()["tier"] == "bronze"


async def test_nobody_sees_or_changes_what_is_anothers(desk: Client) -> None:
    ben = await member(desk, "ben")
    async with desk.house.database.unit() as session:
        run = await make_membership(session, ben)
        month = await make_month(session, run, ben)
    order = (await desk.post(f"{HERE}/orders", json={"tier": "gold", "months": 3})).json()
    await member(desk, "ana")
    assert (await desk.get(HERE)).json()["running"] == []
    assert (await desk.get(f"{HERE}/orders/{order['id']}")).status_code == 404
    assert (await desk.patch(f"{HERE}/{run}", json={"cancelAtEnd": True})).status_code == 404
    assert (await desk.post(f"{HERE}/months/claim", json={"monthId": month})).status_code == 404
    for body in ({}, {"cancelAtEnd": True, "tier": "gold", "billing": "monthly"}, {"tier": "gold"}):
        assert (await desk.patch(f"{HERE}/{run}", json=body)).status_code == 400


async def test_staff_give_end_and_take_away(desk: Client) -> None:
    ben = await member(desk, "ben")
    there = "/api/v1/staff/memberships"
    grant = {"personId": ben, "tier": "gold", "months": 2, "reason": "For the contest"}
    assert (await desk.post(there, json=grant)).status_code == 403
    async with desk.house.database.unit() as session:
        judge = await make_person(session, "judge", role="moderator")
    await desk.use_key(judge)
    assert (await desk.post(there, json=grant | {"reason": ""})).status_code == 400
    assert (await desk.post(there, json=grant | {"withBuzz": True})).status_code == 403
    assert [(await desk.post(there, json=grant)).status_code for _ in range(2)] == [201, 201]
    found = (await desk.get(there, params={"personId": ben})).json()
    (run,), (wait,) = found["memberships"], found["waiting"]
    assert (run["tier"], wait["months"], run["endReason"]) == ("gold", 2, None)
    why = {"reason": "A mistake"}
    assert (await desk.post(f"{there}/grants/{wait['id']}/revoke", json=why)).status_code == 204
    assert (await desk.post(f"{there}/{run['id']}/end", json=why)).status_code == 204
    assert (await desk.post(f"{there}/{run['id']}/end", json=why)).status_code == 404
    found = (await desk.get(there, params={"personId": ben})).json()
    assert found["memberships"][0]["endReason"] == "staff" and not found["waiting"]
