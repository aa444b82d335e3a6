"""Signing in with an account from elsewhere, against a server that plays the provider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from tests.faces.web.oauth_server import CLIENT_ID, CLIENT_SECRET, OAuthServer, oauth_server
from tests.factories.accounts import make_person
from tests.factories.http import Client

from civitas.domains.accounts.tables import Identity, Person
from civitas.faces.web import social_login
from civitas.faces.web.providers import PROVIDERS

WHO: dict[str, dict[str, Any]] = {
    "google": {
        "claims": {"sub": "g-1", "name": "Mira Vell", "email": "mira@example.org", "email_verified": True}
    },
    "github": {
        "userinfo": {"id": 77, "login": "mira-vell"},
        "emails": [
            {"email": "old@example.org", "primary": False, "verified": True},
            {"email": "mira@example.org", "primary": True, "verified": True},
        ],
    },
    "discord": {
        "userinfo": {"id": "9", "username": "mira.vell", "email": "mira@example.org", "verified": True}
    },
    "reddit": {"userinfo": {"id": "t2x", "name": "Mira_Vell"}},
}


@pytest.fixture
async def played(client: Client) -> AsyncIterator[OAuthServer]:
    """A server that plays all four providers, and an instance that has them set up."""
    for name in PROVIDERS:
        configured = getattr(client.house.settings.social, name)
        configured.client_id, configured.client_secret = CLIENT_ID, SecretStr(CLIENT_SECRET)
    async with oauth_server() as server:
        known = {name: provider.at(server.base) for name, provider in PROVIDERS.items()}
        client.app.dependency_overrides[social_login.known] = lambda: known
        yield server


def introduce(played: OAuthServer, name: str) -> None:
    """The server knows the person that `WHO` describes."""
    for field, value in WHO[name].items():
        setattr(played, field, value)


async def go(client: Client, played: OAuthServer, name: str, **params: str) -> Any:
    """From our button to the provider and back."""
    begun = await client.get(f"/login/with/{name}", params=params)
    assert begun.status_code == 303
    return await client.get(played.consent(begun.headers["location"]))


async def test_buttons_are_shown_for_what_is_set_up(client: Client) -> None:
    assert "/login/with/" not in (await client.page("/login")).text
    configured = client.house.settings.social.github
    configured.client_id, configured.client_secret = "x", SecretStr("y")
    page = (await client.page("/login")).text
    assert "Continue with GitHub" in page
    assert "Continue with Google" not in page
    assert (await client.page("/login/with/google")).status_code == 404
    assert (await client.page("/login/with/nonsense")).status_code == 404


@pytest.mark.parametrize("name", sorted(PROVIDERS))
async def test_newcomer_joins_and_comes_back(
    client: Client, session: AsyncSession, played: OAuthServer, name: str
) -> None:
    introduce(played, name)
    back = await go(client, played, name, returnUrl="/models")
    assert back.headers["location"] == "/welcome?returnUrl=%2Fmodels"
    person = (await session.execute(select(Person))).scalars().all()[-1]
    assert person.username.lower() == "mira_vell"
    assert person.email == (None if name == "reddit" else "mira@example.org")
    client.sign_out()
    again = await go(client, played, name)
    assert again.status_code == 303
    held = (
        (await session.execute(select(Identity.person_id).where(Identity.provider == name))).scalars().all()
    )
    assert held == [person.id]


async def test_verified_address_finds_the_account(
    client: Client, session: AsyncSession, played: OAuthServer
) -> None:
    person = await make_person(session, "owner", email="mira@example.org")
    introduce(played, "github")
    assert (await go(client, played, "github")).headers["location"] == "/"
    assert await session.scalar(select(Identity.person_id)) == person


async def test_unverified_address_finds_nothing(
    client: Client, session: AsyncSession, played: OAuthServer
) -> None:
    owner = await make_person(session, "owner", email="mira@example.org")
    introduce(played, "discord")
    played.userinfo = {**played.userinfo, "verified": False}
    await go(client, played, "discord")
    assert await session.scalar(select(Identity.person_id)) != owner


@pytest.mark.parametrize(
    "lie",
    [
        {"wrong_key": True},
        {"claims": {"sub": "g-1", "aud": "somebody-else"}},
        {"claims": {"sub": "g-1", "iss": "https://evil.example"}},
        {"claims": {"sub": "g-1", "nonce": "another"}},
        {"claims": {"sub": "g-1", "exp": 1}},
        {"claims": {}},
    ],
)
async def test_id_token_that_does_not_hold_signs_nobody_in(
    client: Client, session: AsyncSession, played: OAuthServer, lie: dict[str, Any]
) -> None:
    introduce(played, "google")
    for field, value in lie.items():
        setattr(played, field, value)
    back = await go(client, played, "google")
    assert back.headers["location"] == "/login"
    assert await session.scalar(select(Identity.id)) is None


async def test_answer_must_belong_to_the_flow_that_this_browser_began(
    client: Client, played: OAuthServer
) -> None:
    introduce(played, "github")
    begun = await client.get("/login/with/github")
    back = played.consent(begun.headers["location"])
    mine = client.remember()
    client.sign_out()
    assert (await client.get(back)).headers["location"] == "/login"
    client.recall(mine)
    assert (await client.get(back.replace("/github/", "/discord/"))).headers["location"] == "/login"
    client.recall(mine)
    assert (await client.get(back.replace("state=", "state=x"))).headers["location"] == "/login"
    client.recall(mine)
    assert (await client.get(back)).headers["location"] == "/welcome"
    assert (await client.get(back)).headers["location"] == "/login"


async def test_refusal_and_breakdown_are_told(client: Client, played: OAuthServer) -> None:
    begun = await client.get("/login/with/github")
    state = played.consent(begun.headers["location"]).partition("state=")[2]
    denied = await client.get(f"/login/with/github/callback?error=access_denied&state={state}")
    assert "did not sign you in" in (await client.page(denied.headers["location"])).text
    played.userinfo = ["nonsense"]
    broken = await go(client, played, "github")
    assert "did not answer as expected" in (await client.page(broken.headers["location"])).text


async def test_closed_instance_takes_no_newcomers(client: Client, played: OAuthServer) -> None:
    client.house.settings.site.allow_sign_up = False
    introduce(played, "github")
    back = await go(client, played, "github")
    assert "not taken here" in (await client.page(back.headers["location"])).text


async def test_account_is_linked_and_unlinked(
    client: Client, session: AsyncSession, played: OAuthServer
) -> None:
    person = await make_person(session, "owner", email="owner@example.org")
    await client.sign_in(person)
    introduce(played, "github")
    page = (await client.page("/account/security")).text
    href = page.partition('href="/login/with/github?')[2].partition('"')[0].replace("&amp;", "&")
    forged = await client.get("/login/with/github?link=forged")
    assert forged.headers["location"] == "/account/security"
    begun = await client.get(f"/login/with/github?{href}")
    done = await client.get(played.consent(begun.headers["location"]))
    assert done.headers["location"] == "/account/security"
    identity = (await session.execute(select(Identity))).scalar_one()
    assert (identity.person_id, identity.name) == (person, "mira-vell")
    assert (await client.submit(f"/account/security/linked/{identity.id}/remove")).status_code == 303
    assert await session.scalar(select(Identity.id)) is None


async def test_link_begun_by_another_session_is_not_made(
    client: Client, session: AsyncSession, played: OAuthServer
) -> None:
    person = await make_person(session, "owner", email="owner@example.org")
    await client.sign_in(person)
    introduce(played, "github")
    page = (await client.page("/account/security")).text
    href = page.partition('href="/login/with/github?')[2].partition('"')[0]
    begun = await client.get(f"/login/with/github?{href}")
    await client.sign_in(await make_person(session, "other"))
    done = await client.get(played.consent(begun.headers["location"]))
    assert done.headers["location"].startswith("/login?returnUrl=")
    assert await session.scalar(select(Identity.id)) is None
