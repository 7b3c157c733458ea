"""One function that makes networks faster, in a fixed order; and the check that comes before it.

What the machine cannot do is refused by name before gigabytes are read.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from flashtalk.acceleration.ahead import Packages, check_ahead, run_ahead
from flashtalk.acceleration.attention import check_attention, set_attention
from flashtalk.acceleration.compiled import (
    check_compiled,
    compile_networks,
    compiled_color,
    keep_what_is_built,
)
from flashtalk.acceleration.convolutions import (
    channels_last,
    check_bf16_convolutions,
    multiplies_bf16,
    set_bf16_convolutions,
)
from flashtalk.acceleration.fp8_products import check_fp8_products, multiply_in_fp8
from flashtalk.acceleration.fused_qkv import check_fused_qkv, fuse_qkv
from flashtalk.acceleration.graphs import check_cuda_graphs
from flashtalk.acceleration.settings import DEFAULT, Acceleration
from flashtalk.config import Preset
from flashtalk.errors import FlashTalkError
from flashtalk.models.networks import Networks
from flashtalk.placement import Placement
from flashtalk.stream.color import MatchFrame, match_frame


def check_acceleration(
    acceleration: Acceleration,
    device: torch.device,
    placement: Placement | None = None,
    *,
    gpu_is_lent: bool = False,
) -> None:
    """Raises :class:`FlashTalkError` for the first technique that cannot run here."""
    check_attention(acceleration.attention, device)
    if acceleration.bf16_convolutions:
        check_bf16_convolutions(device)
    if acceleration.fp8_products:
        check_fp8_products(device, placement)
    if acceleration.fused_qkv:
        check_fused_qkv(placement, fp8_products=acceleration.fp8_products)
    if acceleration.compiled:
        check_compiled(device, placement, gpu_is_lent=gpu_is_lent)
    if acceleration.ahead and (acceleration.compiled or acceleration.cuda_graphs):
        raise FlashTalkError(
            "ahead goes together with neither compile nor cuda-graphs: all three say what blocks "
            "run. Leave it out, or these."
        )
    if acceleration.ahead:
        check_ahead(placement, ahead_folder(), gpu_is_lent=gpu_is_lent)
    if acceleration.cuda_graphs:
        check_cuda_graphs(device, placement, gpu_is_lent=gpu_is_lent)
    if acceleration.pinned_copies and device.type != "cuda":
        raise FlashTalkError(
            f"pinned-copies are for a CUDA GPU, and the device is {str(device)!r}, where nothing "
            "is copied. Leave the word out."
        )


def usual_acceleration(device: torch.device, preset: Preset) -> Acceleration:
    """What is on where nobody has chosen: all that a processor gains from, up to rounding."""
    embedded = preset.autoencoder is not None
    return replace(
        DEFAULT, bf16_convolutions=embedded and device.type == "cpu" and multiplies_bf16()
    )


def apply_acceleration(
    networks: Networks, acceleration: Acceleration, device: torch.device
) -> MatchFrame:
    """Applies what is on to ``networks``, which are where they will run; returns the color match.

    Weights are as the placement left them. A second call may add techniques. It also takes back the
    attention kernel and the convolutions' bits; layout, 8 bits and compilation stay.
    """
    transformer: Any = networks.transformer
    # 1. kernels: what a graph will hold
    set_attention(transformer, acceleration.attention)
    # 2. bits: the layers that a graph will hold
    if acceleration.fp8_products:
        multiply_in_fp8(transformer.blocks)
    # 3. fewer products, of the bits that they have by now
    if acceleration.fused_qkv:
        fuse_qkv(transformer.modules())
    # 4. layout: graphs are made for the strides that they see
    if isinstance(networks.autoencoder, nn.Module):
        if acceleration.channels_last:
            channels_last(networks.autoencoder)
        set_bf16_convolutions(networks.autoencoder, acceleration.bf16_convolutions)
    # 5. graphs, last: they hold all of the above
    if acceleration.ahead:
        run_ahead(transformer, Packages(ahead_folder(), acceleration.attention))
    if not acceleration.compiled:
        return match_frame
    keep_what_is_built(cache_folder())
    compile_networks(networks)
    return compiled_color()


def ahead_folder() -> Path:
    """Where blocks that were compiled ahead of time are kept."""
    return cache_folder() / "ahead"


def cache_folder() -> Path:
    """Where compiled code is kept: beside what is fetched from the Hub, which persists."""
    from huggingface_hub import constants  # here: it takes a second to import

    return Path(constants.HF_HOME).expanduser() / "flashtalk-compiled"
