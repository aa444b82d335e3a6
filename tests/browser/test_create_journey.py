"""In a real browser, with a real agent and our own model: words become a picture that arrives by itself, and another."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from sqlalchemy import select
from tests.factories.buzz import give_buzz
from tests.factories.catalog import make_blob, make_file, make_model, make_version
from tests.factories.live import Live, living

from civitas.app.house import House
from civitas.domains.accounts import joining, sessions
from civitas.domains.accounts.types import SYSTEM, Onboarding
from civitas.domains.blobs.tables import Blob
from civitas.domains.catalog import rebuilding
from civitas.domains.orchestration.dispatch import agents
from civitas.domains.orchestration.media_tables import MediaBlob
from civitas.engines.diffusers import models
from civitas.faces.http.sessions import SESSION
from civitas.infra.limiting.settings import LimitSettings
from civitas.infra.settings import Settings
from civitas.kit import clock

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        importlib.util.find_spec("diffusers") is None, reason="the extra `generate` is not installed"
    ),
]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE_MS = 150_000


@pytest.fixture
def live(own_dsn: str, tmp_path: Path) -> Iterator[Live]:
    settings = Settings(home=tmp_path, limits=LimitSettings(enabled=False))
    with living(settings, own_dsn) as live:
        yield live


async def _stock(house: House) -> tuple[str, str]:
    """Somebody with Buzz, Tessera in the catalogue, an agent; the secrets of session and agent."""
    async with house.database.unit() as session:
        person = await joining.create_person(
            session, username="mira", email="mira@example.org", onboarding=int(Onboarding.COMPLETE)
        )
        opened = await sessions.open_session(session, person, method="link")
        person_id = person if isinstance(person, int) else person.id
        await give_buzz(session, person_id, 100)
        public: dict[str, Any] = {"status": "Published", "published_at": clock.now()}
        model = await make_model(
            session, person_id, type="Checkpoint", name="Tessera", last_version_at=clock.now(), **public
        )
        version = await make_version(session, model, base_model="Tessera", **public)
        blob = await make_blob(session, models.CHECKPOINT.read_bytes())
        await make_file(session, version, blob_id=blob, name="tessera.safetensors")
        key = str(await session.scalar(select(Blob.storage_key).where(Blob.id == blob)))
        await rebuilding.rebuild(session, [model])
        _, token = await agents.make(session, SYSTEM, name="browser")

    async def bytes_of() -> Any:
        yield models.CHECKPOINT.read_bytes()

    await house.store.put(key, bytes_of(), "application/octet-stream")
    return opened.token, token


@pytest.fixture
def secrets(live: Live, tmp_path: Path) -> Iterator[str]:
    """The session's secret; an agent works meanwhile, and is ended by its own id."""
    session, token = live.do(_stock)
    agent = subprocess.Popen(
        [
            sys.executable, "-m", "civitas.app.main", "agent", "--plain", "--server", live.url,
            "--engines", "diffusers", "--cache", str(tmp_path / "agent"),
        ],
        env={**os.environ, "CIVITAS_HOME": str(tmp_path / "agent-home"), "CIVITAS_AGENT_TOKEN": token},
    )  # fmt: skip
    yield session
    agent.send_signal(signal.SIGKILL)
    agent.wait(30)


@pytest.fixture
def page(live: Live, secrets: str) -> Iterator[Page]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: browser tests need one")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(base_url=live.url, reduced_motion="reduce")
        context.add_cookies([{"name": SESSION, "value": secrets, "url": live.url}])
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page
        expect.set_options(timeout=5_000)
        browser.close()
        # A page that fades into the next may be left before it has.
        assert [one for one in complaints if "Transition was" not in one] == []


def test_a_picture_is_made_arrives_by_itself_and_is_made_anew(page: Page, live: Live) -> None:
    page.goto("/create")
    expect(page.locator("#chosen-checkpoint")).to_contain_text("Tessera")
    page.fill("#f-prompt", "a red circle, white background")
    page.locator("#create-form summary", has_text="More settings").click()
    page.fill("#f-steps", "10")
    page.fill("#f-seed", "7")
    expect(page.locator("#create-cost .cost-sum")).to_be_visible()
    page.evaluate("window.stayed = true")
    page.click("#create-button")
    card = page.locator("#made-list > article").first
    expect(card).to_contain_text("a red circle")
    picture = card.locator("a[data-full] img")
    expect(picture).to_be_visible()
    assert page.evaluate("window.stayed"), "it arrived without the page being loaded again"
    # Nobody sees it before it was examined; a picture that was asked for too soon comes by itself.
    live.run_tasks()
    expect(page.locator("a[data-full] img").first).to_have_js_property("naturalWidth", 64)
    expect(card).to_have_attribute("data-status", "succeeded")
    assert live.do(_levels) == ["pg"]

    card.get_by_role("link", name="Use again").click()
    expect(page.locator("#f-prompt")).to_have_value("a red circle, white background")
    expect(page.locator("#f-steps")).to_have_value("10")
    page.fill("#f-prompt", "a blue square, white background")
    page.click("#create-button")
    newest = page.locator("#made-list > article").first
    expect(newest).to_contain_text("a blue square")
    expect(newest.locator("a[data-full] img")).to_be_visible()
    expect(page.locator("#made-list > article")).to_have_count(2)


async def _levels(house: House) -> list[str]:
    async with house.database.reading() as session:
        return list(await session.scalars(select(MediaBlob.nsfw_level)))
