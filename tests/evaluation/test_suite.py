"""Talks that are made once, measured, and shown in a table and a page."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from flashtalk.assets import ASSETS
from flashtalk.cli.main import main
from flashtalk.errors import FlashTalkError
from flashtalk.evaluation.figures import NAMES
from flashtalk.evaluation.suite import Result, trials_of
from flashtalk.evaluation.variants import Variant


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face, a picture that is none, and a second of sound."""
    folder = tmp_path_factory.mktemp("suite")
    (folder / "faces").mkdir()
    with Image.open(ASSETS / "portraits" / "mei.jpg") as picture:
        picture.resize((256, 256)).save(folder / "faces" / "mei <b>.png")
    (folder / "faces" / "none.png").write_text("not a picture")
    sound = np.random.default_rng(0).normal(0.0, 0.1, 16_000)
    soundfile.write(folder / "voice.wav", sound, 16_000)
    return folder


def evaluate(folder: Path, *more: str, faces: str = "faces") -> int:
    given = ["--portrait", str(folder / faces), "--audio", str(folder / "voice.wav")]
    return main(["evaluate", *given, "--out", str(folder / "out"), *more])


def test_a_suite_leaves_films_figures_and_a_page_and_makes_none_twice(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder / "out"
    assert evaluate(folder, "--vary", "steps=1,2") == 1  # one of the pictures is none
    said = capsys.readouterr()
    assert said.out == f"{out / 'report.html'}\n"
    assert "none-voice-steps-1 was not made" in said.err
    assert "2 of 4 talks are in the report, 2 could not be made." in said.err
    names = [f"mei <b>-voice-steps-{steps}" for steps in (1, 2)]
    wanted = [f"{name}.{ending}" for name in names for ending in ("json", "mp4")]
    assert sorted(p.name for p in out.iterdir()) == sorted([*wanted, "figures.csv", "report.html"])
    with (out / "figures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["variant"] for row in rows] == ["steps 1", "steps 2"]
    assert all(float(row["seconds"]) == 1.0 and float(row["decode_s"]) > 0 for row in rows)
    page = (out / "report.html").read_text()
    assert page.count("<video") == 2
    assert "mei%20%3Cb%3E-voice-steps-1.mp4" in page  # a name is a name, never markup
    assert "<b>" not in page

    before = {name: (out / f"{name}.mp4").stat().st_mtime_ns for name in names}
    (out / f"{names[1]}.json").unlink()
    assert evaluate(folder, "--vary", "steps=1,2") == 1
    after = {name: (out / f"{name}.mp4").stat().st_mtime_ns for name in names}
    assert after[names[0]] == before[names[0]]
    assert after[names[1]] > before[names[1]]


def test_settings_that_the_model_cannot_have_are_refused_before_any_work(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for setting, said in (
        ("steps=0", "Steps must be between 1 and 50, got 0"),
        ("size=250x250", "250"),
        ("chunk-frames=18", "18"),
        ("color-match=2", "Color strength must be between 0 and 1"),
    ):
        assert evaluate(folder, "--vary", setting) == 2
        assert said in capsys.readouterr().err


def test_two_inputs_of_one_name_are_refused(tmp_path: Path) -> None:
    faces = [tmp_path / "ada.jpg", tmp_path / "Ada.png"]
    with pytest.raises(FlashTalkError, match=r"would both make .*\. Rename"):
        trials_of(faces, [tmp_path / "voice.wav"], [Variant()], 0)


def test_results_are_read_back_and_others_are_not(folder: Path, tmp_path: Path) -> None:
    stored = next((folder / "out").glob("*.json"))
    result = Result.read(stored)
    assert result is not None
    result.write(tmp_path / "again.json")
    again = Result.read(tmp_path / "again.json")
    assert again is not None
    for name in NAMES:
        one, other = getattr(result.figures, name), getattr(again.figures, name)
        assert one == other or (math.isnan(one) and math.isnan(other))
    (tmp_path / "other.json").write_text('{"figures": {}}')
    assert Result.read(tmp_path / "other.json") is None
    assert Result.read(tmp_path / "nowhere.json") is None
