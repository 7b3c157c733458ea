"""The networks of a preset without their weights: exact bytes, and modules that run on ``meta``.

Nothing is downloaded and nothing is read. The embedded networks follow from the preset alone, the
published ones from the sizes in :mod:`flashtalk.weights.empty`.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import torch
from torch import nn

from flashtalk.config import Preset
from flashtalk.models.dit.transformer import VideoTransformer
from flashtalk.models.networks import Networks
from flashtalk.placement.fp8 import store_as_fp8
from flashtalk.placement.plan import NetworkBytes
from flashtalk.weights import build_networks, modules_of
from flashtalk.weights.empty import PUBLISHED, PublishedSizes, empty_networks
from flashtalk.weights.original import DOWNLOAD_BYTES
from flashtalk.weights.published import ON_GPU, Precision

RUN_BLOCKS = 2
"""Blocks of the transformer that are run to find its peak. They are alike and keep nothing for each
other, so two of them need as much as forty (a test holds that)."""

STORED = Precision(
    transformer=torch.bfloat16,
    autoencoder=torch.float32,
    text=torch.float32,
    image=torch.bfloat16,
    speech=torch.float32,
)
"""The types of the published files, which decide how much is fetched."""

STORED_ORIGINAL = replace(STORED, text=torch.bfloat16, image=torch.float32)
"""The same in Wan's own layout."""


@dataclass(frozen=True)
class BlockBytes:
    """The transformer's share that may be stored in 8 bits and streamed: its blocks."""

    count: int
    plain: int
    """Bytes of one block in the transformer's own type."""
    fp8: int
    """Bytes of one block with FP8 weights: values, scales, and what stays as it is."""


@dataclass(frozen=True)
class Parts:
    """All networks of a preset: their bytes, and stand-ins that run."""

    parts: tuple[NetworkBytes, ...]
    converted: frozenset[str]
    """Networks whose files hold another type: they are converted in host memory when they load. The
    files of the others are mapped and go from there to the GPU."""
    blocks: BlockBytes
    networks: Networks
    """They run, nothing more: on the device below, :data:`RUN_BLOCKS` blocks in the transformer."""
    packed_transformer: VideoTransformer
    """The same transformer with FP8 blocks."""
    device: str
    """``meta``, or ``cpu`` for embedded networks: small, and their decoder looks at its pixels."""

    def part(self, name: str) -> NetworkBytes | None:
        """The part called ``name``, if the preset has one."""
        return next((part for part in self.parts if part.name == name), None)


def parts_of(
    preset: Preset, sizes: PublishedSizes = PUBLISHED, precision: Precision = ON_GPU
) -> Parts:
    """The parts of ``preset``; ``sizes`` and ``precision`` matter to published ones only."""
    if preset.source is None:
        precision = Precision(*[torch.float32] * 5)
        networks = _embedded(preset)
    else:
        networks = empty_networks(preset, sizes, precision)
    whole = networks.transformer
    assert isinstance(whole, VideoTransformer)
    original = preset.source is not None and preset.source.original
    stored = STORED_ORIGINAL if original else STORED
    dtypes = {
        "transformer": (precision.transformer, stored.transformer),
        "autoencoder": (precision.autoencoder, stored.autoencoder),
        "speech_encoder": (precision.speech, stored.speech),
        "text_encoder": (precision.text, stored.text),
        "image_encoder": (precision.image, stored.image),
    }
    parts = tuple(
        _part(name, module, *dtypes[name], fetched=preset.source is not None)
        for name, module in modules_of(networks).items()
    )
    if original:
        parts = tuple(
            replace(part, download_bytes=DOWNLOAD_BYTES.get(part.name, part.download_bytes))
            for part in parts
        )
    running_blocks = whole.blocks[:RUN_BLOCKS]
    packed_blocks = copy.deepcopy(running_blocks)
    store_as_fp8(packed_blocks)
    return Parts(
        parts=parts,
        converted=frozenset(
            part.name for part in parts if dtypes[part.name][0] != dtypes[part.name][1]
        ),
        blocks=BlockBytes(
            len(whole.blocks), bytes_of(running_blocks[0]), bytes_of(packed_blocks[0])
        ),
        networks=replace(networks, transformer=_with_blocks(whole, running_blocks)),
        packed_transformer=_with_blocks(whole, packed_blocks),
        device="cpu" if preset.source is None else "meta",
    )


def _with_blocks(transformer: VideoTransformer, blocks: nn.ModuleList) -> VideoTransformer:
    """The same transformer around other blocks; everything else is shared."""
    other = copy.copy(transformer)
    other._modules = {**transformer._modules, "blocks": blocks}
    return other


def bytes_of(module: nn.Module) -> int:
    """Bytes of parameters and buffers; tied ones count once."""
    tensors = [*module.parameters(), *module.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _part(
    name: str, module: nn.Module, dtype: torch.dtype, stored: torch.dtype, *, fetched: bool
) -> NetworkBytes:
    parameters = sum(tensor.numel() for tensor in module.parameters())
    return NetworkBytes(
        name=name,
        parameters=parameters,
        dtype=str(dtype).removeprefix("torch."),
        bytes=bytes_of(module),
        download_bytes=parameters * stored.itemsize if fetched else 0,
    )


def _embedded(preset: Preset) -> Networks:
    networks = build_networks(preset)
    for module in modules_of(networks).values():
        module.requires_grad_(False)
    return networks
