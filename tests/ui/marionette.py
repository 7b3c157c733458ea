"""A Firefox as Debian ships it, over Marionette: the protocol that it brings along.

Playwright drives only Firefoxes of its own, which no package of Debian has.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

START_S = 60.0
PREFERENCES = {
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "media.navigator.permission.disabled": True,
    "media.navigator.streams.fake": True,
}
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # how WebDriver marks one


class Firefox:
    """One window. ``line`` is what Marionette listens on."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._bytes = line.makefile("rb")
        self._number = 0
        self._read()  # who it is
        self.ask("WebDriver:NewSession", capabilities={"alwaysMatch": {}})
        self.ask("WebDriver:SetTimeouts", script=120_000, pageLoad=120_000)

    def ask(self, command: str, **given: object) -> Any:
        """The answer to ``command``; raises ``RuntimeError`` for a refusal."""
        self._number += 1
        message = json.dumps([0, self._number, command, given]).encode()
        self._line.sendall(b"%d:%b" % (len(message), message))
        _, _, error, answer = self._read()
        if error:
            raise RuntimeError(f"{command}: {error['message']}")
        return answer

    def run(self, script: str) -> Any:
        """What ``script`` returns in the page."""
        given = {"script": script, "args": [], "sandbox": None, "newSandbox": False}
        return self.ask("WebDriver:ExecuteScript", **given)["value"]

    def click(self, selector: str) -> None:
        """A press as of a person, which lets the page play sound."""
        found = self.ask("WebDriver:FindElement", using="css selector", value=selector)
        self.ask("WebDriver:ElementClick", id=found["value"][ELEMENT])

    def wait_until(self, condition: str, patience_s: float = 120.0) -> None:
        """Until the expression ``condition`` holds in the page."""
        end_s = time.monotonic() + patience_s
        while not self.run(f"return Boolean({condition})"):
            assert time.monotonic() < end_s, condition
            time.sleep(0.05)

    def _read(self) -> Any:
        digits = b""
        while (digit := self._bytes.read(1)) != b":":
            digits += digit
        return json.loads(self._bytes.read(int(digits)))


@contextmanager
def firefox(path: str, profile: Path) -> Iterator[Firefox]:
    """The Firefox at ``path`` without a window, and with a microphone that hums."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    preferences = PREFERENCES | {"marionette.port": port}
    lines = [
        f"user_pref({json.dumps(key)}, {json.dumps(value)});" for key, value in preferences.items()
    ]
    (profile / "user.js").write_text("\n".join(lines))
    command = [path, "--headless", "--no-remote", "--marionette", "--profile", str(profile)]
    program = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with _connected(port, program) as line:
            yield Firefox(line)
    finally:
        program.terminate()
        program.wait(20)


def _connected(port: int, program: subprocess.Popen) -> socket.socket:
    end_s = time.monotonic() + START_S
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            assert program.poll() is None and time.monotonic() < end_s, "Firefox does not start"
            time.sleep(0.1)
