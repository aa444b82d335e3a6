"""Staff's tools over the API: who may, what they do, that repeating does nothing twice."""

from __future__ import annotations

from tests.factories.accounts import make_person
from tests.factories.buzz import give_buzz, tip_buzz
from tests.factories.http import Client
from tests.flows.story import ok

from civitas.domains.accounts.types import Scope

API = "/api/v1/staff/buzz"


async def world(client: Client) -> dict[str, int]:
    async with client.house.database.unit() as session:
        people = {
            name: await make_person(session, f"{name}_sb", role=role)
            for name, role in (("ana", "user"), ("ben", "user"), ("mod", "moderator"), ("admin", "admin"))
        }
        await give_buzz(session, people["ana"], 100)
        people["tip"] = (await tip_buzz(session, people["ana"], people["ben"], 60)).entry_id
    return people


async def be(client: Client, person: int, scopes: Scope = Scope.FULL) -> None:
    client.sign_out()
    await client.use_key(person, scopes=scopes)


async def test_nobody_but_staff(client: Client) -> None:
    who = await world(client)
    calls = (
        ("GET", "/entries", None), ("GET", f"/entries/{who['tip']}", None), ("GET", "/accounts/1", None),
        ("GET", f"/people/{who['ana']}/accounts", None), ("GET", "/adjustments", None),
        ("POST", f"/entries/{who['tip']}/refund", {"reason": "x"}),
        ("PUT", f"/people/{who['ben']}/freeze", {"frozen": True, "reason": "x"}),
        ("POST", "/adjustments/1/approve", {"reason": "x"}),
        ("POST", "/adjustments", {"personId": who["ben"], "colour": "yellow", "amount": "5", "reason": "x"}),
    )  # fmt: skip
    for person, scopes in ((who["ana"], Scope.FULL), (who["admin"], Scope.USER_READ)):
        await be(client, person, scopes)
        for method, path, body in calls:
            answer = await client.request(method, API + path, json=body)
            assert answer.status_code == 403, (path, answer.text)


async def test_adjusting_freezing_and_refunding(client: Client) -> None:
    who = await world(client)
    await be(client, who["admin"])
    gift = {"personId": who["ben"], "colour": "blue", "amount": "12.25", "reason": "Made good"}
    first = ok(await client.post(f"{API}/adjustments", json=gift, headers={"Idempotency-Key": "k1"}))
    again = ok(await client.post(f"{API}/adjustments", json=gift, headers={"Idempotency-Key": "k1"}))
    assert first == again
    assert first["status"] == "approved"
    other = await client.post(
        f"{API}/adjustments", json=gift | {"amount": "13"}, headers={"Idempotency-Key": "k1"}
    )
    assert other.status_code == 409
    for amount in ("-1", "0", "0.1", "9" * 20, "NaN"):
        wrong = await client.post(f"{API}/adjustments", json=gift | {"amount": amount})
        assert wrong.status_code == 400, amount
    large = ok(await client.post(f"{API}/adjustments", json=gift | {"amount": "200000"}))
    assert large["status"] == "requested"
    assert (await client.post(f"{API}/adjustments/{large['id']}/approve")).status_code == 403
    back = ok(await client.post(f"{API}/entries/{who['tip']}/refund", json={"amount": "10", "reason": "x"}))
    found = ok(await client.get(f"{API}/entries/{who['tip']}"))
    assert found["refundedBy"] == [back["entryId"]]
    assert sorted(side["moved"] for side in found["sides"]) == [-60, 60]
    await be(client, who["mod"])
    assert (await client.post(f"{API}/adjustments", json=gift)).status_code == 403
    (waiting,) = ok(await client.get(f"{API}/adjustments", params={"waiting": True}))["items"]
    assert (waiting["amount"], waiting["requestedBy"]) == (200_000, who["admin"])
    assert ok(await client.post(f"{API}/adjustments/{large['id']}/approve"))["status"] == "approved"
    frozen = ok(await client.put(f"{API}/people/{who['ben']}/freeze", json={"frozen": True, "reason": "Odd"}))
    assert frozen == {"frozen": True, "changed": True}
    accounts = ok(await client.get(f"{API}/people/{who['ben']}/accounts"))
    held = {(one["purpose"], one["currency"]): one for one in accounts}
    assert held["wallet", "blue"]["balance"] == 200_012.25
    assert all(held["wallet", colour]["frozen"] for colour in ("blue", "green", "yellow"))
    account = ok(await client.get(f"{API}/accounts/{held['wallet', 'yellow']['accountId']}"))
    assert [one["amount"] for one in account["items"]] == [-10, 60]
    assert ok(await client.get(f"{API}/entries", params={"query": "ben_sb"}))["personId"] == who["ben"]
