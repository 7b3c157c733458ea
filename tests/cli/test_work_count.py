"""The work of a chunk: what its networks multiply, a prediction for each step."""

from __future__ import annotations

from dataclasses import replace

import torch
from published_toy import PUBLISHED_TOY, build_published_toy

from flashtalk.cli.work_count import counted, counted_chunk
from flashtalk.stream.chunk import conditioned_velocity


def test_products_are_counted_and_what_operators_move() -> None:
    left, right = torch.ones(4, 8), torch.ones(8, 16)
    work = counted(lambda: (left @ right).view(-1))
    assert work.flop == 2 * 4 * 8 * 16
    assert work.bytes == 4 * (4 * 8 + 8 * 16 + 4 * 16)


def test_each_step_of_a_chunk_is_one_prediction() -> None:
    """Of a published model: the painters of the embedded one draw other numbers of frames."""
    unprompted = replace(PUBLISHED_TOY.transformer, text_dim=0, image_dim=0)
    preset = replace(PUBLISHED_TOY, transformer=unprompted, prompt="")
    networks, portrait = build_published_toy(preset), torch.rand(1, 3, 16, 32) * 2 - 1
    latents = torch.rand(1, 4, 4, 2, 4)
    condition = networks.transformer.condition(latents, 4, 1)
    speech = torch.rand(1, 13, 5, 2, 16)
    velocity = conditioned_velocity(networks.transformer, condition, speech, num_motion=1)
    prediction = counted(lambda: velocity(latents, 500.0)).flop

    def flop(steps: int) -> int:
        return counted_chunk(
            replace(networks, preset=preset.with_sampler(steps=steps)), portrait
        ).flop

    assert flop(4) - flop(2) == 2 * prediction > 0
    assert flop(2) > 2 * prediction, "speech and pictures are work, too"
