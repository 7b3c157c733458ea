"""Clips for the tests of the evaluation."""

from pathlib import Path

import pytest
from drawn_clips import VOICES, write_clip


@pytest.fixture(scope="session")
def clips_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five held-out clips of two voices, and one to train on."""
    folder = tmp_path_factory.mktemp("clips")
    for index in range(5):
        write_clip(folder, index * 10 + 9, VOICES[index % 2])
    write_clip(folder, 10, "carl")
    return folder
