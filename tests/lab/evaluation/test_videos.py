"""Talks and clips as files for an outside judge: all frames, and what lips should do in each."""

import json
from pathlib import Path

import numpy as np
import pytest
from drawn_clips import frames_of

from lab.evaluation.talks import load_clip
from lab.evaluation.videos import main


def test_clips_are_written_as_they_are(clips_folder: Path, tmp_path: Path) -> None:
    assert main(["--clips", str(clips_folder), "--out", str(tmp_path), "--rendered"]) == 0
    assert [path.stem for path in sorted(tmp_path.glob("*.mp4"))] == [
        f"{number:06d}" for number in (9, 19, 29, 39, 49)
    ]
    clip = load_clip(clips_folder, "000009")
    shown = frames_of(tmp_path / "000009.mp4")
    assert shown.shape == clip.frames().shape
    assert np.abs(shown.astype(int) - clip.frames()).mean() < 8
    wanted = json.loads((tmp_path / "000009.json").read_text())
    assert len(wanted["opening"]) == len(shown)
    (closure,) = (phone for phone in clip.phones if phone.name == "P")
    assert closure.start_s - 0.1 < wanted["closures_s"][0] < closure.center_s


def test_a_talk_of_the_weights_that_ship_is_a_file(clips_folder: Path, tmp_path: Path) -> None:
    command = ["--clips", str(clips_folder), "--out", str(tmp_path), "--seeds", "1"]
    assert main([*command, "--seconds", "2"]) == 0
    (video,) = tmp_path.glob("01-*.mp4")
    assert (
        len(frames_of(video))
        == 50
        == len(json.loads(video.with_suffix(".json").read_text())["opening"])
    )


def test_a_folder_without_clips_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["--clips", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "There is no finished clip" in capsys.readouterr().err
