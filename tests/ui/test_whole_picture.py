"""A picture of one's own, in which the person speaks: switch, stage and film."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from visitor import SLOW_MS, VIDEO, upload, wait_until

WIDE = (640, 360)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, portrait: Path) -> Path:
    """A small head in a wide picture."""
    path = tmp_path_factory.mktemp("scene") / "scene.png"
    picture = Image.effect_noise(WIDE, 30).convert("RGB")
    picture.paste(Image.open(portrait).resize((240, 240)), (330, 90))
    picture.save(path)
    return path


def wait_for_aspect(page: Page, aspect: float) -> None:
    page.wait_for_function(
        """aspect => {
          const box = document.querySelector(".ft-frame").getBoundingClientRect();
          return Math.abs(box.width / box.height - aspect) < 0.03;
        }""",
        arg=aspect,
        timeout=SLOW_MS,
    )


def test_the_switch_shows_the_whole_picture_and_the_stage_takes_its_aspect(
    page: Page, scene: Path, short_speech: Path
) -> None:
    expect(page.locator("#framing")).to_be_hidden()
    upload(page, "#portrait", scene)
    expect(page.locator("#framing")).to_be_visible(timeout=SLOW_MS)
    expect(page.locator(".ft-crop")).to_be_visible(timeout=SLOW_MS)
    wait_for_aspect(page, 1.0)
    below = page.locator(".ft-side").bounding_box()
    page.locator(".ft-framing").get_by_text("Whole picture").click()
    wait_for_aspect(page, 16 / 9)
    assert page.locator(".ft-side").bounding_box() == below, "nothing else has moved"
    upload(page, "#sound", short_speech)
    expect(page.locator("#duration")).to_have_text("0:03", timeout=SLOW_MS)
    page.locator("#talk").click()
    wait_until(page, "done")
    size = page.evaluate(f"[{VIDEO}.videoWidth, {VIDEO}.videoHeight]")
    assert tuple(size) == WIDE
    assert page.locator(".ft-side").bounding_box() == below
    page.locator("#people button").first.click()
    expect(page.locator("#framing")).to_be_hidden()
    wait_for_aspect(page, 1.0)
