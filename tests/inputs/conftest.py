"""Fixtures of several files here."""

from __future__ import annotations

import pytest
from drawn_heads import Drawn, drawn


@pytest.fixture(scope="session")
def head_and_room() -> Drawn:
    """A head in the left half of a wide picture."""
    return drawn(900, 600, 300, 280, 200)
