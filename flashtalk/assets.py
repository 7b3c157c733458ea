"""Where weights, portraits, voices and page files are, and networks that others trained.

In a clone the folder lies beside the package, in a wheel inside it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from flashtalk.errors import FlashTalkError

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "assets"

ASSETS = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent / "assets"
"""The folder of the files that the product ships."""


def checked_bytes(path: Path, sha256: str, name: str) -> np.ndarray:
    """The bytes of ``path``, which holds ``name``: uint8, as OpenCV takes them.

    Raises :class:`FlashTalkError` if the file is missing or another one.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FlashTalkError(
            f"The {name} is missing: no file at {path}. Restore it from the repository."
        ) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise FlashTalkError(
            f"The {name} {path} is not the file that ships. Restore it from the repository."
        )
    return np.frombuffer(content, np.uint8)
