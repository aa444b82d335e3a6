"""The gallery in a real browser: a feed without end stays light and Back finds its place, the viewer goes by keys, files
come in by drop and paste, nothing is wider than a small phone, and axe has nothing to say in light and dark."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image as Drawing
from playwright.sync_api import Page, Route, expect, sync_playwright
from sqlalchemy import func, select
from tests.factories.accounts import actor_for
from tests.factories.feeds import make_image
from tests.factories.live import Live, living
from tests.factories.posts import make_post

from civitas.app.house import House
from civitas.domains.accounts import joining, sessions
from civitas.domains.accounts.types import Onboarding
from civitas.domains.community.articles import writing
from civitas.domains.gallery.tables import Image
from civitas.faces.http.sessions import SESSION
from civitas.infra.limiting.settings import LimitSettings
from civitas.infra.settings import Settings

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE_MS = 60_000
HASH = "LEHV6nWB2yk8pyo0adR*.7kCMdnj"
PAGES = 200
PAGE = 48


class Shelf:
    """What the site holds: a session of the only member, pictures, a draft of theirs, an article of theirs."""

    session: str
    images: list[int]
    post: int
    article: int


async def _stock(house: House) -> Shelf:
    shelf = Shelf()
    async with house.database.unit() as session:
        person = await joining.create_person(
            session, username="mira", email="mira@example.org", onboarding=int(Onboarding.COMPLETE)
        )
        shelf.session = (await sessions.open_session(session, person, method="link")).token
        shelf.images = [
            await make_image(session, person, width=64, height=48 + 16 * (number % 3), blurhash=HASH)
            for number in range(PAGE + 1)
        ]
        shelf.post = await make_post(session, person, published=False)
        actor = actor_for(person)
        shelf.article = (
            await writing.create(session, actor, title="On light", content="# One\n\nIt bends.")
        ).id
    return shelf


@pytest.fixture
def live(own_dsn: str, tmp_path: Path) -> Iterator[Live]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: browser tests need one")
    settings = Settings(home=tmp_path, limits=LimitSettings(enabled=False))
    with living(settings, own_dsn) as live:
        yield live


@pytest.fixture
def shelf(live: Live) -> Shelf:
    return live.do(_stock)


@pytest.fixture
def page(live: Live, shelf: Shelf) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(
            base_url=live.url, reduced_motion="reduce", viewport={"width": 1280, "height": 900}
        )
        context.add_cookies([{"name": SESSION, "value": shelf.session, "url": live.url}])
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page
        expect.set_options(timeout=5_000)
        browser.close()
        assert [one for one in complaints if "Transition was" not in one] == []


def _endless(page: Page) -> None:
    """From the second page on, the feed is as long as one likes: pages of the first card under ever new numbers."""
    cell = page.locator(".feed-cell").first.evaluate("cell => cell.outerHTML")
    cell = re.sub(r' style="[^"]*"| data-on[a-z-]+="1"| aria-(posinset|setsize)="[^"]*"', "", cell)

    def answer(route: Route) -> None:
        number = int((re.search(r"cursor=p(\d+)", route.request.url) or ["", "1"])[1])
        made = "".join(
            re.sub(r'data-card="\d+"', f'data-card="{number * 1000 + at}"', cell).replace(
                'height="48"', f'height="{40 + 7 * (at % 9)}"'
            )
            for at in range(PAGE)
        )
        more = f'<div data-load-more><a rel="next" href="/images?cursor=p{number + 1}">More</a></div>'
        body = f'<div id="results" data-infinite><div data-items>{made}</div>{more}</div>'
        route.fulfill(body=body, content_type="text/html")

    page.route(re.compile(r"/images\?cursor="), answer)


def test_a_feed_without_end_stays_light_and_back_finds_its_place(page: Page) -> None:
    page.goto("/images")
    expect(page.locator(".feed.placed")).to_be_visible()
    _endless(page)
    loaded = "() => Number(document.querySelector('#results').dataset.pages ?? 0)"
    page.evaluate(
        """() => {
          let pages = 0;
          const box = document.querySelector("#results");
          document.addEventListener("feed:grew", () => (box.dataset.pages = ++pages));
        }"""
    )
    while page.evaluate(loaded) < PAGES:
        before = page.evaluate(loaded)
        page.evaluate("() => scrollTo(0, document.documentElement.scrollHeight)")
        page.wait_for_timeout(15)
        if page.evaluate(loaded) == before:
            page.wait_for_timeout(30)
    nodes = page.evaluate("() => document.querySelectorAll('*').length")
    assert nodes < 2000, f"{nodes} nodes after {PAGES} pages"
    page.evaluate("() => scrollBy(0, -2500)")
    page.wait_for_timeout(200)
    opened = page.evaluate(
        """() => {
          const cards = [...document.querySelectorAll("[data-card]")];
          const card = cards.find((one) => one.getBoundingClientRect().top > 200);
          return [card.dataset.card, card.getBoundingClientRect().top];
        }"""
    )
    number, top = opened
    page.locator(f'[data-card="{number}"] .card-link').click()
    page.wait_for_url("**/images/*")
    page.go_back()
    card = page.locator(f'[data-card="{number}"]')
    expect(card).to_be_in_viewport()
    page.wait_for_timeout(400)
    assert abs(card.evaluate("one => one.getBoundingClientRect().top") - top) < 4, "to the pixel, or nearly"
    expect(card.locator(".card-link")).to_be_focused()
    assert page.evaluate("() => document.querySelectorAll('*').length") < 2000


def test_the_viewer_goes_by_keys_and_gives_the_focus_back(page: Page, shelf: Shelf) -> None:
    page.goto("/images")
    newest, next_one = shelf.images[-1], shelf.images[-2]
    page.locator(f'[data-card="{newest}"] .card-link').click()
    page.wait_for_url(f"**/images/{newest}*")
    page.keyboard.press("ArrowRight")
    page.wait_for_url(f"**/images/{next_one}*")
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(f"**/images/{newest}*")
    page.keyboard.press("Escape")
    page.wait_for_url("**/images")
    expect(page.locator(f'[data-card="{newest}"] .card-link')).to_be_focused()


def test_placeholders_stand_in_filters_open_and_a_picture_is_enlarged_by_a_key(
    page: Page, shelf: Shelf
) -> None:
    page.route(re.compile(r"/img/"), lambda route: route.abort())
    page.goto("/images")
    expect(page.locator(".feed.placed")).to_be_visible()
    painted = """canvas => canvas.getContext("2d").getImageData(12, 12, 1, 1).data[3]"""
    assert page.locator(".feed canvas").first.evaluate(painted) == 255, (
        "painted while the picture is not there"
    )
    assert page.locator("#filters .filter-form").count() == 0, "no part of the page until it is wanted"
    page.get_by_role("link", name="Filters").click()
    expect(page.locator("#filters").get_by_role("button", name="Show")).to_be_visible()
    page.keyboard.press("Escape")
    page.locator(f'[data-card="{shelf.images[-1]}"] .card-link').click()
    page.wait_for_url(f"**/images/{shelf.images[-1]}*")
    page.keyboard.press("z")
    expect(page.locator("dialog.lightbox")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog.lightbox")).to_be_hidden()
    expect(page.locator(".viewer-zoom")).to_be_focused()


DROP = """([selector, name, bytes]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
  const target = document.querySelector(selector);
  target.dispatchEvent(new DragEvent("dragover", { dataTransfer: data, bubbles: true, cancelable: true }));
  target.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}"""
PASTE = """([name, bytes]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
  document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
}"""


def _png(colour: int) -> list[int]:
    file = BytesIO()
    Drawing.new("RGB", (64, 48), (colour, 90, 120)).save(file, "PNG")
    return list(file.getvalue())


async def _count(house: House) -> int:
    async with house.database.reading() as session:
        return await session.scalar(select(func.count()).where(Image.name.in_(["a.png", "b.png"]))) or 0


def _arrive(page: Page, live: Live, number: int) -> None:
    """Run what waits until so many of the files that were sent are pictures."""
    for _ in range(100):
        live.run_tasks()
        if live.do(_count) >= number:
            return
        page.wait_for_timeout(200)
    raise AssertionError("the files did not arrive")


def test_files_are_dropped_and_pasted_and_a_model_is_picked_by_keys(
    page: Page, live: Live, shelf: Shelf
) -> None:
    page.goto(f"/posts/{shelf.post}/edit")
    expect(page.locator("[data-uploader-tools]")).to_be_visible()
    page.evaluate(DROP, ["[data-drop-zone]", "a.png", _png(40)])
    _arrive(page, live, 1)
    page.evaluate(PASTE, ["b.png", _png(180)])
    _arrive(page, live, 2)
    expect(page.locator("#picture-list .own-picture")).to_have_count(2)
    page.goto(f"/articles/{shelf.article}/edit")
    page.evaluate(DROP, ["#f-content", "a.png", _png(90)])
    _arrive(page, live, 3)
    expect(page.locator("#f-content")).to_have_value(re.compile(r"!\[a\]\(/images/\d+\)"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_people_out(page: Page, shelf: Shelf, scheme: str) -> None:
    page.emulate_media(color_scheme="light" if scheme == "light" else "dark", reduced_motion="reduce")
    for path in (
        "/images",
        "/images?select=1",
        f"/images/{shelf.images[0]}",
        f"/posts/{shelf.post}/edit",
        f"/articles/{shelf.article}/edit",
        f"/versions/choose?kind=resource&post={shelf.post}&image={shelf.images[0]}",
    ):
        page.set_viewport_size({"width": 1280, "height": 900})
        page.goto(path)
        page.wait_for_load_state("networkidle")
        found = [
            f"{item['id']}: {item['nodes'][0]['html'][:200]}"
            for item in Axe().run(page).response["violations"]
        ]
        assert found == [], (path, found)
        page.set_viewport_size({"width": 320, "height": 640})
        page.wait_for_timeout(100)
        assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0, path
