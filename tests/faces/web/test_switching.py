"""Several accounts in one browser."""

from __future__ import annotations

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_person
from tests.factories.http import Client

from civitas.domains.accounts import hashing
from civitas.domains.accounts.tables import Person

PASSWORD = "correct horse battery"


@pytest.fixture
async def people(session: AsyncSession) -> tuple[int, int]:
    """Two people with a password."""
    made = await hashing.make_hash(PASSWORD)
    return (
        await make_person(session, "mira", password_hash=made),
        await make_person(session, "tobias", password_hash=made),
    )


async def sign_in(client: Client, name: str) -> None:
    await client.page("/login", add="true")
    done = await client.submit("/login", login=name, password=PASSWORD)
    assert done.status_code == 303


async def who(client: Client) -> str:
    page = await client.page("/accounts")
    return page.text.split("account-line")[1].split("<strong>")[1].split("</strong>")[0]


async def test_going_over_and_back(client: Client, people: tuple[int, int]) -> None:
    mira, tobias = people
    await sign_in(client, "mira")
    first = client.cookies["civitas_session"]
    await sign_in(client, "tobias")
    assert await who(client) == "tobias"
    assert first not in client.cookies["civitas_note_accounts"]
    await client.submit("/accounts", person=str(mira), returnUrl="/models")
    assert await who(client) == "mira"
    assert client.cookies["civitas_session"] != first
    await client.submit("/accounts", person=str(tobias))
    assert await who(client) == "tobias"


async def test_signing_out_leads_to_the_others(client: Client, people: tuple[int, int]) -> None:
    await sign_in(client, "mira")
    await sign_in(client, "tobias")
    await client.page("/accounts")
    gone = await client.submit("/logout")
    assert gone.headers["location"] == "/accounts"
    page = await client.page("/accounts")
    assert "mira" in page.text
    assert "tobias" not in page.text
    await client.submit("/accounts", person=str(people[0]))
    assert await who(client) == "mira"
    assert (await client.submit("/logout")).headers["location"] == "/"


async def test_only_what_this_browser_signed_in_to(
    client: Client, people: tuple[int, int], session: AsyncSession
) -> None:
    stranger = await make_person(session, "stranger")
    await sign_in(client, "mira")
    await sign_in(client, "tobias")
    await client.page("/accounts")
    refused = await client.submit("/accounts", person=str(stranger))
    assert refused.headers["location"] == "/accounts"
    await session.execute(update(Person).where(Person.id == people[0]).values(status="banned"))
    refused = await client.submit("/accounts", person=str(people[0]))
    assert refused.headers["location"] == "/accounts"
    assert "mira" not in (await client.page("/accounts")).text


async def test_leaving_all_ends_every_session(client: Client, people: tuple[int, int]) -> None:
    await sign_in(client, "mira")
    kept = client.cookies["civitas_session"]
    await sign_in(client, "tobias")
    await client.page("/accounts")
    await client.submit("/accounts/leave")
    assert "civitas_note_accounts" not in client.cookies
    client.cookies.set("civitas_session", kept)
    assert "In use" not in (await client.page("/accounts")).text


async def test_a_made_up_note_opens_nothing(client: Client, people: tuple[int, int]) -> None:
    await sign_in(client, "mira")
    client.cookies.set("civitas_note_accounts", "bm90IG91cnM=")
    page = await client.page("/accounts")
    assert page.status_code == 200
    assert page.text.count('class="account-line"') == 1
