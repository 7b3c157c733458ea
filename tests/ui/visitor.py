"""What a visitor does with the page in a browser, and what they see."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

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


def clear(page: Page, component: str) -> None:
    """Presses ×."""
    name = "Remove Image" if component == "#portrait" else "Clear"
    page.locator(f"{component} button[aria-label='{name}']").click()


def upload(page: Page, component: str, path: Path) -> None:
    """Chooses a file of one's own."""
    clear(page, component)
    if component == "#sound":
        page.locator("#sound button[aria-label='Upload file']").click()
    page.locator(f"{component} input[type=file]").set_input_files(path)
