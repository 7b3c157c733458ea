"""What a benchmark measures in tests: random weights, a face and a short voice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from flashtalk.assets import ASSETS
from flashtalk.config import TINY
from flashtalk.weights import build_networks, modules_of, save_weights


@pytest.fixture
def measured(tmp_path: Path) -> list[str]:
    """Options of ``flashtalk bench``: one repeat of them, in the smallest pictures."""
    save_weights(tmp_path / "weights", TINY.name, modules_of(build_networks(TINY)))
    Image.open(ASSETS / "portraits" / "ada.jpg").save(tmp_path / "face.png")
    soundfile.write(tmp_path / "voice.wav", np.full(8_000, 0.1), 16_000)
    files = {"preset": "weights", "portrait": "face.png", "audio": "voice.wav"}
    arguments = [
        text for name, file in files.items() for text in (f"--{name}", str(tmp_path / file))
    ]
    arguments += ["--size", "256x256", "--repeats", "1"]
    return [*arguments, "--threads", str(torch.get_num_threads())]
