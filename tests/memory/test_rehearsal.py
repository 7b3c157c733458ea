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

from flashtalk.cli.main import main
from flashtalk.memory import GIB, Rehearsal, draw_weights, rehearsal_of
from flashtalk.memory.parts import bytes_of
from flashtalk.placement import ALL_RESIDENT, ENCODERS_LEAVE, STREAMED, Placement, apply_placement
from flashtalk.weights import modules_of

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
    return folder


@pytest.fixture(scope="module")
def rehearsal(folder: Path) -> Rehearsal:
    return rehearsal_of(str(folder), SIZE)


def test_a_benchmark_without_weights(folder: Path, tmp_path: Path, capsys) -> None:
    Image.new("RGB", (128, 128), (120, 90, 80)).save(tmp_path / "face.png")
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
    assert memory["planned_gib"] > 0 and memory["planned_phase"] in ("decode", "hand-over")
    assert memory["peak_allocated_gib"] is memory["measured_over_planned"] is None
    assert (settings["height_px"], settings["width_px"], settings["placement"]) == (64, 64, "48gb")
    assert "24 fixed token ids" in settings["weights"]
    assert {"date", "machine", "command"} <= report.keys()
    for words in ("not measured on a processor", "planned peak", "denoising", "Random weights"):
        assert words in shown


@pytest.mark.parametrize(
    "placement", [ALL_RESIDENT, ENCODERS_LEAVE, replace(STREAMED, resident_blocks=1)]
)
def test_weights_are_drawn_for_every_placement(rehearsal: Rehearsal, placement: Placement) -> None:
    networks = rehearsal.networks(CPU)
    modules = modules_of(networks).values()
    made = sum(p.nbytes for module in modules for p in module.parameters() if not p.is_meta)
    assert made == 4 * SPEECH["hidden_size"]  # transformers makes one vector whatever is asked
    apply_placement(networks, placement, CPU, draw=lambda part: draw_weights(part, CPU))
    for module in modules:
        assert not any(t.is_meta for t in [*module.parameters(), *module.buffers()])
        assert all(bool(p.float().isfinite().all()) for p in module.parameters())
    encoder = networks.text_encoder.encoder
    assert encoder.shared.weight is encoder.encoder.embed_tokens.weight
    portrait = torch.zeros(1, 3, *SIZE)
    with torch.inference_mode():
        text, image = networks.text_encoder("any prompt"), networks.image_encoder(portrait)
    assert text.isfinite().all() and image.isfinite().all()


def test_the_plan_counts_what_is_drawn(rehearsal: Rehearsal) -> None:
    networks = rehearsal.networks(CPU)
    for module in modules_of(networks).values():
        draw_weights(module, CPU)
    drawn = sum(bytes_of(module) for module in modules_of(networks).values())
    assert {phase.weights for phase in rehearsal.plan(CPU, None).phases} == {drawn}
    assert drawn < GIB / 100


def test_what_has_memory_is_left_alone() -> None:
    layer = nn.Linear(3, 2)
    before = layer.weight
    draw_weights(layer, CPU)
    assert layer.weight is before
    strange = nn.BatchNorm1d(2, device="meta")
    with pytest.raises(ValueError, match="running_mean"):
        draw_weights(strange, CPU)


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
