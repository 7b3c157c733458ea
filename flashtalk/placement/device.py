"""The device that networks run on, and the placement that fits it."""

from __future__ import annotations

import logging

import torch

from flashtalk.config import Preset
from flashtalk.errors import FlashTalkError
from flashtalk.placement.placement import Placement, choose, placement_named
from flashtalk.weights.checkpoint import LARGEST_ON_CPU, transformer_parameters

logger = logging.getLogger(__name__)


def default_device(preset: Preset) -> str:
    """Where a preset runs if nobody says so."""
    return "cuda" if preset.device == "cuda" and torch.cuda.is_available() else "cpu"


def chosen_placement(
    preset: Preset, device: torch.device, placement: Placement | str | None
) -> Placement | None:
    """The placement asked for, or the one that fits the GPU; ``None`` for small networks.

    Raises :class:`FlashTalkError` for an unknown name and for a GPU that is too small.
    """
    if isinstance(placement, str):
        return placement_named(placement)
    if placement is not None or device.type != "cuda":
        return placement
    if transformer_parameters(preset) <= LARGEST_ON_CPU:
        return None
    found = choose(torch.cuda.get_device_properties(device).total_memory / 2**30)
    logger.info("%s is placed for a GPU of %s", preset.name, found.name)
    return found


def checked_device(device: str | torch.device) -> torch.device:
    """A device that exists; raises :class:`FlashTalkError` for any other."""
    try:
        checked = torch.device(device)
    except RuntimeError as error:
        raise FlashTalkError(f"Unknown device {device!r}. Use 'cpu' or 'cuda'.") from error
    if checked.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (checked.index or 0) >= count:
            raise FlashTalkError(
                f"Device {str(device)!r} was asked for, but PyTorch sees {count} CUDA GPUs here. "
                "Use device='cpu', or install a CUDA build of PyTorch on a machine with that GPU."
            )
    elif checked.type != "cpu":
        raise FlashTalkError(f"Device {str(device)!r} is not supported. Use 'cpu' or 'cuda'.")
    return checked
