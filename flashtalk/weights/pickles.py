"""PyTorch's own files (.bin, .pth) -> tensors; nothing that is in them is executed.

Used where the published repositories hold no safetensors. ``torch.load(weights_only=True)``
rebuilds tensors and refuses everything else: a file that wants to run code is an error.
"""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from flashtalk.errors import FlashTalkError
from flashtalk.weights.strict import FLOATS, Stored

logger = logging.getLogger(__name__)

NAMES = {dtype: name for name, dtype in FLOATS.items()}


def read_pickle(path: Path, remedy: str) -> dict[str, Tensor]:
    """The tensors of a file by their names, mapped into memory: they are read when they are used.

    Raises :class:`FlashTalkError`, ending with ``remedy``, for files that are missing or cut off.
    It is also raised for files with anything but one tensor for each name.
    """
    if not path.is_file():
        raise FlashTalkError(f"{path} is missing. {remedy}")
    logger.info("%s is not safetensors: reading its tensors with weights_only=True", path)
    try:
        mapped = zipfile.is_zipfile(path)  # files of PyTorch before 1.6 cannot be mapped
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # the unpickler raises many kinds for a file that is cut off
        raise FlashTalkError(
            f"{path} is cut off, damaged or holds more than tensors ({first_line(error)}). {remedy}"
        ) from error
    return only_tensors(content, str(path), remedy)


def only_tensors(content: object, place: str, remedy: str) -> dict[str, Tensor]:
    """``content`` of the file at ``place`` if it is a tensor for each name; an error otherwise."""
    if not isinstance(content, Mapping) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in content.items()
    ):
        raise FlashTalkError(
            f"{place} holds more than tensors: expected one tensor for each name, got "
            f"{type(content).__name__} of other things. {remedy}"
        )
    return dict(content)


def described(tensors: Mapping[str, Tensor], file: Path) -> dict[str, Stored]:
    """What :func:`flashtalk.weights.strict.check` compares, for tensors of ``file``."""
    return {
        name: Stored(file, name, tuple(tensor.shape), NAMES.get(tensor.dtype, str(tensor.dtype)))
        for name, tensor in tensors.items()
    }


def first_line(error: Exception) -> str:
    """The first line of what ``error`` says."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
