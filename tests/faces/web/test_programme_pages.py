"""Pages of the creator programme, by forms as a browser without script sends them, and the staff's side."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime

from sqlalchemy import select, update
from tests.factories.accounts import make_person
from tests.factories.http import Client
from tests.factories.programme import balance, earn, make_creator, make_member, pay_cash

from civitas.domains.accounts import queries
from civitas.domains.accounts.tables import Person, StaffAction
from civitas.domains.accounts.types import Actor
from civitas.domains.buzz.ledger import auditing
from civitas.domains.buzz.programme import banking as programme_banking
from civitas.domains.buzz.programme import pools as programme_pools
from civitas.domains.buzz.programme.tables import CashWithdrawal, PayoutMethod
from civitas.domains.buzz.programme.types import Month
from civitas.domains.buzz.types import Currency, Purpose
from civitas.kit import clock, money

BANKING = datetime(2026, 11, 10, tzinfo=UTC)
EXTRACTION = datetime(2026, 11, 29, tzinfo=UTC)
HERE = "/creator-program"
ACH = {"method": "ach", "holder": "Ana", "routing": "021000021", "account": "123456789"}


async def creator(client: Client, **buzz: int) -> Actor:
    async with client.house.database.unit() as session:
        made = await make_creator(session, **buzz)
    await client.sign_in(made.require())
    return made


async def held(client: Client, actor: Actor, purpose: str, currency: Currency) -> int:
    async with client.house.database.reading() as session:
        return await balance(session, actor.require(), purpose, currency)


def key_in(page: str) -> str:
    found = re.search(r'name="key"\s+value="([^"]+)"', page)
    assert found is not None
    return found[1]


async def test_a_newcomer_sees_what_is_missing_and_joins_when_it_is_there(client: Client) -> None:
    with clock.held_at(BANKING):
        async with client.house.database.unit() as session:
            person = await make_person(session, score=12_345, score_parts={"models": 12_000, "users": 345})
        await client.sign_in(person)
        page = await client.page(HERE)
        assert page.status_code == 200
        assert "12,345 of 40,000" in page.text and "Followers: 345" in page.text
        refused = await client.submit(f"{HERE}/join", accept_terms="true")
        assert refused.status_code == 403 and "A creator score of 40,000" in refused.text
        async with client.house.database.unit() as session:
            await make_member(session, person, "silver")
            await session.execute(update(Person).where(Person.id == person).values(score=40_000))
        assert (await client.submit(f"{HERE}/join")).status_code == 400
        assert (await client.submit(f"{HERE}/join", accept_terms="true")).status_code == 303
        page = await client.page(HERE)
        assert "Choose how you want to be paid" in page.text and 'name="yellow"' in page.text
        assert (await client.submit(f"{HERE}/leave")).status_code == 303


async def test_banking_is_previewed_then_done_once(client: Client) -> None:
    with clock.held_at(BANKING):
        ana = await creator(client, yellow=60_000, green=20_000)
        page = await client.page(HERE)
        key = key_in(page.text)
        seen = await client.submit(f"{HERE}/bank", yellow="30,000", green="5000", key=key)
        assert seen.status_code == 200 and "$35.00" in seen.text and "You bank" in seen.text
        assert await held(client, ana, "bank:202611", Currency.YELLOW) == 0
        for _ in range(2):
            done = await client.submit(
                f"{HERE}/bank", yellow="30,000", green="5,000", key=key, confirmed="true"
            )
            assert done.status_code == 303
        assert await held(client, ana, "bank:202611", Currency.YELLOW) == money.buzz(30_000)
        assert await held(client, ana, "bank:202611", Currency.GREEN) == money.buzz(5_000)
        small = await client.submit(f"{HERE}/bank", yellow="9999", key="other", confirmed="true")
        assert small.status_code == 400 and "at least 10,000" in small.text
        bad = await client.submit(f"{HERE}/bank", yellow="0.3")
        assert bad.status_code == 400
        much = await client.submit(f"{HERE}/bank", yellow="50000", key="third", confirmed="true")
        assert much.status_code == 402
    with clock.held_at(EXTRACTION):
        await client.sign_in(ana.require())
        page = await client.page(HERE)
        assert "Take everything back" in page.text
        assert (await client.submit(f"{HERE}/extract")).status_code == 303
        assert await held(client, ana, Purpose.WALLET, Currency.YELLOW) == money.buzz(60_000)
        assert (
            await client.submit(f"{HERE}/bank", yellow="10000", key="late", confirmed="true")
        ).status_code == 409


async def test_the_forecast_is_open_to_everybody(client: Client) -> None:
    page = await client.page(f"{HERE}/forecast", more="50000")
    assert page.status_code == 200 and "What banking would bring" in page.text
    assert "style=" not in page.text.split("<body", 1)[1]
    assert (await client.page(f"{HERE}/forecast", more="-1")).status_code in {400, 422}
    assert (await client.page(HERE)).headers["location"].startswith("/login")


async def test_cash_leaves_by_hand(client: Client) -> None:
    ana = await creator(client)
    async with client.house.database.unit() as session:
        await pay_cash(session, ana.require(), 30_000)
    assert "Choose first" in (await client.page(f"{HERE}/cash")).text
    wrong = await client.submit(f"{HERE}/cash/method", **(ACH | {"routing": "021000022"}))
    assert wrong.status_code == 400 and "nine digits" in wrong.text
    assert (await client.submit(f"{HERE}/cash/method", **ACH)).status_code == 303
    page = await client.page(f"{HERE}/cash")
    assert "…6789" in page.text and "123456789" not in page.text and "$300.00" in page.text
    key = key_in(page.text)
    assert (
        await client.submit(f"{HERE}/cash/withdraw", amount="49.99", key=key, confirmed="true")
    ).status_code == 400
    seen = await client.submit(f"{HERE}/cash/withdraw", amount="100", key=key)
    assert "$98.00" in seen.text and "$200.00" in seen.text
    for _ in range(2):
        assert (
            await client.submit(f"{HERE}/cash/withdraw", amount="100", key=key, confirmed="true")
        ).status_code == 303
    assert await held(client, ana, Purpose.SETTLED, Currency.CASH) == 20_000
    async with client.house.database.reading() as session:
        row = (await session.execute(select(CashWithdrawal))).scalar_one()
        sealed = (await session.execute(select(PayoutMethod.sealed))).scalar_one()
        assert b"123456789" not in (sealed or b"")
    assert "Submitted" in (await client.page(f"{HERE}/cash")).text
    assert (await client.submit(f"{HERE}/cash/{row.id}/cancel")).status_code == 303
    assert await held(client, ana, Purpose.SETTLED, Currency.CASH) == 30_000


async def staff_of(client: Client, role: str) -> int:
    async with client.house.database.unit() as session:
        return await make_person(session, role=role)


async def test_staff_set_the_pool_and_see_who_shares_in_it(client: Client) -> None:
    with clock.held_at(BANKING):
        ana = await creator(client, yellow=50_000)
        async with client.house.database.unit() as session:
            await programme_banking.bank(
                session, ana, amounts={Currency.YELLOW: money.buzz(20_000)}, key=f"bank:{ana.id}:x"
            )
        assert (await client.page("/staff/cash")).status_code == 403
        await client.sign_in(await staff_of(client, "moderator"))
        page = await client.page("/staff/cash")
        assert page.status_code == 200 and "20,000" in page.text and "preview" in page.text
        set_to = await client.submit(
            "/staff/cash/202611/pool", taxes="10", portion="40", value="12.50", reason="Agreed."
        )
        assert set_to.status_code == 303
        page = await client.page("/staff/cash", month="202611")
        assert "$12.50" in page.text and "set by hand" in page.text
        assert (await client.submit("/staff/cash/202611/pool", taxes="101", reason="x")).status_code == 400
        assert (await client.submit("/staff/cash/202611/pool", taxes="1")).status_code == 400
        async with client.house.database.reading() as session:
            name = (await queries.by_id(session, ana.require())).username
        assert (
            await client.submit("/staff/cash/people/ban", username=name, reason="Bots.")
        ).status_code == 303
        assert await held(client, ana, Purpose.WALLET, Currency.YELLOW) == money.buzz(50_000)
        assert "Bots." in (await client.page("/staff/cash")).text
        assert (
            await client.submit("/staff/cash/people/unban", username=name, reason="Fine.")
        ).status_code == 303
        assert (
            await client.submit("/staff/cash/people/ban", username="nobody_here", reason="x")
        ).status_code == 400
        assert (await client.page("/staff/cash", month="2026")).status_code == 400


async def test_administrators_pay_withdrawals_and_take_the_file(client: Client) -> None:
    ana = await creator(client)
    async with client.house.database.unit() as session:
        await pay_cash(session, ana.require(), 20_000)
    await client.submit(f"{HERE}/cash/method", method="cheque", payee="=HYPERLINK(1)", address="1 Road")
    for number in range(2):
        await client.submit(f"{HERE}/cash/withdraw", amount="60", key=f"k{number}", confirmed="true")
    async with client.house.database.reading() as session:
        first, second = (await session.scalars(select(CashWithdrawal.id).order_by(CashWithdrawal.id))).all()
    await client.sign_in(await staff_of(client, "moderator"))
    assert (await client.page("/staff/cash/withdrawals")).status_code == 200
    assert (
        await client.submit(f"/staff/cash/withdrawals/{first}", status="Paid", reason="x")
    ).status_code == 403
    await client.sign_in(await staff_of(client, "admin"))
    assert (await client.submit("/staff/cash/withdrawals/export", reason="")).status_code == 400
    file = await client.submit("/staff/cash/withdrawals/export", reason="Friday's run")
    rows = list(csv.DictReader(io.StringIO(file.text)))
    assert [row["pay_usd"] for row in rows] == ["56.00", "56.00"]
    assert rows[0]["payee"] == "'=HYPERLINK(1)" and rows[0]["address"] == "1 Road"
    for _ in range(2):
        paid = await client.submit(
            f"/staff/cash/withdrawals/{first}", status="Paid", reference="C-1", reason="Posted."
        )
        assert paid.status_code == 303
    back = await client.submit(f"/staff/cash/withdrawals/{second}", status="Rejected", reason="No such road.")
    assert back.status_code == 303
    assert (
        await client.submit(f"/staff/cash/withdrawals/{second}", status="Paid", reason="x")
    ).status_code == 409
    assert (
        await client.submit(f"/staff/cash/withdrawals/{second}", status="Nonsense", reason="x")
    ).status_code == 400
    assert await held(client, ana, Purpose.SETTLED, Currency.CASH) == 20_000 - 6_000
    assert "No such road." in (await client.page("/staff/cash/withdrawals", status="Rejected")).text
    await client.run_tasks()
    subjects = [mail.subject for mail in client.mails]
    assert "Your withdrawal of $60.00 was paid" in subjects
    assert "Your withdrawal of $60.00 was not paid" in subjects
    async with client.house.database.reading() as session:
        logged = (await session.scalars(select(StaffAction.action))).all()
        assert {"withdrawal.export", "withdrawal.status"} <= set(logged)
        assert (await auditing.audit(session)).findings == ()


async def test_history_shows_closed_months(client: Client) -> None:
    with clock.held_at(BANKING):
        ana = await creator(client, yellow=50_000)
        async with client.house.database.unit() as unit:
            await earn(unit, ana.require(), yellow=1_000)
            await programme_banking.bank(
                unit, ana, amounts={Currency.YELLOW: money.buzz(20_000)}, key="bank:h"
            )
    with clock.held_at(datetime(2026, 12, 2, tzinfo=UTC)):
        async with client.house.database.unit() as unit:
            await programme_pools.plan(unit, Month(2026, 11))
            await programme_pools.distribute(unit, Month(2026, 11))
        await client.sign_in(ana.require())
        page = await client.page(HERE)
        assert "November 2026" in page.text and "paid, pending" in page.text and "$20.00" in page.text
        assert "November 2026" in (await client.page(f"{HERE}/forecast")).text
