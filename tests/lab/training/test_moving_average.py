"""The average that ships is the closed form of the weights that a training went through."""

from pathlib import Path

import pytest
import torch
from torch import nn

from lab.training.loop import LoopConfig, read_checkpoint, train


@pytest.mark.parametrize("average_decay", [0.3, 0.998])
def test_the_average_is_the_closed_form(tmp_path: Path, average_decay: float) -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    passed = []

    def step(index: int) -> tuple[torch.Tensor, dict[str, float]]:
        passed.append(model.weight.detach().clone())
        return model(torch.randn(4, 3)).square().mean(), {}

    steps = 12
    config = LoopConfig(tmp_path, steps, 0.05, warmup_steps=1, average_decay=average_decay)
    train(model, step, config)
    passed.append(model.weight.detach())
    # at first the decay is (1 + n) / (10 + n), so that the beginning is soon forgotten
    decays = [min(average_decay, (1 + n) / (10 + n)) for n in range(steps)]
    expected = torch.zeros_like(passed[0])
    for n, weights in enumerate(passed):
        share = 1.0 if n == 0 else 1.0 - decays[n - 1]
        for later in decays[n:]:
            share *= later
        expected += share * weights
    average = read_checkpoint(tmp_path)["average"]["weight"]
    torch.testing.assert_close(average, expected)
    assert not torch.allclose(average, passed[-1], atol=1e-4)
