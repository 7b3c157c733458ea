"""The transformer's blocks compiled ahead of time: one package for each shape, for all blocks.

For GPUs that are lent for a minute, as on ZeroGPU. Every call is a new process there, and could not
compile. A package holds code and no weights; each block runs it with its own. Packages are built in
the warm-up of a machine with the same kind of GPU, and kept in a folder. Where a GPU is lent they
are read from there.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from flashtalk.errors import FlashTalkError
from flashtalk.placement import Placement

logger = logging.getLogger(__name__)

SUFFIX = ".pt2"


def check_ahead(placement: Placement | None, folder: Path, *, gpu_is_lent: bool) -> None:
    """Raises :class:`FlashTalkError`, saying why, where packages cannot be built or found."""
    if placement is not None and (placement.fp8 or placement.resident_blocks is not None):
        raise FlashTalkError(
            f"ahead and the placement {placement.name} exclude each other: its weights are made "
            "anew at each use. Leave the word out, or use --placement 80gb."
        )
    if gpu_is_lent and not [*folder.glob(f"*{SUFFIX}")]:
        raise FlashTalkError(
            f"ahead needs packages in {folder}, and there are none: they cannot be built where a "
            "GPU is lent. Start once with --acceleration ahead on a machine with the same GPU, and "
            "copy that folder here; or leave the word out."
        )


class Packages:
    """Compiled blocks in a folder, for attention of one ``kernel``; built there if missing.

    Only the process that made this builds: where a GPU is lent, another one computes.
    """

    def __init__(self, folder: Path, kernel: str = "sdpa") -> None:
        self._folder, self._kernel, self._process = folder, kernel, os.getpid()
        self._digests: dict[tuple[object, ...], str] = {}
        self._loaded: dict[tuple[int, str], Any] = {}
        self._holds: dict[tuple[int, str], nn.Module] = {}

    def run(self, block: nn.Module, given: tuple[Tensor | None, ...]) -> Tensor:
        """What ``block`` returns for ``given``, by the package of its kind and their shapes.

        Raises :class:`FlashTalkError` for shapes without a package where none may be built.
        """
        shapes = (id(block), *(None if each is None else each.shape for each in given))
        if shapes not in self._digests:
            self._digests[shapes] = _digest(self._kernel, block, given)
        key = (os.getpid(), self._digests[shapes])  # a process that was forked loads its own
        model = self._loaded.get(key)
        if model is None:
            model = self._loaded[key] = self._load(block, given, key[1])
        if self._holds.get(key) is not block:
            weights = {**dict(block.named_parameters()), **dict(block.named_buffers())}
            needed = {name: weights[name].detach() for name in model.get_constant_fqns()}
            model.load_constants(needed, check_full_update=True, user_managed=True)
            self._holds[key] = block
        result: Tensor = model(*given)
        return result

    def _load(self, block: nn.Module, given: tuple[Tensor | None, ...], digest: str) -> Any:
        file = self._folder / f"{digest}{SUFFIX}"
        if not file.is_file():
            if self._process != os.getpid():
                raise FlashTalkError(
                    f"No package in {self._folder} is for this size of picture, this GPU and this "
                    "version of PyTorch. Choose a --size that was built, or leave ahead out."
                )
            self._build(block, given, file)
        return torch._inductor.aoti_load_package(str(file))

    def _build(self, block: nn.Module, given: tuple[Tensor | None, ...], file: Path) -> None:
        logger.info("Compiling a block ahead of time, into %s", file)
        self._folder.mkdir(parents=True, exist_ok=True)
        with torch.inference_mode(False), torch.no_grad():
            example = tuple(None if each is None else each.clone() for each in given)
            program = torch.export.export(block, example)
            part = file.with_name(f"{os.getpid()}-{file.name}")
            torch._inductor.aoti_compile_and_package(
                program,
                package_path=str(part),
                inductor_configs={"aot_inductor.package_constants_in_so": False},
            )
        part.replace(file)  # never half a package under its name


class AheadBlock(nn.Module):
    """A block that runs its package."""

    def __init__(self, block: nn.Module, packages: Packages) -> None:
        super().__init__()
        self.block = block
        self._packages = packages

    def forward(self, *given: Tensor | None) -> Tensor:
        """As the block's."""
        return self._packages.run(self.block, given)


def run_ahead(transformer: Any, packages: Packages) -> None:
    """Every block of ``transformer`` runs its package from here on, for good."""
    blocks = transformer.blocks
    for number, block in enumerate(blocks):
        if not isinstance(block, AheadBlock):
            blocks[number] = AheadBlock(block, packages)


def _digest(kernel: str, block: nn.Module, given: tuple[Tensor | None, ...]) -> str:
    """A name for all that a package depends on."""
    device = next(each.device for each in given if each is not None)
    kind = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    named = [*block.named_parameters(), *block.named_buffers()]
    depends = [
        torch.__version__,
        kind,
        kernel,
        [(name, str(each.dtype), list(each.shape)) for name, each in named],
        [None if each is None else (str(each.dtype), list(each.shape)) for each in given],
    ]
    return hashlib.sha256(json.dumps(depends).encode()).hexdigest()[:24]
