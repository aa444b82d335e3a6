"""One's own account over the API: keys, profile, preferences, sessions, export, people."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from tests.factories.accounts import make_person
from tests.factories.http import Client

from civitas.domains.accounts.tables import PersonSession
from civitas.domains.accounts.types import Scope
from civitas.kit import clock


@pytest.fixture
async def me(client: Client, session: AsyncSession) -> int:
    """Somebody whose program calls."""
    person = await make_person(session, "mira")
    await client.use_key(person)
    return person


async def test_keys_are_listed_made_and_revoked(client: Client, me: int) -> None:
    made = await client.post("/api/v1/me/keys", json={"name": "Tool", "scopes": 5})
    assert made.status_code == 201
    key = made.json()
    assert key["key"].startswith("civitas_")
    assert key["scopes"] == 5
    listed = (await client.get("/api/v1/me/keys")).json()
    assert [entry["name"] for entry in listed] == ["Tool", "test"]
    assert "key" not in listed[0]
    by_it = await client.get("/api/v1/me", headers={"authorization": f"Bearer {key['key']}"})
    assert by_it.json()["tokenScope"] == 5
    assert (await client.delete(f"/api/v1/me/keys/{key['id']}")).status_code == 204
    gone = await client.get("/api/v1/me", headers={"authorization": f"Bearer {key['key']}"})
    assert (gone.status_code, gone.json()["code"]) == (401, "invalid_token")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": ""}, "validation_failed"),
        ({"name": "x", "scopes": 2**30}, "invalid_scope"),
        ({"name": "x", "expiresAt": "2001-01-01T00:00:00Z"}, "bad_key"),
        ({"name": "x", "expiresAt": "2099-01-01T00:00:00"}, "bad_key"),
        ({"name": "x", "buzzLimit": [{"kind": "sliding", "amount": 5}]}, "bad_buzz_limit"),
        ({"name": "x", "surprise": 1}, "validation_failed"),
    ],
)
async def test_keys_that_cannot_be_made(client: Client, me: int, body: dict[str, Any], code: str) -> None:
    answer = await client.post("/api/v1/me/keys", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_narrow_key_cannot_widen_itself(client: Client, session: AsyncSession) -> None:
    person = await make_person(session, "mira")
    await client.use_key(person, scopes=Scope.USER_READ | Scope.USER_WRITE)
    answer = await client.post("/api/v1/me/keys", json={"name": "Wider", "scopes": int(Scope.FULL)})
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    await client.use_key(person, scopes=Scope.USER_READ)
    assert (await client.patch("/api/v1/me/profile", json={"bio": "x"})).status_code == 403


async def test_profile_preferences_and_browsing(client: Client, me: int) -> None:
    changed = await client.patch(
        "/api/v1/me/profile", json={"bio": "Hi", "links": [{"kind": "Other", "url": "https://x.org"}]}
    )
    assert changed.json() == (await client.get("/api/v1/me/profile")).json()
    assert changed.json()["links"][0]["url"] == "https://x.org"
    bad = await client.patch("/api/v1/me/profile", json={"links": [{"url": "javascript:1"}]})
    assert (bad.status_code, list(bad.json()["fields"])) == (400, ["links"])
    chosen = await client.patch("/api/v1/me/preferences", json={"files": {"fp": "bf16"}})
    assert chosen.json()["files"]["fp"] == "bf16"
    wrong = await client.patch("/api/v1/me/preferences", json={"files": {"fp": "fp7"}, "x": 1})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "bad_preferences")
    refused = await client.put("/api/v1/me/browsing", json={"showMature": True, "browsingLevel": 31})
    assert refused.json()["code"] == "adult_confirmation_needed"
    done = await client.put(
        "/api/v1/me/browsing", json={"showMature": True, "browsingLevel": 5, "adultConfirmed": True}
    )
    assert (done.json()["mask"], done.json()["blurMature"], done.json()["blurLevel"]) == (5, True, 28)
    clear = {"showMature": True, "browsingLevel": 31, "blurMature": False}
    assert (await client.put("/api/v1/me/browsing", json=clear)).json()["blurLevel"] == 0
    some = await client.put("/api/v1/me/browsing", json={**clear, "blurLevel": 24})
    assert (some.json()["blurMature"], some.json()["blurLevel"]) == (True, 24)
    odd = await client.put("/api/v1/me/browsing", json={**clear, "blurLevel": 1})
    assert (odd.status_code, odd.json()["code"]) == (400, "bad_level")


async def test_sessions_are_for_people_at_a_browser(client: Client, session: AsyncSession, me: int) -> None:
    refused = await client.get("/api/v1/me/sessions")
    assert (refused.status_code, refused.json()["code"]) == (403, "session_needed")
    client.sign_out()
    await client.sign_in(me)
    listed = (await client.get("/api/v1/me/sessions")).json()
    assert [entry["current"] for entry in listed] == [True]
    assert (await client.delete(f"/api/v1/me/sessions/{listed[0]['id']}")).status_code == 204
    assert (await client.get("/api/v1/me/sessions")).status_code == 401


async def test_changes_by_cookie_need_the_token(client: Client, me: int) -> None:
    client.sign_out()
    await client.sign_in(me)
    del client.headers["x-csrf-token"]
    answer = await client.post("/api/v1/me/keys", json={"name": "Forged"})
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf")


async def test_export_as_lines_and_as_archive(client: Client, session: AsyncSession, me: int) -> None:
    assert (await client.get("/api/v1/me/export")).json()["code"] == "session_needed"
    client.sign_out()
    await client.sign_in(me)
    lines = await client.get("/api/v1/me/export")
    assert lines.headers["content-disposition"].startswith('attachment; filename="civitas-mira-')
    rows = [json.loads(line) for line in lines.text.splitlines()]
    assert rows[0]["section"] == "about"
    assert {"account", "sessions", "api_keys"} <= {row["section"] for row in rows}
    assert "password_hash" not in lines.text
    archive = zipfile.ZipFile(io.BytesIO((await client.get("/api/v1/me/export?format=zip")).content))
    assert archive.testzip() is None
    account = json.loads(archive.read("account.jsonl").splitlines()[0])
    assert account["email"] == "mira@example.org"
    assert (await client.get("/api/v1/me/export?format=exe")).status_code == 400
    await session.execute(update(PersonSession).values(proved_at=clock.now() - timedelta(hours=1)))
    assert (await client.get("/api/v1/me/export")).json()["code"] == "prove_again"


async def test_people(client: Client, session: AsyncSession, me: int) -> None:
    await make_person(session, "them")
    for _ in range(2):
        assert (await client.put("/api/v1/users/Them/follow")).status_code == 204
    mine = (await client.get("/api/v1/me/following")).json()
    assert [person["username"] for person in mine["items"]] == ["them"]
    assert mine["metadata"] == {"nextCursor": None, "nextPage": None}
    assert (await client.get("/api/v1/users/them/followers")).json()["items"][0]["username"] == "mira"
    assert (await client.get("/api/v1/users/mira/following")).json()["items"][0]["username"] == "them"
    assert (await client.put("/api/v1/users/them/block")).status_code == 204
    assert (await client.get("/api/v1/me/following")).json()["items"] == []
    assert len((await client.get("/api/v1/me/blocked")).json()["items"]) == 1
    assert (await client.delete("/api/v1/users/them/block")).status_code == 204
    assert (await client.put("/api/v1/users/mira/follow")).json()["code"] == "oneself"
    assert (await client.put("/api/v1/users/nobody/follow")).status_code == 404
    assert (await client.put("/api/v1/users/them/bite")).status_code == 400
    client.sign_out()
    assert (await client.put("/api/v1/users/them/follow")).status_code in {401, 403}
    assert (await client.get("/api/v1/me/hidden")).status_code == 401
