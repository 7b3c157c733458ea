"""Is the watermark in a picture? Searched for at every size and place that it may have.

A picture is brought to each size in turn. Its blue-yellow waves are freed of what brightness and
red explain nearby (a guided filter: He, Sun and Tang, 2010), and made equally strong everywhere.
Tiles are laid over one another, and the sum is correlated with the tile at every shift. The score
is the highest correlation, in standard deviations of all. Without a watermark it is that of chance,
whatever the picture shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from flashtalk.provenance.pattern import CELLS, band, tile

THRESHOLD = 7.0
"""Scores from here on are a watermark; docs/marking.md has the rates that were measured."""
MIN_SIDE_PX = 96
"""A video that is shown smaller than this is not looked for."""
# Brightness, blue and red of BT.601, from RGB.
_CHANNELS = np.array(
    [[0.299, -0.168736, 0.5], [0.587, -0.331264, -0.418688], [0.114, 0.5, -0.081312]], np.float32
)
# Short side of the video, as shares of the picture's: small in a screen, or cut at its edges.
_SHARES = (0.2, 2.0)
_SHARE_STEP = 1.015
_WHITENING = 0.75  # of the spectrum's amplitudes: 1 would leave phases alone
_FINE_CELLS, _COARSE_CELLS = 0.5, 3.0
_NEARBY = (7, 7)  # cells
_NOISE = 0.3  # power of waves that explain nothing, and strength that is not raised
_OUTLIER = 2.5


@dataclass(frozen=True)
class Detection:
    """What a search for the watermark has found."""

    score: float
    """Standard deviations of chance."""
    share: float = 1.0
    """Short side of the marked video, as a share of the searched picture's."""
    mirrored: bool = False

    @property
    def found(self) -> bool:
        """Whether this is more than chance."""
        return self.score >= THRESHOLD


def find_watermark(pictures: Sequence[np.ndarray], pattern: np.ndarray | None = None) -> Detection:
    """The best of all ``pictures``, each [H, W, 3] RGB of any number type, 0..255.

    Of a video, the mean of several frames shows more than each frame: what moves is blurred.
    ``pattern`` is another tile than the watermark's; its scores are those of chance.
    """
    wanted = tile() if pattern is None else pattern
    spectra = [np.conj(np.fft.rfft2(each)) for each in (wanted, wanted[:, ::-1])]
    best = Detection(0.0)
    for picture in pictures:
        for share, cells in _sizes(picture):
            sums = _whitened(_folded(_unexplained(cells)))
            for mirrored, spectrum in zip((False, True), spectra, strict=True):
                surface = np.fft.irfft2(sums * spectrum, (CELLS, CELLS))
                score = float(surface.max() / max(surface.std(), 1e-12))
                if score > best.score:
                    best = Detection(score, share, mirrored)
    return best


def _sizes(picture: np.ndarray) -> Iterator[tuple[float, np.ndarray]]:
    """Brightness, blue and red so small that the video's short side has CELLS pixels."""
    channels = np.ascontiguousarray(picture.astype(np.float32) @ _CHANNELS)
    height, width = picture.shape[:2]
    short = min(height, width)
    share, least = _SHARES[1], max(_SHARES[0], MIN_SIDE_PX / short)
    while share >= least:
        scale = CELLS / (short * share)
        size = [max(CELLS // 4, round(side * scale)) for side in (width, height)]
        way = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        yield share, cv2.resize(channels, size, interpolation=way)
        share /= _SHARE_STEP


def _unexplained(cells: np.ndarray) -> np.ndarray:
    """Waves of blue that brightness and red do not explain, equally strong everywhere: [h, w]."""
    waves = cv2.GaussianBlur(cells, (0, 0), _FINE_CELLS)
    waves = waves - cv2.GaussianBlur(cells, (0, 0), _COARSE_CELLS)
    light, blue, red = cv2.split(waves)
    light_light, red_red = _mean(light * light) + _NOISE, _mean(red * red) + _NOISE
    light_red, blue_light, blue_red = _mean(light * red), _mean(blue * light), _mean(blue * red)
    determinant = light_light * red_red - light_red * light_red
    of_light = (blue_light * red_red - blue_red * light_red) / determinant
    of_red = (blue_red * light_light - blue_light * light_red) / determinant
    rest = blue - _mean(of_light) * light - _mean(of_red) * red
    strength = np.sqrt(np.maximum(_mean(rest * rest), 0.0)) + _NOISE
    return np.clip(rest / strength, -_OUTLIER, _OUTLIER)


def _mean(values: np.ndarray) -> np.ndarray:
    return cv2.blur(values, _NEARBY)


def _folded(waves: np.ndarray) -> np.ndarray:
    """The sum of all tiles of ``waves``: [CELLS, CELLS]."""
    down, across = (-(-side // CELLS) for side in waves.shape)
    whole = np.zeros((down * CELLS, across * CELLS), np.float32)
    whole[: waves.shape[0], : waves.shape[1]] = waves
    return whole.reshape(down, CELLS, across, CELLS).sum(axis=(0, 2))


def _whitened(sums: np.ndarray) -> np.ndarray:
    """The half spectrum of ``sums`` in the watermark's band, its amplitudes evened out."""
    half = np.fft.rfft2(sums)
    return half * band()[:, : half.shape[1]] / (np.abs(half) ** _WHITENING + 1e-9)
