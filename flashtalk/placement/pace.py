"""Which pictures a machine can make while somebody watches, by what it was measured to take."""

from __future__ import annotations

from dataclasses import replace

from flashtalk.config import WHOLE_COST, FramingWay, Preset
from flashtalk.stream.rehearsal import Shape

LIVE_COST = 0.55
"""Most seconds of computing for a second of video; the rest is for pictures, encoding, a browser.

At 0.37 the page and Chromium on the same two cores were at 1.80 times real time.
"""
LIVE_SPEECH_COST = 0.28
"""The same for large pictures of live speech: its chunks are short, and a browser is often beside.

At 0.37, pictures of 512 x 512 lag 1.7 s behind the mouth and small ones 1.1 s.
"""
SMALLER_LIVE = (
    "Live speech has pictures of {} x {} pixels: larger ones would lag behind on this machine."
)
SMALLER_PICTURES = (
    "Pictures have {size} pixels: this machine takes {cost:.1f} s for a second of larger ones."
)
SMALLER_WHOLE = (
    "Whole pictures have at most {longest} pixels along a side: this machine is too slow for more."
)
SMALLER_WHOLE_PX = ((854, 480), (640, 384))
"""Whole pictures, and what moves of them, of a machine that just keeps up, and of a slower one."""


def live_preset(preset: Preset, cost: float) -> tuple[Preset, dict[FramingWay, str]]:
    """``preset`` with pictures that a machine keeps up with, and a sentence where they are smaller.

    ``cost`` is in seconds of work for a second of video of the size of ``preset``.
    """
    if preset.picture_size is None:
        return preset, {}
    preset = replace(preset, small_live=cost > LIVE_SPEECH_COST)
    if WHOLE_COST * cost <= LIVE_COST:
        return preset, {}
    slow, notices = cost > LIVE_COST, dict[FramingWay, str]()
    if "picture" in preset.framings:
        preset = replace(preset, whole_px=SMALLER_WHOLE_PX[slow])
        notices["picture"] = SMALLER_WHOLE.format(longest=preset.whole_px[0])
    if slow:
        told = {"size": "{} x {}".format(*preset.network_size), "cost": cost}
        preset = preset.with_size(preset.network_size)
        notices["face"] = SMALLER_PICTURES.format(**told)
    return preset, notices


def warm_shapes(preset: Preset) -> list[Shape]:
    """All shapes that a visitor may ask for, the usual ones first."""
    geometry = preset.geometry
    sizes = ((geometry.height_px, geometry.width_px), *preset.sizes)
    lengths = (geometry.chunk_frames, *preset.trained_chunk_frames)
    return list(dict.fromkeys((size, frames) for frames in lengths for size in sizes))
