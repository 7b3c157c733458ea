"""The page in Firefox, whose MediaSource, microphone and storage are others than Chromium's."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from marionette import Firefox, firefox
from visitor import VIDEO

STATE = "document.querySelector('.ft-live').dataset.state"
WORDS = "document.querySelector('.ft-stage').textContent"
ENABLED = "!document.querySelector('{}').disabled"


WATCH = """
window.faults = [];
window.addEventListener("error", ({ message }) => window.faults.push(message));
window.addEventListener("unhandledrejection", ({ reason }) => window.faults.push(String(reason)));
"""


@pytest.fixture(scope="module")
def window(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    """The page, loaded in Firefox."""
    path = shutil.which("firefox-esr") or shutil.which("firefox")
    if path is None:
        pytest.skip("These tests need Firefox: apt-get install -y firefox-esr")
    with firefox(path, tmp_path_factory.mktemp("firefox")) as window:
        window.ask("WebDriver:Navigate", url=address)
        window.wait_until("document.querySelector('#duration')?.textContent === '0:06'")
        yield window


@pytest.fixture(autouse=True)
def no_faults(window: Firefox) -> Iterator[None]:
    """No script of the page fails meanwhile."""
    window.run(WATCH)
    yield
    assert not window.run("return window.faults || []")  # a page loaded anew has none


def test_firefox_plays_a_talk_while_it_is_made_and_the_film_after_a_stop(window: Firefox) -> None:
    window.click("#talk")
    window.wait_until(f"{VIDEO}.currentTime > 1.3")  # past the border of two chunks
    assert window.run(f"return {VIDEO}.src.startsWith('blob:') && {VIDEO}.mozHasAudio")
    window.click("#stop")
    window.wait_until(f"{STATE} === 'done' && {ENABLED.format('#talk')}")
    assert window.run("return document.querySelector('#download').download").endswith(".mp4")
    window.run(f"{VIDEO}.currentTime = 0")
    window.click(".ft-play")
    window.wait_until(f"{VIDEO}.currentTime > 0.4 && !{VIDEO}.src.startsWith('blob:')")
    window.click(".ft-play")
    assert window.run(f"return {VIDEO}.paused")


def test_firefox_speaks_live_or_says_that_it_has_no_loudspeakers(window: Firefox) -> None:
    window.click("#speak-live")
    window.wait_until(f"{STATE} === 'failed' || {VIDEO}.currentTime > 0.5")
    if window.run(f"return {STATE}") == "failed":
        assert "sound does not start" in window.run(f"return {WORDS}")
        return
    assert window.run(f"return {VIDEO}.muted")
    assert float(window.run("return document.querySelector('.ft-live').dataset.lagMs")) > 200
    window.click("#stop")
    window.wait_until(f"{STATE} === 'done' && {ENABLED.format('#talk')}")
    assert "-live-" in window.run("return document.querySelector('#download').download")


def test_firefox_brings_back_what_was_made_before_a_reload(window: Firefox) -> None:
    window.click("#talk")
    window.wait_until(f"{VIDEO}.currentTime > 0.3")
    assert window.run("return window.faults") == []
    window.ask("WebDriver:Refresh")
    window.wait_until(f"window.flashtalk && {WORDS}.includes('What was made by then is here')")
    window.click(".ft-play")
    window.wait_until(f"{VIDEO}.currentTime > 0.3")
