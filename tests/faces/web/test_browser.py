"""The frame in a real browser: nothing refused by the policy, keyboard, narrow screens, axe."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser


@pytest.fixture
def page(chromium: Browser, gallery: str) -> Iterator[Page]:
    context = chromium.new_context(
        base_url=gallery, viewport={"width": 1280, "height": 800}, reduced_motion="reduce"
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: complaints.append(message.text) if message.type in {"error", "warning"} else None,
    )
    yield page
    context.close()
    # A page that is left while it fades in says so.
    assert [one for one in complaints if not one.startswith("Transition was")] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_serious(page: Page, scheme: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
    page.goto("/styleguide")
    found = [
        f"{item['id']}: {item['nodes'][0]['html'][:160]} {item['nodes'][0]['failureSummary']}"
        for item in Axe().run(page).response["violations"]
        if item["impact"] in {"serious", "critical"}
    ]
    assert found == []


@pytest.mark.parametrize("width", [320, 390, 768, 1024, 1280, 2560, 3840])
@pytest.mark.parametrize("query", ["", "?rtl=1&stranger=1"])
def test_nothing_scrolls_sideways(page: Page, width: int, query: str) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"/styleguide{query}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_phone_targets_are_large_enough(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/styleguide")
    small = page.evaluate(
        """() => [...document.querySelectorAll('.button, .dock li > a, .chip, .tabs a, .menu > summary, .account-button')]
          .map((item) => [item.className || item.textContent.trim(), item.getBoundingClientRect()])
          .filter(([, box]) => box.width > 0 && (box.height < 43.5 || box.width < 43.5))
          .filter(([name]) => !name.includes('size-s'))
          .map(([name, box]) => `${name} ${box.width}x${box.height}`)"""
    )
    assert small == []


def test_the_skip_link_leads_to_the_content(page: Page) -> None:
    page.goto("/styleguide")
    page.keyboard.press("Tab")
    expect(page.locator(".skip-link")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_the_palette_is_a_combobox(page: Page) -> None:
    page.goto("/styleguide")
    page.keyboard.press("Control+k")
    box = page.get_by_role(
        "combobox", name="Search models, pictures, articles, collections, people and actions"
    )
    expect(box).to_be_focused()
    box.fill("gouache")
    first = page.locator("#palette").get_by_role("option").first
    expect(first).to_have_text("gouache oneLoRA")
    expect(first).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("option", name="elsewhere")).to_have_count(0)
    page.keyboard.press("ArrowDown")
    expect(first).to_have_attribute("aria-selected", "false")
    page.keyboard.press("Escape")
    expect(page.locator("#palette")).to_be_hidden()


def test_menus_by_keyboard(page: Page) -> None:
    page.goto("/styleguide")
    summary = page.locator("summary.account-button")
    summary.focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".menu-person")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="Wallet")).to_be_focused()
    page.keyboard.press("Escape")
    expect(summary).to_be_focused()
    expect(page.locator(".menu-person")).to_be_hidden()


def test_the_theme_is_kept(page: Page) -> None:
    page.goto("/styleguide")
    page.locator('summary[aria-label="Theme"]').click()
    page.get_by_text("Dark", exact=True).click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_dialogs_give_the_focus_back(page: Page) -> None:
    page.goto("/styleguide")
    opener = page.get_by_role("button", name="Dialog", exact=True)
    opener.click()
    expect(page.get_by_role("dialog", name="Delete this version?")).to_be_visible()
    page.keyboard.press("Escape")
    expect(opener).to_be_focused()


def test_the_lightbox_closes_on_back(page: Page) -> None:
    page.goto("/styleguide")
    page.get_by_role("link", name="Marbled ink in teal and ochre").last.click()
    lightbox = page.locator("dialog.lightbox")
    expect(lightbox).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(lightbox.locator("img")).to_have_attribute("alt", "Striped arches beneath an orange disc")
    page.go_back()
    expect(lightbox).to_be_hidden()
    assert page.url.endswith("/styleguide")


def test_single_keys_rest_while_typing(page: Page) -> None:
    page.goto("/styleguide")
    page.get_by_label("Name", exact=False).first.fill("a")
    page.keyboard.press("?")
    expect(page.locator("#shortcuts")).to_be_hidden()
    page.locator("#main").focus()
    page.keyboard.press("?")
    expect(page.locator("#shortcuts")).to_be_visible()


def test_a_hidden_picture_is_shown_on_a_press(page: Page) -> None:
    page.goto("/styleguide")
    page.locator("[data-reveal]").click()
    expect(page.locator(".picture.blurred")).to_have_count(0)
    assert page.url.endswith("/styleguide")


def test_copying_is_said_aloud(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/styleguide")
    page.get_by_role("button", name="Copy CRC32").first.click()
    expect(page.locator("#live")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "5A1D99C0"


def test_an_endless_list_comes_back_as_it_was(page: Page) -> None:
    page.goto("/list")
    cards = page.locator("[data-card]")
    for count in (24, 36, 48):
        page.mouse.wheel(0, 20_000)
        expect(cards.nth(count - 1)).to_be_attached()
    names = cards.evaluate_all("all => all.map((card) => card.dataset.card)")
    assert names == sorted(set(names), key=int), "nothing twice, nothing out of order"
    wanted = page.locator('[data-card="30"]')
    wanted.scroll_into_view_if_needed()
    place = wanted.bounding_box()
    page.evaluate("location.href = '/styleguide'")
    page.wait_for_url("**/styleguide")
    page.go_back()
    page.wait_for_url("**/list")
    expect(wanted).to_be_in_viewport()
    back = wanted.bounding_box()
    assert place is not None and back is not None
    assert abs(back["y"] - place["y"]) < 4
    assert cards.count() >= 48


def test_a_list_without_script_has_a_next_page(chromium: Browser, gallery: str) -> None:
    context = chromium.new_context(base_url=gallery, java_script_enabled=False)
    page = context.new_page()
    page.goto("/list")
    page.get_by_role("link", name="Show more").click()
    assert page.url.endswith("/list?cursor=12")
    expect(page.locator('[data-card="23"]')).to_be_attached()
    context.close()


def test_a_server_can_send_a_toast(page: Page) -> None:
    page.goto("/styleguide")
    page.evaluate(
        "document.body.dispatchEvent(new CustomEvent('toast', "
        "{bubbles: true, detail: {kind: 'ok', text: '<b>Saved</b>'}}))"
    )
    toast = page.locator("#toasts .toast")
    expect(toast).to_contain_text("<b>Saved</b>")
    toast.get_by_role("button", name="Dismiss").click()
    expect(toast).to_have_count(0)


def test_without_script_everything_is_there(chromium: Browser, gallery: str) -> None:
    context = chromium.new_context(base_url=gallery, java_script_enabled=False)
    page = context.new_page()
    page.goto("/styleguide")
    expect(page.locator(".card-frame img").first).to_have_css("opacity", "1")
    page.locator("summary.account-button").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    expect(page.locator("a.search-opener")).to_have_attribute("href", "/search")
    context.close()
