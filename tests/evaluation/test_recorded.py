"""Recordings of real people: found with their words, joined, and spoken once by each portrait."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError
from flashtalk.evaluation.reading import load_reader
from flashtalk.evaluation.recorded import Recording, Sitter, align, main, speak, speakers, talk_to
from flashtalk.evaluation.stretch import FIGURES, Judges
from flashtalk.inputs.portrait import portrait_for
from flashtalk.stream.chunk import Networks
from flashtalk.synthesis.alignment import AlignmentFailed
from flashtalk.synthesis.phones import Phone

ASSETS = Path(__file__).parents[2] / "assets"


def recording(seconds: float, burst_s: float) -> Recording:
    """A P with a burst in an AA."""
    samples = np.full(round(seconds * 25) * 640, 0.01, np.float32)
    samples[round(burst_s * 16_000)] = 1.0
    spans = (("AA", 0.1, burst_s - 0.05), ("P", burst_s - 0.05, burst_s + 0.05))
    return Recording(samples, tuple(Phone(*span) for span in spans))


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
    talk, plan = talk_to([recording(2.0, 1.0), recording(3.0, 0.5)], None, "anna")
    bursts = np.flatnonzero(talk.speech.samples > 0.5) / 16_000
    closures = [phone.center_s for phone in talk.speech.phones if phone.name == "P"]
    assert closures == pytest.approx(bursts, abs=1e-3)
    assert len(bursts) == 2
    assert 5 <= plan.seconds[0] < 6 and plan.stretch(plan.seconds[0], 25) == (0, 25 * 5)


def test_every_portrait_speaks_and_is_measured(toy_networks: Networks) -> None:
    engine = Engine(toy_networks)
    sitters = [
        Sitter(name, portrait_for(ASSETS / "portraits" / f"{name}.jpg", engine.preset))
        for name in ("emil", "mei")
    ]
    judges = Judges(load_reader(ASSETS / "flashtalk-tiny"))
    spoken = {"anna": [recording(2.0, 1.0), recording(2.0, 0.5)]}
    talks = list(speak(engine, judges, spoken, sitters))
    assert [(voice, sitter) for voice, sitter, _ in talks] == [("anna", "emil"), ("anna", "mei")]
    for *_, measured in talks:
        assert measured.seconds == 4
        assert measured.figures.keys() == {f for f in FIGURES if not f.startswith("sync")}
    assert talks[0][2].figures != talks[1][2].figures


def test_a_word_that_nobody_knows_is_named() -> None:
    pytest.importorskip("pocketsphinx")
    from flashtalk.synthesis.alignment import PhoneAligner

    with pytest.raises(AlignmentFailed, match="xyzzyplugh"):
        align(PhoneAligner(), Path("a.wav"), "Say xyzzyplugh.")


def test_the_command_line_says_what_is_missing(tmp_path: Path, capsys) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "wall.png")
    wall, folder = str(tmp_path / "wall.png"), str(tmp_path)
    assert main(["--recordings", folder, "--portraits", wall, "--clips", folder]) == 2
    assert "There is no recording in" in capsys.readouterr().err
