"""Becoming a member in a browser: the form, the mail, the button, the first steps."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_person
from tests.factories.http import Client

from civitas.domains.accounts.tables import Person

PASSWORD = "correct horse battery"
LEVELS = {"level-1": "show", "level-2": "show", "level-4": "blur"}
_LINK = re.compile(r"http://localhost:8000(/\S+)")


def link_in(text: str) -> str:
    """The first of our links in a mail."""
    found = _LINK.search(text)
    assert found is not None
    return found[1]


async def ask_to_join(client: Client, name: str = "mira_vell", email: str = "mira@example.org") -> str:
    """Send the form; the path of the mailed link."""
    await client.page("/join")
    answer = await client.submit("/join", username=name, email=email, password=PASSWORD)
    assert (answer.status_code, answer.headers["location"]) == (303, "/join/sent")
    await client.run_tasks()
    assert client.mails[-1].to == email
    return link_in(client.mails[-1].text)


async def test_form_mail_and_button_make_an_account(client: Client, session: AsyncSession) -> None:
    path = await ask_to_join(client)
    assert await session.scalar(select(Person.id).where(Person.username == "mira_vell")) is None
    page = await client.page(path)
    assert "mira_vell" in page.text
    assert page.headers["referrer-policy"] == "same-origin"
    token = path.partition("token=")[2]
    done = await client.submit("/join/confirm", token=token)
    assert (done.status_code, done.headers["location"]) == (303, "/welcome")
    assert "civitas_session=" in done.headers["set-cookie"]
    assert (await client.page("/account")).status_code == 200
    assert (await client.get(path)).status_code == 410


async def test_another_browser_needs_the_password_and_the_link_stays_good(client: Client) -> None:
    path = await ask_to_join(client)
    client.sign_out()
    await client.page(path)
    token = path.partition("token=")[2]
    refused = await client.submit("/join/confirm", token=token)
    assert refused.status_code == 400
    assert "Enter the password that you chose" in refused.text
    assert (await client.submit("/join/confirm", token=token, password=PASSWORD)).status_code == 303


async def test_name_taken_meanwhile_can_be_changed_at_the_button(
    client: Client, session: AsyncSession
) -> None:
    path = await ask_to_join(client)
    await make_person(session, "Mira_Vell", email="other@example.org")
    token = path.partition("token=")[2]
    taken = await client.submit("/join/confirm", token=token)
    assert taken.status_code == 409
    assert "Another username" in taken.text
    done = await client.submit("/join/confirm", token=token, username="mira_two")
    assert done.status_code == 303


async def test_taken_address_is_answered_like_a_free_one(client: Client, session: AsyncSession) -> None:
    await make_person(session, "owner", email="mira@example.org")
    await client.page("/join")
    answer = await client.submit("/join", username="someone", email="MIRA@example.org", password=PASSWORD)
    assert (answer.status_code, answer.headers["location"]) == (303, "/join/sent")
    await client.run_tasks()
    assert "already have an account" in client.mails[-1].subject


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"username": "a b", "email": "a@example.org", "password": PASSWORD}, "Use 3 to 25 letters"),
        ({"username": "admin", "email": "a@example.org", "password": PASSWORD}, "reserved"),
        ({"username": "fine_name", "email": "nonsense", "password": PASSWORD}, "not an e-mail address"),
        ({"username": "fine_name", "email": "a@example.org", "password": "short"}, "at least 8 characters"),
        ({"username": "fine_name", "email": "a@example.org"}, "at least 8 characters"),
        ({"username": "n\0l", "email": "a\0@example.org", "password": "\0" * 20}, "Use 3 to 25 letters"),
    ],
)
async def test_wrong_fields_come_back_with_values_and_reasons(
    client: Client, fields: dict[str, str], told: str
) -> None:
    await client.page("/join")
    page = await client.submit("/join", **fields)
    assert page.status_code == 400
    assert told in page.text
    assert 'aria-invalid="true"' in page.text
    assert PASSWORD not in page.text
    assert f'value="{fields["username"]}"' in page.text or "\0" in fields["username"]


async def test_closed_instance_takes_nobody(client: Client) -> None:
    client.house.settings.site.allow_sign_up = False
    page = await client.page("/join")
    assert "New accounts are not taken" in page.text
    assert (
        await client.submit("/join", username="abc", email="a@b.org", password=PASSWORD)
    ).status_code == 403


async def test_form_without_a_token_is_refused(client: Client) -> None:
    await client.page("/join")
    del client.headers["x-csrf-token"]
    answer = await client.submit("/join", username="abc_def", email="a@example.org", password=PASSWORD)
    assert answer.status_code == 403
    assert "no longer valid" in answer.text


async def test_name_check_while_typing(client: Client, session: AsyncSession) -> None:
    await make_person(session, "taken_name")
    assert "is free" in (await client.get("/join/username", params={"username": "new_name"})).text
    assert "Somebody else" in (await client.get("/join/username", params={"username": "TAKEN_name"})).text
    hostile = await client.get("/join/username", params={"username": "<b>x"})
    assert "<b>" not in hostile.text


async def test_first_steps_in_order(client: Client, session: AsyncSession) -> None:
    person = await make_person(session, "newcomer", onboarding=0)
    await client.sign_in(person)
    assert "Before we begin" in (await client.page("/welcome", returnUrl="/models")).text
    refused = await client.submit("/welcome/terms", returnUrl="/models")
    assert refused.status_code == 400
    assert "Tick the box" in refused.text
    done = await client.submit("/welcome/terms", accept="true", returnUrl="/models")
    assert done.headers["location"] == "/welcome?returnUrl=%2Fmodels"
    await client.submit("/welcome/profile", username="new_comer")
    minor = await client.submit("/welcome/levels", **{"level-1": "show", "level-4": "blur"})
    assert minor.status_code == 400
    assert "18 or older" in minor.text
    await client.submit("/welcome/levels", **LEVELS, adult_confirmed="true")
    assert "One word about Buzz" in (await client.page("/welcome")).text
    last = await client.submit("/welcome/buzz", returnUrl="/models")
    assert last.headers["location"] == "/models"
    stored = (await session.execute(select(Person).where(Person.id == person))).scalar_one()
    assert (stored.username, stored.onboarding, stored.browsing_level) == ("new_comer", 15, 7)
    assert (await client.get("/welcome")).headers["location"] == "/"
