"""A preset without its files: real networks, random weights, and the plan to hold them against.

How fast the networks are and what they take does not depend on what was learned. So the plan can be
checked on a GPU, and the speed measured, before 64 GB are fetched (``flashtalk.cli.bench
--random-weights``). Nothing is downloaded. The networks are built on the ``meta`` device, and their
weights are drawn part by part on the device where they stay: the host never holds them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from flashtalk.config import PRESETS, Preset
from flashtalk.errors import FlashTalkError
from flashtalk.memory.budget import GIB, Budget, budget_of
from flashtalk.memory.parts import PUBLISHED, PublishedSizes, parts_of, published_networks
from flashtalk.memory.phases import activation_peaks
from flashtalk.models.networks import Networks
from flashtalk.placement.placement import ALL_RESIDENT, Placement
from flashtalk.weights import build_networks
from flashtalk.weights.checkpoint import find_checkpoint
from flashtalk.weights.published import ON_CPU, ON_GPU, Precision
from flashtalk.weights.sizes import CONFIG, PublishedFiles, read_json

NOT_MEASURED = "Device memory is not measured on a processor."
NOISE = 0.02  # standard deviation of what has one dimension: biases, and gains around 1


@dataclass(frozen=True)
class Rehearsal:
    """What is to be built, known before anything is allocated."""

    preset: Preset
    """With one size of picture, for which the plan holds."""
    sizes: PublishedSizes

    def networks(self, device: torch.device) -> Networks:
        """New networks in eval mode, in the types that ``device`` would run the real weights in.

        Published ones have no memory yet (:func:`draw_weights` gives it); embedded ones have random
        weights on the processor.
        """
        if self.preset.source is None:
            return build_networks(self.preset)
        return published_networks(self.preset, self.sizes, _precision(device))

    def plan(self, device: torch.device, placement: Placement | None) -> Budget:
        """What ``python -m flashtalk.plan`` computes, for the types of ``device``."""
        parts = parts_of(self.preset, self.sizes, _precision(device))
        return budget_of(parts, activation_peaks(parts, self.preset), placement or ALL_RESIDENT)

    @property
    def notice(self) -> str:
        """What stands in for the files, in a sentence."""
        if not self.preset.transformer.text_dim:
            return "Random weights; nothing was downloaded."
        return (
            "Random weights; nothing was downloaded. In place of a prompt, which needs a "
            f"tokenizer, the text encoder reads {self.preset.transformer.text_tokens} fixed token "
            "ids."
        )


def rehearsal_of(name_or_folder: str, size: tuple[int, int] | None = None) -> Rehearsal:
    """The rehearsal of a preset, or of a local folder of which only config.json files are read.

    Raises :class:`FlashTalkError` for anything else, and for a size (height, width) that cannot be.
    """
    if name_or_folder not in PRESETS and not Path(name_or_folder).is_dir():
        raise FlashTalkError(
            f"Random weights are for a preset ({', '.join(PRESETS)}) or a local folder, got "
            f"{name_or_folder!r}. Nothing is fetched for them."
        )
    checkpoint = find_checkpoint(name_or_folder)
    preset, files = checkpoint.preset, checkpoint.weights
    return Rehearsal(
        preset=preset.with_size(size or (preset.geometry.height_px, preset.geometry.width_px)),
        sizes=_sizes_in(files) if isinstance(files, PublishedFiles) else PUBLISHED,
    )


def draw_weights(module: nn.Module, device: torch.device) -> None:
    """Gives whatever in ``module`` has no memory random values on ``device``; shared stays shared.

    Scaled by the number of inputs, so that signals neither vanish nor overflow in 16 bits. What has
    memory is left alone, so a module may be given again. Raises ``ValueError`` for a buffer whose
    values are not known here.
    """
    drawn: dict[int, nn.Parameter] = {}  # by the identity of what is replaced
    for owner in module.modules():
        for name, parameter in owner._parameters.items():
            if parameter is not None and parameter.is_meta:
                if id(parameter) not in drawn:
                    drawn[id(parameter)] = _drawn(name, parameter, device)
                owner._parameters[name] = drawn[id(parameter)]
        for name, buffer in owner._buffers.items():
            if buffer is not None and buffer.is_meta:
                if name != "position_ids":
                    raise ValueError(
                        f"got the buffer {name!r} without memory, expected position_ids"
                    )
                positions = torch.arange(buffer.shape[-1], device=device)
                owner._buffers[name] = positions.expand(buffer.shape)


def _drawn(name: str, like: nn.Parameter, device: torch.device) -> nn.Parameter:
    values = torch.empty(like.shape, dtype=like.dtype, device=device)
    if like.dim() > 1:
        values.normal_(std=(like.shape[0] / like.numel()) ** 0.5)
    else:
        values.normal_(mean=1.0 if name.endswith("weight") else 0.0, std=NOISE)
    return nn.Parameter(values, requires_grad=like.requires_grad)


def device_memory(device: torch.device, budget: Budget | None) -> dict[str, float | str | None]:
    """Peaks since they were last reset, in GiB, beside the plan's; ``None`` where there is none."""
    measured = device.type == "cuda"
    peak = torch.cuda.max_memory_allocated(device) / GIB if measured else None
    planned = budget.peak.total / GIB if budget else None
    return {
        "peak_allocated_gib": peak,
        "peak_reserved_gib": torch.cuda.max_memory_reserved(device) / GIB if measured else None,
        "planned_gib": planned,
        "planned_phase": budget.peak.name if budget else None,
        "measured_over_planned": peak / planned if peak and planned else None,
        "notice": "" if measured else NOT_MEASURED,
    }


def _precision(device: torch.device) -> Precision:
    return ON_GPU if device.type == "cuda" else ON_CPU


def _sizes_in(files: PublishedFiles) -> PublishedSizes:
    vae = read_json(files.wan / "vae" / CONFIG, "sizes")
    return PublishedSizes(
        autoencoder={key: value for key, value in vae.items() if not key.startswith("_")},
        text=read_json(files.wan / "text_encoder" / CONFIG, "sizes"),
        image=read_json(files.wan / "image_encoder" / CONFIG, "sizes"),
        speech=read_json(files.speech / CONFIG, "sizes"),
    )
