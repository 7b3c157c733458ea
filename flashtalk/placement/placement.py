"""Which network is where, and in how many bits: three arrangements for three sizes of GPU.

The same networks, the same chunk step; :func:`apply_placement` arranges them from outside and its
result puts them back. ``python -m flashtalk.plan`` says what each arrangement needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import nn

from flashtalk.errors import FlashTalkError
from flashtalk.models.networks import Networks
from flashtalk.placement.fp8 import store_as_fp8
from flashtalk.placement.offload import stream_blocks, visit


@dataclass(frozen=True)
class Placement:
    """One arrangement of the networks on a GPU and its host."""

    name: str
    least_gib: float
    """The smallest GPU it is made for, in GiB as PyTorch reports them (an "80 GB" card has 79)."""
    encoders_leave: bool = False
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
ENCODERS_LEAVE = Placement("48gb", least_gib=33.0, encoders_leave=True, fp8=True)
STREAMED = Placement("24gb", least_gib=21.0, encoders_leave=True, fp8=True, resident_blocks=12)

PLACEMENTS: dict[str, Placement] = {
    placement.name: placement for placement in (ALL_RESIDENT, ENCODERS_LEAVE, STREAMED)
}


def placement_named(name: str) -> Placement:
    """The placement called ``name``; raises :class:`FlashTalkError` listing the known ones."""
    if name not in PLACEMENTS:
        raise FlashTalkError(
            f"Unknown placement {name!r}. Known placements: {', '.join(PLACEMENTS)}."
        )
    return PLACEMENTS[name]


def choose(total_gib: float) -> Placement:
    """The fastest placement for a GPU with ``total_gib`` GiB; :class:`FlashTalkError` if none."""
    for placement in PLACEMENTS.values():
        if total_gib >= placement.least_gib:
            return placement
    raise FlashTalkError(
        f"A GPU with {total_gib:.1f} GiB is too small: the smallest placement, {STREAMED.name}, "
        f"needs {STREAMED.least_gib:.0f} GiB. Use a larger GPU, or the preset flashtalk-tiny."
    )


class Applied(Protocol):
    """Something that can be switched off."""

    def remove(self) -> None:
        """Restores the plain path."""


@dataclass
class Arrangement:
    """What :func:`apply_placement` did, in order."""

    steps: list[Applied] = field(default_factory=list)

    def remove(self) -> None:
        """Undoes everything, last step first: all networks plain and on the device."""
        while self.steps:
            self.steps[-1].remove()
            self.steps.pop()


def apply_placement(
    networks: Networks,
    placement: Placement,
    device: torch.device,
    *,
    reversible: bool = False,
    draw: Callable[[nn.Module], None] | None = None,
) -> Arrangement:
    """Arranges ``networks``, which are on the host, for ``device``.

    ``reversible`` keeps the original weights on the host, so that FP8 can be switched off again;
    without it the arrangement is for good. ``draw`` is for networks without weights: it is given
    each part just before the part is placed and puts weights on ``device``, so that the whole is
    never in one place. Raises ``ValueError`` for weights that need gradients.
    """
    draw = draw or (lambda part: None)
    done = Arrangement()
    transformer = networks.transformer
    blocks: list[nn.Module] = list(transformer.blocks)
    kept = len(blocks) if placement.resident_blocks is None else placement.resident_blocks
    resident, streamed = blocks[:kept], blocks[kept:]
    # 1. fewer bits, before anything else is moved: the GPU, which converts faster, never holds a
    #    plain copy of all blocks
    for number, block in enumerate(blocks):
        draw(block)
        if placement.fp8:
            done.steps.append(store_as_fp8(block, device=device, keep_originals=reversible))
        if number >= kept:
            block.to("cpu")
    # 2. the streamed blocks get their hooks while they are still on the host
    if streamed:
        done.steps.append(stream_blocks(streamed, device))
    # 3. the encoders that only visit
    visitors = (networks.text_encoder, networks.image_encoder) if placement.encoders_leave else ()
    for conditioner in visitors:
        if conditioner is not None:
            draw(conditioner.encoder)
            done.steps.append(visit(conditioner.encoder, device))
    # 4. everything else moves in, for good
    for name, child in transformer.named_children():
        if name != "blocks":
            draw(child)
            child.to(device)
    for block in resident:
        block.to(device)
    rest = [networks.autoencoder, networks.speech_encoder]
    rest += [] if visitors else [networks.text_encoder, networks.image_encoder]
    for network in rest:
        if isinstance(network, nn.Module):
            draw(network)
            network.to(device)
    return done
