"""Compilation by PyTorch, block by block, each as one graph.

The forwards stay what they are. A block of the transformer compiles once for all blocks of a shape.
The autoencoder names its own parts. A shape that is seen for the first time costs seconds to
minutes; :meth:`flashtalk.engine.Engine.warm_up` runs through all of them. What Inductor builds is
kept in a folder, so that the next start on the same machine only reads it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import torch

from flashtalk.errors import FlashTalkError
from flashtalk.models.networks import Networks
from flashtalk.placement import Placement, streams
from flashtalk.stream.color import MatchFrame, match_frame

SHAPES = 64
"""Shapes that one function is compiled for: 9 sizes, and a first chunk that has other frames."""
CACHE_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
COMPILERS = ("g++", "clang++", "c++")


def check_compiled(device: torch.device, placement: Placement | None, *, gpu_is_lent: bool) -> None:
    """Raises :class:`FlashTalkError`, saying why, where compiled blocks cannot run."""
    if gpu_is_lent:
        raise FlashTalkError(
            "compile needs a GPU for longer than ZeroGPU lends one: every call is a new process, "
            "which would compile again. Leave the word out, or use a Space with its own GPU."
        )
    if streams(placement):
        raise FlashTalkError(
            f"compile and the placement {placement.name} exclude each other: hooks move its blocks "
            "between host and GPU, and a graph cannot hold them. Leave the word out, or use "
            "--placement 48gb."
        )
    named = os.environ.get("CXX")
    if device.type == "cpu" and not any(map(shutil.which, (named,) if named else COMPILERS)):
        raise FlashTalkError(
            f"compile needs a C++ compiler, and there is none here ({named or ', '.join(COMPILERS)}"
            "). Install one (Debian: apt install g++), or leave the word out."
        )


def keep_what_is_built(folder: Path) -> None:
    """Inductor keeps what it builds in ``folder``, unless the user's variable names another."""
    os.environ.setdefault(CACHE_VARIABLE, str(folder))


def compile_networks(networks: Networks, backend: str = "inductor") -> None:
    """Compiles the transformer's blocks and the autoencoder's parts in place."""
    torch._dynamo.config.recompile_limit = SHAPES
    blocks = getattr(networks.transformer, "blocks", ())
    for part in (*blocks, *networks.autoencoder.graphs()):
        part.compile(fullgraph=True, dynamic=False, backend=backend)


def compile_shared(
    networks: Networks, *, autoencoder: bool = True, backend: str = "inductor"
) -> None:
    """As :func:`compile_networks`, for networks that several processes share.

    What ranks exchange is in no graph: blocks break there. A shared ``autoencoder`` exchanges at
    every convolution, so it runs as it is written.
    """
    for block in getattr(networks.transformer, "blocks", ()):
        block.compile(fullgraph=False, dynamic=False, backend=backend)
    for part in networks.autoencoder.graphs() if autoencoder else ():
        part._compiled_call_impl = None


def compiled_color(backend: str = "inductor") -> MatchFrame:
    """The color match of one frame, compiled."""
    torch._dynamo.config.recompile_limit = SHAPES
    compiled: MatchFrame = torch.compile(
        match_frame, fullgraph=True, dynamic=False, backend=backend
    )
    return compiled
