"""Offloaded encoders and streamed blocks: the plain path's results, in the right order.

There is no second device here. What can be checked on one is that hooks change nothing, run when
they must, and leave nothing behind; the copies themselves are accelerate's and diffusers'.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from flashtalk.placement.fp8 import store_as_fp8
from flashtalk.placement.offload import offload_to_cpu, stream_blocks

CPU = torch.device("cpu")


class Block(nn.Module):
    """A layer with several arguments, like the transformer's."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 16)
        self.gate = nn.Parameter(torch.ones(16))

    def forward(self, x: Tensor, modulation: Tensor, text: Tensor | None) -> Tensor:
        x = x + self.gate * torch.tanh(self.layer(x)) * modulation
        return x if text is None else x + text.mean()


def run(blocks: nn.ModuleList, rounds: int = 2) -> Tensor:
    x = torch.linspace(-1, 1, 32).view(2, 16)
    with torch.inference_mode():
        for _ in range(rounds):
            for block in blocks:
                x = block(x, torch.full((16,), 0.3), None)
    return x


def blocks_of(count: int) -> nn.ModuleList:
    torch.manual_seed(count)
    return nn.ModuleList(Block() for _ in range(count)).eval().requires_grad_(False)


@pytest.mark.parametrize("fp8", [False, True])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_streamed_blocks_give_the_plain_result(count: int, fp8: bool) -> None:
    blocks = blocks_of(count)
    if fp8:
        store_as_fp8(blocks)
    names = list(blocks.state_dict())
    expected = run(blocks)
    stream_blocks(list(blocks), CPU)
    assert torch.equal(run(blocks), expected)
    assert list(blocks.state_dict()) == names


def test_a_block_arrives_while_the_one_before_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers.hooks.group_offloading import ModuleGroup

    blocks = blocks_of(4)
    number = {block: index for index, block in enumerate(blocks)}
    log: list[tuple[str, int]] = []
    for what in ("onload_", "offload_"):
        original = getattr(ModuleGroup, what)

        def noted(group: ModuleGroup, what: str = what, original=original) -> None:
            log.append((what, number[group.modules[0]]))
            original(group)

        monkeypatch.setattr(ModuleGroup, what, noted)
    stream_blocks(list(blocks), CPU)
    log.clear()  # leaving for the host at the start
    run(blocks, rounds=2)
    arrivals = [index for what, index in log if what == "onload_"]
    leavings = [index for what, index in log if what == "offload_"]
    assert leavings == [0, 1, 2, 3] * 2
    # (Host and device are one here, so a block that has arrived is fetched once more.)
    assert arrivals[:2] == [0, 1]
    for index in range(4):  # the next one comes before this one leaves, the first after the last
        leave = log.index(("offload_", index))
        assert ("onload_", (index + 1) % 4) in log[:leave]


class Encoder(nn.Module):
    """Two layers with one shared weight, like the text encoder's embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Embedding(10, 8)
        self.tokens = self.shared
        self.out = nn.Linear(8, 4)

    def forward(self, ids: Tensor, scale: float = 1.0) -> Tensor:
        return self.out(self.tokens(ids)) * scale


def test_an_offloaded_encoder_gives_the_plain_result_and_leaves_after_every_call() -> None:
    torch.manual_seed(5)
    encoder = Encoder().eval().requires_grad_(False)
    ids = torch.arange(6)[None]
    with torch.inference_mode():
        expected = encoder(ids, scale=2.0)
        offload_to_cpu(encoder, CPU)
        left = []
        encoder.register_forward_hook(lambda *_: left.append(encoder.out.weight.device))
        assert torch.equal(encoder(ids=ids, scale=2.0), expected)
        assert torch.equal(encoder(ids, 2.0), expected)
        assert left == [CPU, CPU]
    assert encoder.tokens.weight is encoder.shared.weight
