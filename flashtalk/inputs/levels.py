"""Numbers of any type -> 8 bits: what counts as white in a picture that is not 8-bit.

A type does not tell. Cameras put 12 bits into 16, and resampling pushes floats beyond 0..1.
Arithmetic turns 8-bit pictures into any type. So white is the depth that the values fill. Single
stray pixels do not count. Used by :mod:`flashtalk.inputs.picture`.
"""

from __future__ import annotations

import numpy as np

from flashtalk.errors import FlashTalkError

_DEPTHS = (255.0, 1023.0, 4095.0, 16383.0, 65535.0)  # 8, 10, 12, 14 and 16 bits
STRAYS = 0.001  # share of the values that may lie outside at either end
_BEYOND = 1.1  # resampling overshoots white by up to a tenth
_BELOW = 0.25  # of white: negative values down to here are overshoot as well
_HIGHLIGHTS = 2.0  # floats in 0..1 with lights brighter than white
_FEW = 16.0  # floats up to here are no 8 bits, which would be nearly black
_EXPECTED = "Use 8 or 16-bit integers, or floats in 0..1."


def white_of(values: np.ndarray) -> float:
    """The value of white, given (a sample of) the ``values`` of a picture.

    Raises:
        FlashTalkError: not numbers, or in no range that pictures have.
    """
    kind = values.dtype.kind
    if kind == "b":
        return 1.0
    if kind not in "uif":
        raise FlashTalkError(
            f"A picture array holds 8-bit integers or floats in 0..1; got {values.dtype}."
        )
    if values.dtype == np.uint8 or not values.size:
        return 255.0
    if not np.isfinite(values).all():
        raise FlashTalkError(
            "The picture holds values that are not numbers (NaN or infinity). "
            "Use 8-bit integers or floats in 0..1."
        )
    low, high = (float(v) for v in np.quantile(values.ravel(), (STRAYS, 1.0 - STRAYS)))
    if kind == "f" and _HIGHLIGHTS < high <= _FEW and low >= -_BELOW * high:
        return high  # a range of somebody's own
    fractions = kind == "f" or high <= 1.0
    depths = (1.0, *_DEPTHS) if fractions else _DEPTHS
    for white in depths:
        if high <= (_HIGHLIGHTS if white == 1.0 else _BEYOND) * white:
            break
    if high > _BEYOND * depths[-1] or low < -_BELOW * white:
        raise FlashTalkError(f"The picture's values run from {low:g} to {high:g}. {_EXPECTED}")
    return white


def eight_bits(array: np.ndarray, white: float) -> np.ndarray:
    """``array`` as uint8, ``white`` at 255; what lies outside is clipped."""
    if array.dtype == np.uint8 and white == 255.0:
        return np.ascontiguousarray(array)
    with np.errstate(over="ignore", invalid="ignore"):  # of stray pixels in a damaged file
        values = array.astype(np.float32) * np.float32(255.0 / white)
        return np.clip(np.rint(values, out=values), 0.0, 255.0, out=values).astype(np.uint8)
