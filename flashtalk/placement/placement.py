"""Which network is where, and in how many bits: three arrangements for three sizes of GPU.

The same networks, the same chunk step; :func:`apply_placement` arranges them from outside. The
plain path is ``80gb``, which moves everything to the GPU as it is: ``--placement 80gb`` switches
FP8 and offload off. ``flashtalk plan`` says what each arrangement needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeGuard

import torch
from torch import nn

from flashtalk.errors import FlashTalkError
from flashtalk.models.networks import Networks
from flashtalk.placement.fp8 import store_as_fp8
from flashtalk.placement.offload import offload_to_cpu, stream_blocks


@dataclass(frozen=True)
class Placement:
    """One arrangement of the networks on a GPU and its host."""

    name: str
    least_gib: float
    """The smallest GPU it is made for, in GiB as PyTorch reports them (an "80 GB" card has 79)."""
    offload_encoders: bool = False
    """Text and image encoder are on the GPU only while a session opens."""
    fp8: bool = False
    """The transformer's blocks store their weights in 8 bits."""
    resident_blocks: int | None = None
    """How many of the transformer's blocks stay on the GPU; the others are streamed from the host.
    ``None``: all stay."""

    def __post_init__(self) -> None:
        if not self.least_gib > 0:
            raise ValueError(f"{self.name}: least_gib must be above 0, got {self.least_gib}")
        if self.resident_blocks is not None and self.resident_blocks < 0:
            raise ValueError(
                f"{self.name}: resident_blocks must be 0 or more, got {self.resident_blocks}"
            )


ALL_RESIDENT = Placement("80gb", least_gib=56.0)
OFFLOAD_ENCODERS = Placement("48gb", least_gib=33.0, offload_encoders=True, fp8=True)
STREAMED = Placement("24gb", least_gib=21.0, offload_encoders=True, fp8=True, resident_blocks=12)

PLACEMENTS: dict[str, Placement] = {
    placement.name: placement for placement in (ALL_RESIDENT, OFFLOAD_ENCODERS, STREAMED)
}


def placement_named(name: str) -> Placement:
    """The placement called ``name``; raises :class:`FlashTalkError` listing the known ones."""
    if name not in PLACEMENTS:
        raise FlashTalkError(
            f"Unknown placement {name!r}. Known placements: {', '.join(PLACEMENTS)}."
        )
    return PLACEMENTS[name]


def streams(placement: Placement | None) -> TypeGuard[Placement]:
    """Whether blocks of the transformer come and go, so that nothing can hold on to them."""
    return placement is not None and placement.resident_blocks is not None


def choose(total_gib: float) -> Placement:
    """The fastest placement for a GPU with ``total_gib`` GiB; :class:`FlashTalkError` if none."""
    for placement in PLACEMENTS.values():
        if total_gib >= placement.least_gib:
            return placement
    raise FlashTalkError(
        f"A GPU with {total_gib:.1f} GiB is too small: the smallest placement, {STREAMED.name}, "
        f"needs {STREAMED.least_gib:.0f} GiB. Use a larger GPU, or the preset flashtalk-tiny."
    )


def apply_placement(networks: Networks, placement: Placement, device: torch.device) -> None:
    """Arranges ``networks``, which are on the host, for ``device``; for good.

    Raises ``ValueError`` for weights that need gradients and are to be stored in 8 bits.
    """
    transformer: Any = networks.transformer  # a published one, which has blocks
    blocks: list[nn.Module] = list(transformer.blocks)
    kept = len(blocks) if placement.resident_blocks is None else placement.resident_blocks
    streamed = blocks[kept:]
    # 1. fewer bits, before anything else is moved: the GPU, which converts faster, never holds a
    #    plain copy of all blocks
    for number, block in enumerate(blocks):
        if placement.fp8:
            store_as_fp8(block, device=device)
        block.to(device if number < kept else "cpu")
    # 2. the streamed blocks get their hooks while they are still on the host
    if streamed:
        stream_blocks(streamed, device)
    # 3. the encoders come and go, or move in as everything else does
    encoders: list[Any] = [networks.text_encoder, networks.image_encoder]
    if placement.offload_encoders:
        for conditioner in encoders:
            if conditioner is not None:
                offload_to_cpu(conditioner.encoder, device)
        encoders = []
    around = [child for name, child in transformer.named_children() if name != "blocks"]
    for network in [*around, networks.autoencoder, networks.speech_encoder, *encoders]:
        if isinstance(network, nn.Module):
            network.to(device)
