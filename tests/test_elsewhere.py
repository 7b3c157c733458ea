"""The device that the tests make up refuses what a GPU would, and computes the same."""

import pytest
import torch
from elsewhere import AWAY, elsewhere
from torch import nn


def test_it_computes_what_the_cpu_does() -> None:
    torch.manual_seed(0)
    layer, x = nn.Linear(4, 3), torch.randn(2, 4)
    expected = layer(x).square().sum()
    expected.backward()
    gradient = layer.weight.grad.clone()
    with elsewhere() as device:
        layer.zero_grad()
        moved = layer.to(AWAY)
        found = moved(x.to(AWAY)).square().sum()
        found.backward()
        assert found.device == AWAY
        assert found.item() == expected.item()
        assert torch.equal(moved.weight.grad.cpu(), gradient)
        assert x.to(AWAY).new_tensor([2.0, 3.0]).tolist() == [2.0, 3.0]
    assert "addmm" in device.ran


def test_it_refuses_what_a_gpu_would() -> None:
    with elsewhere():
        x = torch.rand(3, device=AWAY)
        with pytest.raises(RuntimeError, match="on the CPU, others on the device"):
            x + torch.rand(3)
        with pytest.raises(RuntimeError, match="numpy"):
            x.numpy()
        assert (x + torch.tensor(1.0)).cpu().min() >= 1.0, "a number may come from anywhere"
