"""The real app with the shipped weights, in a process of its own, and a real browser."""

from __future__ import annotations

import shutil
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from served_app import served
from visitor import SLOW_MS

from flashtalk.inputs.speech import load_speech

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the app is served."""
    with served(tmp_path_factory.mktemp("app")) as (url, _):
        yield url


@pytest.fixture(scope="session")
def chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.fail("These tests need a real browser: apt-get install -y chromium")


@pytest.fixture(scope="session")
def portrait() -> Path:
    return next(iter(sorted((ROOT / "assets" / "portraits").iterdir())))


@pytest.fixture(scope="session")
def long_speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """About half a minute of the example voices, 48 kHz WAV."""
    voices = sorted((ROOT / "assets" / "voices").glob("*.flac"))
    sounds = [load_speech(voice).playback.mean(axis=0) for voice in voices]
    samples = np.concatenate(sounds)
    samples = np.tile(samples, -(-30 * 48_000 // len(samples)))[: 30 * 48_000]
    path = tmp_path_factory.mktemp("speech") / "long.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes((samples * 32_767).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="session")
def short_speech(long_speech: Path) -> Path:
    """Its first three seconds."""
    path = long_speech.with_name("short.wav")
    with wave.open(str(long_speech), "rb") as whole, wave.open(str(path), "wb") as part:
        part.setparams(whole.getparams())
        part.writeframes(whole.readframes(3 * 48_000))
    return path


@pytest.fixture(scope="session")
def browser(chromium: str, long_speech: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=[
                "--no-sandbox",
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-audio-capture={long_speech}",
            ],
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The page, loaded; at the end, no script error and no request to another server happened."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    page = context.new_page()
    errors: list[str] = []
    requests: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(address)
    expect(page.locator("#talk")).to_be_visible(timeout=SLOW_MS)
    expect(page.locator("#duration")).to_have_text("0:06", timeout=SLOW_MS)  # ada's voice
    yield page
    context.close()
    assert not errors
    assert not [url for url in requests if not url.startswith((address, "blob:", "data:"))]
