"""What makes the networks fit and run fast on a GPU: applied from outside, after loading.

Above the weights, below the engine. A placement is chosen by name (``--placement``). ``80gb`` is
the plain path, and a test compares every other one with it.
"""

from flashtalk.placement.placement import (
    ALL_RESIDENT,
    OFFLOAD_ENCODERS,
    PLACEMENTS,
    STREAMED,
    Placement,
    apply_placement,
    choose,
    placement_named,
    streams,
)

__all__ = [
    "ALL_RESIDENT",
    "OFFLOAD_ENCODERS",
    "PLACEMENTS",
    "STREAMED",
    "Placement",
    "apply_placement",
    "choose",
    "placement_named",
    "streams",
]
