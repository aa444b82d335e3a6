"""Earning over the API."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select
from tests.domains.buzz.ledger.test_posting import give
from tests.factories.accounts import make_key, make_person
from tests.factories.http import Client

from civitas.domains.accounts.types import Scope
from civitas.domains.buzz.earning import adverts, house_adverts
from civitas.domains.buzz.earning.house_adverts import AdvertRow, HouseAdvert
from civitas.domains.buzz.earning.tables import AdImpression
from civitas.domains.buzz.types import Currency
from civitas.kit import clock
from civitas.kit.money import buzz


async def test_the_daily_claim_is_paid_once(client: Client) -> None:
    async with client.house.database.unit() as session:
        ana = await make_person(session)
    await client.sign_in(ana)
    before = (await client.get("/api/v1/buzz/rewards")).json()
    assert before["canClaim"] and before["eligible"] and before["multiplier"] == 1.0
    paid = await client.post("/api/v1/buzz/rewards/daily")
    assert (paid.status_code, paid.json()["amount"], paid.json()["capped"]) == (200, 25, False)
    again = await client.post("/api/v1/buzz/rewards/daily")
    assert (again.status_code, again.json()["code"]) == (409, "already_claimed")
    after = (await client.get("/api/v1/buzz/rewards")).json()
    daily = next(item for item in after["items"] if item["name"] == "daily_boost")
    assert not after["canClaim"] and (daily["awarded"], daily["cap"], daily["interval"]) == (25, 25, "day")


async def test_tips_over_the_api(client: Client) -> None:
    async with client.house.database.unit() as session:
        ana, ben = await make_person(session, "ana"), await make_person(session, "ben")
        await give(session, ana, Currency.YELLOW, buzz(100))
        narrow = await make_key(session, ana, scopes=Scope.BUZZ_READ)
    await client.sign_in(ana)
    body = {"kind": "user", "subjectId": ben, "amount": 60, "message": "well made"}
    sent = [await client.post("/api/v1/buzz/tips", json=body, headers={"Idempotency-Key": "k"}) for _ in "ab"]
    assert [one.json()["replayed"] for one in sent] == [False, True]
    assert (sent[0].json()["toUsername"], sent[0].json()["amount"]) == ("ben", 60)
    short = await client.post("/api/v1/buzz/tips", json=body)
    assert (short.status_code, short.json()["code"]) == (402, "insufficient_funds")
    for amount in (-5, 0, 0.3, 49, 10**30, "fifty"):
        refused = await client.post("/api/v1/buzz/tips", json=body | {"amount": amount})
        assert refused.status_code == 400, amount
    listed = (await client.get("/api/v1/buzz/tips/given")).json()
    assert [line["message"] for line in listed["items"]] == ["well made"]
    refused = await client.post("/api/v1/buzz/tips", json=body, headers={"Authorization": f"Bearer {narrow}"})
    assert refused.status_code == 403


@pytest.fixture
def advert() -> Iterator[None]:
    row = AdvertRow(key="home", title="Lamps", link="https://lamps.example.org")
    with house_adverts.using([HouseAdvert(row, None)]):
        yield


@pytest.mark.usefixtures("advert")
async def test_an_advert_counts_once_and_only_for_who_saw_it(client: Client) -> None:
    async with client.house.database.unit() as session:
        ana = await make_person(session)
    await client.sign_in(ana)
    made = (await client.post("/api/v1/buzz/adverts/tickets", json={"slot": "home"})).json()
    early = await client.post("/api/v1/buzz/adverts/seen", json={"ticket": made["ticket"]})
    assert early.json() == {"counted": False}
    with clock.held_at(clock.now() - timedelta(seconds=10)):
        from tests.factories.accounts import actor_for

        ticket = adverts.ticket(client.house.secret, actor_for(ana), slot="home")
    answers = [
        (await client.post("/api/v1/buzz/adverts/seen", json={"ticket": ticket})).json() for _ in range(2)
    ]
    assert [answer["counted"] for answer in answers] == [True, False]
    async with client.house.database.reading() as session:
        assert list(await session.scalars(select(AdImpression.slot))) == ["home"]


async def test_referrals_over_the_api(client: Client) -> None:
    async with client.house.database.unit() as session:
        ana = await make_person(session, created_at=clock.now() - timedelta(days=8))
    await client.sign_in(ana)
    assert (await client.get("/api/v1/buzz/referrals")).json()["code"] is None
    made = (await client.post("/api/v1/buzz/referrals/code")).json()
    assert made == (await client.post("/api/v1/buzz/referrals/code")).json()
    assert made["link"].endswith(f"/join?ref={made['code']}")
    refused = await client.post("/api/v1/buzz/referrals/shop", json={"tier": "bronze", "days": 14})
    assert (refused.status_code, refused.json()["code"]) == (402, "too_few_tokens")
    assert (await client.get("/api/v1/buzz/compensation")).json() == {"items": []}


async def test_bonus_events_are_listed_declared_and_ended(client: Client) -> None:
    async with client.house.database.unit() as session:
        person, judge = await make_person(session), await make_person(session, role="moderator")
    there, now = "/api/v1/staff/bonus-events", clock.now()
    body = {
        "title": "Spring", "multiplier": "1.5", "startsAt": (now - timedelta(hours=1)).isoformat(),
        "endsAt": (now + timedelta(days=1)).isoformat(), "reason": "A party",
    }  # fmt: skip
    await client.use_key(person)
    assert (await client.post(there, json=body)).status_code == 403
    assert (await client.get(there)).status_code == 403
    await client.use_key(judge)
    for wrong in (
        {"multiplier": 1},
        {"multiplier": "NaN"},
        {"multiplier": 1e9},
        {"endsAt": body["startsAt"]},
        {"reason": ""},
    ):
        assert (await client.post(there, json=body | wrong)).status_code == 400, wrong
    made = await client.post(there, json=body)
    assert (made.status_code, made.json()["multiplier"]) == (201, 1.5)
    client.headers.pop("authorization")
    assert [one["title"] for one in (await client.get("/api/v1/buzz/bonus-events")).json()] == ["Spring"]
    await client.use_key(judge)
    ended = f"{there}/{made.json()['id']}/end"
    assert (await client.post(ended, json={"reason": "Rain"})).status_code == 200
    assert (await client.post(ended, json={"reason": "Rain"})).status_code == 409
    assert (await client.get("/api/v1/buzz/bonus-events")).json() == []
    assert len((await client.get(there)).json()) == 1
