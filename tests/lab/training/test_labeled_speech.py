from pathlib import Path

import numpy as np
import pytest
import soundfile

from flashtalk.config import TINY
from flashtalk.errors import FlashTalkError
from lab.synthesis.curves import MOUTH_CURVES
from lab.synthesis.voices.phones import CLASS_INDEX
from lab.training.data.labeled_speech import LabeledSpeech

FRAMES = 40


def write_clip(folder: Path, number: int) -> None:
    """A clip as far as its sound goes: an AA, a P in the middle, an AA."""
    samples = np.random.default_rng(number).normal(0, 0.1, FRAMES * 640).astype(np.float32)
    soundfile.write(folder / f"{number:06d}.wav", samples, 16_000)
    np.savez(
        folder / f"{number:06d}.npz",
        landmarks=np.zeros((FRAMES, 1, 2)),
        phones=np.array(("AA", "P", "AA")),
        phone_times=np.array(((0.2, 0.75), (0.75, 0.85), (0.85, 1.4))),
    )


def write_item(folder: Path, number: int) -> None:
    np.savez(
        folder / f"{number:06d}.npz",
        audio=np.zeros(FRAMES * 640, np.int16),
        phones=np.zeros(FRAMES, np.uint8),
        mouth=np.zeros((FRAMES, len(MOUTH_CURVES)), np.float16),
    )


def test_clips_and_corpora_are_read_alike(tmp_path: Path) -> None:
    clips, corpus = tmp_path / "clips", tmp_path / "corpus"
    for folder, write in ((clips, write_clip), (corpus, write_item)):
        folder.mkdir()
        for number in (3, 9, 19):
            write(folder, number)
    trained = LabeledSpeech([clips, corpus], held_out=False)
    held_out = LabeledSpeech([clips, corpus], held_out=True)
    assert len(trained.items) == 1 + 2, "of clips 9 and 19 are kept back, of the corpus 19"
    assert len(held_out.items) == 2 + 1
    rng = np.random.default_rng(0)
    samples, phones, mouth = trained.batch(5, 30, TINY.geometry, rng)
    assert samples.shape == (5, 30 * 640) and phones.shape == (5, 30)
    assert mouth.shape == (5, 30, len(MOUTH_CURVES))


def test_the_mouth_of_a_clip_follows_its_phones(tmp_path: Path) -> None:
    write_clip(tmp_path, 0)
    (item,) = LabeledSpeech([tmp_path], held_out=False).items
    assert item.phones[20] == CLASS_INDEX["P"] and item.phones[0] == 0
    opening = item.mouth[:, MOUTH_CURVES.index("opening")]
    assert opening[19] < 0.2 * opening[12:16].max()


def test_a_folder_without_speech_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FlashTalkError, match=r"lab\.synthesis\.corpus"):
        LabeledSpeech([tmp_path], held_out=False)
