"""The outside judge's figures, from gaps that are known; the network itself is not asked."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[3] / "lab" / "evaluation" / "studies" / "outside_lips.py"


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("outside_lips", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(__import__("sys").modules, "outside_lips", module)  # dataclasses look there
        spec.loader.exec_module(module)
        yield module


def talking(frames: int = 100) -> np.ndarray:
    return 0.2 + 0.1 * np.sin(np.arange(frames) * 0.7)


def test_a_late_mouth_that_misses_a_closure(script: ModuleType) -> None:
    gaps = talking()
    gaps[50], gaps[70] = 0.02, 0.04  # 0.03 and above is open
    found = script.judge(gaps, np.roll(gaps, -2), [2.0, 2.8, 9.0])
    assert (found.closures, found.closed) == (2, 1)
    assert found.lag_frames == 2
    assert found.frames == 100 and found.without_face == 0.0


def test_frames_without_a_face_are_bridged_and_said(script: ModuleType) -> None:
    gaps, expected = talking(), talking()
    gaps[10] = np.nan
    found = script.judge(gaps, expected, [])
    assert found.without_face == 0.01
    assert found.correlation > 0.99
    assert script.judge(np.full(100, np.nan), expected, []) is None


def test_all_folders_are_read_into_one_file(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder, name, closures in (("talks", "a", [1.0]), ("talks", "b", [1.0, 2.0, 3.0])):
        (tmp_path / folder).mkdir(exist_ok=True)
        wanted = {"opening": talking().tolist(), "closures_s": closures}
        (tmp_path / folder / f"{name}.json").write_text(json.dumps(wanted))
    shut = talking()
    shut[25] = 0.0
    monkeypatch.setattr(script, "lip_gaps", lambda path: shut)
    out = tmp_path / "outside.json"
    assert script.main([str(tmp_path / "talks"), "--out", str(out)]) == 0
    text = out.read_text()
    assert str(tmp_path) not in text
    found = json.loads(text)["folders"]["talks"]
    assert found["summary"]["closed_share"] == 0.5  # 2 of 4: closures count, not talks
    assert found["summary"]["closed_share_lowest"] == pytest.approx(1 / 3, abs=1e-3)
    assert found["videos"]["b"]["closures"] == 3
    (tmp_path / "empty").mkdir()
    assert script.main([str(tmp_path / "empty")]) == 2
