"""What the speech encoder's heads are told to be right about, and a real judging of what ships."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from flashtalk.config import TINY
from flashtalk.models.tiny.speech_encoder import SpeechEncoder
from flashtalk.weights import load_weights
from lab.synthesis.curves import MOUTH_CURVES
from lab.synthesis.voices.casting import HELD_OUT_VOICES
from lab.synthesis.voices.phones import CLASS_INDEX, PHONE_CLASSES, SILENCE
from lab.training.data.labeled_speech import LabeledSpeech
from lab.training.loop import read_checkpoint, write_checkpoint
from lab.training.tiny import speech_encoder as speech
from lab.training.tiny.speech_encoder import evaluate, report

ROOT = Path(__file__).parents[3]
FRAMES, QUIET = 220, 55  # a quarter of each item is silent
AA = CLASS_INDEX["AA"]


def write_item(folder: Path, number: int, voice: str) -> None:
    """A hum that swells while the mouth opens for an AA."""
    opened = np.clip(np.sin(np.arange(FRAMES) / 9), 0, 1) * (np.arange(FRAMES) >= QUIET)
    hum = np.sin(np.arange(FRAMES * 640) * (0.04 + 0.005 * number)) * np.repeat(opened, 640)
    folder.mkdir(exist_ok=True)
    np.savez(
        folder / f"{number:06d}.npz",
        audio=(8000 * hum).astype(np.int16),
        phones=np.where(np.arange(FRAMES) < QUIET, CLASS_INDEX[SILENCE], AA).astype(np.uint8),
        mouth=np.repeat(opened[:, None], len(MOUTH_CURVES), 1).astype(np.float16),
        voice=voice,
    )


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A corpus to learn from, and one of a voice that is kept for evaluation."""
    for number in range(3):
        write_item(tmp_path / "corpus", number, "af_sky")
        write_item(tmp_path / "held", number, HELD_OUT_VOICES[number])
    return tmp_path / "corpus", tmp_path / "held"


class Listener(nn.Module):
    """Says one phone all the time, and that the mouth is as open as the sound is loud."""

    def __init__(self, phone: int) -> None:
        super().__init__()
        self.phone = phone

    def forward(self, samples: Tensor) -> tuple[None, Tensor, Tensor]:
        loud = samples.unflatten(1, (-1, 640)).square().mean(-1).sqrt()
        logits = torch.zeros(*loud.shape, len(PHONE_CLASSES))
        logits[..., self.phone] = 1.0
        return None, logits, loud[..., None].expand(-1, -1, len(MOUTH_CURVES))


def test_a_corpus_of_kept_voices_is_held_out_whole(folders: tuple[Path, Path]) -> None:
    corpus, held = folders
    assert len(LabeledSpeech([corpus, held], held_out=False).items) == 3
    assert len(LabeledSpeech([corpus, held], held_out=True).items) == 3


def test_silence_is_counted_apart(folders: tuple[Path, Path]) -> None:
    held_out = LabeledSpeech([folders[1]], held_out=True)
    silent = evaluate(Listener(CLASS_INDEX[SILENCE]), held_out)
    assert silent["phone_accuracy"] == 0.25 and silent["spoken_accuracy"] == 0.0
    talking = evaluate(Listener(AA), held_out)
    assert talking["phone_accuracy"] == 0.75 and talking["spoken_accuracy"] == 1.0
    assert talking["opening_correlation"] > 0.99
    counts = {name: talking[name] for name in ("items", "frames", "spoken_frames")}
    assert counts == {"items": 3, "frames": 3 * FRAMES, "spoken_frames": 3 * (FRAMES - QUIET)}


def test_degraded_sound_is_heard_alike_each_time(folders: tuple[Path, Path]) -> None:
    held_out = LabeledSpeech([folders[1]], held_out=True)
    first, second = (report(Listener(AA), held_out) for _ in range(2))
    assert first == second
    assert first["degraded"]["curve_correlation"] < first["clean"]["curve_correlation"]


def test_judging_leaves_the_encoder_as_it_is(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights, out = ROOT / "assets" / "flashtalk-tiny", tmp_path / "judged"
    options = ["--judge", weights, "--data", folders[0], "--check", folders[1], "--out", out]
    options += ["--steps", 12, "--batch", 2, "--rate", 1]
    options += ["--threads", torch.get_num_threads()]
    monkeypatch.setattr(sys, "argv", ["speech", *map(str, options)])
    assert speech.main() == 0
    figures = json.loads((out / speech.FIGURES).read_text())
    assert figures["clean"]["frames"] == figures["degraded"]["frames"] == 3 * FRAMES
    assert figures["clean"]["phone_accuracy"] > 0.5, "hum and silence are told apart at once"
    shipped = SpeechEncoder(TINY.speech_encoder)
    load_weights(weights, TINY.name, {"speech_encoder": shipped})
    average = read_checkpoint(out)["average"]
    for name, value in shipped.state_dict().items():
        assert torch.equal(average[f"encoder.{name}"], value), name
    assert speech.main() == 0, "the same encoder again"
    average["encoder.outputs.0.bias"] += 1
    write_checkpoint(out, {"average": average, "step": 12})
    assert speech.main() == 2, "another encoder's heads say nothing of this one"
