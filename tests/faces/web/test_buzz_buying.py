"""Pages of buying, with the provider that takes no money, as a browser without script uses them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.factories.accounts import make_person
from tests.factories.http import HTMX, Client, make_settings, serving

from civitas.domains.buzz.ledger import auditing, posting
from civitas.domains.buzz.types import Currency, wallet
from civitas.infra.db.database import BoundDatabase
from civitas.infra.limiting.limiter import PostgresLimiter
from civitas.kit import money


@pytest.fixture
async def shop(units: BoundDatabase, connection: AsyncConnection, tmp_path: Path) -> AsyncIterator[Client]:
    settings = make_settings(tmp_path, site={"development": True})
    async with serving(units, connection, settings) as client:
        yield client
        async with units.reading() as session:
            assert (await auditing.audit(session)).findings == ()


async def somebody(client: Client, name: str = "buyer", **columns: object) -> int:
    async with client.house.database.unit() as session:
        person = await make_person(session, name, **columns)
    await client.sign_in(person)
    return person


async def has(client: Client, person: int, colour: Currency = Currency.GREEN) -> int:
    account = wallet(person, colour)
    async with client.house.database.reading() as session:
        return (await posting.balances(session, [account]))[account]


async def test_a_pack_from_the_shelf_to_the_receipt(shop: Client) -> None:
    person = await somebody(shop)
    page = await shop.page("/buzz/buy")
    assert page.status_code == 200 and "400,000" in page.text and "$400.00" in page.text
    key = re.search(r'name="key"\s+value="(\w+)"', page.text)
    assert key is not None
    sent = await shop.submit("/buzz/buy", way="development", pack="10k", key=key[1])
    again = await shop.submit("/buzz/buy", way="development", pack="10k", key=key[1])
    assert sent.status_code == 303 and sent.headers["location"] == again.headers["location"]
    gone = await shop.page(sent.headers["location"])
    target = gone.headers["refresh"].partition("url=")[2]
    assert target.startswith("/dev/checkout/dev_")
    assert "Pay, told twice" in (await shop.page(target)).text
    back = await shop.submit(target, deed="pay-twice")
    assert back.status_code == 303
    place = back.headers["location"]
    assert "Waiting for the payment" in (await shop.page(place)).text
    await shop.run_tasks()
    polled = await shop.get(place, headers={**HTMX, "hx-target": "standing"})
    assert "It has arrived" in polled.text and "<html" not in polled.text and "every 2s" not in polled.text
    assert await has(shop, person) == money.buzz(10_000)
    assert "10,000" in (await shop.page("/buzz/purchases")).text
    lost = await shop.submit(target, deed="lose")
    await shop.run_tasks()
    assert lost.status_code == 303 and await has(shop, person) == 0
    assert "taken back" in (await shop.page(place)).text


async def test_the_price_of_an_amount(shop: Client) -> None:
    await somebody(shop)
    part = await shop.get("/buzz/buy?buzz=7,500", headers={**HTMX, "hx-target": "custom-price"})
    assert "$7.50" in part.text and "<html" not in part.text
    assert "Buy between" in (await shop.page("/buzz/buy", buzz="12")).text
    assert (await shop.submit("/buzz/buy", buzz="many")).status_code == 400
    assert (await shop.submit("/buzz/buy", buzz="7500")).status_code == 303
    assert (await shop.submit("/buzz/buy", pack="6k")).status_code == 400


async def test_a_gift_card_is_mailed_and_redeemed(shop: Client) -> None:
    await somebody(shop)
    sent = await shop.submit("/buzz/buy", card="buzz-10000", email="friend@example.org", message="Enjoy")
    target = (await shop.page(sent.headers["location"])).headers["refresh"].partition("url=")[2]
    await shop.submit(target, deed="pay")
    await shop.run_tasks()
    mail = shop.mails[-1]
    code = re.search(r"[2-9A-Z]{2}-[2-9A-Z]{4}-[2-9A-Z]{4}", mail.text)
    assert mail.to == "friend@example.org" and "Enjoy" in mail.text and code is not None
    shop.sign_out()
    friend = await somebody(shop, "friend")
    assert "is in your wallet" in (await shop.submit("/redeem", given=code[0])).text
    assert await has(shop, friend) == money.buzz(10_000)
    assert (await shop.submit("/redeem", given=code[0])).status_code == 409


async def test_guessing_codes_is_slow(shop: Client, units: BoundDatabase) -> None:
    await somebody(shop)
    shop.state.limiter = PostgresLimiter(units)
    body = {"code": "AB-CDEF-GH23"}
    answers = [(await shop.post("/api/v1/buzz/codes/redeem", json=body)).status_code for _ in range(11)]
    assert answers == [404] * 10 + [429]


async def test_others_receipts_are_not_shown(shop: Client) -> None:
    await somebody(shop)
    place = (await shop.submit("/buzz/buy", pack="5k")).headers["location"].removesuffix("/checkout")
    shop.sign_out()
    await somebody(shop, "other")
    for path in ("", "/checkout", "/return", "/cancelled"):
        assert (await shop.page(place + path)).status_code == 404
    assert (await shop.submit(f"{place}/give-up")).status_code == 404


async def test_there_is_no_pretend_payment_outside_of_development(client: Client) -> None:
    await somebody(client)
    assert "Nothing is sold here" in (await client.page("/buzz/buy")).text
    assert (await client.page("/dev/checkout/dev_1")).status_code == 404
    assert (await client.submit("/dev/checkout/dev_1", deed="pay")).status_code == 404
    assert (await client.submit("/buzz/buy", way="development", pack="5k")).status_code == 409


async def test_staff_see_refund_invoice_and_issue(shop: Client) -> None:
    person = await somebody(shop)
    sent = await shop.submit("/buzz/buy", pack="10k")
    target = (await shop.page(sent.headers["location"])).headers["refresh"].partition("url=")[2]
    await shop.submit(target, deed="pay")
    await shop.run_tasks()
    assert (await shop.page("/staff/purchases")).status_code == 403
    shop.sign_out()
    await somebody(shop, "boss", role="admin")
    listed = await shop.page("/staff/purchases", about="buyer", state="paid")
    place = re.search(r'href="(/staff/purchases/\d+)"', listed.text)
    assert place is not None
    assert "the purchase is paid" in (await shop.page(place[1])).text
    assert await has(shop, person) == money.buzz(10_000)
    assert (await shop.submit(f"{place[1]}/refund", reason="asked for it")).status_code == 303
    await shop.run_tasks()
    assert "Refunded" in (await shop.page(place[1])).text and await has(shop, person) == 0
    made = await shop.submit(
        "/staff/purchases/invoice", person="buyer", buzz="20000", colour="yellow", reason="by bank"
    )
    assert (await shop.submit(f"{made.headers['location']}/paid", reason="arrived")).status_code == 303
    assert await has(shop, person, Currency.YELLOW) == money.buzz(20_000)
    file = await shop.submit(
        "/staff/codes", count="3", kind="buzz", buzz="50", colour="yellow", reason="a fair"
    )
    assert file.headers["content-type"].startswith("text/csv") and len(file.text.splitlines()) == 4
    shown = await shop.page("/staff/codes")
    assert "3 codes" in shown.text and file.text.splitlines()[1].partition(",")[0] not in shown.text
    assert (await shop.page("/staff/debts")).status_code == 200
    assert "purchase.refund" in (await shop.page("/staff/log")).text
    assert (await shop.submit(f"{made.headers['location']}/paid", reason=" ")).status_code == 400
