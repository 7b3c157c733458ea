"""Two settings side by side in a real Chromium: planned, made, watched in step, voted on."""

from __future__ import annotations

import csv
from pathlib import Path

from playwright.sync_api import Browser, Page, expect
from test_accessibility import SMALL, open_page, violations
from visitor import SLOW_MS, state, upload, wait_until

TIMES = "[...document.querySelectorAll('.pair video')].map((film) => film.currentTime)"
PLAYING = "[...document.querySelectorAll('.pair video')].filter((film) => !film.paused).length"


def compare(page: Page) -> None:
    """Opens the tab and begins what it offers."""
    page.locator("#tab-compare").click()
    page.locator("#compare-run").click()


def test_two_settings_are_made_watched_in_step_and_voted_on(
    page: Page, short_speech: Path, tmp_path: Path
) -> None:
    upload(page, "#sound", short_speech)
    before = page.locator(".ft-frame").bounding_box()
    compare(page)
    expect(page.locator(".pair figure")).to_have_count(2, timeout=SLOW_MS)
    expect(page.locator(".ft-progress")).to_have_text("All 2 talks are here", timeout=SLOW_MS)
    expect(page.locator("#compare-run")).to_be_enabled()
    assert page.locator(".variant").all_inner_texts() == ["as it ships", "steps 1"]
    expect(page.locator(".pair svg")).to_have_count(6)

    page.locator(".together").click()
    page.wait_for_function(f"{TIMES}.every((time) => time > 0.8)", timeout=SLOW_MS)
    assert page.evaluate(PLAYING) == 2
    page.locator(".together").click()
    assert page.evaluate(PLAYING) == 0
    page.evaluate("document.querySelector('.pair video').currentTime = 2")
    page.wait_for_function(f"{TIMES}.every((time) => Math.abs(time - 2) < 0.02)", timeout=SLOW_MS)

    page.locator(".blindly").check()
    expect(page.locator(".variant").first).to_be_hidden()
    expect(page.locator(".facts").first).to_be_hidden()
    assert not violations(page)
    page.locator(".vote").nth(1).click()
    expect(page.locator(".voted")).to_have_text("1 of 1 voted")
    with page.expect_download(timeout=SLOW_MS) as waiting:
        page.locator(".save-votes").click()
    (row,) = csv.DictReader(Path(waiting.value.path()).read_text().splitlines())
    shown = row["shown from left to right"].split(" | ")
    assert sorted(shown) == ["as it ships", "steps 1"]
    assert row["choice"] == shown[1]
    with page.expect_download(timeout=SLOW_MS) as waiting:
        page.get_by_text("Everything (ZIP)").click()
    assert Path(waiting.value.path()).stat().st_size > 100_000
    page.locator("#tab-talk").click()
    assert page.locator(".ft-frame").bounding_box() == before, "nothing moved"
    assert state(page) == "ready"


def test_a_comparison_outlives_a_reload_and_a_stop_keeps_what_was_made(
    browser: Browser, address: str
) -> None:
    page = open_page(browser, address, (375, 667), has_touch=True)
    compare(page)
    expect(page.locator("#compare-stop")).to_be_focused()
    expect(page.locator(".pair figure")).to_have_count(1, timeout=SLOW_MS)
    page.reload()
    expect(page.locator(".pair figure").first).to_be_visible(timeout=SLOW_MS)
    expect(page.locator("#tab-compare")).to_have_attribute("aria-selected", "true")
    page.locator("#compare-stop").focus()
    page.keyboard.press("Escape")
    told = page.locator(".ft-progress")
    expect(told).to_contain_text("Stopped: 1 of 2", timeout=SLOW_MS)
    assert page.evaluate("document.activeElement !== document.body")
    assert not violations(page)
    assert not page.evaluate(SMALL)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    page.locator("#compare-go-on").click()
    expect(page.locator("#compare-stop")).to_be_focused()
    expect(page.locator(".pair figure")).to_have_count(2, timeout=SLOW_MS)
    boxes = [box for each in page.locator(".pair video").all() if (box := each.bounding_box())]
    assert boxes[0]["y"] == boxes[1]["y"], "side by side on a phone, too"
    report = page.locator(".ft-files a").first
    before = report.get_attribute("href") or ""
    page.locator("#compare-run").click()
    page.locator("#compare-stop").click()  # perhaps before the server knows of it
    expect(told).to_contain_text("Stopped", timeout=SLOW_MS)
    expect(page.locator(f".ft-files a[href='{before}']")).to_have_count(0)
    page.context.close()


def test_a_talk_goes_first_and_what_cannot_be_compared_is_said(page: Page) -> None:
    page.locator("#tab-compare").click()
    sides = page.locator(".ft-sides fieldset")
    sides.nth(1).locator("[name=steps]").select_option("")
    page.locator("#compare-run").click()
    expect(page.locator("#plan .ft-problem")).to_contain_text("The settings are the same")
    sides.nth(1).locator("[name=chunk_frames]").select_option("17")
    page.locator(".ft-suite summary").click()
    page.locator(".ft-faces input").nth(1).check()
    expect(page.locator(".ft-count")).to_contain_text("4 talks of 2 pairs")
    page.locator("#compare-run").click()
    expect(page.locator(".ft-progress")).to_contain_text("talk 1 of 4", timeout=SLOW_MS)
    page.locator("#tab-talk").click()
    page.locator("#talk").click()
    wait_until(page, "talking")
    page.locator("#stop").click()
    wait_until(page, "done")
    page.locator("#tab-compare").click()
    expect(page.locator(".pair figure")).to_have_count(1, timeout=SLOW_MS)
    page.locator("#compare-stop").click()
    expect(page.locator(".ft-progress")).to_contain_text("Stopped", timeout=SLOW_MS)
