"""Speak live in a real Chromium, with its fake microphone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect
from visitor import SLOW_MS, VIDEO, state, wait_until

CUT_S = 5
DENIED = """() => {
  navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", "%s"));
}"""
FOREVER = """() => {
  AudioContext.prototype.resume = () => new Promise(() => (window.resumed = true));
}"""
Open = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Open]:
    """Opens the page in a window of its own; no script error happened at the end."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def visit(width: int = 1280, height: int = 720) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        expect(page.locator("#people [aria-pressed=true]")).to_be_visible(timeout=SLOW_MS)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert not errors


def speak(page: Page, seconds: float = 0.3) -> None:
    """Presses Speak live and waits until so much of it has been seen."""
    page.locator("#speak-live").click()
    page.wait_for_function(f"{VIDEO}.currentTime > {seconds}", timeout=SLOW_MS)


def film_s(page: Page, folder: Path) -> float:
    """Seconds of the finished file, whose sound and picture are as long."""
    expect(page.locator("#download")).to_be_visible(timeout=SLOW_MS)
    with page.expect_download(timeout=SLOW_MS) as waiting:
        page.locator("#download").click()
    waiting.value.save_as(folder / "film.mp4")
    with av.open(str(folder / "film.mp4")) as film:
        lengths = [float((stream.duration or 0) * stream.time_base) for stream in film.streams]
    assert max(lengths) - min(lengths) < 0.1
    return lengths[0]


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (375, 667)])
def test_the_portrait_follows_the_microphone_until_stop(
    visit: Open, tmp_path: Path, width: int, height: int
) -> None:
    page = visit(width, height)
    speak(page, 0.6)
    live = page.locator(".ft-live")
    assert int(live.get_attribute("data-lag-ms") or 0) > 300, "a chunk is heard before it is shown"
    assert page.evaluate(f"{VIDEO}.muted"), "the microphone must not hear it"
    expect(page.locator(".ft-speech")).to_contain_text("headphones")
    expect(page.locator(".ft-level")).to_be_visible()
    expect(page.locator(".ft-poster")).to_be_hidden()
    expect(page.locator("#speak-live")).to_be_disabled()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("#stop").click()
    wait_until(page, "done")
    expect(page.locator(".ft-stage")).to_have_text("Stopped")
    assert film_s(page, tmp_path) > 0.6
    assert not page.evaluate(f"{VIDEO}.muted")
    expect(page.locator("#speak-live")).to_be_enabled()
    page.locator(".ft-play").click()
    page.wait_for_function(f"!{VIDEO}.paused", timeout=SLOW_MS)


@pytest.mark.parametrize(
    ("problem", "sentence"),
    [("NotAllowedError", "not allowed"), ("NotFoundError", "No microphone")],
)
def test_a_microphone_that_is_not_there_is_a_sentence(
    visit: Open, problem: str, sentence: str
) -> None:
    page = visit()
    page.evaluate(DENIED % problem)
    page.locator("#speak-live").click()
    wait_until(page, "failed")
    expect(page.locator(".ft-stage")).to_contain_text(sentence)
    expect(page.locator("#speak-live")).to_be_enabled()
    expect(page.locator("#talk")).to_be_enabled()


def test_a_browser_whose_sound_does_not_start_says_so(visit: Open) -> None:
    """Firefox waits forever where there is no loudspeaker."""
    page = visit()
    page.clock.install()
    page.evaluate(FOREVER)
    page.locator("#speak-live").click()
    page.wait_for_function("window.resumed")
    page.clock.fast_forward(5_000)  # what the page has patience for
    wait_until(page, "failed")
    expect(page.locator(".ft-stage")).to_contain_text("sound does not start")
    expect(page.locator("#talk")).to_be_enabled()


def test_a_cut_of_some_seconds_loses_nothing(visit: Open, tmp_path: Path) -> None:
    page = visit()
    speak(page)
    begun_s = time.monotonic()
    page.context.set_offline(True)
    page.wait_for_timeout(1000 * CUT_S)
    expect(page.locator(".ft-stage")).to_contain_text("connection is cut", timeout=10_000)
    page.context.set_offline(False)
    before = page.evaluate(f"{VIDEO}.currentTime")
    page.wait_for_function(f"{VIDEO}.currentTime > {before} + 0.5", timeout=SLOW_MS)
    assert state(page) in ("talking", "stalled")
    spoken_s = time.monotonic() - begun_s
    page.locator("#stop").click()
    wait_until(page, "done")
    assert CUT_S - 0.5 < film_s(page, tmp_path) < spoken_s + 5


def test_a_stop_before_the_line_is_open_leaves_the_next_talk_alone(visit: Open) -> None:
    page = visit()
    held: list[Route] = []
    page.route("**/live", lambda route: route.continue_() if held else held.append(route))
    page.locator("#speak-live").click()
    for _ in range(100):
        if held:
            break
        page.wait_for_timeout(50)
    page.locator("#stop").click()
    wait_until(page, "done")
    speak(page)
    with page.expect_response("**/end", timeout=SLOW_MS):
        held[0].continue_()
    page.wait_for_timeout(500)
    assert page.evaluate(f"{VIDEO}.muted"), "the microphone must not hear it"
    expect(page.locator(".ft-speech")).to_be_visible()
    page.locator("#stop").click()
    wait_until(page, "done")
    assert not page.evaluate(f"{VIDEO}.muted")


def test_a_closed_tab_gives_its_seat_back(visit: Open) -> None:
    first, second = visit(), visit()
    speak(first)
    first.close()
    speak(second)
    second.locator("#stop").click()
    wait_until(second, "done")


def test_a_machine_that_is_too_slow_follows_with_rests(visit: Open, tmp_path: Path) -> None:
    page = visit()
    page.evaluate("document.getElementById('steps').max = 50")
    page.evaluate("document.getElementById('steps').value = 50")  # no machine of ours is quick then
    page.evaluate(f"window.jumps = 0; {VIDEO}.addEventListener('seeking', () => window.jumps++)")
    speak(page, 0.1)
    notices = page.locator(".ft-notices")
    expect(notices).to_contain_text("slower than your speech", timeout=SLOW_MS)
    page.wait_for_function(f"window.jumps > 0 && {VIDEO}.currentTime > 2.5", timeout=SLOW_MS)
    page.locator("#stop").click()
    wait_until(page, "done")
    expect(notices).to_contain_text("seconds show the person at rest", timeout=SLOW_MS)
    assert film_s(page, tmp_path) > 2.5
