"""Every recipe of the autoencoder and its encoders at toy size, on a device that is not the CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from clip_files import make_clip, write_clip
from elsewhere import AWAY, elsewhere
from PIL import Image

from flashtalk.config import TINY
from flashtalk.models.tiny.autoencoder import PortraitAutoencoder
from flashtalk.models.tiny.landmarks import FaceReader
from lab.synthesis.curves import MOUTH_CURVES
from lab.synthesis.voices.casting import HELD_OUT_VOICES
from lab.training import options, recipes
from lab.training.loop import read_checkpoint, write_checkpoint
from lab.training.options import MixedTraining
from lab.training.tiny import quality
from lab.training.tiny import speech_encoder as speech
from lab.training.tiny.sharpening import SharpeningTraining

# weights are loaded there, whatever PyTorch thinks of the meta device
pytestmark = pytest.mark.filterwarnings("ignore:for .*copying from a non-meta parameter")

STEPS = 2
SMILE = 0.1  # gap of the lips


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips, speech, a picture and two runs to go on from."""
    folder = tmp_path_factory.mktemp("runs")
    for number in (3, 9, 13):  # the second is held out
        write_clip(folder / "clips", make_clip(16, (0.0, 0.0), number, SMILE, side=256))
    hum = (8000 * np.sin(np.arange(64 * 640) * 0.04)).astype(np.int16)
    opened = np.clip(np.sin(np.arange(64) / 9), 0, 1)
    for name, voice in (("speech-data", "af_sky"), ("kept", HELD_OUT_VOICES[0])):
        (folder / name).mkdir()
        np.savez(
            folder / name / "000000.npz",
            audio=hum,
            phones=(opened > 0).astype(np.uint8),
            mouth=np.repeat(opened[:, None], len(MOUTH_CURVES), 1).astype(np.float16),
            voice=voice,
        )
    (folder / "pictures").mkdir()
    stripes = np.arange(300 * 300 * 3, dtype=np.uint8).reshape(300, 300, 3)
    Image.fromarray(stripes).save(folder / "pictures" / "stripes.png")
    torch.manual_seed(0)
    for name, model in (
        ("painted", PortraitAutoencoder(TINY.autoencoder)),
        ("read", FaceReader(TINY.autoencoder.width)),
    ):
        write_checkpoint(folder / name, {"average": model.state_dict(), "step": 0})
    return folder


TRAININGS = [
    (recipes.landmarks, "read"),
    *(
        (recipe, "painted")
        for recipe in (
            recipes.decoder,
            recipes.painters,
            recipes.sharpening,
            recipes.cover,
            recipes.lids,
            recipes.warp,
            recipes.polish,
            recipes.teeth,
            recipes.covered,
            recipes.flow,
        )
    ),
]


@pytest.mark.parametrize(
    ("recipe", "init"), TRAININGS, ids=[recipe.__name__ for recipe, _ in TRAININGS]
)
def test_the_training_of_a_recipe_keeps_to_its_device(
    recipe: Callable[[Path], Any],
    init: str,
    runs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = replace(recipe(runs), init=runs / init)
    if recipe is recipes.teeth:
        config = replace(config, donors=(3, 13), default_donor=13)
    before = read_checkpoint(runs / init)["average"]
    after = trained_away(config, tmp_path, monkeypatch)
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed


def test_so_does_that_of_the_speech_encoder(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(recipes.speech_encoder(runs), check=(runs / "kept",))
    after = trained_away(config, tmp_path, monkeypatch)
    assert all(torch.isfinite(value).all() for value in after.values())
    assert (tmp_path / "out" / speech.FIGURES).is_file()


@pytest.mark.parametrize(
    ("recipe", "first"), [(recipes.cover, "mouth"), (recipes.lids, "eye")], ids=["cover", "lids"]
)
@pytest.mark.parametrize("go_on", [False, True], ids=["new", "on"])
def test_painters_begin_as_others_or_go_on(
    recipe: Callable[[Path], SharpeningTraining],
    first: str,
    go_on: bool,
    runs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = replace(recipe(runs), init=runs / "painted", go_on=go_on)
    before = read_checkpoint(runs / "painted")["average"]
    after = trained_away(config, tmp_path, monkeypatch)
    learned = after[f"decoder.{config.part}.edge_textures"]
    # two steps move nothing far
    began_as = config.part if go_on else first
    assert (learned - before[f"decoder.{began_as}.edge_textures"]).abs().max() < 0.05
    for name in before:
        own = name.startswith(f"decoder.{config.part}.")
        assert own or torch.equal(before[name], after[name])


def trained_away(
    config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, torch.Tensor]:
    """The averaged weights that the training of ``config`` leaves after ``STEPS`` steps."""
    small = {"steps": STEPS, "batch": 2, "workers": 2, "threads": torch.get_num_threads()}
    config = replace(config, out=tmp_path / "out", device="cuda", **small)
    if isinstance(config, MixedTraining):
        config = replace(config, precision="float32")  # no autocast is known elsewhere
    with elsewhere() as device:
        monkeypatch.setattr(options, "checked_device", lambda _: AWAY)
        monkeypatch.setattr(quality, "JUDGED_GROUPS", 2)
        recipes.run(config)
    assert "convolution_backward" in device.ran
    state = read_checkpoint(tmp_path / "out")
    assert state["step"] == STEPS
    return state["average"]
