"""Random weights in the real networks: a whole benchmark from config.json files alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from published_checkpoint import AUTOENCODER, IMAGE, SPEECH, TEXT, TRANSFORMER, write_config
from torch import nn

from flashtalk.assets import ASSETS
from flashtalk.cli.hardware import device_memory
from flashtalk.cli.main import main
from flashtalk.placement import ALL_RESIDENT, OFFLOAD_ENCODERS, STREAMED, Placement, apply_placement
from flashtalk.placement.plan import GIB, footprints
from flashtalk.weights import modules_of
from flashtalk.weights.dry_run import DryRun, dry_run_of, init_weights
from flashtalk.weights.published import ON_CPU
from lab.memory.parts import bytes_of, parts_of
from lab.memory.placed import placed_weights
from lab.memory.table import footprint_of

CPU = torch.device("cpu")
SIZE = (64, 64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published layout without a single weight."""
    folder = tmp_path_factory.mktemp("sizes")
    parts = {"vae": AUTOENCODER, "text_encoder": TEXT, "image_encoder": IMAGE, "wav2vec2": SPEECH}
    write_config(folder, TRANSFORMER)
    for name, config in parts.items():
        write_config(folder / name, config)
    flags = folder / "wav2vec2" / "preprocessor_config.json"
    flags.write_text(json.dumps({"do_normalize": False}))
    return folder


@pytest.fixture(scope="module")
def dry_run(folder: Path) -> DryRun:
    return dry_run_of(str(folder), SIZE)


def test_a_benchmark_without_weights(
    folder: Path, dry_run: DryRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    counted = footprint_of(dry_run.preset, dry_run.sizes, ON_CPU)
    monkeypatch.setitem(footprints(), dry_run.preset.name, counted)
    Image.open(ASSETS / "portraits" / "ada.jpg").save(tmp_path / "face.png")
    soundfile.write(tmp_path / "voice.wav", np.full(8_000, 0.1), 16_000)
    out = tmp_path / "docs" / "benchmarks" / "toy.json"
    options = {"preset": folder, "size": "64x64", "placement": "48gb", "seconds": 2.3, "steps": 1}
    options |= {"portrait": tmp_path / "face.png", "audio": tmp_path / "voice.wav"}
    options |= {"repeats": 1, "threads": 1, "out": out, "device": "cpu"}
    arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    assert main(["bench", *arguments, "--random-weights"]) == 0
    shown = capsys.readouterr().out
    report = json.loads(out.read_text())
    assert all(spread["median"] > 0 for spread in report["chunk_stages_s"].values())
    memory, settings = report["device_memory"], report["settings"]
    assert memory["planned_gib"] > 0 and memory["planned_phase"] in ("decode", "motion encode")
    assert memory["peak_allocated_gib"] is memory["measured_over_planned"] is None
    assert (settings["height_px"], settings["width_px"], settings["placement"]) == (64, 64, "48gb")
    assert "24 fixed token ids" in settings["weights"]
    assert {"date", "machine", "command"} <= report.keys()
    for words in ("not measured on a processor", "planned peak", "denoising", "Random weights"):
        assert words in shown


@pytest.mark.parametrize(
    "placement", [ALL_RESIDENT, OFFLOAD_ENCODERS, replace(STREAMED, resident_blocks=1)]
)
def test_weights_are_made_for_every_placement(dry_run: DryRun, placement: Placement) -> None:
    networks = dry_run.empty_networks(CPU)
    modules = modules_of(networks).values()
    made = sum(p.nbytes for module in modules for p in module.parameters() if not p.is_meta)
    assert made == 4 * SPEECH["hidden_size"]  # transformers makes one vector whatever is asked
    for module in modules:
        init_weights(module, CPU)
    apply_placement(networks, placement, CPU)
    for module in modules:
        assert not any(t.is_meta for t in [*module.parameters(), *module.buffers()])
        assert all(bool(p.float().isfinite().all()) for p in module.parameters())
    encoder = networks.text_encoder.encoder
    assert encoder.shared.weight is encoder.encoder.embed_tokens.weight
    portrait = torch.zeros(1, 3, *SIZE)
    with torch.inference_mode():
        text, image = networks.text_encoder("any prompt"), networks.image_encoder(portrait)
    assert text.isfinite().all() and image.isfinite().all()


def test_the_plan_counts_what_is_made(dry_run: DryRun) -> None:
    networks = dry_run.networks(CPU)
    made = sum(bytes_of(module) for module in modules_of(networks).values())
    planned = placed_weights(parts_of(dry_run.preset, dry_run.sizes, ON_CPU), ALL_RESIDENT)
    assert set(planned.gpu_bytes.values()) == {made}
    assert made < GIB / 100


def test_blocks_share_values_on_the_host_and_none_when_they_move(dry_run: DryRun) -> None:
    blocks = dry_run.networks(CPU).transformer.blocks
    first, second = (block.self_attn.q.weight for block in blocks[:2])
    assert first is not second
    assert first.data_ptr() == second.data_ptr()
    blocks.to(torch.float64)  # as a move to a GPU does, it makes new memory for each
    moved = [block.self_attn.q.weight.data_ptr() for block in blocks]
    assert len(set(moved)) == len(blocks)


def test_sizes_that_nobody_counted_are_said_to_have_no_plan(dry_run: DryRun) -> None:
    assert dry_run.preset.name not in footprints()
    told = device_memory(CPU, None, compared=True)
    assert "There is no plan for networks of these sizes" in told["notice"]
    assert told["planned_gib"] is told["measured_over_planned"] is None
    assert "no plan" not in device_memory(CPU, None, compared=False)["notice"]


def test_what_has_memory_is_left_alone() -> None:
    layer = nn.Linear(3, 2)
    before = layer.weight
    init_weights(layer, CPU)
    assert layer.weight is before
    strange = nn.BatchNorm1d(2, device="meta")
    with pytest.raises(ValueError, match="running_mean"):
        init_weights(strange, CPU)


@pytest.mark.parametrize("device", [[], ["--device", "cpu"], ["--device", "cuda"]])
def test_the_14b_without_a_gpu_is_refused(
    device: list[str], monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["bench", "--preset", "flashtalk-14b", "--random-weights", *device]) == 2
    said = capsys.readouterr().err
    assert said.startswith("flashtalk: flashtalk-14b needs a GPU: its transformer alone has 18.9")
    assert said.count("\n") == 1


def test_random_weights_need_sizes_that_are_here(capsys) -> None:
    assert main(["bench", "--preset", "owner/name", "--random-weights"]) == 2
    assert "Nothing is fetched" in capsys.readouterr().err
