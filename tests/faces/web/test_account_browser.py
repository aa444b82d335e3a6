"""Accounts in a real browser against the real app: passkeys, fragments, every page by axe, narrow screens."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from civitas.app.house import open_house
from civitas.app.web import create_app
from civitas.domains.accounts import joining, sessions
from civitas.domains.accounts.types import Onboarding
from civitas.infra.db.database import Database
from civitas.infra.limiting.settings import LimitSettings
from civitas.infra.settings import Settings, SiteSettings

pytestmark = pytest.mark.browser

STRANGERS = (
    "/login",
    "/login?by=link",
    "/join",
    "/forgot",
    "/login/sent",
    "/join/sent",
    "/terms",
    "/mailbox",
)
MEMBERS = (
    "/account", "/account/preferences", "/account/security", "/account/keys", "/account/people", "/account/data",
    "/account/prove", "/user/mira", "/user/tobias", "/user/mira/followers", "/welcome?step=levels",
    "/welcome?step=terms",
)  # fmt: skip
WIDTHS = (320, 390, 1280)


@pytest.fixture
def address(own_dsn: str, tmp_path: Path) -> Iterator[str]:
    """The running site, on a database of its own."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    settings = Settings(
        home=tmp_path,
        site=SiteSettings(port=port, base_url=f"http://localhost:{port}"),
        limits=LimitSettings(enabled=False),
    )
    app = create_app(settings, lambda: open_house(settings, own_dsn), tune=False)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    yield f"http://localhost:{port}"
    server.should_exit = True
    thread.join(20)


async def _people(dsn: str) -> str:
    """Mira and Tobias join; the secret of Mira's session."""
    database = Database(dsn)
    async with database.unit() as session:
        made = [
            await joining.create_person(
                session, username=name, email=f"{name}@example.org", onboarding=int(Onboarding.COMPLETE)
            )
            for name in ("mira", "tobias")
        ]
        opened = await sessions.open_session(session, made[0], method="link")
    await database.close()
    return opened.token


def _join(dsn: str) -> str:
    # Playwright's own loop runs in this thread.
    with ThreadPoolExecutor(1) as aside:
        return aside.submit(asyncio.run, _people(dsn)).result()


@pytest.fixture
def context(chromium: Browser, address: str) -> Iterator[BrowserContext]:
    """A browser in front of the site."""
    opened = chromium.new_context(base_url=address, reduced_motion="reduce")
    opened.set_default_timeout(10_000)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """One page of it, in which nothing may fail."""
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on(
        "console",
        lambda message: complaints.append(message.text) if message.type in {"error", "warning"} else None,
    )
    yield opened
    # A page that fades into the next may be left before it has.
    assert [one for one in complaints if "Transition was" not in one] == []


@pytest.fixture
def mira(context: BrowserContext, address: str, own_dsn: str) -> None:
    """The browser is signed in as Mira."""
    token = _join(own_dsn)
    context.add_cookies([{"name": "civitas_session", "value": token, "url": address}])


def _judge(page: Page, path: str, found: list[str]) -> None:
    answer = page.goto(path)
    assert answer is not None
    if answer.status != 200:
        found.append(f"{path}: {answer.status}")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found.append(f"{path}: scrolls sideways at {width}")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
        page.wait_for_timeout(250)  # colours fade from one scheme to the other
        found += [
            f"{path} {scheme}: {item['id']} {item['nodes'][0]['html'][:160]}"
            for item in Axe().run(page).response["violations"]
            if item["impact"] in {"serious", "critical"}
        ]


def test_every_page_for_strangers_stands_up(page: Page) -> None:
    found: list[str] = []
    for path in STRANGERS:
        _judge(page, path, found)
    assert found == []


def test_every_page_for_members_stands_up(page: Page, mira: None) -> None:
    found: list[str] = []
    for path in MEMBERS:
        _judge(page, path, found)
    assert found == []


def test_passkey_is_added_proves_and_signs_in(page: Page, context: BrowserContext, mira: None) -> None:
    authenticator = context.new_cdp_session(page)
    authenticator.send("WebAuthn.enable")
    authenticator.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )
    page.goto("/account/security")
    page.get_by_label("Name of the new passkey").fill("Laptop")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.locator("#passkeys .line-title")).to_contain_text("Laptop")
    page.goto("/account/prove?returnUrl=/account/keys")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/account/keys")
    # What that page still asks for would come back with cookies of its own.
    page.goto("about:blank")
    context.clear_cookies()
    page.goto("/login?returnUrl=/account/people")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.wait_for_url("**/account/people")


def test_follow_button_changes_in_place(page: Page, mira: None) -> None:
    page.goto("/user/tobias")
    page.get_by_role("button", name="Follow", exact=True).click()
    expect(page.get_by_role("button", name="Following")).to_be_visible()
    expect(page.locator(".toast-text")).to_contain_text("You follow tobias")
    page.get_by_role("button", name="Following").click()
    expect(page.get_by_role("button", name="Follow", exact=True)).to_be_visible()


def test_forms_work_without_script(chromium: Browser, address: str, own_dsn: str) -> None:
    token = _join(own_dsn)
    plain = chromium.new_context(base_url=address, java_script_enabled=False)
    plain.add_cookies([{"name": "civitas_session", "value": token, "url": address}])
    page = plain.new_page()
    page.goto("/user/tobias")
    page.get_by_role("button", name="Follow", exact=True).click()
    expect(page.get_by_role("button", name="Following")).to_be_visible()
    page.goto("/account/keys")
    page.locator("#f-name").fill("Tool")
    page.get_by_role("button", name="Make the key").click()
    expect(page.locator(".new-key .copy-text").first).to_contain_text("civitas_")
    page.goto("/account")
    page.locator("#f-bio").fill("Without script")
    page.locator("#profile").get_by_role("button", name="Save").click()
    expect(page.locator("#f-bio")).to_have_value("Without script")
    plain.close()
