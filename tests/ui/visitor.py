"""What a visitor does with the page in a browser, and what they see."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

SLOW_MS = 120_000  # a loaded machine may take long; a free one does not
VIDEO = "document.querySelector('.ft-video')"


def state(page: Page) -> str | None:
    """What the stage does."""
    return page.locator(".ft-live").get_attribute("data-state")


def wait_until(page: Page, *states: str) -> None:
    """Waits until the stage is in one of ``states``; each is caught, however short it lasts."""
    page.wait_for_function(
        "states => states.includes(document.querySelector('.ft-live').dataset.state)",
        arg=list(states),
        polling=50,
        timeout=SLOW_MS,
    )


def upload(page: Page, component: str, path: Path) -> None:
    """Chooses a file of one's own, and waits until it is the choice."""
    page.locator(f"{component} input[type=file]").set_input_files(path)
    if component == "#sound":
        expect(page.locator("#sound b")).to_have_text(path.name, timeout=SLOW_MS)
    else:
        expect(page.locator(".ft-look")).to_be_visible(timeout=SLOW_MS)
        seen = page.locator(".ft-look figcaption")
        expect(seen).not_to_be_empty(timeout=SLOW_MS)
