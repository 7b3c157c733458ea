"""Every training of the embedded model, from its command line, on a device that is not the CPU."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from clip_files import make_clip, write_clip
from elsewhere import AWAY, elsewhere

from flashtalk.config import TINY
from flashtalk.models.tiny.autoencoder import PortraitAutoencoder
from flashtalk.models.tiny.landmarks import FaceReader
from lab.synthesis.curves import MOUTH_CURVES
from lab.synthesis.voices.casting import HELD_OUT_VOICES
from lab.training import options as training_command
from lab.training.loop import read_checkpoint, write_checkpoint
from lab.training.tiny import autoencoder, quality, sharpening, teeth
from lab.training.tiny import landmarks as reader
from lab.training.tiny import speech_encoder as speech
from lab.training.tiny.autoencoder import LOSSES

# weights are loaded there, whatever PyTorch thinks of the meta device
pytestmark = pytest.mark.filterwarnings("ignore:for .*copying from a non-meta parameter")

STEPS = 2
SMILE = 0.1  # gap of the lips


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips, speech and two runs to go on from."""
    folder = tmp_path_factory.mktemp("runs")
    for number in (3, 9, 13):  # the second is held out
        write_clip(folder / "clips", make_clip(16, (0.0, 0.0), number, SMILE, side=256))
    hum = (8000 * np.sin(np.arange(64 * 640) * 0.04)).astype(np.int16)
    opened = np.clip(np.sin(np.arange(64) / 9), 0, 1)
    for name, voice in (("speech", "af_sky"), ("kept", HELD_OUT_VOICES[0])):
        (folder / name).mkdir()
        np.savez(
            folder / name / "000000.npz",
            audio=hum,
            phones=(opened > 0).astype(np.uint8),
            mouth=np.repeat(opened[:, None], len(MOUTH_CURVES), 1).astype(np.float16),
            voice=voice,
        )
    torch.manual_seed(0)
    for name, model in (
        ("painted", PortraitAutoencoder(TINY.autoencoder)),
        ("read", FaceReader(TINY.autoencoder.width)),
    ):
        write_checkpoint(folder / name, {"average": model.state_dict(), "step": 0})
    return folder


TRAININGS = [
    (reader, "read", []),
    *((autoencoder, "painted", ["--part", part]) for part in LOSSES),
    *((sharpening, "painted", ["--part", part]) for part in sharpening.SHARPENINGS),
    (teeth, "painted", ["--donors", "3", "13", "--default-donor", "13"]),
]


@pytest.mark.parametrize(
    ("module", "init", "options"),
    TRAININGS,
    ids=[f"{module.__name__.rpartition('.')[2]} {' '.join(o[1:2])}" for module, _, o in TRAININGS],
)
def test_a_training_keeps_to_its_device(
    module: ModuleType,
    init: str,
    options: list[str],
    runs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = ["--data", runs / "clips", "--init", runs / init, *options]
    before = read_checkpoint(runs / init)["average"]
    after = trained_away(module, given, tmp_path, monkeypatch)
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed


def test_so_does_the_speech_encoder(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ["--data", runs / "speech", "--check", runs / "kept"]
    after = trained_away(speech, given, tmp_path, monkeypatch)
    assert all(torch.isfinite(value).all() for value in after.values())
    assert (tmp_path / "out" / speech.FIGURES).is_file()


@pytest.mark.parametrize(
    ("part", "first"), [("cover", "mouth"), ("lids", "eye")], ids=["cover", "lids"]
)
@pytest.mark.parametrize("options", [[], ["--go-on"]], ids=["new", "on"])
def test_painters_begin_as_others_or_go_on(
    part: str,
    first: str,
    options: list[str],
    runs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = ["--data", runs / "clips", "--init", runs / "painted", "--part", part, *options]
    before = read_checkpoint(runs / "painted")["average"]
    after = trained_away(sharpening, given, tmp_path, monkeypatch)
    learned = after[f"decoder.{part}.edge_textures"]
    # two steps move nothing far
    began_as = part if options else first
    assert (learned - before[f"decoder.{began_as}.edge_textures"]).abs().max() < 0.05
    for name in before:
        assert name.startswith(f"decoder.{part}.") or torch.equal(before[name], after[name])


def trained_away(
    module: ModuleType, given: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, torch.Tensor]:
    """The averaged weights that the training of ``module`` leaves after ``STEPS`` steps."""
    given = [*given, "--out", tmp_path / "out", "--steps", STEPS, "--batch", 2, "--device", "cuda"]
    given += ["--workers", 2, "--threads", torch.get_num_threads()]
    if module not in (reader, speech):
        given += ["--precision", "float32"]  # no autocast is known elsewhere
    monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, given)])
    with elsewhere() as device:
        monkeypatch.setattr(training_command, "checked_device", lambda _: AWAY)
        monkeypatch.setattr(quality, "JUDGED_GROUPS", 2)
        assert module.main() == 0
    assert "convolution_backward" in device.ran
    state = read_checkpoint(tmp_path / "out")
    assert state["step"] == STEPS
    return state["average"]
