"""The real app with the shipped weights, in a process of its own, and a real browser."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from flashtalk.inputs.speech import load_speech

ROOT = Path(__file__).parents[2]
START_S = 180.0


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the app is served."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("app") / "log.txt"
    command = [sys.executable, "app.py", "--port", str(port)]
    with log.open("w") as output:
        app = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        end_s = time.monotonic() + START_S
        while not answers(url):
            if app.poll() is not None or time.monotonic() > end_s:
                pytest.fail(f"the app does not serve its page:\n{log.read_text()}")
            time.sleep(0.5)
        yield url
    finally:
        app.terminate()
        app.wait(20)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return reply.status == 200
    except (urllib.error.URLError, OSError):
        return False


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
