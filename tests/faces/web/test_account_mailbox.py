"""Who may read the mail of an instance without a mail server."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_person
from tests.factories.http import HTML, Client

from civitas.faces.web.mailbox import linked
from civitas.infra.mail.mailer import CaughtMail


@pytest.fixture
async def mail_id(session: AsyncSession) -> int:
    """A mail that was caught."""
    mail = CaughtMail(
        recipient="mira@example.org", subject="Hello <b>", text="See https://x.org/?a=1&b=2 <i>", html=None
    )
    session.add(mail)
    await session.flush()
    return mail.id


async def test_this_machine_reads_it(client: Client, mail_id: int) -> None:
    page = await client.page("/mailbox")
    assert "mira@example.org" in page.text
    assert "Hello &lt;b&gt;" in page.text
    one = await client.page(f"/mailbox/{mail_id}")
    assert '<a href="https://x.org/?a=1&amp;b=2">' in one.text
    assert one.headers["cache-control"] == "no-store"
    assert (await client.page("/mailbox/999999")).status_code == 404
    assert (await client.submit("/mailbox/clear")).status_code == 303
    assert "No mail yet" in (await client.page("/mailbox")).text


@pytest.mark.parametrize(
    "headers",
    [
        {"x-forwarded-for": "203.0.113.9"},
        {"forwarded": "for=203.0.113.9"},
        {"x-real-ip": "203.0.113.9"},
        {"host": "hub.example.org"},
    ],
)
async def test_what_comes_through_a_proxy_does_not(
    client: Client, mail_id: int, headers: dict[str, str]
) -> None:
    for path in ("/mailbox", f"/mailbox/{mail_id}"):
        assert (await client.get(path, headers=HTML | headers)).status_code == 404


async def test_another_machine_does_not(client: Client, mail_id: int) -> None:
    outer = client._transport.app  # type: ignore[attr-defined]
    transport = httpx.ASGITransport(outer, client=("192.0.2.7", 5000))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as stranger:
        assert (await stranger.get("/mailbox", headers=HTML)).status_code == 404


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("mail", "host", "smtp.example.org"),
        ("site", "host", "0.0.0.0"),
        ("site", "base_url", "https://hub.example.org"),
    ],
)
async def test_an_instance_that_others_reach_keeps_it_shut(
    client: Client, mail_id: int, section: str, name: str, value: str
) -> None:
    setattr(getattr(client.house.settings, section), name, value)
    assert (await client.page("/mailbox")).status_code == 404


async def test_admins_read_it_from_anywhere(client: Client, session: AsyncSession, mail_id: int) -> None:
    client.house.settings.site.host = "0.0.0.0"
    await client.sign_in(await make_person(session, "moderator_one", role="moderator"))
    assert (await client.page("/mailbox")).status_code == 404
    await client.sign_in(await make_person(session, "admin_one", role="admin"))
    assert (await client.page("/mailbox")).status_code == 200


def test_links_of_hostile_text_stay_text() -> None:
    made = linked('javascript:alert(1) http://x"onmouseover=1 <a>')
    assert 'javascript:alert(1) <a href="http://x">http://x</a>' in made
    assert "<a>" not in made
