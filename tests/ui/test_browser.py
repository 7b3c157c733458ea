"""A visitor in a real Chromium: upload, talk, watch while it is made, stop, download, record."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from visitor import SLOW_MS, VIDEO, state, upload, wait_until

from flashtalk.assets import ASSETS

CHUNK_S = 1.12
SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const shift of list.getEntries())
    for (const { node } of shift.sources) window.shifts.push(node?.className || String(node));
}).observe({ type: "layout-shift" });
"""
NOW = f"""() => ({{
    played_s: {VIDEO}.currentTime,
    paused: {VIDEO}.paused,
    sound_bytes: {VIDEO}.webkitAudioDecodedByteCount,
    picture_bytes: {VIDEO}.webkitVideoDecodedByteCount,
    running: !document.querySelector('#stop').disabled,
    state: document.querySelector('.ft-live').dataset.state,
}})"""


def test_live_video_plays_while_it_is_made_and_what_was_made_can_be_saved(
    page: Page, portrait: Path, long_speech: Path, tmp_path: Path
) -> None:
    upload(page, "#portrait", portrait)
    upload(page, "#sound", long_speech)
    expect(page.locator("#duration")).to_have_text("0:30", timeout=SLOW_MS)

    page.evaluate(f"window.elementBefore = {VIDEO}")
    page.locator("#talk").click()
    page.wait_for_function(f"{VIDEO}.currentTime > {2.05 * CHUNK_S}", timeout=SLOW_MS)
    now = page.evaluate(NOW)
    assert now["running"], "playback passed two chunk borders while generation still ran"
    assert now["state"] in ("talking", "stalled")
    assert now["sound_bytes"] > 0
    assert now["picture_bytes"] > 0
    assert page.evaluate(f"window.elementBefore === {VIDEO}"), "the video element was kept"
    expect(page.locator(".ft-first")).to_contain_text(" s")
    expect(page.locator(".ft-speed")).to_contain_text("real time")

    page.locator("#stop").click()
    expect(page.locator(".ft-live")).to_have_attribute("data-state", "done", timeout=SLOW_MS)
    expect(page.locator("#talk")).to_be_enabled(timeout=SLOW_MS)
    with page.expect_download(timeout=SLOW_MS) as waiting:
        page.locator("#download").click()
    saved = tmp_path / "saved.mp4"
    waiting.value.save_as(saved)

    with av.open(str(saved)) as file:
        picture, sound = file.streams.video[0], file.streams.audio[0]
        picture_s = float(picture.duration * picture.time_base)
        sound_s = float(sound.duration * sound.time_base)
        assert now["played_s"] < picture_s < 30
        assert abs(picture_s - sound_s) < 0.05
        assert len(list(file.decode(video=0))) == round(picture_s * 25)


def test_talk_ends_a_recording_and_speaks_with_it(page: Page) -> None:
    page.locator("#record").click()
    expect(page.locator("#record")).to_have_text("Stop recording 2 s", timeout=SLOW_MS)
    page.locator("#talk").click()
    wait_until(page, "done")
    expect(page.locator("#sound b")).to_have_text("Your recording")
    now = page.evaluate(NOW)
    assert now["played_s"] > 1.5
    assert now["sound_bytes"] > 0
    expect(page.locator("#download")).to_be_visible(timeout=SLOW_MS)


def test_a_picture_without_a_face_is_asked_about_before_talk(
    page: Page, short_speech: Path, tmp_path: Path
) -> None:
    meadow = np.random.default_rng(1).integers(90, 150, (300, 400, 3), dtype=np.uint8)
    Image.fromarray(meadow).save(tmp_path / "meadow.png")
    upload(page, "#sound", short_speech)
    stage, offer = page.locator(".ft-stage"), page.locator(".ft-as-it-is")
    upload(page, "#portrait", tmp_path / "meadow.png")
    expect(page.locator("#portrait figcaption")).to_contain_text("No face was found")
    expect(stage).to_have_text("Ready")
    expect(offer).to_be_hidden()
    page.locator("#talk").click()
    expect(stage).to_contain_text("or use this picture as it is.")
    expect(page.locator("#talk")).to_be_enabled()

    offer.click()
    expect(offer).to_be_hidden()
    wait_until(page, "done")
    expect(page.locator(".ft-notices")).to_contain_text("its middle is used")
    expect(page.locator("#without-face")).to_be_checked()
    page.locator("#people button").nth(1).click()
    expect(page.locator("#without-face")).not_to_be_checked()
    expect(page.locator(".ft-notices")).to_be_empty()
    assert state(page) == "ready"


def two_people(folder: Path) -> Path:
    """A picture of two people, the right one larger."""
    people = [Image.open(path) for path in sorted((ASSETS / "portraits").glob("*.jpg"))[:2]]
    pair = Image.new("RGB", (900, 512), (190, 180, 170))
    pair.paste(people[0].resize((360, 360)), (20, 76))
    pair.paste(people[1], (388, 0))
    pair.save(folder / "pair.png")
    return folder / "pair.png"


def test_a_tap_on_another_face_lets_that_one_speak(
    page: Page, short_speech: Path, tmp_path: Path
) -> None:
    upload(page, "#sound", short_speech)
    upload(page, "#portrait", two_people(tmp_path))
    notices, faces = page.locator(".ft-notices"), page.locator(".ft-one")
    expect(notices).to_contain_text("the largest one speaks, number 2", timeout=SLOW_MS)
    expect(faces).to_have_count(2)
    expect(faces.nth(1)).to_have_attribute("aria-pressed", "true")
    faces.nth(0).click()
    expect(notices).to_contain_text("number 1 from the left", timeout=SLOW_MS)
    expect(faces.nth(0)).to_have_attribute("aria-pressed", "true")
    page.locator("#talk").click()
    wait_until(page, "talking")
    expect(notices).to_contain_text("number 1 from the left")
    page.locator("#stop").click()
    wait_until(page, "done")
    page.get_by_text("Advanced").click()
    page.locator("#which-face").fill("3")
    page.locator("#talk").click()
    sentence = "There is no face number 3. Faces found: 2"
    expect(page.locator(".ft-stage")).to_contain_text(sentence, timeout=SLOW_MS)


def test_a_phone_shows_the_stage_first(browser: Browser, address: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    page.goto(address)
    expect(page.locator("#talk")).to_be_visible(timeout=SLOW_MS)
    stage = page.locator(".ft-frame").bounding_box()
    assert stage is not None
    assert stage["width"] > 0.75 * 390
    assert stage["y"] + stage["height"] < 844
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()


def test_nothing_moves_on_a_phone_when_a_talk_begins(
    browser: Browser, address: str, tmp_path: Path
) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    page.add_init_script(SHIFTS)
    page.goto(address)
    expect(page.locator("#people [aria-pressed=true]")).to_be_visible(timeout=SLOW_MS)
    upload(page, "#portrait", two_people(tmp_path))
    expect(page.locator(".ft-notices")).not_to_be_empty(timeout=SLOW_MS)
    page.wait_for_timeout(600)
    page.evaluate("window.shifts = []")
    page.locator("#talk").click()
    page.wait_for_function(f"{VIDEO}.currentTime > 0.5", timeout=SLOW_MS)
    moved = page.evaluate("window.shifts")
    assert not [name for name in moved if "ft-face" in name or "ft-actions" in name], moved
    context.close()


def test_somebody_of_the_gallery_brings_a_voice_but_takes_nobodys(page: Page) -> None:
    voices, people = page.locator("#voices button"), page.locator("#people button")
    pressed = "#voices button[aria-pressed=true]"
    expect(people).to_have_count(10)
    people.nth(3).click()
    expect(page.locator(pressed)).to_have_text("George")
    expect(people.nth(3)).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#people button[aria-pressed=true]")).to_have_count(1)
    voices.nth(3).click()
    people.nth(0).click()  # whose own voice is another one
    expect(page.locator(pressed)).to_have_text("Grace")


def test_a_stop_before_the_first_picture_is_no_problem(page: Page) -> None:
    for _ in range(3):  # a fragment is on its way in one of them, at the latest
        page.locator("#talk").click()
        expect(page.locator(".ft-stage")).to_have_text("Making the first pictures", timeout=SLOW_MS)
        page.locator("#stop").click()
        expect(page.locator(".ft-stage")).to_have_text("Stopped", timeout=SLOW_MS)
        expect(page.locator("#talk")).to_be_enabled(timeout=SLOW_MS)
        expect(page.locator(".ft-notices")).to_be_empty()


def test_stop_in_the_line_leaves_it_at_once(
    page: Page, browser: Browser, address: str, portrait: Path, long_speech: Path
) -> None:
    upload(page, "#sound", long_speech)
    page.locator("#talk").click()
    page.wait_for_function(f"{VIDEO}.currentTime > 0.1", timeout=SLOW_MS)

    context = browser.new_context(viewport={"width": 1280, "height": 900})
    other = context.new_page()
    other.goto(address)
    expect(other.locator("#duration")).to_have_text("0:06", timeout=SLOW_MS)
    for _ in range(2):
        other.locator("#talk").click()
        expect(other.locator(".ft-live")).to_have_attribute(
            "data-state", "waiting", timeout=SLOW_MS
        )
        other.locator("#stop").click()
        expect(other.locator(".ft-live")).to_have_attribute("data-state", "done")
        expect(other.locator("#talk")).to_be_enabled()
    assert page.evaluate(NOW)["running"], "the first visitor still talks"

    page.locator("#stop").click()
    expect(page.locator(".ft-live")).to_have_attribute("data-state", "done", timeout=SLOW_MS)
    other.locator("#talk").click()  # no Stop of before ends it
    other.wait_for_function(f"{VIDEO}.currentTime > 0.1", timeout=SLOW_MS)
    context.close()
