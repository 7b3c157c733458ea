"""What is given up for speed in a published model, under one name each: size, steps, techniques."""

from __future__ import annotations

from dataclasses import dataclass

from flashtalk.errors import FlashTalkError


@dataclass(frozen=True)
class Mode:
    """One choice of size, steps and techniques; ``--mode NAME``."""

    name: str
    sizes: tuple[tuple[int, int], ...]
    """(height, width) in pixels to choose from by the portrait's aspect, the usual one first."""
    steps: int
    """Denoising steps of a chunk."""
    acceleration: str
    """What is on unless ``--acceleration`` says otherwise, in the words of that option."""

    def __post_init__(self) -> None:
        if not self.sizes or self.steps < 1:
            raise ValueError(f"{self.name}: a mode has sizes and at least one step")


LOSSLESS = "channels-last,fused-qkv,compile,cuda-graphs,pinned-copies,encoder-thread"
"""Techniques that round in another order and change nothing else."""

MODES: dict[str, Mode] = {
    mode.name: mode
    for mode in (
        Mode("quality", ((768, 448), (448, 768), (576, 576)), 4, LOSSLESS),
        Mode("balanced", ((640, 384), (384, 640), (496, 496)), 4, f"fp8-products,{LOSSLESS}"),
        Mode("realtime", ((640, 384), (384, 640), (496, 496)), 2, f"fp8-products,{LOSSLESS}"),
    )
}
"""Two steps are those of the published code's own short list; it was distilled for four."""


def mode_named(name: str) -> Mode:
    """The mode called ``name``; raises :class:`FlashTalkError` listing the known ones."""
    if name not in MODES:
        raise FlashTalkError(f"Unknown mode {name!r}. Known modes: {', '.join(MODES)}.")
    return MODES[name]
