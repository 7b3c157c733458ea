"""The plan of Stage 2's memory, against the real network and its real passes."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
import torch

from flashtalk.config import FOURTEEN_B, Preset, TransformerConfig
from flashtalk.models.networks import Networks, build_denoiser
from lab.memory.live_bytes import counted
from lab.training import plan
from lab.training.distributed import checkpoint_activations
from lab.training.memory import (
    GPU_BYTES,
    count_parameters,
    plan_memory,
    plan_table,
    training_activations,
)


def test_the_plan_counts_the_real_network(toy_networks: Networks) -> None:
    counts = count_parameters(toy_networks.preset)
    whole = sum(p.numel() for p in toy_networks.transformer.parameters())
    layers = [
        sum(p.numel() for p in block.parameters()) for block in toy_networks.transformer.blocks
    ]
    assert counts.whole == whole == counts.around + sum(layers)
    one = plan_memory(counts, 1, torch.bfloat16)
    assert (one.generator, one.fake_score, one.real_score) == (20 * whole, 16 * whole, 2 * whole)
    assert one.gathered == 0
    two = plan_memory(counts, 2, torch.bfloat16, encoders=1000, activations=300)
    assert two.generator == 10 * whole and two.gathered > 0
    assert two.total == 19 * whole + two.gathered + 1300  # what is not split, on every GPU


def real_peak(preset: Preset, recompute: bool) -> int:
    """Of a pass of the whole network on the processor, with PyTorch's own recomputing."""
    config, geometry = preset.transformer, preset.geometry
    model = build_denoiser(config).eval()
    if recompute:
        checkpoint_activations(model)
    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(lambda p: setattr(p, "grad", None))
    shape = (2, 44, geometry.chunk_latents, geometry.latent_height, geometry.latent_width)
    latents, condition = torch.zeros(shape), torch.zeros(2, 49, *shape[2:])
    speech, times = torch.zeros(2, 33, 5, 2, 8), torch.full((2,), 500.0)
    num_motion = geometry.num_motion
    with counted("cpu", gradients=True) as counter:
        tokens = model.project_speech(speech)
        model(latents, times, condition, tokens, num_motion=num_motion).square().mean().backward()
    return counter.peak


def plain_transformer(preset: Preset, layers: int) -> TransformerConfig:
    """As the toy's, without what follows its head."""
    own = {each.name: getattr(preset.transformer, each.name) for each in fields(TransformerConfig)}
    return TransformerConfig(**{**own, "layers": layers})


@pytest.mark.parametrize("recompute", [False, True])
def test_activations_of_all_layers_follow_from_one_and_two(toy_networks, recompute: bool) -> None:
    preset = toy_networks.preset
    preset = replace(
        preset,
        transformer=replace(preset.transformer, layers=7, flow_prior_cells=(8, 8)),
        geometry=replace(preset.geometry, height_px=256, width_px=256),
    )
    planned = training_activations(preset, torch.float32, 2, recompute, "cpu")
    assert planned == pytest.approx(real_peak(preset, recompute), rel=0.05)


def test_sixteen_layers_cost_little_when_they_are_recomputed(toy_networks) -> None:
    preset = toy_networks.preset
    preset = replace(preset, transformer=plain_transformer(preset, layers=16))
    kept, recomputed = (
        training_activations(preset, torch.float32, 1, recompute, "cpu")
        for recompute in (False, True)
    )
    assert recomputed < 0.3 * kept


def test_the_plan_of_the_14b_is_printed_without_data(capsys) -> None:
    options = ["--preset", FOURTEEN_B.name, "--batch", "1", "--recompute"]
    assert plan.main(options) == 0
    printed = capsys.readouterr().out
    assert "18,882,046,784 parameters" in printed
    rows = [[float(cell) for cell in line.split()] for line in printed.splitlines()[4:11]]
    assert [row[0] for row in rows] == [1, 2, 4, 8, 16, 32, 64]
    for row in rows:
        *parts, total = row[1:]
        assert total == pytest.approx(sum(parts), abs=0.05)
        assert row[5] == 12.34  # the encoders of docs/run-the-14b.md, on every GPU
        assert 8 < row[6] < 16  # forty borders of 0.115 GiB, one layer with its graph, the rest
    least = next(int(row[0]) for row in rows if row[7] + 2 <= GPU_BYTES / 2**30)
    assert f"at least {least} GPUs of 80 GB" in printed
    assert "82.33 GiB for each GPU" in printed


def test_what_fits_nowhere_is_said(toy_networks) -> None:
    printed = plan_table(toy_networks.preset, torch.float32, degrees=(1, 2))
    assert "It fits one GPU of 80 GB" in printed
    counts = count_parameters(FOURTEEN_B)
    assert not plan_memory(counts, 4, torch.bfloat16).fits  # as the public reproduction found
    assert plan_memory(counts, 64, torch.bfloat16).fits
