"""A visitor in a real Chromium: upload, talk, watch while it is made, stop, download, record."""

from __future__ import annotations

import re
from pathlib import Path

import av
import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from visitor import SLOW_MS, VIDEO, clear, upload

from flashtalk.assets import ASSETS

CHUNK_S = 1.12
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
    expect(page.locator("#portrait img")).to_be_visible(timeout=SLOW_MS)
    upload(page, "#sound", long_speech)
    expect(page.locator("#sound")).to_contain_text("0:30", timeout=SLOW_MS)

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


def test_the_microphone_is_a_voice(page: Page) -> None:
    clear(page, "#sound")
    page.locator("#sound button[aria-label='Record audio']").click()
    page.locator("#sound .record-button").click()
    page.wait_for_timeout(2_300)
    page.locator("#sound .stop-button").click()
    duration = page.locator("#sound #duration")
    expect(duration).to_have_text(re.compile(r"0:0[1-9]"), timeout=SLOW_MS)
    recorded_s = int(duration.inner_text().split(":")[1])  # about 2, more on a loaded machine

    page.locator("#talk").click()
    live = page.locator(".ft-live")
    expect(live).to_have_attribute("data-state", "done", timeout=SLOW_MS)
    now = page.evaluate(NOW)
    assert abs(now["played_s"] - recorded_s) < 1.5
    assert now["sound_bytes"] > 0
    expect(page.locator("#download")).to_be_visible(timeout=SLOW_MS)


def test_what_is_missing_is_said_in_a_sentence(page: Page) -> None:
    clear(page, "#sound")
    page.locator("#talk").click()
    stage = page.locator(".ft-stage")
    expect(stage).to_contain_text("There is no voice yet.", timeout=SLOW_MS)
    expect(page.locator("#talk")).to_be_enabled(timeout=SLOW_MS)

    clear(page, "#portrait")
    page.locator("#talk").click()
    expect(stage).to_contain_text("There is no portrait yet.", timeout=SLOW_MS)
    expect(page.locator("#download")).to_be_hidden()


def test_a_picture_without_a_face_may_be_used_as_it_is(
    page: Page, portrait: Path, short_speech: Path, tmp_path: Path
) -> None:
    meadow = np.random.default_rng(1).integers(90, 150, (300, 400, 3), dtype=np.uint8)
    Image.fromarray(meadow).save(tmp_path / "meadow.png")
    upload(page, "#sound", short_speech)
    upload(page, "#portrait", tmp_path / "meadow.png")
    stage, offer = page.locator(".ft-stage"), page.locator(".ft-as-it-is")
    expect(page.locator("#portrait img")).to_be_visible(timeout=SLOW_MS)
    expect(offer).to_be_hidden()
    page.locator("#talk").click()
    expect(stage).to_contain_text("No face was found in the picture.", timeout=SLOW_MS)
    expect(stage).to_contain_text("or use this picture as it is.")
    expect(page.locator("#talk")).to_be_enabled(timeout=SLOW_MS)

    offer.click()
    expect(offer).to_be_hidden()
    live = page.locator(".ft-live")
    expect(live).to_have_attribute("data-state", "done", timeout=SLOW_MS)
    expect(page.locator(".ft-notices")).to_contain_text("its middle is used")
    page.get_by_text("Advanced").click()
    tick = page.locator("#without-face input[type=checkbox]")
    expect(tick).to_be_checked()
    upload(page, "#portrait", portrait)
    expect(tick).not_to_be_checked(timeout=SLOW_MS)
    expect(page.locator(".ft-notices")).to_be_empty()


def test_which_of_several_faces_speaks_is_chosen_by_its_number(
    page: Page, short_speech: Path, tmp_path: Path
) -> None:
    people = [Image.open(path) for path in sorted((ASSETS / "portraits").glob("*.jpg"))[:2]]
    pair = Image.new("RGB", (900, 512), (190, 180, 170))
    pair.paste(people[0].resize((360, 360)), (20, 76))
    pair.paste(people[1], (388, 0))
    pair.save(tmp_path / "pair.png")
    upload(page, "#sound", short_speech)
    upload(page, "#portrait", tmp_path / "pair.png")
    expect(page.locator("#portrait img")).to_be_visible(timeout=SLOW_MS)
    page.get_by_text("Advanced").click()
    box = page.locator("#which-face input")
    expect(box).to_have_attribute("placeholder", "the largest")
    notices = page.locator(".ft-notices")
    for number, said in (("", "the largest one speaks, number 2"), ("1", "number 1 from the left")):
        box.fill(number)
        page.locator("#talk").click()
        expect(notices).to_contain_text(said, timeout=SLOW_MS)
        expect(page.locator("#talk")).to_be_enabled(timeout=SLOW_MS)
    box.fill("3")
    page.locator("#talk").click()
    sentence = "There is no face number 3. Faces found: 2"
    expect(page.locator(".ft-stage")).to_contain_text(sentence, timeout=SLOW_MS)
    expect(page.locator(".ft-as-it-is")).to_be_hidden()

    clear(page, "#portrait")  # what was said was of the picture before
    expect(page.locator(".ft-stage")).to_have_text("Ready", timeout=SLOW_MS)
    expect(box).to_have_value("")


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


def test_somebody_of_the_gallery_brings_a_voice_but_takes_nobodys(
    page: Page, long_speech: Path
) -> None:
    duration = page.locator("#sound #duration")
    expect(duration).to_have_text("0:06", timeout=SLOW_MS)  # ada's
    people = page.locator("#people button.gallery-item")
    expect(people).to_have_count(8)
    people.nth(3).click()
    expect(duration).to_have_text("0:07", timeout=SLOW_MS)  # emil's
    upload(page, "#sound", long_speech)
    expect(page.locator("#sound")).to_contain_text("0:30", timeout=SLOW_MS)
    before = page.locator("#portrait img").get_attribute("src")
    people.nth(1).click()
    expect(page.locator("#portrait img")).not_to_have_attribute("src", before, timeout=SLOW_MS)
    page.wait_for_timeout(1000)
    expect(page.locator("#sound")).to_contain_text("0:30")


def test_stop_in_the_line_leaves_it_at_once(
    page: Page, browser: Browser, address: str, portrait: Path, long_speech: Path
) -> None:
    upload(page, "#sound", long_speech)
    expect(page.locator("#sound")).to_contain_text("0:30", timeout=SLOW_MS)
    page.locator("#talk").click()
    page.wait_for_function(f"{VIDEO}.currentTime > 0.1", timeout=SLOW_MS)

    context = browser.new_context(viewport={"width": 1280, "height": 900})
    other = context.new_page()
    other.goto(address)
    expect(other.locator("#sound #duration")).not_to_have_text("0:00", timeout=SLOW_MS)
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
