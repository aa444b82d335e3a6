"""The wallet's pages: what they show, and to whom."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.factories.accounts import make_person
from tests.factories.buzz import give_buzz, tip_buzz
from tests.factories.http import Client
from tests.flows import story

from civitas.domains.buzz.economy import economy
from civitas.domains.buzz.economy.rules import Economy
from civitas.domains.buzz.ledger import holds, statistics
from civitas.domains.buzz.types import Currency, EntryType
from civitas.kit import clock, money


async def test_the_wallet_is_for_its_owner(client: Client) -> None:
    answer = await client.page("/buzz")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login")


async def test_the_wallet_shows_what_one_has_and_what_is_held(client: Client) -> None:
    person = await story.new_member(client)
    async with client.house.database.unit() as session:
        await give_buzz(session, person, 1200)
        await give_buzz(session, person, 75, Currency.BLUE, type=EntryType.REWARD)
        await holds.reserve(
            session,
            key="h1",
            person_id=person,
            colours=(Currency.YELLOW,),
            total=money.buzz(200),
            type=EntryType.GENERATION,
            expires_at=clock.now() + timedelta(hours=1),
            description="Lanterns at dusk",
        )
    page = (await client.page("/buzz")).text
    assert 'data-live-balance="total">1,075<' in page
    assert 'data-live-balance="blue">75<' in page
    assert 'data-live-balance="yellow">1,000<' in page
    assert 'data-live-balance="held">200<' in page
    assert "Lanterns at dusk" in page


async def test_every_page_carries_the_balance_in_its_menu(client: Client) -> None:
    person = await story.new_member(client)
    async with client.house.database.unit() as session:
        await give_buzz(session, person, 42)
    assert 'data-live-balance="total">42<' in (await client.page("/models")).text
    client.sign_out()
    assert "data-live-balance" not in (await client.page("/models")).text


async def test_the_statement_pages_through_and_filters(client: Client) -> None:
    person = await story.new_member(client, "ana_page")
    other = await story.person(client, "ben_page")
    async with client.house.database.unit() as session:
        await give_buzz(session, person, 500, description="=cmd|x")
        tipped = (await tip_buzz(session, person, other, 60, description="Tip for <b>Lanterns</b>")).entry_id
        for _ in range(60):
            await tip_buzz(session, person, other, 1)
    page = (await client.page("/buzz/statement")).text
    assert "ben_page" in page
    assert 'rel="next"' in page
    href = page.split('rel="next" href="', 1)[1].split('"', 1)[0].replace("&amp;", "&")
    second = (await client.page(href)).text
    assert "Tip for &lt;b&gt;Lanterns&lt;/b&gt;" in second
    assert "=cmd" in second
    assert "Nothing here" in (await client.page("/buzz/statement?type=refunds")).text
    assert (
        "Not a day" in (await client.page("/buzz/statement?since=soon&colour=red&type=x&account=mint")).text
    )
    assert "&#39;=cmd" not in second
    assert "'=cmd" in (await client.page("/buzz/statement.csv?direction=in")).text
    assert f"Entry {tipped}" in (await client.page(f"/buzz/entries/{tipped}")).text
    await story.new_member(client, "eve_page")
    assert (await client.page(f"/buzz/entries/{tipped}")).status_code == 404


@pytest.mark.parametrize(
    ("path", "status"), [("/buzz/statement?cursor=forged", 400), (f"/buzz/entries/{2**62}", 404)]
)
async def test_forged_places_are_refused(client: Client, path: str, status: int) -> None:
    await story.new_member(client)
    assert (await client.page(path)).status_code == status


async def test_rules_and_report_are_for_everybody(client: Client) -> None:
    async with client.house.database.unit() as session:
        await economy.record(session, economy.current())
        tree = economy.current().model_dump(mode="json", by_alias=True)
        tree["tips"]["least"] = "75"
        await economy.record(session, Economy.model_validate(tree))
        person = await make_person(session)
        await give_buzz(session, person, 500)
        await statistics.fold(session)
        await statistics.note_supply(session)
    rules = (await client.page("/buzz/rules")).text
    for told in ("Which colour pays for what", "Daily claim", "Gold", "tips.least", "50 → 75", "$50.00"):
        assert told in rules, told
    report = (await client.page("/buzz/transparency")).text
    assert "In people&#39;s wallets" in report
    assert "500" in report
    metrics = (await client.get("/metrics")).text
    assert 'civitas_buzz_supply{currency="yellow"} 500.0' in metrics
    assert "civitas_buzz_open_holds 0.0" in metrics
