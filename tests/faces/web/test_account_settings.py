"""The settings: profile, pictures, name, address, password, preferences, locks, keys, leaving."""

from __future__ import annotations

from datetime import timedelta
from io import BytesIO

import pytest
from PIL import Image
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.faces.web.test_account_joining import link_in
from tests.factories.accounts import make_key, make_person
from tests.factories.http import HTML, Client

from civitas.domains.accounts import hashing, preferences, profiles
from civitas.domains.accounts.tables import ApiKey, Person, PersonSession
from civitas.domains.accounts.types import Scope
from civitas.kit import clock

PASSWORD = "correct horse battery"


@pytest.fixture
async def me(client: Client, session: AsyncSession) -> int:
    """Somebody signed in, with a password."""
    person = await make_person(session, "mira", password_hash=await hashing.make_hash(PASSWORD))
    await client.sign_in(person)
    return person


async def grow_stale(session: AsyncSession, person: int) -> None:
    """The person proved who they are too long ago."""
    await session.execute(
        update(PersonSession)
        .where(PersonSession.person_id == person)
        .values(proved_at=clock.now() - timedelta(hours=2))
    )


@pytest.mark.parametrize("path", ["", "/preferences", "/security", "/keys", "/people", "/data", "/prove"])
async def test_pages_are_for_members(client: Client, me: int, path: str) -> None:
    page = await client.page(f"/account{path}")
    assert page.status_code == 200
    assert "<h1" in page.text
    client.sign_out()
    answer = await client.page(f"/account{path}")
    assert answer.headers["location"].startswith("/login?returnUrl=%2Faccount")


async def test_profile_is_saved_and_wrong_links_come_back(
    client: Client, session: AsyncSession, me: int
) -> None:
    fields = {
        "bio": "I paint with machines.",
        "pinned_message": "",
        "location": "Lisbon",
        "link_kind": ["Social", "Nonsense", "Social"],
        "link_url": ["https://example.org", "https://example.com/x", ""],
        "link_label": ["Site", "", ""],
    }
    assert (await client.submit("/account/profile", **fields)).status_code == 303
    text = await profiles.text_of(session, me)
    assert (text.location, [link.kind.value for link in text.links]) == ("Lisbon", ["Social", "Other"])
    bad = await client.submit("/account/profile", **(fields | {"link_url": ["javascript:alert(1)", "", ""]}))
    assert bad.status_code == 400
    assert "A link begins with https://" in bad.text
    assert 'value="javascript:alert(1)"' in bad.text
    assert (await client.submit("/account/profile", bio="x" * 401)).status_code == 400


async def test_avatar_is_decoded_shown_and_replaced(client: Client, session: AsyncSession, me: int) -> None:
    picture = BytesIO()
    Image.new("RGB", (400, 400), "teal").save(picture, "PNG")
    files = {"picture": ("me.png", picture.getvalue(), "image/png")}
    done = await client.post("/account/picture/portrait", files=files, headers=HTML)
    assert done.status_code == 303
    key = await session.scalar(select(Person.avatar_key).where(Person.id == me))
    assert key is not None
    for form in ("webp", "jpeg", "avif"):
        shown = await client.get(f"/img/{key}/width=96/avatar.{form}")
        assert (shown.status_code, shown.headers["content-type"]) == (200, f"image/{form}")
    assert f"/img/{key}/" in (await client.page("/account")).text
    await client.post("/account/picture/portrait", files=files, headers=HTML)
    assert (await client.get(f"/img/{key}/width=96/avatar.webp")).status_code == 404
    await client.submit("/account/picture/portrait", remove="true")
    assert await session.scalar(select(Person.avatar_key).where(Person.id == me)) is None
    assert client.store.objects == {}


@pytest.mark.parametrize(
    "body", [b"", b"<svg onload=alert(1)>", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, b"x" * (9 * 2**20)]
)
async def test_lying_pictures_are_refused(client: Client, me: int, body: bytes) -> None:
    files = {"picture": ("me.png", body, "image/png")}
    answer = await client.post("/account/picture/portrait", files=files, headers=HTML)
    assert answer.status_code == 400
    assert 'id="f-portrait-error"' in answer.text
    assert client.store.objects == {}


async def test_name_is_changed_unless_taken(client: Client, session: AsyncSession, me: int) -> None:
    await make_person(session, "taken")
    answer = await client.submit("/account/username", username="TAKEN")
    assert answer.status_code == 409
    assert 'value="TAKEN"' in answer.text
    assert (await client.submit("/account/username", username="Mira_V")).status_code == 303
    assert (await client.get("/user/mira_v")).headers["location"] == "/user/Mira_V"


async def test_address_moves_when_both_ends_agree(client: Client, session: AsyncSession, me: int) -> None:
    asked = await client.submit("/account/email", email="new@example.org")
    assert asked.status_code == 303
    await client.run_tasks()
    paths = {mail.to: link_in(mail.text) for mail in client.mails}
    for email, ends in (("mira@example.org", "old"), ("new@example.org", "new")):
        assert (await client.page(paths[email])).status_code == 200
        token = paths[email].partition("token=")[2].partition("&")[0]
        done = await client.submit("/account/email/confirm", token=token, end=ends)
        assert done.status_code == 303
    assert await session.scalar(select(Person.email).where(Person.id == me)) == "new@example.org"
    assert (await client.submit("/account/email", email="new@example.org")).status_code == 400


async def test_new_password_gives_this_browser_a_new_secret(client: Client, me: int) -> None:
    before = client.cookies["civitas_session"]
    wrong = await client.submit("/account/password", current="not it at all", password="a new password now")
    assert wrong.status_code == 400
    assert "not your present password" in wrong.text
    done = await client.submit("/account/password", current=PASSWORD, password="a new password now")
    assert done.status_code == 303
    assert client.cookies["civitas_session"] != before
    client.refresh_csrf()
    assert (await client.page("/account")).status_code == 200


async def test_preferences(client: Client, session: AsyncSession, me: int) -> None:
    refused = await client.submit("/account/preferences/browsing", **{"level-1": "show", "level-8": "blur"})
    assert refused.status_code == 400
    assert "18 or older" in refused.text
    fields = {
        "level-1": "show", "level-2": "blur", "level-4": "hide", "level-8": "show", "level-16": "what?",
        "level-99999": "show", "adult_confirmed": "true", "hide_gore": "true",
    }  # fmt: skip
    assert (await client.submit("/account/preferences/browsing", **fields)).status_code == 303
    browsing = await preferences.browsing(session, me)
    assert (browsing.mask, browsing.blur_level) == (1 | 2 | 8, 2 | 4 | 16)
    await client.submit("/account/preferences/content", theme="dark", reduced_data="true")
    await client.submit(
        "/account/preferences/files", format="GGUF", size="full", fp="bf16", image_format="optimized",
        quant_type="Q4_K_M",
    )  # fmt: skip
    chosen = await preferences.of(session, me)
    assert (chosen.theme, chosen.content.autoplay_animations, chosen.hide.gore) == ("dark", False, True)
    assert (chosen.files.format, chosen.files.quant_type) == ("GGUF", "Q4_K_M")
    bad = await client.submit("/account/preferences/files", format="EXE", size="full", fp="bf16")
    assert bad.status_code == 400
    assert 'aria-invalid="true"' in bad.text
    assert 'data-theme="dark"' in (await client.page("/account/preferences")).text


async def test_dangerous_changes_ask_again(client: Client, session: AsyncSession, me: int) -> None:
    await grow_stale(session, me)
    referer = {"referer": "http://localhost:8000/account/security", **HTML}
    sent = await client.post("/account/security/two-step", headers=referer)
    assert sent.headers["location"] == "/account/prove?returnUrl=%2Faccount%2Fsecurity"
    assert (await client.page("/account/data")).headers["location"].startswith("/account/prove")
    wrong = await client.submit("/account/prove", password="something else", returnUrl="/account/data")
    assert wrong.status_code == 400
    assert "not your password" in wrong.text
    done = await client.submit("/account/prove", password=PASSWORD, returnUrl="/account/data")
    assert done.headers["location"] == "/account/data"
    client.refresh_csrf()
    assert (await client.page("/account/data")).status_code == 200


async def test_other_browsers_are_signed_out(client: Client, session: AsyncSession, me: int) -> None:
    mine = client.remember()
    await client.sign_in(me)
    first = await session.scalar(
        select(PersonSession.id).where(PersonSession.person_id == me).order_by(PersonSession.id)
    )
    page = await client.page("/account/security")
    assert page.text.count("This one") == 1
    assert (await client.submit(f"/account/security/sessions/{first}/end")).status_code == 303
    assert (await client.submit(f"/account/security/sessions/{first}/end")).status_code == 404
    client.recall(mine)
    assert (await client.page("/account/security")).status_code == 303


async def test_a_key_can_be_told_what_it_may_spend(client: Client, me: int) -> None:
    await client.submit("/account/keys", name="Tool", days="30", preset="Full", limit="1,500", span="week")
    page = (await client.page("/account/keys")).text
    assert "1,500 Buzz in 1 week, 1,500 left" in page
    key = page.split('action="/account/keys/')[1].split("/")[0]
    await client.submit(f"/account/keys/{key}/limit", limit="20", span="all")
    assert "20 Buzz in all" in (await client.page("/account/keys")).text
    for wrong in ({"limit": "-3"}, {"limit": "9" * 13}, {"limit": "5", "span": "year"}):
        await client.submit(f"/account/keys/{key}/limit", **wrong)
    assert "20 Buzz in all" in (await client.page("/account/keys")).text
    await client.submit(f"/account/keys/{key}/limit", limit="", span="day")
    assert "May spend 20" not in (await client.page("/account/keys")).text
    refused = await client.submit("/account/keys", name="T", days="30", preset="Full", limit="much")
    assert refused.status_code == 400 and "whole Buzz" in refused.text


async def test_key_is_shown_once_and_revoked(client: Client, session: AsyncSession, me: int) -> None:
    made = await client.submit("/account/keys", name="Tool", days="30", preset="Creator")
    assert (made.status_code, made.headers["location"]) == (303, "/account/keys")
    page = await client.page("/account/keys")
    assert 'data-copy="civitas_' in page.text
    assert page.headers["cache-control"] == "no-store"
    assert 'data-copy="civitas_' not in (await client.page("/account/keys")).text
    row = (await session.execute(select(ApiKey).where(ApiKey.person_id == me))).scalar_one()
    assert row.scopes == int(Scope.CREATOR)
    assert row.expires_at is not None
    assert (await client.submit(f"/account/keys/{row.id}/revoke")).status_code == 303
    assert (await client.submit(f"/account/keys/{row.id}/revoke")).status_code == 404


async def test_key_with_chosen_rights_and_refused_ones(
    client: Client, session: AsyncSession, me: int
) -> None:
    await client.submit("/account/keys", name="Own", days="", preset="", scope=["4", "8"])
    row = (await session.execute(select(ApiKey).where(ApiKey.person_id == me))).scalar_one()
    assert (row.scopes, row.expires_at) == (1 | 4 | 8, None)
    for fields in ({"name": ""}, {"name": "x", "days": "7"}, {"name": "x", "preset": "", "scope": "x"}):
        answer = await client.submit("/account/keys", **({"days": "", "preset": "Full"} | fields))
        assert answer.status_code == 400
        assert 'class="field-error"' in answer.text


async def test_nobody_elses_key_is_revoked(client: Client, session: AsyncSession, me: int) -> None:
    other = await make_person(session, "other")
    await make_key(session, other)
    key = await session.scalar(select(ApiKey.id).where(ApiKey.person_id == other))
    assert (await client.submit(f"/account/keys/{key}/revoke")).status_code == 404


async def test_leaving_asks_for_the_name_and_for_both_choices(
    client: Client, session: AsyncSession, me: int
) -> None:
    for fields in ({}, {"username": "mira"}, {"username": "Mira", "models": "keep", "images": "keep"}):
        assert (await client.submit("/account/data/delete", **fields)).status_code == 400
    gone = await client.submit("/account/data/delete", username="mira", models="keep", images="remove")
    assert gone.headers["location"] == "/"
    assert await session.scalar(select(Person.status).where(Person.id == me)) == "deleted"
    assert (await client.page("/user/mira")).status_code == 404
