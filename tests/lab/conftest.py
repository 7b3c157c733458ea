"""What all tests of the lab share."""

import pytest


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sentences of a command line are not broken into lines."""
    monkeypatch.setenv("COLUMNS", "300")
