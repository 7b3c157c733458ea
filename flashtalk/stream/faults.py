"""What may go wrong while a chunk is computed, as sentences: numbers that are none, no memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from flashtalk.errors import FlashTalkError

NOT_NUMBERS = (
    "The model returned values that are not numbers, so the video ends at its last good picture. "
    "Try another seed or another picture."
)
NO_MEMORY = (
    "The machine has no memory left for this video, so it ends early. Try again in a minute, or "
    "with a shorter voice."
)


def require_numbers(values: Tensor) -> None:
    """Raises :class:`FlashTalkError` if ``values`` (any shape) hold NaN or infinity."""
    if not torch.isfinite(values.float().sum()):  # a sum is one pass, and keeps both
        raise FlashTalkError(NOT_NUMBERS)


@contextmanager
def said() -> Iterator[None]:
    """Out of memory, on a GPU or on the processor, is a :class:`FlashTalkError`."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise FlashTalkError(NO_MEMORY) from error
    except RuntimeError as error:
        # PyTorch has no class of its own for the processor's memory
        if "DefaultCPUAllocator" not in str(error):
            raise
        raise FlashTalkError(NO_MEMORY) from error
