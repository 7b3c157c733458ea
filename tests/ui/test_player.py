"""The stage in a real Chromium: one player for the live and the finished video."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from visitor import SLOW_MS, VIDEO, state, upload, wait_until


def test_the_finished_video_plays_where_it_was_made(page: Page, short_speech: Path) -> None:
    upload(page, "#sound", short_speech)
    frame = page.locator(".ft-frame")
    before = frame.bounding_box()
    page.locator("#talk").click()
    wait_until(page, "talking")
    page.keyboard.press(" ")  # the focus is on the player
    assert page.evaluate(f"{VIDEO}.paused")
    frame.locator("video").click(position={"x": 20, "y": 20})
    assert not page.evaluate(f"{VIDEO}.paused")
    wait_until(page, "done")
    expect(page.locator("#download")).to_be_visible(timeout=SLOW_MS)
    assert page.locator("video:visible").count() == 1
    assert frame.bounding_box() == before, "nothing moved"

    seek = page.locator(".ft-seek")
    assert float(seek.get_attribute("max") or 0) > 2.9
    seek.fill("1.5")
    page.wait_for_function(f"Math.abs({VIDEO}.currentTime - 1.5) < 0.2", timeout=SLOW_MS)
    page.locator(".ft-loop").click()
    page.locator(".ft-play").click()
    page.wait_for_function(f"{VIDEO}.currentTime > 2", timeout=SLOW_MS)
    page.wait_for_function(f"{VIDEO}.currentTime < 1 && !{VIDEO}.paused", timeout=SLOW_MS)
    assert state(page) == "done"


@pytest.mark.parametrize(
    ("browser_has", "while_made"),
    [
        ("window.ManagedMediaSource = MediaSource; window.MediaSource = undefined", True),
        ("window.MediaSource = window.ManagedMediaSource = undefined", False),
    ],
)
def test_every_browser_plays_the_video_while_it_is_made_or_later(
    browser: Browser, address: str, short_speech: Path, browser_has: str, while_made: bool
) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.add_init_script(browser_has)
    page.goto(address)
    expect(page.locator("#people [aria-pressed=true]")).to_be_visible(timeout=SLOW_MS)
    upload(page, "#sound", short_speech)
    page.locator("#talk").click()
    if while_made:
        page.wait_for_function(f"{VIDEO}.currentTime > 0.3", timeout=SLOW_MS)
        expect(page.locator("#stop")).to_be_enabled()
    wait_until(page, "done")
    notices = page.locator(".ft-notices")
    assert ("cannot play video while it is made" in notices.inner_text()) is not while_made
    expect(page.locator("#download")).to_be_visible(timeout=SLOW_MS)
    page.locator(".ft-play").click()
    page.wait_for_function(f"{VIDEO}.currentTime > 0.3 && !{VIDEO}.paused", timeout=SLOW_MS)
    context.close()


def test_stop_ends_the_playback_of_what_is_complete(page: Page, short_speech: Path) -> None:
    upload(page, "#sound", short_speech)
    page.locator("#talk").click()
    wait_until(page, "talking")
    page.keyboard.press(" ")  # the server works on while the playback stands
    expect(page.locator("#download")).to_be_visible(timeout=SLOW_MS)
    expect(page.locator("#stop")).to_be_enabled()
    page.keyboard.press("Escape")
    wait_until(page, "done")
    expect(page.locator("#stop")).to_be_disabled()
    expect(page.locator(".ft-stage")).to_have_text("Stopped")
    assert page.evaluate("document.activeElement !== document.body")
    page.locator(".ft-play").click()  # the whole of it is there all the same
    page.wait_for_function(f"{VIDEO}.currentTime > 2", timeout=SLOW_MS)


def test_a_double_click_talks_once_and_leaves_the_focus_where_keys_work(page: Page) -> None:
    page.locator("#talk").dblclick()
    assert page.evaluate("document.activeElement.className") == "ft-frame"
    wait_until(page, "talking")
    page.locator("#stop").dblclick()
    expect(page.locator("#stop")).to_be_disabled(timeout=SLOW_MS)
    assert page.evaluate("document.activeElement.id") == "talk"


def test_earlier_talks_come_back_at_a_click(page: Page) -> None:
    earlier = page.locator(".ft-earlier button")
    below = "document.querySelector('.ft-earlier').getBoundingClientRect().bottom"
    expect(page.locator(".ft-earlier")).to_have_text("Your talks will stand here.")
    bottom = page.evaluate(below)
    for count in (1, 2):
        page.locator("#talk").click()
        wait_until(page, "talking")
        page.locator("#stop").click()
        expect(earlier).to_have_count(count, timeout=SLOW_MS)
    assert page.evaluate(below) == bottom  # nothing below has moved
    second = page.locator("#download").get_attribute("href")
    earlier.nth(1).click()
    expect(earlier.nth(1)).to_have_attribute("aria-pressed", "true")
    assert page.locator("#download").get_attribute("href") != second
    page.wait_for_function(f"{VIDEO}.currentTime > 0.1", timeout=SLOW_MS)
    expect(page.locator(".ft-poster")).to_be_hidden()
    shown = page.locator("#download").get_attribute("href")
    page.reload()
    expect(earlier).to_have_count(2, timeout=SLOW_MS)
    expect(page.locator("#download")).to_have_attribute("href", shown or "", timeout=SLOW_MS)
    expect(earlier.nth(1)).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".ft-poster")).to_be_hidden()


def test_a_playback_that_stands_still_is_a_stall(page: Page) -> None:
    page.locator("#talk").click()
    wait_until(page, "talking")
    # As when the machine is busy: the element neither moves nor says so.
    page.evaluate(f"{VIDEO}.playbackRate = 0")
    wait_until(page, "stalled")
    page.evaluate(f"{VIDEO}.playbackRate = 1")
    wait_until(page, "talking", "done")
