"""The ladder runs its steps, counts, compares pictures, and says why a step is left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from flashtalk.assets import ASSETS
from flashtalk.cli import ladder
from flashtalk.cli.main import main
from flashtalk.cli.work_count import counted
from flashtalk.config import TINY
from flashtalk.weights import build_networks, modules_of, save_weights

NAMES = ("eager", "channels-last", "attention=flash3", "encoder-thread")


def test_a_short_ladder(tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    save_weights(tmp_path / "weights", TINY.name, modules_of(build_networks(TINY)))
    Image.open(ASSETS / "portraits" / "ada.jpg").save(tmp_path / "face.png")
    soundfile.write(tmp_path / "voice.wav", np.full(8_000, 0.1), 16_000)
    # what the steps compute is tested in tests/acceleration, and building kernels takes a minute
    rungs = [rung for rung in ladder.RUNGS if rung[0] in NAMES]
    assert tuple(name for name, _ in rungs) == NAMES
    monkeypatch.setattr(ladder, "RUNGS", rungs)
    report = tmp_path / "ladder.json"
    files = {"preset": "weights", "portrait": "face.png", "audio": "voice.wav", "out": report}
    arguments = [
        str(text) for name, file in files.items() for text in (f"--{name}", tmp_path / file)
    ]
    numbers = ["--seconds", "1.2", "--repeats", "1", "--threads", str(torch.get_num_threads())]
    assert main(["bench", "--ladder", *arguments, *numbers]) == 0
    found = json.loads(report.read_text())
    steps = {step["name"]: step for step in found["steps"]}
    assert tuple(steps) == NAMES
    assert "needs a CUDA GPU" in steps["attention=flash3"]["refused"]
    assert steps["eager"]["ratio_to_step_before"] is None and steps["eager"]["psnr_db"] == 100
    last = steps["encoder-thread"]
    assert last["words"] == "channels-last,encoder-thread"
    assert last["ratio_to_step_before"] > 0 and last["psnr_db"] > 20
    assert all(each["p95"] >= each["p50"] >= 0 for each in last["stages_s"].values())
    assert found["limits"]["gflop"] > 1 and found["limits"]["least_s_bytes"] > 0
    shown = capsys.readouterr().out
    for words in ("GFLOP", "left out: Attention kernel 'flash3'", "#", "p50/p95"):
        assert words in shown


def test_work_is_counted() -> None:
    left, right = torch.ones(4, 8), torch.ones(8, 16)
    work = counted(lambda: (left @ right).view(-1))
    assert work.flop == 2 * 4 * 8 * 16
    assert work.bytes == 4 * (4 * 8 + 8 * 16 + 4 * 16)
