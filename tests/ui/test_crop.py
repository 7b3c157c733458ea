"""The crop of one's own picture in a real Chromium: dragged, moved by keys, found again."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from test_accessibility import SMALL, open_page, violations
from visitor import SLOW_MS, upload, wait_until

from flashtalk.assets import ASSETS


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """A face somewhere in a wide picture."""
    picture = Image.new("RGB", (900, 600), (180, 170, 160))
    with Image.open(ASSETS / "portraits" / "ada.jpg") as ada:
        picture.paste(ada.resize((300, 300)), (400, 160))
    picture.save(tmp_path / "scene.png")
    return tmp_path / "scene.png"


def box(page: Page) -> dict[str, float]:
    found = page.locator(".ft-crop").bounding_box()
    assert found is not None
    return dict(found)


def poster(page: Page) -> str:
    return page.locator(".ft-poster").get_attribute("src") or ""


def another_poster(page: Page, before: str) -> str:
    """Waits until the stage shows something else."""
    page.wait_for_function(
        "before => document.querySelector('.ft-poster').src !== before", arg=before, timeout=SLOW_MS
    )
    return poster(page)


def test_the_crop_is_dragged_and_keyed_and_found_again(page: Page, scene: Path) -> None:
    upload(page, "#portrait", scene)
    found, first = box(page), poster(page)
    expect(page.locator("#area-found")).to_be_disabled()
    middle = found["x"] + found["width"] / 2, found["y"] + found["height"] / 2

    page.mouse.move(*middle)  # a face lies there, whose tap this is not
    page.mouse.down()
    page.mouse.move(middle[0] - 12, middle[1] + 3, steps=4)
    page.mouse.up()
    moved = another_poster(page, first)
    assert box(page)["x"] == pytest.approx(found["x"] - 12, abs=1.5)
    assert box(page)["width"] == pytest.approx(found["width"], abs=1.5)

    before = box(page)
    corner = before["x"] + before["width"] - 4, before["y"] + before["height"] - 4
    page.mouse.move(*corner)
    page.mouse.down()
    page.mouse.move(corner[0] - 15, corner[1] - 15, steps=4)
    page.mouse.up()
    smaller = another_poster(page, moved)
    assert box(page)["width"] == pytest.approx(before["width"] - 15, abs=2)

    page.locator(".ft-crop").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("+")
    keyed = another_poster(page, smaller)
    assert box(page)["width"] > before["width"] - 15
    assert page.evaluate("document.activeElement.className").endswith("ft-crop")
    page.locator("#area-closer").click()
    another_poster(page, keyed)
    assert not violations(page)

    area = page.locator("#area").input_value()
    page.reload()  # as after a cut
    expect(page.locator(".ft-crop")).to_be_visible(timeout=SLOW_MS)
    assert page.locator("#area").input_value() == area
    page.locator("#talk").click()
    wait_until(page, "talking")
    page.locator("#stop").click()
    wait_until(page, "done")
    page.locator("#area-found").click()
    expect(page.locator("#area-closer")).to_be_focused(timeout=SLOW_MS)
    left = "document.querySelector('.ft-crop').getBoundingClientRect().x"
    page.wait_for_function(f"Math.abs({left} - {found['x']}) < 2", timeout=SLOW_MS)
    expect(page.locator("#area-found")).to_be_disabled()
    assert page.locator("#area").input_value() == ""


def test_a_crop_beside_every_face_is_said_and_can_be_moved_on(page: Page, scene: Path) -> None:
    upload(page, "#portrait", scene)
    page.locator(".ft-crop").focus()
    for _ in range(14):
        page.keyboard.press("ArrowLeft")
    for _ in range(6):
        page.keyboard.press("-")
    problem = page.locator("#portrait .ft-problem")
    expect(problem).to_contain_text("No face is in the chosen part", timeout=SLOW_MS)
    for _ in range(14):
        page.keyboard.press("ArrowRight")
    expect(problem).to_be_hidden(timeout=SLOW_MS)


def test_a_crop_counts_at_once_and_for_its_own_picture_alone(page: Page, scene: Path) -> None:
    upload(page, "#portrait", scene)
    page.locator("#area-closer").click()
    assert page.locator("#area").input_value(), "what a talk takes that begins now"
    page.locator("#people button").nth(1).click()
    page.wait_for_timeout(600)  # the server would be asked by now
    assert page.locator("#area").input_value() == ""


def test_a_finger_drags_it_too(browser: Browser, address: str, scene: Path) -> None:
    page = open_page(browser, address, (375, 667), has_touch=True)
    upload(page, "#portrait", scene)
    first = poster(page)
    page.locator(".ft-crop").scroll_into_view_if_needed()
    at = box(page)
    x, y = at["x"] + 20, at["y"] + 20
    touch = page.context.new_cdp_session(page)
    for kind, dx in (("touchStart", 0), ("touchMove", -6), ("touchMove", -12), ("touchEnd", None)):
        points = [] if dx is None else [{"x": x + dx, "y": y}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    another_poster(page, first)
    assert box(page)["x"] == pytest.approx(at["x"] - 12, abs=2)
    assert not page.evaluate(SMALL)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    page.context.close()
