"""The public pages in a real browser: coming back to a list, keys, and what axe says."""

from __future__ import annotations

import asyncio
import base64
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from sqlalchemy import insert
from tests.factories.accounts import make_person
from tests.factories.catalog import make_preview, make_published_model

from civitas.app.house import open_house
from civitas.app.web import create_app
from civitas.domains.catalog import rebuilding, vocabulary
from civitas.domains.catalog.tables import VersionParent
from civitas.infra.db.database import Database
from civitas.infra.settings import Settings

pytestmark = pytest.mark.browser

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
META = {"prompt": "a quiet harbour", "seed": 7, "steps": 20, "sampler": "Euler"}


async def _hang(dsn: str) -> None:
    """Sixty models; the last has two versions with a picture of one prompt, and a fork."""
    database = Database(dsn)
    async with database.unit() as session:
        owner = await make_person(session, "mira")
        made = [
            (await make_published_model(session, owner, name=f"Work {at}", tags=("style", f"tag {at % 7}")))[
                0
            ]
            for at in range(60)
        ]
        model, versions = await make_published_model(session, owner, name="Harbour", versions=2)
        for version in versions:
            await make_preview(session, version, owner, position=0, meta=META)
        fork, (child,) = await make_published_model(session, owner, name="Harbour at night")
        await session.execute(
            insert(VersionParent).values(version_id=child, parent_id=versions[0], relation="forked_from")
        )
        await rebuilding.rebuild(session, [*made, model, fork])
        await vocabulary.recount(session)
    await database.close()


@pytest.fixture
def site(own_dsn: str, tmp_path: Path) -> Iterator[str]:
    """The address of the app over a catalogue of this test's own."""
    # A thread of its own, because the browser's driver keeps a loop running in this one.
    seeding = threading.Thread(target=lambda: asyncio.run(_hang(own_dsn)))
    seeding.start()
    seeding.join()
    settings = Settings(home=tmp_path, database={"url": own_dsn}, limits={"enabled": False})  # type: ignore[arg-type]
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    app = create_app(settings, lambda: open_house(settings, own_dsn), tune=False)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(20)


@pytest.fixture
def page(chromium: Browser, site: str) -> Iterator[Page]:
    """A page whose console must stay silent; pictures are one pixel."""
    context = chromium.new_context(
        base_url=site, viewport={"width": 1280, "height": 900}, reduced_motion="reduce"
    )
    context.route("**/img/**", lambda route: route.fulfill(body=PIXEL, content_type="image/png"))
    opened = context.new_page()
    told: list[str] = []
    opened.on("pageerror", lambda error: told.append(str(error)))
    opened.on("console", lambda said: told.append(said.text) if said.type in {"error", "warning"} else None)
    yield opened
    context.close()
    # Chromium tells of transitions between pages that reduced motion turns off.
    assert [one for one in told if "ViewTransition" not in one and one != "Transition was skipped"] == []


def _cards(page: Page) -> list[str]:
    return page.eval_on_selector_all("[data-card]", "found => found.map(one => one.dataset.card)")  # type: ignore[no-any-return]


def test_browsing_by_hand(page: Page) -> None:
    page.goto("/models")
    page.locator("[data-load-more]").scroll_into_view_if_needed()
    page.locator("[data-card]").nth(60).wait_for(state="attached")
    before = _cards(page)
    link = page.locator(".card-link").nth(55)
    link.scroll_into_view_if_needed()
    at = page.evaluate("scrollY")
    link.click()
    page.wait_for_url("**/models/*/*")
    page.go_back()
    page.locator("[data-card]").nth(60).wait_for(state="attached")
    assert _cards(page) == before
    deadline = time.monotonic() + 5
    while abs(page.evaluate("scrollY") - at) > 400 and time.monotonic() < deadline:
        page.wait_for_timeout(50)
    assert abs(page.evaluate("scrollY") - at) <= 400

    page.keyboard.press("Control+k")
    page.keyboard.type("harbour")
    page.locator('[role="option"]', has_text="Harbour at night").wait_for()
    page.locator('[role="option"]').first.wait_for()
    page.keyboard.press("Escape")

    page.goto("/search?q=harbour")
    page.locator(".card-link", has_text="Harbour").last.wait_for()
    page.get_by_role("link", name="Harbour", exact=True).first.click()
    page.wait_for_url("**/harbour*")
    picture = page.locator("a[data-full]").first
    picture.focus()
    page.keyboard.press("Enter")
    page.locator("dialog.lightbox[open]").wait_for()
    page.keyboard.press("Escape")
    page.locator("dialog.lightbox").wait_for(state="hidden")
    assert page.evaluate("document.activeElement.matches('a[data-full]')")
    page.locator("#lineage-graph").scroll_into_view_if_needed()
    page.locator("svg.lineage-lines path").first.wait_for(state="attached")
    page.get_by_role("button", name="Use this model").click()
    page.get_by_role("tab", name="curl").click()
    assert page.locator("dialog#use pre:visible").inner_text().startswith("curl ")
    page.keyboard.press("Escape")

    page.get_by_role("link", name="Compare", exact=True).click()
    page.locator(".slider.laid").first.wait_for()
    slider = page.locator(".slider-range").first
    slider.focus()
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert page.evaluate("document.querySelector('.slider').style.getPropertyValue('--at')") == "55%"


def test_axe_finds_nothing_serious(page: Page) -> None:
    page.goto("/search?q=harbour")
    places = [page.get_by_role("link", name="Harbour", exact=True).first.get_attribute("href") or ""]
    number = places[0].split("/")[2]
    places += ["/", "/models?types=LORA&tag=style", "/creators", "/tags", f"/models/{number}/compare"]
    places += [f"/models/{number}/lineage", "/search?q=nothinglikeit"]
    for scheme, width in (("light", 390), ("dark", 1280)):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 900})
        for place in places:
            page.goto(place)
            found = Axe().run(page).response["violations"]
            serious = [one for one in found if one["impact"] in {"serious", "critical"}]
            assert serious == [], (place, scheme, [(one["id"], one["nodes"][0]["target"]) for one in serious])
            assert page.evaluate("document.documentElement.scrollWidth") <= width, place


def test_lists_work_without_script(chromium: Browser, site: str) -> None:
    context = chromium.new_context(base_url=site, java_script_enabled=False)
    page = context.new_page()
    page.goto("/models")
    first = page.locator(".card-link").first.inner_text()
    page.locator("a[rel=next]").last.click()
    page.wait_for_url("**cursor=*")
    assert page.locator(".card-link").first.inner_text() != first
    page.goto("/models")
    page.get_by_role("link", name="Filters").click()
    panel = page.locator(".filter-panel")
    panel.get_by_text("VAE", exact=True).click()
    panel.get_by_role("button", name="Show models").click()
    assert page.url.endswith("/models?types=VAE")
    assert page.get_by_text("Nothing hangs here yet").is_visible()
    context.close()
