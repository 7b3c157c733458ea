"""Lips of photographs are opened further than codes say, so that they open as far as codes mean.

Painters and warp have learned from rendered heads. On photographs a judge sees lips open by two
thirds of what codes ask. So gaps are widened just before a code is decoded. What the next chunk
continues stays as it is. Letters: M frames, D features of a code, h x w cells.
"""

from __future__ import annotations

from torch import Tensor

from flashtalk.models.tiny.face_code import UNITS, index_of

GAIN = 0.8
"""What is added to the smallest gaps, of themselves; docs/evaluation.md compares forty people."""
HALF_GAP = 0.04
"""Gap of the mouth's middle cell, picture units, that gets half of it: nobody has to shout."""
_SHARES = {"lip_gap": 1.0, "lip_height": 1.0, "jaw": 0.7}
"""How much of a wider gap each value of a mouth takes part in."""


def open_wider(code: Tensor, meshed: Tensor) -> Tensor:
    """Codes [M, D, h, w] with wider gaps where a person is ``meshed`` [M]: nobody rendered."""
    if not meshed.any():
        return code
    code = code.clone()
    gap = UNITS["lip_gap"][1] * code[:, index_of("lip_gap")].clamp(min=0.0)  # picture units
    gain = GAIN / (1.0 + gap.amax(dim=(1, 2), keepdim=True) / HALF_GAP)
    added = gain * gap * meshed[:, None, None]
    for name, share in _SHARES.items():
        code[:, index_of(name)] += share * added / UNITS[name][1]
    return code
