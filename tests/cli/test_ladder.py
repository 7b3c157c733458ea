"""The ladder runs its steps, counts, compares pictures, and says why a step is left out."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from flashtalk.acceleration.convolutions import multiplies_bf16
from flashtalk.cli import ladder
from flashtalk.cli.main import main

SVG = "{http://www.w3.org/2000/svg}"
NAMES = ("eager", "channels-last", "attention=flash3", "encoder-thread")


def test_a_short_ladder(
    measured: list[str], tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    # what the steps compute is tested in tests/acceleration, and building kernels takes a minute
    rungs = [rung for rung in ladder.RUNGS if rung[0] in NAMES]
    assert tuple(name for name, _ in rungs) == NAMES
    monkeypatch.setattr(ladder, "RUNGS", rungs)
    report = tmp_path / "ladder.json"
    chart = tmp_path / "ladder.svg"
    asked = [*measured, "--seconds", "1.2", "--chunk-frames", "17", "--out", str(report)]
    asked += ["--chart", str(chart)]
    assert main(["bench", "--ladder", *asked]) == 0
    found = json.loads(report.read_text())
    assert found["chunk_video_s"] == 12 / 25
    steps = {step["name"]: step for step in found["steps"]}
    assert tuple(steps) == NAMES
    assert "needs a CUDA GPU" in steps["attention=flash3"]["refused"]
    assert steps["eager"]["ratio_to_step_before"] is None and steps["eager"]["psnr_db"] == 100
    last = steps["encoder-thread"]
    assert last["words"] == "channels-last,encoder-thread"
    assert last["ratio_to_step_before"] > 0 and last["psnr_db"] > 20
    assert all(each["p95"] >= each["p50"] >= 0 for each in last["stages_s"].values())
    assert found["limits"]["gflop"] > 1 and found["limits"]["least_s_bytes"] > 0
    assert ("bfloat16_gflop_per_s" in found["limits"]) == multiplies_bf16()
    shown = capsys.readouterr().out
    for words in ("GFLOP", "left out: Attention kernel 'flash3'", "#", "p50/p95", "x limit"):
        assert words in shown
    assert "Device memory is not measured on a processor." in shown
    drawn = ElementTree.fromstring(chart.read_text())
    said = [each.text or "" for each in drawn.iter(f"{SVG}text")]
    assert set(NAMES) <= set(said) and any("left out: Attention" in words for words in said)
    bars = [float(each.get("width")) for each in drawn.iter(f"{SVG}rect") if each.get("x")]
    assert max(bars) > 100 and len([*drawn.iter(f"{SVG}circle")]) == 3
    assert main(["bench", *measured, "--chart", str(chart)]) == 2
    assert "--chart draws a ladder: add --ladder" in capsys.readouterr().err
