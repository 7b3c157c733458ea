"""Speech whose sounds last longer: as when a vowel is sung for seconds.

Short grains of the recording are laid one over another (WSOLA). Each is taken near the place that
the time map says, where it goes on best from the grain before. Pitch and timbre stay.
"""

import numpy as np

GRAIN, HOP, REACH = 512, 256, 160  # samples of 16 kHz: 32 ms, 16 ms, a period of 100 Hz


def stretch(samples: np.ndarray, source: np.ndarray) -> np.ndarray:
    """``samples`` [S], so that sample n sounds as ``source[n]`` did: float32 [len(source)]."""
    padded = np.pad(samples.astype(np.float64), (REACH + GRAIN, REACH + 2 * GRAIN))
    offset = REACH + GRAIN
    window = np.hanning(GRAIN + 1)[:GRAIN]
    made = np.zeros(len(source) + 2 * GRAIN)
    weight = np.full(len(made), 1e-6)
    natural: int | None = None  # where the grain before would go on
    for start in range(0, len(source) + GRAIN // 2, HOP):
        center = float(source[min(start, len(source) - 1)])
        place = offset + round(center) - GRAIN // 2
        if natural is not None and abs(natural - place) <= REACH:
            place = natural  # nothing goes on better
        elif natural is not None:
            wanted = padded[natural : natural + GRAIN]
            near = padded[place - REACH : place + REACH + GRAIN]
            place += int(np.argmax(np.correlate(near, wanted, "valid"))) - REACH
        grain = padded[place : place + GRAIN]
        made[start : start + GRAIN] += window * grain
        weight[start : start + GRAIN] += window
        natural = min(place + HOP, len(padded) - GRAIN)
    half = GRAIN // 2
    return (made / weight)[half : half + len(source)].astype(np.float32)
