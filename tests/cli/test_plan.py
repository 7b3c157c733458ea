"""python -m flashtalk.plan: its figures, its table, its verdicts and exit codes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from flashtalk.cli import plan
from flashtalk.cli.main import main
from flashtalk.config import FOURTEEN_B
from flashtalk.memory import (
    GIB,
    RESERVE_BYTES,
    Budget,
    Machine,
    Parts,
    activation_peaks,
    budget_of,
    fetched_bytes,
    parts_of,
)
from flashtalk.placement import ALL_RESIDENT, ENCODERS_LEAVE, PLACEMENTS, STREAMED

LARGEST = max(FOURTEEN_B.sizes, key=lambda size: size[0] * size[1])

HERE = Machine(
    gpu="NVIDIA H100 80GB HBM3",
    gpu_bytes=int(79.1 * GIB),
    ram_bytes=250 * GIB,
    ram_free_bytes=240 * GIB,
    disk=Path("/data"),
    disk_free_bytes=10**12,
)


@pytest.fixture(scope="module")
def parts() -> Parts:
    return parts_of(FOURTEEN_B)


@pytest.fixture(scope="module")
def activations(parts: Parts) -> dict[str, int]:
    """At the largest size of the preset: every other one needs less."""
    return activation_peaks(parts, FOURTEEN_B.with_size(LARGEST))


@pytest.fixture(scope="module")
def budgets(parts: Parts, activations: dict[str, int]) -> list[Budget]:
    return [budget_of(parts, activations, placement) for placement in PLACEMENTS.values()]


def test_every_placement_fits_the_gpu_it_is_made_for(budgets: list[Budget]) -> None:
    for budget in budgets:
        assert budget.gpu_bytes / GIB < budget.placement.least_gib
        assert budget.gpu_bytes / GIB > 0.85 * budget.placement.least_gib  # and not a smaller one


def test_budgets_add_up(parts: Parts, activations: dict[str, int]) -> None:
    size = {part.name: part.bytes for part in parts.parts}
    resident = budget_of(parts, activations, ALL_RESIDENT)
    assert {phase.weights for phase in resident.phases} == {sum(size.values())}
    assert resident.peak.name == "decode"
    assert resident.gpu_bytes == sum(size.values()) + activations["decode"] + RESERVE_BYTES

    blocks = parts.blocks
    saved = blocks.count * (blocks.plain - blocks.fp8)
    packed = size["transformer"] - saved
    stay = packed + size["autoencoder"] + size["speech_encoder"]
    leave = {phase.name: phase for phase in budget_of(parts, activations, ENCODERS_LEAVE).phases}
    assert leave["text"].weights == stay + size["text_encoder"]
    assert leave["image"].weights == stay + size["image_encoder"]
    assert leave["decode"].weights == stay
    assert leave["denoise"].activations == activations["denoise fp8"]

    streamed = budget_of(parts, activations, STREAMED)
    kept = STREAMED.resident_blocks + 2  # one runs, the next one arrives
    away = (blocks.count - kept) * blocks.fp8
    assert {p.name: p.weights for p in streamed.phases}["decode"] == stay - away
    converted = size["text_encoder"] + size["image_encoder"] + size["autoencoder"]
    converted += size["speech_encoder"] if parts.part("speech_encoder").converted else 0
    waiting = (blocks.count - STREAMED.resident_blocks) * blocks.fp8
    assert streamed.host_bytes == converted + waiting


def test_scores_of_attention_are_not_counted(activations: dict[str, int]) -> None:
    tokens = FOURTEEN_B.with_size(LARGEST).geometry.tokens
    scores = 40 * tokens**2 * 2  # bytes, of one layer: 16.6 GB
    assert activations["denoise"] < scores / 8


@pytest.mark.parametrize(
    ("given_gib", "machine", "fits", "said"),
    [
        (80.0, replace(HERE, gpu=None, gpu_bytes=0), True, "80.0 GiB in placement 80gb"),
        (48.0, HERE, True, "placement 48gb"),
        (22.0, HERE, True, "placement 24gb"),
        (16.0, HERE, False, "the GPU has 16.0 GiB"),
        (None, HERE, True, "host memory and disk suffice too"),
        (None, replace(HERE, gpu=None, gpu_bytes=0), False, "PyTorch finds none here"),
        (None, replace(HERE, ram_free_bytes=8 * GIB), False, "8.0 GiB are available"),
        (None, replace(HERE, disk_free_bytes=5 * 10**10), False, "50.0 GB are free at /data"),
    ],
)
def test_verdicts(
    parts: Parts,
    budgets: list[Budget],
    given_gib: float | None,
    machine: Machine,
    fits: bool,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    verdict, sentence = plan.gpu_verdict(FOURTEEN_B, parts, budgets, machine, given_gib)
    assert verdict is fits
    assert said in sentence
    assert sentence.startswith("Fits: " if fits else "Does not fit: ")
    assert sentence.endswith(".")


def test_what_was_fetched_before_needs_no_room(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert fetched_bytes(FOURTEEN_B) == 0
    blobs = tmp_path / "models--Wan-AI--Wan2.1-I2V-14B-480P-Diffusers" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / "abc").write_bytes(bytes(1000))
    assert fetched_bytes(FOURTEEN_B) == 1000


def test_the_embedded_model_fits_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--preset", "flashtalk-tiny"]) == 0
    out = capsys.readouterr().out
    assert "flashtalk-tiny at 256x256: chunks of 33 frames, 144 tokens" in out
    for word in ("transformer", "autoencoder", "speech_encoder", "decode", "host memory"):
        assert word in out
    assert "to fetch;" not in out
    assert out.splitlines()[-1].startswith("Fits: flashtalk-tiny runs on the processor")


def test_the_table_of_the_14b(
    parts: Parts,
    activations: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(plan, "parts_of", lambda preset: parts)
    monkeypatch.setattr(plan, "activation_peaks", lambda parts, preset: activations)
    assert main(["plan", "--preset", "flashtalk-14b", "--gpu-memory-gib", "80"]) == 0
    out = capsys.readouterr().out
    for column in plan.SHOWN:
        assert column in out
    assert "18,882,046,784  bfloat16" in out
    assert main(["plan", "--preset", "flashtalk-14b", "--gpu-memory-gib", "12"]) == 1
    forced = ["--preset", "flashtalk-14b", "--gpu-memory-gib", "40", "--placement", "80gb"]
    assert main(["plan", *forced]) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--preset", "flashtalk-7b"], "Unknown preset 'flashtalk-7b'. Known presets:"),
        (["--gpu-memory-gib", "0"], "--gpu-memory-gib must be above 0, got 0"),
        (["--placement", "half"], "Unknown placement 'half'"),
        (["--preset", "flashtalk-14b", "--size", "big"], "HEIGHTxWIDTH"),
        (["--preset", "flashtalk-14b", "--size", "770x450"], "must be multiples of 16 pixels"),
    ],
)
def test_what_cannot_be_planned_is_a_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", *arguments]) == 2
    assert said in capsys.readouterr().err
