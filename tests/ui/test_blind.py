"""A blind comparison says nothing by its order: pairs are shown whole, and then nothing moves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from flashtalk.assets import ASSETS
from flashtalk.evaluation.report import pair_html
from flashtalk.ui.texts import texts

PAIRS = [f"pair {number}" for number in range(24)]
TALK = """
<figure data-variant="{name}"><video></video><figcaption><span class="variant">{name}</span>
<button type="button" class="vote"></button></figcaption></figure>
"""
FRAME = """
<style>{style}</style><body class="side-by-side"><input type="checkbox" class="blindly">
<button class="save-votes"></button><span class="voted"></span><div class="pairs"></div></body>
"""


@pytest.fixture
def sides(browser: Browser) -> Iterator[Page]:
    """Talks side by side, of which none are there yet."""
    folder = ASSETS / "evaluation"
    page = browser.new_page()
    page.set_content(FRAME.format(style=(folder / "side_by_side.css").read_text()))
    page.add_script_tag(content=(folder / "side_by_side.js").read_text())
    page.evaluate(
        "words => { window.sides = new SideBySide(document.body, words); }", texts()["compare"]
    )
    yield page
    page.close()


def add(page: Page, pair: str, variant: str) -> None:
    html = pair_html(pair, 2, texts()["compare"])
    talk = {"pair": pair, "pair_html": html, "html": TALK.format(name=variant)}
    page.evaluate("talk => window.sides.add(talk)", talk)


def orders(page: Page) -> list[list[str]]:
    """Variants from left to right, of each pair."""
    return page.evaluate(
        "[...document.querySelectorAll('.pair')].map((pair) =>"
        " [...pair.querySelectorAll('figure')].map((figure) => figure.dataset.variant))"
    )


def test_a_blind_pair_is_hidden_until_it_is_whole_and_then_stays_as_it_is(sides: Page) -> None:
    sides.locator(".blindly").check()
    add(sides, PAIRS[0], "A")
    expect(sides.locator(".films")).to_be_hidden()
    expect(sides.locator(".waits")).to_be_visible()
    expect(sides.locator(".equal")).to_be_hidden()
    add(sides, PAIRS[0], "B")
    expect(sides.locator(".films")).to_be_visible()
    expect(sides.locator(".waits")).to_be_hidden()
    seen: list[list[str]] = []
    for pair in PAIRS[1:]:
        for variant in "AB":
            before = orders(sides)
            add(sides, pair, variant)
            assert orders(sides)[: len(seen)] == before[: len(seen)], "an order that was seen moved"
        seen = orders(sides)
    assert len({tuple(order) for order in seen}) == 2, "the order of each pair is drawn"


def test_open_talks_stand_as_they_came_and_each_look_away_draws_anew(sides: Page) -> None:
    for pair in PAIRS:
        add(sides, pair, "A")
        expect(sides.locator(".films").last).to_be_visible()
        add(sides, pair, "B")
    assert orders(sides) == [["A", "B"]] * len(PAIRS)
    drawn = []
    for _ in range(2):
        sides.locator(".blindly").check()
        drawn.append(orders(sides))
        sides.locator(".blindly").uncheck()
    assert orders(sides) == [["A", "B"]] * len(PAIRS)
    assert drawn[0] != drawn[1], "whoever has seen the names knows nothing of the next order"
