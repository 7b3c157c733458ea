"""What a visitor chooses with in a real browser: files, devices, sentences, links."""

from __future__ import annotations

import re
import wave
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, Route, expect
from visitor import SLOW_MS, VIDEO, state, upload, wait_until

DENY = """(name) => {
  navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", name));
}"""


def test_a_sound_that_is_too_long_is_cut_before_it_is_sent(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(4_000)
        file.writeframes(np.zeros(4_000 * 200, "<i2").tobytes())
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if "upload" in request.url else "")
    page.locator("#sound input[type=file]").set_input_files(path)
    offer = page.locator(".ft-cut")
    expect(offer).to_have_text("Use its first 2 minutes", timeout=SLOW_MS)
    expect(page.locator("#sound .ft-problem")).to_contain_text("talk.wav lasts 3:20")
    expect(page.locator("#sound b")).to_have_text("Emma")
    assert not sent
    offer.click()
    expect(page.locator("#sound b")).to_have_text("talk.wav", timeout=SLOW_MS)
    expect(page.locator("#duration")).to_have_text("2:00", timeout=SLOW_MS)
    assert sent


def test_devices_that_are_denied_or_missing_are_said_beside_them(page: Page) -> None:
    for error, words in (("NotAllowedError", "not allow"), ("NotFoundError", "No ")):
        page.evaluate(DENY, error)
        for button, panel in (("#camera", "#portrait"), ("#record", "#sound")):
            page.locator(button).click()
            expect(page.locator(f"{panel} .ft-problem")).to_contain_text(words)


def test_a_picture_is_dropped_anywhere_and_the_old_one_stays_until_it_is_there(
    page: Page, portrait: Path
) -> None:
    poster = page.locator(".ft-poster")
    expect(poster).to_have_attribute("src", re.compile("^data:"), timeout=SLOW_MS)
    before = poster.get_attribute("src")
    held: list[Route] = []
    uploads = re.compile(r"/gradio_api/upload(\?|$)")
    # or the new one may be there before anybody has looked
    page.route(uploads, lambda route: route.continue_() if held else held.append(route))
    page.evaluate(
        """async ([url, name]) => {
          const file = new File([await (await fetch(url)).blob()], name, {type: "image/jpeg"});
          const data = new DataTransfer();
          data.items.add(file);
          const drop = {dataTransfer: data, bubbles: true, cancelable: true};
          document.querySelector("footer").dispatchEvent(new DragEvent("drop", drop));
        }""",
        [page.locator("#people img").nth(2).get_attribute("src"), "mine.jpg"],
    )
    expect(page.locator("#portrait")).to_have_attribute("aria-busy", "true", timeout=SLOW_MS)
    for _ in range(100):
        if held:
            break
        page.wait_for_timeout(50)
    assert poster.get_attribute("src") == before
    held[0].continue_()
    expect(page.locator(".ft-one")).to_have_count(1, timeout=SLOW_MS)
    expect(page.locator("#people [aria-pressed=true]")).to_have_count(0)
    assert poster.get_attribute("src") != before
    upload(page, "#portrait", portrait)
    assert state(page) == "ready"


def test_what_cannot_be_used_is_said_and_changes_nothing(page: Page) -> None:
    empty = {"name": "empty.wav", "mimeType": "audio/wav", "buffer": b""}
    page.locator("#sound input[type=file]").set_input_files(empty)
    expect(page.locator("#sound .ft-problem")).to_have_text("empty.wav is empty. Add another file.")
    expect(page.locator("#sound b")).to_have_text("Emma")
    page.locator("#advanced summary").click()
    page.locator("#random-seed").uncheck()
    page.locator("#seed").fill("abc")
    page.locator("#talk").click()
    wait_until(page, "failed")
    expect(page.locator(".ft-stage")).to_contain_text("The seed must be a whole number")
    expect(page.locator("#talk")).to_be_enabled(timeout=SLOW_MS)
    expect(page.locator("#seed")).to_have_value("abc")


def test_a_typed_sentence_is_spoken_and_a_link_brings_the_choice_back(
    page: Page, address: str
) -> None:
    page.locator("#words").fill("I am made of numbers.")
    page.locator("#sentence button").click()
    expect(page.locator("#sound b")).to_have_text("Your sentence", timeout=SLOW_MS)
    page.goto(f"{address}/?face=kenji&voice=grace&seed=5&steps=1")
    chosen = page.locator("#people [aria-pressed=true]")
    expect(chosen).to_have_attribute("title", "Kenji", timeout=SLOW_MS)
    expect(page.locator("#sound b")).to_have_text("Grace")
    page.locator("#talk").click()
    wait_until(page, "done")
    link = page.locator("#download")
    expect(link).to_have_attribute("download", "flashtalk-kenji-grace-5.mp4", timeout=SLOW_MS)


def test_a_reload_loses_neither_the_choice_nor_what_was_made(page: Page, long_speech: Path) -> None:
    upload(page, "#sound", long_speech)
    page.locator("#people button").nth(3).click()
    page.locator("#talk").click()
    page.wait_for_function(f"{VIDEO}.currentTime > 0.3", timeout=SLOW_MS)
    page.reload()  # as Gradio does when the connection is back after a cut
    stage = page.locator(".ft-stage")
    expect(stage).to_contain_text("What was made by then is here", timeout=SLOW_MS)
    expect(page.locator("#sound b")).to_have_text("long.wav")
    expect(page.locator("#people button").nth(3)).to_have_attribute("aria-pressed", "true")
    page.locator(".ft-play").click()
    page.wait_for_function(f"{VIDEO}.currentTime > 0.3", timeout=SLOW_MS)


def test_a_file_that_is_called_like_somebody_of_the_gallery_is_not_taken_for_them(
    page: Page, portrait: Path, short_speech: Path
) -> None:
    page.locator("#people button").nth(1).click()
    name = page.locator("#people [aria-pressed=true]").get_attribute("data-name")
    mine = {"name": f"{name}.jpg", "mimeType": "image/jpeg", "buffer": portrait.read_bytes()}
    sound = {"name": "grace.wav", "mimeType": "audio/wav", "buffer": short_speech.read_bytes()}
    page.locator("#portrait input[type=file]").set_input_files(mine)
    expect(page.locator(".ft-look")).to_be_visible(timeout=SLOW_MS)
    expect(page.locator("#people [aria-pressed=true]")).to_have_count(0)
    page.locator("#sound input[type=file]").set_input_files(sound)
    expect(page.locator("#sound b")).to_have_text("grace.wav", timeout=SLOW_MS)
    expect(page.locator("#voices [aria-pressed=true]")).to_have_count(0)
    page.locator("#talk").click()
    page.wait_for_function(f"{VIDEO}.currentTime > 0.2", timeout=SLOW_MS)
    page.locator("#stop").click()
    expect(page.locator("#share")).to_be_enabled(timeout=SLOW_MS)
    page.locator("#share").click()
    expect(page.locator(".ft-told")).to_contain_text("your own files stay with you")


def test_the_foot_of_the_page_has_the_program_that_speaks_live(page: Page) -> None:
    page.get_by_role("button", name="Live speech for programs").click()
    expect(page.locator("dialog[open] pre")).to_contain_text("httpx.Client", timeout=SLOW_MS)
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
