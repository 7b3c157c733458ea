"""safetensors files -> a module built on the meta device; every stored tensor is used exactly once.

Used by :mod:`flashtalk.weights.published`. Names and shapes are read from the files' headers and
checked before any tensor is read. So a folder that does not fit costs no time and no memory. What
is read is taken over as it is (``assign=True``), not copied into memory that was filled before.

safetensors alone knows no checksums. A file that was cut off or is no safetensors file is found
here. A flipped bit inside a tensor is not (downloads from the Hub are checked by their size).
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from flashtalk.errors import FlashTalkError

logger = logging.getLogger(__name__)

INDEX_SUFFIX = ".safetensors.index.json"
NAMED_KEYS = 3  # how many tensors a sentence names before it counts the rest
FLOATS = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}
"""Types of weights, by their names in safetensors. Eight bits need scales, which no file here has.
"""


@dataclass(frozen=True)
class Naming:
    """How a published file's tensor names become a module's."""

    renames: tuple[tuple[str, str], ...] = ()
    """(regular expression, replacement), all applied in order."""
    unused: tuple[str, ...] = ()
    """Regular expressions of renamed tensors that the file holds for another use, from its start.
    They alone may be left over."""
    tied: Mapping[str, str] = field(default_factory=dict)
    """Parameters that are another one's tensor by design, by that other name; files may omit them.
    """

    def renamed(self, name: str) -> str:
        for pattern, replacement in self.renames:
            name = re.sub(pattern, replacement, name)
        return name

    def is_unused(self, name: str) -> bool:
        return any(re.match(pattern, name) for pattern in self.unused)


@dataclass(frozen=True)
class Stored:
    """One tensor of a file, by its header."""

    file: Path
    key: str
    """Its name in the file."""
    shape: tuple[int, ...]
    dtype: str
    """Written as in safetensors, such as ``BF16``."""


Header = Mapping[str, tuple[tuple[int, ...], str]]
"""Shapes and types of a file's tensors, by their names there."""


class Files(Protocol):
    """Safetensors files of one folder, on this machine or elsewhere."""

    def names(self) -> list[str]:
        """All of them, sorted."""

    def header(self, name: str) -> Header:
        """Shape and type of one of them; :class:`FlashTalkError` if it cannot be read."""


@dataclass(frozen=True)
class LocalFiles:
    """Those in a folder of this machine."""

    folder: Path
    remedy: str

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("*.safetensors"))

    def header(self, name: str) -> Header:
        file = self.folder / name
        try:
            with safe_open(file, framework="pt") as content:
                slices = {key: content.get_slice(key) for key in content.keys()}  # noqa: SIM118 (no dict)
                return {k: (tuple(s.get_shape()), s.get_dtype()) for k, s in slices.items()}
        except (SafetensorError, OSError) as error:
            raise FlashTalkError(
                f"{file} is cut off, damaged or no safetensors file: {file.stat().st_size:,} "
                f"bytes, {error}. {self.remedy}"
            ) from error


def survey(
    folder: Path, naming: Naming, remedy: str, files: Files | None = None
) -> dict[str, Stored]:
    """All tensors of the safetensors files in ``folder``, by the names the module gives them.

    Several files need an index (``*.safetensors.index.json``), which lies in ``folder`` also where
    the ``files`` themselves are elsewhere. Raises :class:`FlashTalkError` for missing, cut off or
    foreign files and for files that the index does not describe. It is also raised for tensors that
    are there twice. Each sentence ends with ``remedy``.
    """
    index = _index_of(folder, remedy)
    found: dict[str, Stored] = {}
    files = files or LocalFiles(folder, remedy)
    for name in _names_of(folder, files.names(), index, remedy):
        file = folder / name
        for key, (shape, dtype) in files.header(name).items():
            if index and index.get(key) != file.name:
                raise FlashTalkError(
                    f"{file} holds {key}, which the index beside it "
                    f"{'places in ' + index[key] if key in index else 'does not list'}. {remedy}"
                )
            renamed = naming.renamed(key)
            if renamed in found:
                raise FlashTalkError(f"{renamed} is stored twice in {folder}. {remedy}")
            found[renamed] = Stored(file, key, shape, dtype)
    absent = sorted(key for key in index if naming.renamed(key) not in found)
    if absent:
        raise FlashTalkError(
            f"The index in {folder} lists {listed(absent)}, which {index[absent[0]]} does not hold."
            f" {remedy}"
        )
    return found


def check(
    module: nn.Module, stored: Mapping[str, Stored], naming: Naming, what: str, remedy: str
) -> list[str]:
    """The names to load into ``module``, after comparing all names, shapes and types with it.

    ``what`` names the network and its place in sentences. Raises :class:`FlashTalkError` naming
    the tensors that are missing, not known, of another shape, or no floating-point numbers.
    """
    expected = module.state_dict()
    missing = [name for name in expected if name not in stored and name not in naming.tied]
    if missing:
        raise FlashTalkError(
            f"The {what} lacks {len(missing)} of {len(expected)} tensors: {listed(missing)}. "
            f"{remedy}"
        )
    extra = sorted(name for name in stored if name not in expected and not naming.is_unused(name))
    if extra:
        raise FlashTalkError(
            f"The {what} holds {len(extra)} tensors that this network does not have: "
            f"{listed(extra)}. {remedy}"
        )
    for name, tensor in expected.items():
        if name not in stored:
            continue
        found = stored[name]
        if found.shape != tuple(tensor.shape):
            raise FlashTalkError(
                f"The {what} holds {name} of shape {list(found.shape)} in {found.file.name}, but "
                f"its config.json asks for {list(tensor.shape)}. {remedy}"
            )
        if tensor.is_floating_point() and found.dtype not in FLOATS:
            raise FlashTalkError(
                f"The {what} holds {name} of type {found.dtype} in {found.file.name}, expected "
                f"one of {', '.join(FLOATS)}. Quantized weights cannot be read; use the original "
                "ones."
            )
    unused = [name for name in stored if name not in expected]
    if unused:
        logger.info("%s: %d tensors for other uses are not needed", what, len(unused))
    return [name for name in expected if name in stored]


def read(
    stored: Mapping[str, Stored], names: Iterable[str], dtype: torch.dtype
) -> dict[str, Tensor]:
    """The tensors called ``names`` on the CPU; floating-point ones as ``dtype``.

    A tensor that has that type already stays in the mapped file until it is moved.
    """
    by_file: dict[Path, list[str]] = {}
    for name in names:
        by_file.setdefault(stored[name].file, []).append(name)
    state: dict[str, Tensor] = {}
    for file, members in by_file.items():
        with safe_open(file, framework="pt") as content:
            for name in members:
                state[name] = as_dtype(content.get_tensor(stored[name].key), dtype)
    return state


def assign(module: nn.Module, state: dict[str, Tensor], naming: Naming) -> None:
    """Makes ``state`` the parameters of ``module``; tied parameters become one again."""
    for name, source in naming.tied.items():
        state.setdefault(name, state[source])
    module.load_state_dict(state, strict=True, assign=True)
    for name, source in naming.tied.items():
        owner, _, attribute = name.rpartition(".")
        setattr(module.get_submodule(owner), attribute, module.get_parameter(source))
    module.requires_grad_(False).eval()


def as_dtype(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Floating-point tensors as ``dtype``, others as they are."""
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def listed(names: list[str]) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - NAMED_KEYS
    return ", ".join(names[:NAMED_KEYS]) + (f" and {more} more" if more > 0 else "")


# --- files --------------------------------------------------------------------------------------
def _index_of(folder: Path, remedy: str) -> dict[str, str]:
    """File name by tensor name; empty without an index."""
    indices = sorted(folder.glob(f"*{INDEX_SUFFIX}"))
    if not indices:
        return {}
    if len(indices) > 1:
        raise FlashTalkError(
            f"{folder} holds {len(indices)} indices ({listed([path.name for path in indices])}), "
            "expected one. Keep the one of this checkpoint."
        )
    try:
        weight_map = json.loads(indices[0].read_text(encoding="utf-8"))["weight_map"]
        if not all(
            isinstance(file, str) and file == Path(file).name for file in weight_map.values()
        ):
            raise ValueError("weight_map must hold names of files beside it")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FlashTalkError(f"{indices[0]} cannot be read ({error!r}). {remedy}") from error
    return weight_map


def _names_of(folder: Path, present: list[str], index: Mapping[str, str], remedy: str) -> list[str]:
    if index:
        needed = sorted(set(index.values()))
        missing = [name for name in needed if name not in present]
        if missing:
            raise FlashTalkError(
                f"{folder} lacks {len(missing)} of {len(needed)} weight files: {listed(missing)}. "
                f"{remedy}"
            )
        return needed
    if not present:
        raise FlashTalkError(f"There is no safetensors file in {folder}. {remedy}")
    if len(present) > 1:
        raise FlashTalkError(
            f"{folder} holds {len(present)} safetensors files but no index (*{INDEX_SUFFIX}) that "
            f"tells which belong together. {remedy}"
        )
    return present
