"""The watermark's pattern: noise of one octave and a half that tiles the picture.

Watermark and detector share it. A tile is as wide as the picture's short side, and its wavelengths
are fractions of that. Coarse waves survive video codecs, finer ones are not seen as colors.
"""

from __future__ import annotations

from functools import cache

import numpy as np

CELLS = 64
"""Cells of a tile's side; the pattern is defined on them and is smooth between."""
_KEY = 20_260
_WAVELENGTHS_CELLS = (3.0, 10.0)
_FINER = 8
_CLIPPED = 1.8  # no cell stands out by more than so many standard deviations
_ROUNDS = 8


@cache
def band() -> np.ndarray:
    """Which frequencies the pattern fills: [CELLS, CELLS] bool, in the order of ``np.fft``."""
    across = np.fft.fftfreq(CELLS)
    frequency = np.hypot(across[:, None], across[None])
    shortest, longest = _WAVELENGTHS_CELLS
    return (frequency >= 1 / longest) & (frequency <= 1 / shortest)


@cache
def tile(key: int = _KEY) -> np.ndarray:
    """The pattern's tile: [CELLS, CELLS] float64, mean 0, standard deviation 1.

    Other keys give tiles that have nothing to do with it.
    """
    noise = np.random.default_rng(key).standard_normal((CELLS, CELLS))
    spectrum = np.exp(1j * np.angle(np.fft.fft2(noise))) * band()
    pattern = np.fft.ifft2(spectrum).real
    for _ in range(_ROUNDS):
        clipped = np.clip(pattern / pattern.std(), -_CLIPPED, _CLIPPED)
        pattern = np.fft.ifft2(np.fft.fft2(clipped) * band()).real
    return pattern / pattern.std()


def field(height: int, width: int) -> np.ndarray:
    """The pattern over a whole picture: [height, width] float32."""
    fine = _fine_tile()
    cells_per_px = CELLS / min(height, width)

    def places(count: int) -> np.ndarray:
        cells = (np.arange(count) + 0.5) * cells_per_px
        return np.floor(cells * _FINER).astype(int) % len(fine)

    return fine[places(height)[:, None], places(width)[None]]


@cache
def _fine_tile() -> np.ndarray:
    """The tile at ``_FINER`` samples a cell, by its Fourier series."""
    side = CELLS * _FINER
    spectrum = np.zeros((side, side), complex)
    index = np.fft.fftfreq(CELLS, 1 / CELLS).astype(int)
    # A sample lies in the middle of its cell, coarse and fine.
    shift = np.exp(2j * np.pi * index * (0.5 / _FINER - 0.5) / CELLS)
    spectrum[np.ix_(index, index)] = np.fft.fft2(tile()) * shift[:, None] * shift[None]
    return (np.fft.ifft2(spectrum).real * _FINER**2).astype(np.float32)
