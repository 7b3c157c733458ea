"""flashtalk plan: its figures, its table, its verdicts and exit codes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from published_checkpoint import TRANSFORMER, write_config

from flashtalk.cli import plan
from flashtalk.cli.main import main
from flashtalk.config import FOURTEEN_B
from flashtalk.placement import PLACEMENTS
from flashtalk.placement.machine import Machine, fetched_bytes
from flashtalk.placement.plan import GIB, Budget, footprints
from flashtalk.weights.empty import PUBLISHED, PublishedSizes

LARGEST = max(FOURTEEN_B.sizes, key=lambda size: size[0] * size[1])

FULL_TRANSFORMER = TRANSFORMER | {
    "dim": 5120,
    "ffn_dim": 13824,
    "freq_dim": 256,
    "num_heads": 40,
    "num_layers": 40,
    "text_len": 512,
    "context_tokens": 32,
    "intermediate_dim": 512,
    "output_dim": 768,
}

HERE = Machine(
    gpu="NVIDIA H100 80GB HBM3",
    gpu_bytes=int(79.1 * GIB),
    ram_bytes=250 * GIB,
    ram_free_bytes=240 * GIB,
    disk=Path("/data"),
    disk_free_bytes=10**12,
)


@pytest.fixture(scope="module")
def budgets() -> list[Budget]:
    """At the largest size of the preset: every other one needs less."""
    geometry = FOURTEEN_B.with_size(LARGEST).geometry
    footprint = footprints()[FOURTEEN_B.name]
    return [footprint.budget(name, geometry) for name in PLACEMENTS]


def test_every_placement_fits_the_gpu_it_is_made_for(budgets: list[Budget]) -> None:
    for budget in budgets:
        least_gib = PLACEMENTS[budget.placement].least_gib
        assert budget.gpu_bytes / GIB < least_gib
        assert budget.gpu_bytes / GIB > 0.85 * least_gib  # and not a smaller one


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
    budgets: list[Budget],
    given_gib: float | None,
    machine: Machine,
    fits: bool,
    said: str,
) -> None:
    to_fetch = footprints()[FOURTEEN_B.name].download_bytes
    verdict, sentence = plan.gpu_verdict(FOURTEEN_B, budgets, machine, given_gib, to_fetch)
    assert verdict is fits
    assert said in sentence
    assert sentence.startswith("Fits: " if fits else "Does not fit: ")
    assert sentence.endswith(".")


def test_what_was_fetched_before_needs_no_room(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
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


def test_the_table_of_the_14b(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--preset", "flashtalk-14b", "--gpu-memory-gib", "80"]) == 0
    out = capsys.readouterr().out
    for column in ("80gb", "+ offload", "+ FP8", "48gb", "24gb"):
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


def test_a_folder_of_the_14b_s_sizes_is_planned_and_needs_no_download(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_configs(tmp_path / "tuned", FULL_TRANSFORMER, PUBLISHED)
    assert main(["plan", "--preset", str(folder), "--gpu-memory-gib", "80"]) == 0
    told = capsys.readouterr().out
    assert main(["plan", "--preset", "flashtalk-14b", "--gpu-memory-gib", "80"]) == 0
    known = capsys.readouterr().out
    assert told.split("peak by phase")[1].split("this machine")[0] in known
    assert "all               25,414,987,443                  47.515          0.00" in told
    assert "to fetch" not in told.split("this machine")[1]


@pytest.mark.parametrize("part", ["transformer", "text"])
def test_other_sizes_are_said_to_have_no_plan(
    part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    transformer, sizes = FULL_TRANSFORMER, PUBLISHED
    if part == "transformer":
        transformer = transformer | {"num_layers": 30}
    else:
        sizes = replace(sizes, text={**sizes.text, "num_layers": 12})
    folder = write_configs(tmp_path / "other", transformer, sizes)
    assert main(["plan", "--preset", str(folder), "--gpu-memory-gib", "80"]) == 2
    said = capsys.readouterr().err
    assert f"There is no plan for {folder}" in said
    assert f"python -m lab.memory --weights {folder}" in said


def write_configs(folder: Path, transformer: dict[str, object], sizes: PublishedSizes) -> Path:
    """The published layout without a single weight."""
    write_config(folder, transformer)
    for name, config in (
        ("vae", sizes.autoencoder),
        ("text_encoder", sizes.text),
        ("image_encoder", sizes.image),
        ("wav2vec2", sizes.speech),
    ):
        write_config(folder / name, config)
    flags = folder / "wav2vec2" / "preprocessor_config.json"
    flags.write_text(json.dumps({"do_normalize": False}))
    return folder
