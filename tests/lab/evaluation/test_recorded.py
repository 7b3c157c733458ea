"""Recordings of real people: found with their words, joined, and spoken once by each portrait."""

import json
from pathlib import Path

import numpy as np
import pytest
from drawn_clips import frames_of
from PIL import Image

from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.portrait import portrait_for
from flashtalk.models.networks import Networks
from lab.evaluation.measures.reading import load_reader
from lab.evaluation.segment import FIGURES, Judges
from lab.evaluation.studies.recorded import align, join_all, judge, main, speakers
from lab.evaluation.videos import talk_to
from lab.synthesis.voices.alignment import AlignmentFailed
from lab.synthesis.voices.phones import Phone, Utterance

ASSETS = Path(__file__).parents[3] / "assets"


def said(seconds: float, burst_s: float) -> Utterance:
    """A P with a burst in an AA."""
    samples = np.full(round(seconds * 25) * 640, 0.01, np.float32)
    samples[round(burst_s * 16_000)] = 1.0
    spans = (("AA", 0.1, burst_s - 0.05), ("P", burst_s - 0.05, burst_s + 0.05))
    return Utterance(samples, tuple(Phone(*span) for span in spans))


def write(folder: Path, name: str, words: str, sound: bytes = b"RIFF") -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.txt").write_text(words + "\n")
    if sound:
        (folder / f"{name}.wav").write_bytes(sound)


def test_recordings_are_found_with_their_words(tmp_path: Path) -> None:
    write(tmp_path / "anna", "b", "good day")
    write(tmp_path / "anna", "a", "good night")
    write(tmp_path / "carl", "c", "well")
    found = speakers(tmp_path)
    assert list(found) == ["anna", "carl"]
    assert found["anna"] == [
        (tmp_path / "anna" / "a.wav", "good night"),
        (tmp_path / "anna" / "b.wav", "good day"),
    ]


def test_missing_recordings_are_named(tmp_path: Path) -> None:
    with pytest.raises(FlashTalkError, match=r"SPEAKER/NAME\.wav"):
        speakers(tmp_path)
    write(tmp_path / "anna", "a", "good night", sound=b"")
    with pytest.raises(FlashTalkError, match=r"a\.txt has no recording.*a\.wav"):
        speakers(tmp_path)


def test_each_recording_is_spoken_once_with_its_phones() -> None:
    speech = join_all([said(2.0, 1.0), said(3.0, 0.5)])
    bursts = np.flatnonzero(speech.samples > 0.5) / 16_000
    closures = [phone.center_s for phone in speech.phones if phone.name == "P"]
    assert closures == pytest.approx(bursts, abs=1e-3)
    assert len(bursts) == 2
    assert 5 * 25 <= len(speech.expected_opening) < 6 * 25


def test_portraits_speak_all_of_it_and_are_measured(toy_networks: Networks, tmp_path: Path) -> None:
    engine = Engine(toy_networks)
    judges = Judges(load_reader(ASSETS / "flashtalk-tiny"))
    speech = join_all([said(2.0, 1.0), said(2.0, 0.5)])
    found = []
    for name in ("emil", "mei"):
        portrait = portrait_for(ASSETS / "portraits" / f"{name}.jpg", engine.preset)
        frames = talk_to(engine, portrait, speech, tmp_path / f"anna-{name}")
        assert len(frames) * 640 == len(speech.samples)
        found.append(judge(judges, engine.preset, portrait, frames, speech))
        assert found[-1].keys() == {f for f in FIGURES if not f.startswith(("sync", "color_drift"))}
    assert found[0] != found[1]

    shown = frames_of(tmp_path / "anna-mei.mp4")
    assert len(shown) == len(frames)
    assert np.abs(shown[50].astype(int) - frames[50]).mean() < 8
    wanted = json.loads((tmp_path / "anna-mei.json").read_text())
    assert len(wanted["opening"]) == len(frames)
    ahead = np.flatnonzero(speech.samples > 0.5) / 16_000 - wanted["closures_s"]
    assert np.all((ahead > 0.0) & (ahead < 0.1)), "lips shut a little before the burst is heard"


def test_a_word_that_nobody_knows_is_named() -> None:
    pytest.importorskip("pocketsphinx")
    from lab.synthesis.voices.alignment import PhoneAligner

    with pytest.raises(AlignmentFailed, match="xyzzyplugh"):
        align(PhoneAligner(), Path("a.wav"), "Say xyzzyplugh.")


def test_the_command_line_says_what_is_missing(tmp_path: Path, capsys) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "wall.png")
    wall, folder = str(tmp_path / "wall.png"), str(tmp_path)
    assert main(["--recordings", folder, "--portraits", wall, "--clips", folder]) == 2
    assert "There is no recording in" in capsys.readouterr().err
