"""Everybody can use the page: axe-core finds nothing, and keyboard and small screens reach all."""

from __future__ import annotations

from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from visitor import SLOW_MS, wait_until

LEAST_PX = 44
TARGETS = "#live button, #live a, #live select, #live textarea, #live summary, .ft-seek, .ft-tick"
SMALL = f"""() => [...document.querySelectorAll("{TARGETS}")]
  .filter((target) => target.offsetParent && !target.closest("[inert]"))
  .map((target) => [target.outerHTML.slice(0, 80), target.getBoundingClientRect()])
  .filter(([, box]) => box.height < {LEAST_PX} - 0.5)
  .map(([words]) => words)"""


def open_page(browser: Browser, address: str, size: tuple[int, int], **options: object) -> Page:
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **options)
    page = context.new_page()
    page.goto(address)
    expect(page.locator("#people [aria-pressed=true]")).to_be_visible(timeout=SLOW_MS)
    return page


def violations(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {node['target']}" for each in found for node in each["nodes"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_before_and_after_a_talk(
    browser: Browser, address: str, scheme: Literal["light", "dark"]
) -> None:
    page = open_page(browser, address, (375, 667), color_scheme=scheme, has_touch=True)
    page.locator("#advanced summary").click()
    assert not violations(page)
    assert not page.evaluate(SMALL)
    page.locator("#tab-compare").click()
    page.locator(".ft-suite summary").click()
    assert not violations(page)
    assert not page.evaluate(SMALL)
    page.locator("#tab-compare").press("ArrowLeft")
    assert page.evaluate("document.activeElement.id") == "tab-talk"
    page.locator("#talk").click()
    wait_until(page, "talking")
    assert page.evaluate("document.activeElement.className") == "ft-frame"
    page.keyboard.press("Escape")
    wait_until(page, "done")
    assert page.evaluate("document.activeElement !== document.body")
    expect(page.locator("#download")).to_be_visible(timeout=SLOW_MS)
    assert not violations(page)
    assert not page.evaluate(SMALL)
    page.context.close()


@pytest.mark.parametrize("size", [(375, 553), (360, 560), (844, 390), (640, 400)])
def test_talk_is_in_view(browser: Browser, address: str, size: tuple[int, int]) -> None:
    page = open_page(browser, address, size)  # the last one: 1280 x 800 at 200 %
    box = page.locator("#talk").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= size[1]
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    page.context.close()
