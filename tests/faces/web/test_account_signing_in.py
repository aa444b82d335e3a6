"""Ways in and out: password, mailed link, second step, passkey pages, a forgotten password."""

from __future__ import annotations

import re

import pyotp
import pytest
from sqlalchemy.ext.asyncio import AsyncSession
from tests.faces.web.test_account_joining import link_in
from tests.factories.accounts import make_person
from tests.factories.http import HTMX, Client

from civitas.domains.accounts import hashing
from civitas.infra.limiting.limiter import PostgresLimiter

PASSWORD = "correct horse battery"


@pytest.fixture
async def person(session: AsyncSession) -> int:
    """Somebody with a password."""
    return await make_person(session, "mira", password_hash=await hashing.make_hash(PASSWORD))


async def test_password_leads_to_where_one_wanted(client: Client, person: int) -> None:
    assert (await client.get("/account/keys", headers={"accept": "text/html"})).headers["location"] == (
        "/login?returnUrl=%2Faccount%2Fkeys"
    )
    await client.page("/login", returnUrl="/account/keys")
    done = await client.submit("/login", login="MIRA", password=PASSWORD, returnUrl="/account/keys")
    assert (done.status_code, done.headers["location"]) == (303, "/account/keys")
    cookie = next(c for c in done.headers.get_list("set-cookie") if c.startswith("civitas_session="))
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/\\evil.example", "evil"])
async def test_nobody_is_sent_elsewhere(client: Client, person: int, target: str) -> None:
    await client.page("/login", returnUrl=target)
    done = await client.submit("/login", login="mira", password=PASSWORD, returnUrl=target)
    assert done.headers["location"] == "/"


async def test_wrong_name_and_wrong_password_look_the_same(client: Client, person: int) -> None:
    await client.page("/login")
    unknown = await client.submit("/login", login="nobody", password=PASSWORD)
    wrong = await client.submit("/login", login="nobody", password="not the password")
    known = await client.submit("/login", login="mira", password="not the password")
    assert unknown.status_code == wrong.status_code == known.status_code == 400
    # Tokens of forms are others each time.
    told = [re.sub("[0-9a-f]{128}", "token", page.text) for page in (unknown, wrong, known)]
    assert told[0] == told[1] == told[2].replace('value="mira"', 'value="nobody"')
    assert "The name or password is wrong." in known.text


async def test_attempts_are_limited_by_address(client: Client, person: int) -> None:
    client.state.limiter = PostgresLimiter(client.house.database)
    await client.page("/login")
    statuses = [
        (await client.submit("/login", login="mira", password="guess number one")).status_code
        for _ in range(12)
    ]
    assert statuses[0] == 400
    assert statuses[-1] == 429


async def test_mailed_link_signs_in_once(client: Client, person: int) -> None:
    await client.page("/login", by="link")
    for email in ("mira@example.org", "nobody@example.org"):
        asked = await client.submit("/login/mail", email=email, returnUrl="/account/keys")
        assert (asked.status_code, asked.headers["location"]) == (303, "/login/sent")
    await client.run_tasks()
    assert [mail.to for mail in client.mails] == ["mira@example.org"]
    path = link_in(client.mails[0].text)
    for _ in range(2):
        assert "Sign me in" in (await client.page(path)).text
    done = await client.submit("/login/link", token=path.partition("token=")[2])
    assert done.headers["location"] == "/account/keys"
    again = await client.submit("/login/link", token=path.partition("token=")[2])
    assert again.status_code in {403, 410}


async def test_second_step_by_app_and_by_recovery_code(client: Client, person: int) -> None:
    await client.sign_in(person)
    begun = await client.submit("/account/security/two-step")
    assert begun.headers["location"] == "/account/security/two-step"
    page = await client.page("/account/security/two-step")
    assert "<svg" in page.text
    assert "style=" not in page.text
    secret = "".join(page.text.partition('translate="no">')[2].partition("<")[0].split())
    wrong = await client.submit("/account/security/two-step/confirm", code="000000")
    assert wrong.status_code == 400
    done = await client.submit("/account/security/two-step/confirm", code=pyotp.TOTP(secret).now())
    assert done.headers["location"] == "/account/security/two-step/codes"
    codes = await client.page("/account/security/two-step/codes")
    code = codes.text.partition('<li translate="no">')[2].partition("<")[0]
    assert (await client.get("/account/security/two-step/codes")).status_code == 303

    client.sign_out()
    await client.page("/login")
    first = await client.submit("/login", login="mira", password=PASSWORD, returnUrl="/account")
    assert first.headers["location"] == "/login/code?returnUrl=%2Faccount"
    assert not any(c.startswith("civitas_session=") for c in first.headers.get_list("set-cookie"))
    assert (await client.submit("/login/code", code="123456")).status_code == 400
    done = await client.submit("/login/code", code=code, returnUrl="/account")
    assert done.headers["location"] == "/account"


async def test_code_without_a_first_step_leads_back(client: Client) -> None:
    assert (await client.page("/login/code")).headers["location"] == "/login"
    await client.page("/login")
    assert (await client.submit("/login/code", code="123456")).headers["location"] == "/login"


async def test_forgotten_password(client: Client, person: int) -> None:
    await client.page("/forgot")
    for email in ("mira@example.org", "nobody@example.org"):
        asked = await client.submit("/forgot", email=email)
        assert asked.headers["location"] == "/forgot/sent"
    await client.run_tasks()
    path = link_in(client.mails[0].text)
    token = path.partition("token=")[2]
    assert "Choose a new password" in (await client.page(path)).text
    weak = await client.submit("/password/reset", token=token, password="1234")
    assert weak.status_code == 400
    assert "at least 8 characters" in weak.text
    done = await client.submit("/password/reset", token=token, password="a fresh password now")
    assert done.headers["location"] == "/login"
    assert (await client.get(path)).status_code == 410
    signed = await client.submit("/login", login="mira", password="a fresh password now")
    assert signed.status_code == 303


async def test_signing_out_ends_the_session(client: Client, person: int) -> None:
    await client.sign_in(person)
    cookies = client.remember()
    done = await client.submit("/logout")
    assert done.status_code == 303
    client.recall(cookies)
    assert (await client.page("/account")).headers["location"].startswith("/login")


async def test_closed_account_is_told_so_only_to_its_owner(client: Client, session: AsyncSession) -> None:
    await make_person(
        session, "gone", status="banned", password_hash=await hashing.make_hash(PASSWORD), ban_code="Other"
    )
    await client.page("/login")
    assert "closed by staff" in (await client.submit("/login", login="gone", password=PASSWORD)).text
    assert "closed by staff" not in (await client.submit("/login", login="gone", password="wrong one")).text


async def test_reason_of_a_download_is_said(client: Client) -> None:
    page = await client.page("/login", reason="download-auth", returnUrl="/models/1")
    assert "Sign in to download this file" in page.text
    assert "<script>" not in (await client.page("/login", reason="<script>")).text


async def test_htmx_strangers_are_sent_to_sign_in(client: Client, person: int) -> None:
    await client.page("/user/mira")
    answer = await client.post(
        "/user/mira/follow",
        headers={**HTMX, "accept": "text/html", "hx-current-url": "http://localhost:8000/user/mira"},
    )
    assert answer.headers["hx-redirect"] == "/login?returnUrl=%2Fuser%2Fmira"


async def test_passkey_challenges(client: Client, person: int) -> None:
    page = await client.page("/login")
    assert "data-passkey-sign-in" in page.text
    begun = await client.post("/login/passkey/begin", headers={"accept": "application/json"})
    assert begun.json()["options"]["rpId"] == "localhost"
    body = {"ticket": begun.json()["ticket"], "answer": {"id": "x"}, "returnUrl": "/"}
    bad = await client.post("/login/passkey/finish", json=body, headers={"accept": "application/json"})
    assert (bad.status_code, bad.json()["code"]) == (400, "bad_passkey")
    await client.sign_in(person)
    made = await client.post("/account/security/passkeys/begin", headers={"accept": "application/json"})
    assert made.json()["options"]["user"]["name"] == "mira"
