"""The wallet over the API: one's own things only, numbers as the wire has them, hostile input."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from tests.factories.accounts import make_person
from tests.factories.buzz import give_buzz, spend_buzz, tip_buzz
from tests.factories.http import Client
from tests.flows.story import ok

from civitas.contracts.subjects import Subject
from civitas.domains.accounts.types import Scope
from civitas.domains.buzz.ledger import holds, posting
from civitas.domains.buzz.types import Currency, EntryType
from civitas.kit import clock, money

API = "/api/v1/buzz"


async def two(client: Client) -> tuple[int, int]:
    async with client.house.database.unit() as session:
        ana, ben = await make_person(session, "ana_api"), await make_person(session, "ben_api")
        await give_buzz(session, ana, 100)
        await give_buzz(session, ana, 10, Currency.BLUE, type=EntryType.REWARD)
    return ana, ben


async def test_balances_and_me(client: Client) -> None:
    ana, ben = await two(client)
    await client.use_key(ana)
    async with client.house.database.unit() as session:
        await tip_buzz(session, ana, ben, 60)
        await holds.reserve(
            session, key="h", person_id=ana, colours=(Currency.YELLOW,), total=1, type=EntryType.TRAINING,
            expires_at=clock.now() + timedelta(hours=1), description="A run", subject=Subject("model", 5),
        )  # fmt: skip
    found = ok(await client.get(API))
    assert found["balances"] == {"blue": 10, "green": 0, "yellow": 39.75}
    assert (found["held"]["yellow"], found["total"], found["frozen"]) == (0.25, 49.75, False)
    assert found["lifetimeEarned"]["yellow"] == 100
    assert found["lifetimeSpent"]["yellow"] == 60.25
    assert {one["type"] for one in found["byType"]} == {0, 5, 6, 10}
    assert ok(await client.get("/api/v1/me"))["buzz"] == found["balances"]
    (held,) = ok(await client.get(f"{API}/holds"))
    assert (held["remaining"], held["typeName"], held["subject"]["id"]) == ({"yellow": 0.25}, "training", 5)
    client.sign_out()
    await client.use_key(ana, scopes=Scope.USER_READ)
    assert ok(await client.get("/api/v1/me"))["buzz"] is None
    for path in ("", "/transactions", "/transactions.csv", "/holds", "/preview?amount=1", "/transactions/1"):
        assert (await client.get(API + path)).status_code == 403, path


async def test_a_statement_is_ones_own(client: Client) -> None:
    ana, ben = await two(client)
    eve = await make_in(client, "eve_api")
    async with client.house.database.unit() as session:
        tipped = (await tip_buzz(session, ana, ben, 60, description="Tip for Lanterns")).entry_id
        await posting.refund(session, of=tipped, key="r", amount=4)
    await client.use_key(ana)
    found = ok(await client.get(f"{API}/transactions"))["items"]
    assert [one["amount"] for one in found] == [1, -60, 10, 100]
    assert [one["type"] for one in found] == [7, 0, 5, 6]
    assert found[1]["withName"] == "ben_api"
    assert found[1]["refundedBy"] == [found[0]["id"]]
    assert found[0]["refundOf"] == tipped
    one = ok(await client.get(f"{API}/transactions/{tipped}"))["items"]
    assert [(line["amount"], line["balance"]) for line in one] == [(-60, None)]
    client.sign_out()
    await client.use_key(eve)
    assert ok(await client.get(f"{API}/transactions"))["items"] == []
    for number in (tipped, 0, -1, 2**62, 10**30):
        assert (await client.get(f"{API}/transactions/{number}")).status_code == 404, number
    assert "Lanterns" not in (await client.get(f"{API}/transactions.csv")).text


async def make_in(client: Client, name: str) -> int:
    async with client.house.database.unit() as session:
        return await make_person(session, name)


async def test_pages_and_filters(client: Client) -> None:
    ana, ben = await two(client)
    async with client.house.database.unit() as session:
        for _ in range(5):
            await tip_buzz(session, ana, ben, 2)
    await client.use_key(ana)
    seen, cursor = [], None
    while True:
        params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = ok(await client.get(f"{API}/transactions", params=params))
        seen += [(one["id"], one["balance"]) for one in page["items"]]
        cursor = page["metadata"]["nextCursor"]
        if cursor is None:
            break
    assert len(seen) == len({entry for entry, _ in seen}) == 7
    assert [balance for _, balance in seen] == [90, 92, 94, 96, 98, 10, 100]
    for params, count in (
        ({"type": "tip"}, 5), ({"type": "0"}, 5), ({"type": "tips,5"}, 6), ({"direction": "in"}, 2),
        ({"colour": "blue"}, 1), ({"since": "2000-01-01", "until": "2000-01-02"}, 0), ({"account": "bank"}, 0),
    ):  # fmt: skip
        found = ok(await client.get(f"{API}/transactions", params=params))["items"]
        assert len(found) == count, params
    for wrong in (
        {"type": "99"}, {"type": "nonsense"}, {"cursor": "forged"}, {"limit": 0}, {"limit": 10**9},
        {"colour": "red"}, {"direction": "up"}, {"since": "soon"}, {"until": "9999-12-31"}, {"account": "mint"},
    ):  # fmt: skip
        assert (await client.get(f"{API}/transactions", params=wrong)).status_code == 400, wrong


async def test_csv_is_no_program(client: Client) -> None:
    ana, ben = await two(client)
    async with client.house.database.unit() as session:
        for text in ("=HYPERLINK(1)", "+1", "-1", "@SUM", "\t=1", "  =1", 'quo"te,comma', "line\nbreak"):
            await tip_buzz(session, ana, ben, 1, description=text)
    await client.use_key(ana)
    answer = await client.get(f"{API}/transactions.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 10
    assert [row["what"] for row in rows[:8]] == [
        "line\nbreak", 'quo"te,comma', "'  =1", "'\t=1", "'@SUM", "'-1", "'+1", "'=HYPERLINK(1)",
    ]  # fmt: skip
    assert (rows[0]["amount"], rows[0]["balance"], rows[0]["typeNumber"]) == ("-1", "92", "0")


async def test_the_preview_is_what_a_charge_takes(client: Client) -> None:
    ana, _ = await two(client)
    await client.use_key(ana)
    found = ok(await client.get(f"{API}/preview", params={"amount": "30.25", "activity": "generation"}))
    assert (found["parts"], found["enough"]) == ({"blue": 10, "yellow": 20.25}, True)
    assert found["after"] == {"blue": 0, "green": 0, "yellow": 79.75}
    async with client.house.database.unit() as session:
        taken = await spend_buzz(session, ana, 30)
    assert {colour: money.as_number(part) for colour, part in taken.parts.items()} == {
        "blue": 10,
        "yellow": 20,
    }
    short = ok(await client.get(f"{API}/preview", params={"amount": "1000", "activity": "tips"}))
    assert (short["missing"], short["enough"], short["colours"]) == (920, False, ["green", "yellow"])
    mature = ok(await client.get(f"{API}/preview", params={"amount": "1", "mature": "true"}))
    assert mature["colours"] == ["yellow"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount": "0"}, {"amount": "-1"}, {"amount": "0.1"}, {"amount": "1e3"}, {"amount": "NaN"},
        {"amount": "9" * 18}, {"amount": ""}, {}, {"amount": "1", "activity": "bribes"},
        {"amount": "1", "domain": "red"},
    ],
)  # fmt: skip
async def test_absurd_previews_are_refused(client: Client, wrong: dict[str, str]) -> None:
    ana, _ = await two(client)
    await client.use_key(ana)
    assert (await client.get(f"{API}/preview", params=wrong)).status_code == 400


async def test_the_rules_and_the_report_are_open(client: Client) -> None:
    rules = ok(await client.get(f"{API}/economy"))
    assert rules["rules"]["tips"]["least"] in ("50", 50)
    assert rules["types"][27] == {"number": 27, "name": "licenseFee", "label": "Licence fee"}
    assert ok(await client.get(f"{API}/transparency")) == {"months": [], "supply": []}
