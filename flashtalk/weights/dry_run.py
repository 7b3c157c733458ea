"""A preset without its files: real networks with random weights.

How fast the networks are and what they take does not depend on what was learned. So speed and
memory can be measured on a GPU before 63 GB are fetched (``flashtalk bench --random-weights``).
Nothing is downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from flashtalk.config import PRESETS, Preset
from flashtalk.errors import FlashTalkError
from flashtalk.models.networks import Networks
from flashtalk.weights import build_networks, modules_of
from flashtalk.weights.checkpoint import find_checkpoint
from flashtalk.weights.empty import PUBLISHED, PublishedSizes, empty_networks, published_sizes
from flashtalk.weights.published import ON_CPU, ON_GPU
from flashtalk.weights.sizes import PublishedFiles

NOISE = 0.02  # standard deviation of what has one dimension: biases, and gains around 1


@dataclass(frozen=True)
class DryRun:
    """What is to be built, known before anything is allocated."""

    preset: Preset
    """With one size of picture; its name is a known one only if all sizes are."""
    sizes: PublishedSizes
    local: bool
    """Whether a folder gives the sizes, and not a preset."""

    def empty_networks(self, device: torch.device) -> Networks:
        """New networks in eval mode, in the types that ``device`` runs the real weights in.

        Published ones have no memory (:func:`init_weights` gives it); embedded ones have random
        weights on the processor.
        """
        if self.preset.source is None:
            return build_networks(self.preset)
        return empty_networks(self.preset, self.sizes, ON_GPU if device.type == "cuda" else ON_CPU)

    def networks(self, device: torch.device) -> Networks:
        """New networks with random weights in host memory, as a checkpoint for ``device`` loads."""
        networks = self.empty_networks(device)
        for module in modules_of(networks).values():
            init_weights(module, device)
        return networks

    @property
    def notice(self) -> str:
        """A sentence that says what stands in for the files."""
        if not self.preset.transformer.text_dim:
            return "Random weights; nothing was downloaded."
        return (
            "Random weights; nothing was downloaded. In place of a prompt, which needs a "
            f"tokenizer, the text encoder reads {self.preset.transformer.text_tokens} fixed token "
            "ids."
        )


def dry_run_of(
    name_or_folder: str, size: tuple[int, int] | None = None, mode: str | None = None
) -> DryRun:
    """The dry run of a preset, or of a local folder of which only config.json files are read.

    Raises :class:`FlashTalkError` for anything else, and for a size (height, width) or ``mode``
    that cannot be.
    """
    local = name_or_folder not in PRESETS
    if local and not Path(name_or_folder).is_dir():
        raise FlashTalkError(
            f"Random weights are for a preset ({', '.join(PRESETS)}) or a local folder, got "
            f"{name_or_folder!r}. Nothing is fetched for them."
        )
    checkpoint = find_checkpoint(name_or_folder)
    preset, files, sizes = checkpoint.preset.with_mode(mode), checkpoint.weights, PUBLISHED
    preset = preset.with_size(size or preset.network_size)
    if isinstance(files, PublishedFiles):
        sizes = published_sizes(files)
        if preset.name in PRESETS and not PUBLISHED.agree_with(sizes):
            preset = replace(preset, name=f"{preset.name} ({files.transformer.name})")
    return DryRun(preset, sizes, local)


def init_weights(module: nn.Module, device: torch.device) -> None:
    """Gives whatever in ``module`` has no memory random values in host memory.

    Parameters of one shape share the same values until the module moves to a GPU. There each gets
    its own. So the host holds one block of a transformer, not forty. ``device`` makes the values.

    Scaled by the number of inputs, so that signals neither vanish nor overflow in 16 bits. Tied
    parameters stay tied. Raises ``ValueError`` for a buffer whose values are not known here.
    """
    values: dict[tuple[object, ...], Tensor] = {}  # by shape, type and kind
    ready: dict[int, nn.Parameter] = {}  # by the identity of what is replaced
    for owner in module.modules():
        for name, parameter in owner._parameters.items():
            if parameter is None or not parameter.is_meta:
                continue
            if id(parameter) not in ready:
                kind = (parameter.shape, parameter.dtype, name.endswith("weight"))
                if kind not in values:
                    values[kind] = _random(parameter, name.endswith("weight"), device)
                ready[id(parameter)] = nn.Parameter(
                    values[kind], requires_grad=parameter.requires_grad
                )
            owner._parameters[name] = ready[id(parameter)]
        for name, buffer in owner._buffers.items():
            if buffer is not None and buffer.is_meta:
                if name != "position_ids":
                    raise ValueError(
                        f"got the buffer {name!r} without memory, expected position_ids"
                    )
                owner._buffers[name] = torch.arange(buffer.shape[-1]).expand(buffer.shape)


def _random(like: nn.Parameter, gain: bool, device: torch.device) -> Tensor:
    values = torch.empty(like.shape, dtype=like.dtype, device=device)
    if like.dim() > 1:
        values.normal_(std=(like.shape[0] / like.numel()) ** 0.5)
    else:
        values.normal_(mean=1.0 if gain else 0.0, std=NOISE)
    return values.cpu()
