"""The safe-for-work twin: the same accounts under another host name, and nothing above PG-13 for anybody."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from tests.faces.web.browse_shelf import publish
from tests.factories.accounts import make_person
from tests.factories.http import COOKIE_HOST, Client

from civitas.contracts.payments import ProviderInfo
from civitas.domains.accounts.types import ALL_MASK, SAFE_MASK, SAFE_STRANGER, Actor
from civitas.domains.buzz.types import Currency
from civitas.infra.payments.development import DevelopmentProvider
from civitas.infra.payments.port import Providers
from civitas.kit import clock

SAFE = {"host": "green.localhost"}
HTML = {"accept": "text/html", **SAFE}


@pytest.fixture
async def adult(session: AsyncSession) -> int:
    """Somebody who asked for everything."""
    return await make_person(
        session, "mira", adult_confirmed_at=clock.now(), show_mature=True, browsing_level=ALL_MASK
    )


async def names(client: Client, **headers: str) -> set[str]:
    answer = await client.get("/api/v1/models", params={"nsfw": "true"}, headers=headers)
    return {item["name"] for item in answer.json()["items"]}


async def test_what_an_adult_asked_for_elsewhere_is_not_shown(client: Client, adult: int) -> None:
    mature, _ = await publish(client, name="Grown up", level=8)
    await publish(client, name="For everybody", level=1)
    await client.use_key(adult)
    assert await names(client) == {"Grown up", "For everybody"}
    assert await names(client, **SAFE) == {"For everybody"}
    assert (await client.get(f"/api/v1/models/{mature}")).json()["modelVersions"]
    client.headers.pop("authorization")
    await client.sign_in(adult)
    assert (
        "Not shown to you"
        not in (await client.get(f"/models/{mature}", headers=HTML | {"host": "test"})).text
    )
    gate = await client.get(f"/models/{mature}", headers=HTML)
    assert "This site shows nothing above PG-13." in gate.text
    assert "Open your settings" not in gate.text


async def test_the_frame_says_which_site_it_is(client: Client) -> None:
    twin = await client.get("/models", headers=HTML)
    assert 'class="site-twin"' in twin.text
    assert 'href="http://localhost"' in twin.text
    main = await client.get("/models", headers={"accept": "text/html", "host": "localhost:8000"})
    assert 'class="site-twin"' not in main.text
    assert 'href="http://green.localhost:8000"' in main.text
    elsewhere = await client.get("/models", headers={"accept": "text/html", "host": "hub.example.org"})
    assert "green.localhost" not in elsewhere.text


async def test_links_stay_on_the_site_that_was_asked(client: Client) -> None:
    client.state.settings.site.base_url = "https://hub.example.org"
    await publish(client, name="For everybody", level=1)
    there = (await client.get("/api/v1/models", headers=SAFE)).json()["items"][0]
    here = (await client.get("/api/v1/models")).json()["items"][0]
    assert there["modelVersions"][0]["downloadUrl"].startswith("http://green.localhost/")
    assert here["modelVersions"][0]["downloadUrl"].startswith("https://hub.example.org/")


async def test_only_what_can_be_spent_there_is_sold_there(client: Client, adult: int) -> None:
    card = DevelopmentProvider(client.state.database, b"secret")
    coins = ProviderInfo("coins", "Coins", "Paid in coins.", Currency.YELLOW.value)
    client.state.payments = Providers({"development": card, "coins": replace(card, info=coins)})
    await client.sign_in(adult)
    offered = {}
    for host in ("green.localhost", "localhost"):
        answer = await client.get("/api/v1/memberships/tiers", headers={"host": host})
        offered[host] = {way["key"] for way in answer.json()["providers"]}
    assert offered == {"green.localhost": {card.info.key}, "localhost": {card.info.key, "coins"}}
    shelf = await client.get("/buzz/buy", headers=HTML)
    assert "Coins" not in shelf.text


def test_the_ceiling_of_an_actor() -> None:
    adult = Actor(id=7, mask=ALL_MASK)
    assert adult.on_safe_site().mask == SAFE_MASK
    assert adult.on_safe_site().domain == "green"
    assert Actor(id=7, mask=8).on_safe_site().mask == 1
    assert Actor(id=None).on_safe_site() == SAFE_STRANGER


async def test_one_key_hides_all_that_is_mature_until_the_browser_is_closed(
    client: Client, adult: int
) -> None:
    await publish(client, name="Grown up", level=8)
    await publish(client, name="For everybody", level=1)
    await client.sign_in(adult)
    assert "Grown up" in (await client.page("/models")).text
    client.cookies.set("discreet", "1", domain=COOKIE_HOST)
    page = (await client.page("/models")).text
    assert "Grown up" not in page and "For everybody" in page and "Discreet" in page
    assert "Grown up" not in (await client.page("/search", q="grown")).text
    assert "Grown up" not in (await client.get("/search/suggest", params={"q": "grown"})).text
    client.cookies.delete("discreet", domain=COOKIE_HOST)
    assert "Grown up" in (await client.page("/models")).text
