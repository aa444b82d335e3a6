"""A creator's whole way in a real browser, against a real server: join, describe, upload (cut off in the middle and
gone on with), show, publish, and see it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image, PngImagePlugin
from playwright.sync_api import Browser, Page, expect, sync_playwright
from safetensors.numpy import save

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# In the page until it is left: of the parts, only the first one is sent.
HOLD_ALL_BUT_ONE = """() => {
  let puts = 0;
  const { open, send } = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.open = function (method, ...rest) {
    this.held = method === "PUT" && ++puts > 1;
    return open.call(this, method, ...rest);
  };
  XMLHttpRequest.prototype.send = function (body) {
    return this.held ? undefined : send.call(this, body);
  };
}"""
READY_S = 90.0
PATIENCE_MS = 30_000
RECIPE = "a calm harbour, ink\nSteps: 20, Sampler: Euler, CFG scale: 5, Seed: 7, Size: 640x480"


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The address of a server of this module's own: database, serving and background processes."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: browser tests need one")
    home = Path(tempfile.mkdtemp(prefix="civitas-journey-"))
    # The database's own user must be able to come in.
    home.chmod(0o755)
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    environment = {**os.environ, "CIVITAS_HOME": str(home), "PORT": str(port)}
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "civitas.app.main", "up"],
            env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            url = f"http://localhost:{port}"
            _wait(server, url, home / "log")
            yield url
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)
    shutil.rmtree(home, ignore_errors=True)


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text(errors="replace")[-4000:]
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.2)
    raise AssertionError(f"the server was not ready in time: {log.read_text(errors='replace')[-4000:]}")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The system's Chromium, headless; what is awaited may take as long as a busy machine needs."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: browser tests need one")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        expect.set_options(timeout=PATIENCE_MS)
        yield browser
        expect.set_options(timeout=5_000)
        browser.close()


@pytest.fixture
def page(chromium: Browser, site: str) -> Iterator[Page]:
    """A page whose console must stay silent, but for requests that the test itself breaks off."""
    context = chromium.new_context(
        base_url=site, viewport={"width": 1280, "height": 900}, reduced_motion="reduce"
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console", lambda told: complaints.append(told.text) if told.type in {"error", "warning"} else None
    )
    yield page
    context.close()
    assert [told for told in complaints if "net::ERR_" not in told and "Transition was" not in told] == []


def weights(folder: Path, megabytes: int) -> Path:
    """A true safetensors file of several parts, with what a trainer writes of it."""
    rows = megabytes * 2**20 // (2 * 1024)
    half = np.random.default_rng(7).integers(0, 2**16, (rows, 1024), dtype=np.uint16).view(np.float16)
    metadata = {"ss_network_dim": "16", "ss_base_model_version": "sdxl_base_v1-0", "ss_steps": "1200"}
    path = folder / "harbour-ink.safetensors"
    path.write_bytes(save({"lora_unet_mid_block.lora_down.weight": half}, metadata))
    return path


def drawing(colour: int, recipe: str | None = None) -> bytes:
    """A picture, with a recipe in it as image generators leave it there."""
    info = PngImagePlugin.PngInfo()
    if recipe:
        info.add_text("parameters", recipe)
    file = BytesIO()
    Image.new("RGB", (640, 480), (colour, 90, 120)).save(file, "PNG", pnginfo=info)
    return file.getvalue()


def serious(page: Page) -> list[str]:
    """What axe finds that keeps people out."""
    return [
        f"{item['id']}: {item['nodes'][0]['html'][:200]}"
        for item in Axe().run(page).response["violations"]
        if item["impact"] in {"serious", "critical"}
    ]


def join(page: Page, name: str) -> None:
    """Make an account and take the first steps."""
    page.goto("/join?returnUrl=/models/create")
    page.get_by_label("Username").fill(name)
    page.get_by_label("E-mail address").fill(f"{name}@example.org")
    page.locator("input[name=password]").fill("walnut harbour lantern seven")
    page.get_by_role("button", name="Create my account").click()
    page.wait_for_url("**/join/sent")
    for _ in range(60):
        page.goto("/mailbox")
        mail = page.locator("a[href^='/mailbox/']").first
        if mail.count():
            break
        page.wait_for_timeout(250)
    page.goto(mail.get_attribute("href") or "/mailbox")
    link = page.locator("a[href*='/join/confirm?token=']").first
    page.goto(link.get_attribute("href") or "/")
    page.locator("main form button[type=submit]").first.click()
    page.wait_for_url("**/welcome**")
    page.get_by_label("I have read the terms").check()
    for _ in range(4):
        page.locator(".welcome-form button[type=submit]").click()
        page.wait_for_load_state()
        if "/welcome" not in page.url:
            break
    page.goto("/models/create")


def describe(page: Page, name: str) -> None:
    """The first two steps."""
    page.get_by_role("textbox", name="Name").fill(name)
    page.get_by_role("combobox", name="Type", exact=True).select_option("LORA")
    page.get_by_role("combobox", name="Category").select_option("style")
    page.get_by_role("textbox", name="Tags").fill("ink, harbour")
    page.get_by_role("textbox", name="Description").fill("Calm *harbours* in ink.")
    expect(page.locator("#autosave")).to_contain_text("Draft saved")
    expect(page).to_have_url(re.compile(r"/models/\d+/edit$"))
    page.get_by_role("button", name="Save and go on").click()
    page.wait_for_url("**/versions/new")
    page.get_by_role("combobox", name="Base model", exact=True).select_option("SDXL 1.0")
    expect(page.locator("#base-note")).to_contain_text("Stable Diffusion XL")
    page.get_by_role("textbox", name="Trigger words").fill("harbour ink")
    page.get_by_label("Suggested strength").fill("0.8")
    page.get_by_role("button", name="Save and add files").click()
    page.wait_for_url("**/files")


def upload_cut_off(page: Page, file: Path) -> None:
    """Choose a file of three parts; one arrives, then the page is reloaded, and the file is chosen again."""
    page.evaluate(HOLD_ALL_BUT_ONE)
    page.locator("input[name=upload]").set_input_files(file)
    row = page.locator(".upload")
    expect(row.locator(".upload-state")).to_have_text("Uploading")
    expect(row.locator(".upload-figures")).to_contain_text("16.0 MB of 40.0 MB")
    row.get_by_role("button", name="Pause").click()
    expect(row.locator(".upload-state")).to_have_text("Paused")
    row.get_by_role("button", name="Go on").click()
    expect(row.locator(".upload-state")).to_have_text("Uploading")
    page.once("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(row.locator(".upload-state")).to_have_text("Interrupted")
    expect(row.locator(".upload-figures")).to_contain_text("Choose the file again")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "PUT" else None)
    with page.expect_file_chooser() as chooser:
        row.get_by_role("button", name="Go on").click()
    chooser.value.set_files(file)
    files = page.locator("#file-list")
    expect(files).to_contain_text("harbour-ink.safetensors")
    assert len(sent) == 2, "the part that had arrived is not sent again"
    expect(files).to_contain_text("Scanned, clean")
    expect(files).to_contain_text("Main file")
    expect(page.locator("#publish-side")).not_to_contain_text("Upload a file")


def show_pictures(page: Page) -> None:
    """Two pictures, put into the other order by keyboard."""
    page.get_by_role("link", name="Go on to the pictures").click()
    page.wait_for_url("**/pictures")
    page.locator("input[name=upload]").set_input_files(
        [
            {"name": "first.png", "mimeType": "image/png", "buffer": drawing(40)},
            {"name": "second.png", "mimeType": "image/png", "buffer": drawing(200, RECIPE)},
        ]
    )
    expect(page.locator(".own-picture.ready")).to_have_count(2)
    with_recipe = page.locator(".own-picture", has_text="Recipe found")
    expect(with_recipe).to_have_count(1)
    number = with_recipe.get_attribute("data-id")
    if page.locator(".own-picture").first.get_attribute("data-id") != number:
        page.locator(f"#earlier-{number}").focus()
        page.keyboard.press("Enter")
        expect(page.locator(".own-picture").first).to_have_attribute("data-id", number or "")
    page.locator(f"#level-{number}").select_option("2")
    expect(page.locator("#toasts")).to_contain_text("Rated PG-13")


def test_from_joining_to_a_public_model(page: Page, tmp_path: Path) -> None:
    join(page, "harbourmaster")
    assert serious(page) == []
    describe(page, "Harbour in ink")
    upload_cut_off(page, weights(tmp_path, 40))
    assert serious(page) == []
    show_pictures(page)
    assert serious(page) == []
    page.locator("#publish-next").get_by_role("link", name="Review and publish").click()
    expect(page.get_by_role("button", name="Publish", exact=True)).to_be_enabled()
    assert serious(page) == []
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.get_by_role("heading", name="Harbour in ink", level=1)).to_be_visible()
    expect(page.locator("main")).to_contain_text("harbour-ink.safetensors")
    page.goto("/studio")
    expect(page.locator(".own-model")).to_contain_text("Published")
    assert serious(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    for place in ("/models/create", "/models/1/edit", "/models/1/review", "/models/1/manage", "/studio"):
        page.goto(place)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, place
