"""Devices over the API, and what the pages of a device do with it."""

from __future__ import annotations

from tests.factories.accounts import make_person
from tests.factories.http import Client
from tests.factories.push_service import Browser

from civitas.domains.accounts.types import Scope
from civitas.kit.webpush import VapidKey

PUSH = "/api/v1/notifications/push"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def given(browser: Browser, **more: object) -> dict[str, object]:
    found = browser.subscription
    return {"endpoint": found.endpoint, "keys": {"p256dh": found.p256dh, "auth": found.auth}} | more


async def test_a_browser_subscribes_and_its_person_keeps_the_list(client: Client) -> None:
    async with client.house.database.unit() as session:
        ana, ben = await make_person(session), await make_person(session)
    await client.sign_in(ana)
    state = (await client.get(PUSH)).json()
    assert state == {
        "enabled": True,
        "publicKey": VapidKey.derived(client.house.secret).public,
        "devices": [],
    }
    browser = Browser("https://push.example.org/abc")
    made = await client.post(
        f"{PUSH}/devices", json=given(browser, expirationTime=None), headers={"user-agent": FIREFOX}
    )
    assert made.status_code == 201
    device = made.json()
    assert (device["name"], device["service"], device["current"]) == (
        "Firefox on Linux",
        "push.example.org",
        True,
    )
    assert "abc" not in made.text, "the address to send to is nobody's to read"
    again = await client.post(f"{PUSH}/devices", json=given(browser))
    assert again.json()["id"] == device["id"]
    line = f"{PUSH}/devices/{device['id']}"
    assert (await client.patch(line, json={"name": "Desk"})).status_code == 204
    assert (await client.patch(line, json={"name": " "})).status_code == 400
    assert (await client.post(f"{line}/try")).status_code == 202
    page = (await client.page("/account/notifications")).text
    assert "Desk" in page and "This browser" in page and f'data-push-key="{state["publicKey"]}"' in page
    # A kind is chosen for the site and for pushing apart from one another.
    kinds = await client.patch("/api/v1/notifications/kinds", json={"push": {"forked": True, "tip": False}})
    pushed = {one["name"]: one["push"] for one in kinds.json()}
    assert (pushed["forked"], pushed["tip"], pushed["new-reply"]) == (True, False, True)
    assert (
        await client.submit("/account/notifications", kind=["tip"], pushing="true", push=["tip"])
    ).status_code == 303
    chosen = {one["name"] for one in (await client.get("/api/v1/notifications/kinds")).json() if one["push"]}
    assert chosen == {"tip"}
    await client.sign_in(ben)
    for answer in (
        await client.patch(line, json={"name": "Mine"}),
        await client.delete(line),
        await client.post(f"{line}/try"),
    ):
        assert answer.status_code == 404
    await client.use_key(ana, scopes=Scope.USER_READ)
    assert (await client.post(f"{PUSH}/devices", json=given(browser))).status_code == 403
    await client.use_key(ana)
    assert (await client.delete(line)).status_code == 204
    assert (await client.get(PUSH)).json()["devices"] == []


async def test_what_is_no_subscription_is_refused_with_its_field(client: Client) -> None:
    async with client.house.database.unit() as session:
        ana = await make_person(session)
    await client.sign_in(ana)
    for wrong, field in (
        (Browser("https://10.0.0.7/x"), "endpoint"),
        (Browser("http://push.example.org/x"), "endpoint"),
        (Browser("https://push.internal/x"), "endpoint"),
    ):
        answer = await client.post(f"{PUSH}/devices", json=given(wrong))
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_subscription")
        assert field in answer.json()["fields"]
    no_key = given(Browser("https://push.example.org/x")) | {"keys": {"p256dh": "AAAA", "auth": "AAAA"}}
    assert (await client.post(f"{PUSH}/devices", json=no_key)).status_code == 400


async def test_the_forms_work_without_script(client: Client) -> None:
    async with client.house.database.unit() as session:
        ana = await make_person(session)
    await client.sign_in(ana)
    made = await client.post(f"{PUSH}/devices", json=given(Browser("https://push.example.org/x")))
    here = f"/account/notifications/devices/{made.json()['id']}"
    assert (await client.submit(f"{here}/rename", name="Tablet")).status_code == 303
    assert "Tablet" in (await client.page("/account/notifications")).text
    assert (await client.submit(f"{here}/try")).status_code == 303
    assert (await client.submit(f"{here}/remove")).status_code == 303
    assert (await client.submit(f"{here}/remove")).status_code == 404
    # A page from before there were devices changes nothing about pushing.
    await client.submit("/account/notifications", kind=["tip"])
    kinds = (await client.get("/api/v1/notifications/kinds")).json()
    assert {one["name"] for one in kinds if one["push"]} >= {"new-reply", "tip"}


async def test_the_site_installs_takes_shares_and_speaks_without_a_connection(client: Client) -> None:
    page = (await client.page("/")).text
    assert '<link rel="manifest" href="/site.webmanifest">' in page
    found = await client.get("/site.webmanifest")
    assert found.headers["content-type"] == "application/manifest+json"
    manifest = found.json()
    assert (manifest["display"], manifest["start_url"], manifest["scope"], manifest["id"]) == (
        "standalone",
        "/",
        "/",
        "/",
    )
    sizes = {icon["sizes"] for icon in manifest["icons"]}
    assert {"192x192", "512x512"} <= sizes
    for icon in manifest["icons"]:
        assert (await client.get(icon["src"])).status_code == 200
    for place in manifest["shortcuts"]:
        assert (await client.get(place["url"])).status_code in (200, 303)
    target = manifest["share_target"]
    assert (target["method"], target["enctype"]) == ("POST", "multipart/form-data")
    # Where no service worker runs yet nothing is lost but the choosing, and nothing is changed.
    shared = await client.post(target["action"], files={"media": ("a.png", b"x", "image/png")})
    assert (shared.status_code, shared.headers["location"]) == (303, "/posts/create")
    worker = await client.get("/sw.js")
    assert worker.headers["content-type"].startswith("text/javascript")
    assert worker.headers["cache-control"] == "no-cache"
    assert "script-src" not in worker.headers["content-security-policy"], (
        "our own scripts only, by default-src"
    )
    offline = await client.get("/offline")
    assert offline.status_code == 200 and "No connection" in offline.text
    assert "set-cookie" not in offline.headers
    other = await client.get("/site.webmanifest", headers={"host": "green.localhost:8000"})
    assert other.json()["name"].endswith("(safe)")


async def test_a_share_is_carried_into_the_editor(client: Client) -> None:
    async with client.house.database.unit() as session:
        ana = await make_person(session)
    await client.sign_in(ana)
    page = (await client.page("/posts/create")).text
    assert "data-shared-note" in page and "shared-files.js" in page
    await client.page("/posts/create")
    begun = await client.submit("/posts/create", title="From a phone", shared="1")
    assert begun.headers["location"].endswith("/edit?shared=1")
    assert not (await client.submit("/posts/create", title="Plain")).headers["location"].endswith("shared=1")
