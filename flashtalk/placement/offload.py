"""Networks that are on the GPU only while they run; between runs they wait in host memory.

Applied from outside, in two sizes. :func:`offload_to_cpu` moves a whole encoder that runs once per
session, by accelerate's hook. :func:`stream_blocks` passes the transformer's blocks through the GPU
one after the other in every step, by diffusers' group hooks. Both change where weights are, never a
result.

The group hooks go on the blocks, not on the whole transformer as diffusers proposes. The timestep
layers are read as float32 without being called, and the speech is projected before the forward
call. Hooks that wait for a call would leave those weights behind on the host. All that is not a
block is 0.6 GB of the 14B and stays on the GPU.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

GROUP_HOOK = "group_offloading"  # diffusers' name of the hook on each block
BLOCKS_IN_FLIGHT = 2  # one computes while the next one arrives


def offload_to_cpu(encoder: nn.Module, device: torch.device) -> None:
    """Moves ``encoder`` to the host; each call brings it and its inputs to ``device`` and back.

    Its results stay on ``device``. The hook is on ``encoder`` itself; calls of its parts go past.
    """
    from accelerate import cpu_offload_with_hook

    encoder.to("cpu")
    _, hook = cpu_offload_with_hook(encoder, device)
    encoder.register_forward_hook(lambda *_: hook.offload())


class _Shelf(nn.Module):
    """Gives diffusers a module whose only children are the blocks to stream."""

    def __init__(self, blocks: list[nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)


def stream_blocks(blocks: list[nn.Module], device: torch.device) -> None:
    """Keeps ``blocks`` on the host.

    Each is on ``device`` while it runs and while the one before it runs. The first one is there
    while the last one runs. They must be called in this order, round and round.

    On a GPU the copies run beside the computation, from pinned memory. The host needs as many bytes
    as the blocks have.
    """
    from diffusers.hooks import apply_group_offloading

    beside = device.type == "cuda"
    apply_group_offloading(
        _Shelf(blocks),
        onload_device=device,
        offload_device=torch.device("cpu"),
        offload_type="block_level",
        num_blocks_per_group=1,
        use_stream=beside,
        non_blocking=beside,
    )
    registries: list[Any] = [block._diffusers_hook for block in blocks]
    hooks = [registry.get_hook(GROUP_HOOK) for registry in registries]
    if len(blocks) > 1:
        # diffusers finds the order by watching a parent's first call; here it is known.
        for hook, following in zip(hooks, hooks[1:] + hooks[:1], strict=True):
            hook.next_group = following.group
            following.group.onload_self = False
