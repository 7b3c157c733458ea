"""What happens while something else is under way: uploads, talks, permissions, cuts."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from visitor import SLOW_MS, VIDEO, state, upload, wait_until

COUNTING = """() => {
  const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  window.asked = 0;
  navigator.mediaDevices.getUserMedia = (wanted) => { window.asked++; return real(wanted); };
}"""
LEFT_BEHIND = """() => new Promise((done) => {
  const opening = indexedDB.open("flashtalk", 1);
  opening.onsuccess = () => {
    const left = opening.result.transaction("parts", "readwrite").objectStore("parts");
    left.add({ id: "closed", data: new Uint8Array(9), at: 0 }).onsuccess = done;
  };
})"""
PARTS = """() => new Promise((done) => {
  const opening = indexedDB.open("flashtalk", 1);
  opening.onsuccess = () => {
    const parts = opening.result.transaction("parts").objectStore("parts");
    parts.count().onsuccess = ({ target }) => done(target.result);
  };
})"""
FORBID = """
const forbid = () => { throw new DOMException("The operation is insecure.", "SecurityError"); };
window.BroadcastChannel = class { constructor() { forbid(); } };
for (const name of ["sessionStorage", "indexedDB"])
  Object.defineProperty(window, name, { get: forbid });
"""


@pytest.fixture
def held(page: Page) -> list[Route]:
    """Uploads of the page, which wait until a test lets them go."""
    routes: list[Route] = []
    page.route(re.compile(r"/gradio_api/upload(\?|$)"), lambda route: routes.append(route))
    return routes


def add(page: Page, held: list[Route], path: Path) -> None:
    """Adds a picture of one's own, whose upload is held."""
    page.locator("#portrait input[type=file]").set_input_files(path)
    expect(page.locator("#portrait")).to_have_attribute("aria-busy", "true")
    for _ in range(100):
        if held:
            return
        page.wait_for_timeout(50)
    pytest.fail("nothing was uploaded")


def test_a_talk_begun_without_a_connection_comes_back_as_one_to_begin(page: Page) -> None:
    page.locator("#people button").nth(2).click()
    page.context.set_offline(True)
    page.locator("#talk").click()
    wait_until(page, "waiting")
    expect(page.locator(".ft-stage")).to_contain_text("offline")
    page.context.set_offline(False)  # Gradio loads the page anew
    expect(page.locator(".ft-stage")).to_contain_text("press Talk", timeout=SLOW_MS)
    assert state(page) == "ready"
    expect(page.locator("#people button").nth(2)).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#talk")).to_be_enabled()
    page.reload()
    expect(page.locator(".ft-stage")).to_have_text("Ready", timeout=SLOW_MS)


def test_another_sound_pauses_a_talk_which_keeps_its_stage_and_its_name(page: Page) -> None:
    stage, earlier = page.locator(".ft-stage"), page.locator(".ft-earlier button")
    first = page.locator("#people button").first.get_attribute("title")
    page.locator("#talk").click()
    page.wait_for_function(f"{VIDEO}.currentTime > 0.2", timeout=SLOW_MS)
    page.locator(".ft-listen").click()
    expect(stage).to_have_text("Paused")
    page.locator("#people button").nth(3).click()  # for the next talk
    page.locator(".ft-play").click()
    expect(stage).to_have_text("Talking")
    page.locator("#stop").click()
    expect(earlier).to_have_count(1, timeout=SLOW_MS)
    assert (earlier.get_attribute("title") or "").startswith(f"{first}, Emma")
    page.locator("#talk").click()
    expect(page.locator(".ft-earlier")).to_have_attribute("inert", "")
    page.locator("#stop").click()
    expect(page.locator("#talk")).to_be_enabled(timeout=SLOW_MS)
    earlier.last.click()
    page.wait_for_function(f"{VIDEO}.currentTime > 0.1", timeout=SLOW_MS)
    page.locator(".ft-play").click()
    page.locator(".ft-seek").press("ArrowRight")
    page.wait_for_function(f"{VIDEO}.paused && {VIDEO}.currentTime > 1", timeout=SLOW_MS)


def test_the_last_choice_is_taken_though_an_older_one_arrives_after_it(
    page: Page, held: list[Route], portrait: Path
) -> None:
    add(page, held, portrait)
    page.locator("#people button").nth(2).click()
    held[0].continue_()
    expect(page.locator("#portrait")).not_to_have_attribute("aria-busy", "true", timeout=SLOW_MS)
    expect(page.locator("#people button").nth(2)).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".ft-look")).to_be_hidden()


def test_a_talk_does_not_begin_without_the_picture_that_it_waits_for(
    page: Page, held: list[Route], portrait: Path
) -> None:
    add(page, held, portrait)
    page.locator("#talk").click()
    wait_until(page, "preparing")
    held[0].abort()
    wait_until(page, "failed")
    expect(page.locator(".ft-stage")).to_contain_text("the talk did not begin")
    expect(page.locator("#talk")).to_be_enabled()
    expect(page.locator("#stop")).to_be_disabled()


@pytest.mark.parametrize("button", ["record", "camera"])
def test_two_quick_clicks_open_a_device_once(page: Page, button: str) -> None:
    page.evaluate(COUNTING)
    page.evaluate("id => { for (const _ of [1, 2]) document.getElementById(id).click(); }", button)
    opened = page.locator("#record[aria-pressed=true], .ft-camera:not([hidden])")
    expect(opened).to_have_count(1, timeout=SLOW_MS)
    assert page.evaluate("window.asked") == 1


def test_what_a_closed_tab_left_in_the_browser_goes_at_the_next_visit(page: Page) -> None:
    page.evaluate(LEFT_BEHIND)
    assert page.evaluate(PARTS) == 1
    page.reload()
    page.wait_for_function(f"async () => await ({PARTS})() === 0", timeout=SLOW_MS)


def test_a_video_that_was_deleted_is_said_to_be(page: Page) -> None:
    film = {"url": "/gone.mp4", "name": "gone.mp4", "seconds": 2.0, "seed": 1, "small": "data:,"}
    page.evaluate("films => sessionStorage.setItem('flashtalk.films', films)", json.dumps([film]))
    page.reload()
    page.locator(".ft-earlier button").click()
    expect(page.locator(".ft-notices")).to_contain_text("deleted after an hour", timeout=SLOW_MS)


def test_a_duplicated_tab_leaves_the_talk_of_its_original_alone(
    page: Page, long_speech: Path
) -> None:
    upload(page, "#sound", long_speech)
    page.locator("#talk").click()
    page.wait_for_function(f"{VIDEO}.currentTime > 0.2", timeout=SLOW_MS)
    with page.expect_popup() as waiting:
        page.evaluate("void window.open(location.href)")  # it has a copy of what this tab keeps
    copy = waiting.value
    copy.wait_for_function("sessionStorage['flashtalk.unfinished'] === 'null'", timeout=SLOW_MS)
    expect(copy.locator(".ft-stage")).to_have_text("Ready")
    assert page.evaluate(PARTS) > 0, "what a cut would need is still there"
    page.reload()
    stage = page.locator(".ft-stage")
    expect(stage).to_contain_text("What was made by then is here", timeout=SLOW_MS)
    copy.close()


def test_a_browser_that_keeps_nothing_shows_the_page_all_the_same(
    browser: Browser, address: str
) -> None:
    page = browser.new_page()
    page.add_init_script(FORBID)
    page.goto(address)
    expect(page.locator("#duration")).to_have_text("0:06", timeout=SLOW_MS)
    page.locator("#talk").click()
    page.wait_for_function(f"{VIDEO}.currentTime > 0.2", timeout=SLOW_MS)
    page.locator("#stop").click()
    wait_until(page, "done")
    page.close()


def test_two_tabs_talk_at_once_and_each_keeps_its_own_film(page: Page, short_speech: Path) -> None:
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.locator("#duration")).to_have_text("0:06", timeout=SLOW_MS)
    other.locator("#people button").nth(1).click()
    tabs = {"nia": page, "marco": other}
    for tab in tabs.values():
        upload(tab, "#sound", short_speech)
    for tab in tabs.values():
        tab.locator("#talk").click()
    for name, tab in tabs.items():
        wait_until(tab, "done")
        link = tab.locator("#download")
        file = re.compile(f"flashtalk-{name}-short-")
        expect(link).to_have_attribute("download", file, timeout=SLOW_MS)
        expect(tab.locator(".ft-earlier button")).to_have_count(1)
    other.close()


def test_a_tab_that_the_browser_froze_goes_on_where_it_was(page: Page, long_speech: Path) -> None:
    upload(page, "#sound", long_speech)
    page.locator("#talk").click()
    page.wait_for_function(f"{VIDEO}.currentTime > 0.3", timeout=SLOW_MS)
    browser = page.context.new_cdp_session(page)
    browser.send("Page.setWebLifecycleState", {"state": "frozen"})
    time.sleep(2.5)  # more than was ahead
    browser.send("Page.setWebLifecycleState", {"state": "active"})
    now = page.evaluate(f"{VIDEO}.currentTime")
    page.wait_for_function(f"{VIDEO}.currentTime > {now + 2}", timeout=SLOW_MS)
    expect(page.locator(".ft-notices")).not_to_contain_text("lost")
    page.locator("#stop").click()
    wait_until(page, "done")
