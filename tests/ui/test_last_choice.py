"""The last choice counts, in a real browser: voices, words, pictures that it cannot show."""

from __future__ import annotations

import re
import wave
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect
from visitor import SLOW_MS, VIDEO, wait_until

SVG = "<svg xmlns='http://www.w3.org/2000/svg'/>"
DROP_LINK = """(address) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.setData("text/uri-list", address);
  return ["dragover", "drop"].map((name) => {
    const event = new DragEvent(name, { bubbles: true, cancelable: true, dataTransfer });
    document.querySelector(".ft-frame").dispatchEvent(event);
    return event.defaultPrevented;
  });
}"""


def voice(page: Page) -> str:
    return page.locator("#sound b").inner_text()


def test_a_voice_that_is_chosen_during_a_recording_takes_its_place(page: Page) -> None:
    page.locator("#record").click()
    expect(page.locator("#record")).to_have_text("Stop recording 1 s", timeout=SLOW_MS)
    page.locator("#voices button", has_text="George").click()
    expect(page.locator("#record")).to_have_text("Record")
    page.locator("#talk").click()
    wait_until(page, "talking")
    assert voice(page) == "George"


def test_a_voice_that_is_chosen_while_a_long_sound_is_cut_stays(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 4_000, 0, "NONE", ""))
        file.writeframes(np.zeros(4_000 * 200, "<i2").tobytes())
    page.locator("#sound input[type=file]").set_input_files(path)
    hint = page.locator(".ft-sound-hint")
    usual = hint.inner_text()
    page.evaluate(
        """() => {
          const decode = OfflineAudioContext.prototype.decodeAudioData;
          OfflineAudioContext.prototype.decodeAudioData = async function (...given) {
            await new Promise((done) => (window.goOnCutting = done));
            return decode.apply(this, given);
          };
        }"""
    )
    page.locator(".ft-cut").click(timeout=SLOW_MS)
    page.wait_for_function("Boolean(window.goOnCutting)", timeout=SLOW_MS)
    page.locator("#voices button", has_text="George").click()
    page.evaluate("window.goOnCutting()")
    expect(hint).to_have_text(usual, timeout=SLOW_MS)
    assert voice(page) == "George"


def test_talk_says_what_was_typed_last(page: Page) -> None:
    page.locator("#words").fill("One.")
    page.locator("#sentence button").click()
    page.locator("#words").fill("One, two, three, and many more of them.")
    page.locator("#talk").click()
    wait_until(page, "talking")
    assert voice(page) == "Your sentence"
    assert page.evaluate("document.querySelector('#sound audio').duration") > 1.5
    page.keyboard.press("Escape")
    expect(page.locator("#talk")).to_be_enabled(timeout=SLOW_MS)
    page.locator("#words").fill("Not this.")
    page.locator("#voices button", has_text="Emma").click()
    page.reload()
    expect(page.locator("#words")).to_have_value("Not this.", timeout=SLOW_MS)
    page.locator("#talk").click()
    wait_until(page, "talking")
    assert voice(page) == "Emma"


def test_a_link_is_not_followed_and_what_cannot_be_shown_is_no_broken_picture(page: Page) -> None:
    assert page.evaluate(DROP_LINK, "http://127.0.0.1:9/x.jpg") == [True, True]
    problem = page.locator("#portrait .ft-problem")
    expect(problem).to_contain_text("That was a link")
    file = {"name": "drawing.svg", "mimeType": "image/svg+xml", "buffer": SVG.encode()}
    page.locator("#portrait input[type=file]").set_input_files(file)
    expect(problem).to_contain_text("is not a picture that can be read", timeout=SLOW_MS)
    for part in (".ft-whole img", ".ft-poster", "#area-closer"):
        expect(page.locator(part)).to_be_hidden()


def test_another_face_switches_the_camera_off(page: Page) -> None:
    page.locator("#camera").click()
    expect(page.locator(".ft-camera")).to_be_visible(timeout=SLOW_MS)
    page.locator("#people button").last.click()
    expect(page.locator(".ft-camera")).to_be_hidden()
    page.locator("#camera").click()
    page.locator(".ft-take").wait_for()
    page.locator(".ft-cancel").click()
    assert page.evaluate("document.activeElement.id") == "camera"


def test_a_link_brings_its_choice_once_and_a_way_back_the_one_made_after_it(
    page: Page, address: str
) -> None:
    chosen = page.locator("#people [aria-pressed=true]")
    page.goto(f"{address}/?face=ada&voice=emma&seed=5&steps=2")
    expect(page.locator("#seed")).to_have_value("5", timeout=SLOW_MS)
    page.locator("#people button").last.click()
    last = chosen.get_attribute("data-name")
    page.goto("about:blank")
    page.go_back()
    expect(chosen).to_have_attribute("data-name", str(last), timeout=SLOW_MS)
    page.goto(f"{address}/?face=ada&voice=emma&seed=6&steps=2")
    expect(page.locator("#seed")).to_have_value("6", timeout=SLOW_MS)
    expect(chosen).to_have_attribute("data-name", "ada")


def test_a_film_on_the_stage_is_there_again_after_a_reload(page: Page) -> None:
    page.locator("#talk").click()
    wait_until(page, "done")
    expect(page.locator(".ft-film")).not_to_have_attribute("inert", "", timeout=SLOW_MS)
    page.reload()
    expect(page.locator("#download")).to_have_attribute(
        "href", re.compile("flashtalk-.*mp4$"), timeout=SLOW_MS
    )
    page.locator(".ft-play").click()
    page.wait_for_function(f"{VIDEO}.currentTime > 0.2", timeout=SLOW_MS)
    page.locator("#people button").last.click()
    page.reload()
    expect(page.locator("#people [aria-pressed=true]")).to_be_visible(timeout=SLOW_MS)
    expect(page.locator(".ft-live")).to_have_attribute("data-state", "ready")


def test_what_the_server_says_to_a_file_stands_beside_the_choice(
    page: Page, portrait: Path
) -> None:
    sentence = "That was too much in a short time. Please wait 12 seconds and try again."
    answer = {"error": sentence, "detail": sentence}
    page.route("**/gradio_api/upload*", lambda route: route.fulfill(status=429, json=answer))
    page.locator("#portrait input[type=file]").set_input_files(portrait)
    expect(page.locator("#portrait .ft-problem")).to_have_text(sentence, timeout=SLOW_MS)
    assert "HTTP" not in page.locator("body").inner_text()


BORDERS = "element => parseFloat(getComputedStyle(element).borderTopWidth)"
OUTLINE = "element => getComputedStyle(element).outlineStyle"


@pytest.mark.parametrize("size", [(1280, 720), (844, 390)])
def test_contrast_themes_show_buttons_and_what_is_chosen(
    browser: Browser, address: str, size: tuple[int, int]
) -> None:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, forced_colors="active"
    )
    page = context.new_page()
    page.goto(address)
    people = page.locator("#people [aria-pressed=true]")
    expect(people).to_be_visible(timeout=SLOW_MS)
    assert people.evaluate(OUTLINE) == "solid"
    assert page.locator("#people [aria-pressed=false]").first.evaluate(OUTLINE) == "none"
    assert page.locator("#talk").evaluate(BORDERS) >= 1
    colors = {
        page.locator(f"#tab-{name}").evaluate("e => getComputedStyle(e).borderBottomColor")
        for name in ("talk", "compare")
    }
    assert len(colors) == 2
    box = page.locator("#talk").bounding_box()
    page.locator("#talk").click()
    wait_until(page, "talking")
    assert page.locator("#talk").bounding_box() == box
    context.close()
