"""The ledger's explorer: who may look, that Buzz can be followed, that hands on it need eyes."""

from __future__ import annotations

import httpx
from sqlalchemy import select
from tests.factories.accounts import make_person
from tests.factories.buzz import give_buzz, tip_buzz
from tests.factories.http import Client
from tests.flows import story

from civitas.contracts.subjects import Subject
from civitas.domains.accounts.tables import StaffAction
from civitas.domains.buzz.ledger import statistics, wallets
from civitas.domains.buzz.ledger.tables import Adjustment

LEDGER = "/staff/ledger"


async def staff(client: Client, role: str, name: str) -> int:
    async with client.house.database.unit() as session:
        person = await make_person(session, name, role=role)
    client.sign_out()
    await client.sign_in(person)
    return person


async def test_only_staff_look(client: Client) -> None:
    paths = ("", "/entries/1", "/accounts/1", "/people/1", "/house", "/adjustments")
    await story.new_member(client)
    for path in paths:
        assert (await client.page(LEDGER + path)).status_code == 403, path
    for path in ("/people/1/adjust", "/people/1/freeze", "/entries/1/refund", "/adjustments/1/approve"):
        assert (await client.submit(LEDGER + path, reason="x")).status_code == 403, path


async def test_buzz_is_followed_from_the_mint(client: Client) -> None:
    ana, ben = await story.person(client, "ana_l"), await story.person(client, "ben_l")
    async with client.house.database.unit() as session:
        given = (await give_buzz(session, ana, 100)).entry_id
        tipped = (await tip_buzz(session, ana, ben, 60, subject=Subject("model", 77))).entry_id
        await statistics.fold(session)
        await statistics.note_supply(session)
    await staff(client, "moderator", "mod_l")
    assert f"/staff/ledger/people/{ana}" in (await client.page(LEDGER, q="ana_l")).text
    for query in (str(tipped), f"#{tipped}", "model:77"):
        found = (await client.page(LEDGER, q=query)).text
        assert f"/entries/{tipped}" in found and f"/entries/{given}" not in found, query
    assert "Nothing found" in (await client.page(LEDGER, q="no such key")).text
    entry = (await client.page(f"{LEDGER}/entries/{tipped}")).text
    assert "ana_l" in entry and "ben_l" in entry and "Give it back" not in entry
    account = entry.split('href="/staff/ledger/accounts/', 1)[1].split('"', 1)[0]
    statement = (await client.page(f"{LEDGER}/accounts/{account}")).text
    assert f"/entries/{given}" in statement and f"/entries/{tipped}" in statement
    assert "mint" in (await client.page(f"{LEDGER}/house")).text
    for path in ("/entries/0", f"/entries/{10**25}", "/accounts/999999", f"/accounts/{10**25}"):
        assert (await client.page(LEDGER + path)).status_code == 404, path


async def test_two_pairs_of_eyes(client: Client) -> None:
    ana = await story.person(client, "ana_e")
    await staff(client, "admin", "admin_e")
    path = f"{LEDGER}/people/{ana}"
    for amount in ("-5", "0", "0.1", "1e9", "many", "9" * 30):
        wrong = await client.submit(f"{path}/adjust", colour="yellow", amount=amount, reason="x", key="w")
        assert wrong.status_code == 400, amount
    assert (await client.submit(f"{path}/adjust", colour="yellow", amount="5", key="n")).status_code == 400
    for _ in range(2):  # sent twice, done once
        done = await client.submit(
            f"{path}/adjust", colour="yellow", way="give", amount="12.5", reason="Made good", key="one"
        )
        assert done.status_code == 303
    await client.submit(f"{path}/adjust", colour="yellow", amount="100001", reason="Much", key="two")
    async with client.house.database.reading() as session:
        assert (await wallets.of(session, ana)).total == 50
        waiting = await session.scalar(select(Adjustment.id).where(Adjustment.status == "requested"))
    own = await client.page(f"{LEDGER}/adjustments?waiting=true")
    assert "Somebody else of staff has to look" in own.text
    alone = await client.submit(f"{LEDGER}/adjustments/{waiting}/approve", reason="me again")
    assert alone.status_code == 400
    await staff(client, "moderator", "mod_e")
    assert (await client.submit(f"{LEDGER}/adjustments/{waiting}/approve")).status_code == 303
    assert (await client.submit(f"{path}/freeze", reason="Odd")).status_code == 303
    async with client.house.database.reading() as session:
        wallet = await wallets.of(session, ana)
        assert (wallet.total, wallet.frozen_at is None) == (4 * 100_001 + 50, False)
        assert list(await session.scalars(select(StaffAction.action).order_by(StaffAction.id))) == [
            "buzz.adjust", "buzz.adjust.request", "buzz.adjust.approve", "buzz.freeze",
        ]  # fmt: skip
    assert "Frozen since" in (await client.page(path)).text
    assert "is frozen" in (await _as(client, ana)).text


async def _as(client: Client, person: int) -> httpx.Response:
    client.sign_out()
    await client.sign_in(person)
    return await client.page("/buzz")


async def test_admins_refund_on_the_entrys_page(client: Client) -> None:
    ana, ben = await story.person(client, "ana_r"), await story.person(client, "ben_r")
    async with client.house.database.unit() as session:
        await give_buzz(session, ana, 100)
        tipped = (await tip_buzz(session, ana, ben, 60)).entry_id
    await staff(client, "admin", "admin_r")
    path = f"{LEDGER}/entries/{tipped}"
    assert "Give it back" in (await client.page(path)).text
    assert (await client.submit(f"{path}/refund", amount="61", reason="x", key="a")).status_code == 400
    done = await client.submit(f"{path}/refund", amount="10", reason="Sorry", key="b")
    assert done.status_code == 303
    assert "Given back by" in (await client.page(path)).text
    assert "Gives back" in (await client.page(done.headers["location"])).text
    async with client.house.database.reading() as session:
        assert (await wallets.of(session, ana)).total == 200
