import threading
from itertools import count, islice
from pathlib import Path

import pytest
import torch
from torch import nn

from flashtalk.errors import FlashTalkError
from lab.training.loop import LoopConfig, load_average, prefetched, train


def _fit(model: nn.Module, out: Path, steps: int) -> None:
    target = torch.tensor([[2.0]])

    def step(index: int) -> tuple[torch.Tensor, dict[str, float]]:
        loss = (model(torch.ones(1, 1)) - target).square().mean()
        return loss, {"loss": loss.item()}

    train(model, step, LoopConfig(out, steps, rate=0.05, warmup_steps=1, log_every=5))


def test_training_learns_and_resumes_where_it_stopped(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = nn.Linear(1, 1)
    start = model(torch.ones(1, 1)).item()
    _fit(model, tmp_path, 30)
    halfway = model(torch.ones(1, 1)).item()
    assert abs(halfway - 2.0) < abs(start - 2.0)

    fresh = nn.Linear(1, 1)
    _fit(fresh, tmp_path, 31)  # one more step from the checkpoint, not thirty-one from scratch
    assert fresh(torch.ones(1, 1)).item() == pytest.approx(halfway, abs=0.1)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 31
    averaged = load_average(tmp_path, nn.Linear(1, 1))
    assert not any(p.requires_grad for p in averaged.parameters())


def test_the_rate_warms_up_and_falls(tmp_path: Path) -> None:
    config = LoopConfig(tmp_path, 100, rate=1.0, warmup_steps=10)
    rates = [config.rate * config.share_at(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and max(rates) == pytest.approx(1.0)
    assert rates[-1] < 0.03
    with pytest.raises(ValueError, match="steps"):
        LoopConfig(tmp_path, 0)


@pytest.mark.parametrize("workers", [1, 3])
def test_so_many_batches_are_made_at_once_and_come_in_order(workers: int) -> None:
    numbers, everybody = count(), threading.Barrier(workers)

    def make() -> int:
        number = next(numbers)
        everybody.wait(timeout=10)  # breaks unless all workers are here
        return number

    assert list(islice(prefetched(make, workers), workers)) == list(range(workers))


def test_batches_need_somebody_who_makes_them() -> None:
    with pytest.raises(FlashTalkError, match="got 0"):
        prefetched(lambda: 0, workers=0)
