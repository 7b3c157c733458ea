"""The benchmark runs, counts and writes what it says; how fast is not a test's business."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile

from flashtalk.cli.bench_log import append_row
from flashtalk.cli.bench_table import STAGES
from flashtalk.cli.main import main
from flashtalk.cli.measured_talk import repeated


def test_a_short_benchmark(measured: list[str], tmp_path: Path, capsys) -> None:
    report, log = tmp_path / "bench.json", tmp_path / "benchmarks.md"
    files = ["--json", str(report), "--log", str(log)]
    assert main(["bench", *measured, "--seconds", "2.5", *files]) == 0
    shown = capsys.readouterr().out
    found = json.loads(report.read_text())
    assert set(found["chunk_stages_s"]) == set(STAGES)
    assert all(spread["median"] > 0 for spread in found["chunk_stages_s"].values())
    assert found["real_time_factor"]["median"] > 0 and found["matmul_gflops"] > 0
    assert found["first_fragment_s"]["low"] > found["open_s"]["low"] > 0
    *head, _, row = log.read_text().splitlines()
    assert head[-1].startswith("| date | commit | machine | command |")
    assert row.startswith(f"| {found['date'][:10]} |") and row.count("|") == head[-1].count("|")
    append_row(log, found)
    assert log.read_text().splitlines()[-2:] == [row, row]
    for words in ("GFLOP/s", "first fragment", "torch 2", "flashtalk bench", "denoising"):
        assert words in shown


def test_bad_options_are_sentences(tmp_path: Path, capsys) -> None:
    assert main(["bench", "--repeats", "0"]) == 2
    assert main(["bench", "--preset", "flashtalk-huge"]) == 2
    shown = capsys.readouterr().err.splitlines()
    assert "--repeats" in shown[0] and "flashtalk-huge" in shown[1]


def test_a_file_that_cannot_be_written_is_a_sentence(tmp_path: Path, capsys) -> None:
    voice = tmp_path / "voice.wav"
    voice.write_bytes(b"a voice")
    assert main(["bench", "--audio", str(voice), "--json", str(voice)]) == 2
    assert main(["bench", "--json", str(voice / "bench.json")]) == 2
    shown = capsys.readouterr().err.splitlines()
    assert "is an input" in shown[0] and "cannot be made" in shown[1] and len(shown) == 2
    assert voice.read_bytes() == b"a voice"


def test_a_short_voice_is_repeated(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "voice.wav", np.linspace(-0.5, 0.5, 1_000), 16_000)
    speech = repeated(tmp_path / "voice.wav", 0.2)
    assert speech.samples.shape == (3_200,) and speech.playback.shape == (1, 9_600)
    assert (speech.samples[1_000:2_000] == speech.samples[:1_000]).all()
