"""What makes the networks fit and run fast on a GPU: applied from outside, after loading.

Above the weights, below the engine. Every part has an off switch that restores the plain path, and
a test that the plain path is what it restores.
"""

from flashtalk.placement.placement import (
    ALL_RESIDENT,
    ENCODERS_LEAVE,
    PLACEMENTS,
    STREAMED,
    Arrangement,
    Placement,
    apply_placement,
    choose,
    placement_named,
)

__all__ = [
    "ALL_RESIDENT",
    "ENCODERS_LEAVE",
    "PLACEMENTS",
    "STREAMED",
    "Arrangement",
    "Placement",
    "apply_placement",
    "choose",
    "placement_named",
]
