"""What a GPU has to be able to do for a technique."""

from __future__ import annotations

import torch

from flashtalk.errors import FlashTalkError


def check_capability(
    device: torch.device, least: tuple[int, int], needs: str, instead: str
) -> None:
    """Refuse a GPU that has less than the compute capability ``least``.

    ``needs`` begins the sentence ("compile needs"); ``instead`` is the one that says what to do.
    """
    if device.type == "cuda" and torch.cuda.get_device_capability(device) < least:
        raise FlashTalkError(
            f"{needs} a GPU of compute capability {'.'.join(map(str, least))} or more, and "
            f"{torch.cuda.get_device_name(device)} has less. {instead}"
        )
