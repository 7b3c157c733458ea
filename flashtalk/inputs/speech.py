"""A voice -> what the model hears (16 kHz mono) and what the viewer hears (48 kHz).

Second door of the flow. :mod:`flashtalk.inputs.sound` decodes; here both versions are resampled
from the original. So the viewer never listens through the model's narrow band.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import soxr

from flashtalk.geometry import SPEECH_RATE_HZ
from flashtalk.inputs.hearing import choose
from flashtalk.inputs.sound import Sound, SoundSource, open_sound

PLAYBACK_RATE_HZ = 48_000
MAX_S = 30 * 60.0
_SILENCE = 1e-3  # peak below -60 dB of full scale

SILENT = "The sound is silent, so the person will stay quiet."
CANCELED = (
    "The left and the right side cancel each other, so that a single loudspeaker plays silence. "
    "One of them alone moves the lips."
)
LOUD = "The sound was louder than full scale and was turned down."


@dataclass(frozen=True, eq=False)
class Speech:
    """A voice, ready for a session and for the finished video."""

    samples: np.ndarray
    """[samples] float32, mono, 16 kHz, within -1..1; at least one sample."""
    playback: np.ndarray
    """[channels, 3 x samples] float32, mono or stereo, 48 kHz, within -1..1."""
    notices: tuple[str, ...] = ()
    """Sentences for the person who gave the sound."""
    playback_rate_hz: int = PLAYBACK_RATE_HZ

    def __post_init__(self) -> None:
        ratio = self.playback_rate_hz // SPEECH_RATE_HZ
        if self.samples.ndim != 1 or not self.samples.size:
            raise ValueError(f"samples must be [at least 1], got {self.samples.shape}")
        if self.playback.ndim != 2 or self.playback.shape[1] != ratio * self.samples.size:
            raise ValueError(
                f"playback must be [channels, {ratio} x {self.samples.size}], "
                f"got {self.playback.shape}"
            )

    @property
    def sample_count(self) -> int:
        """Of ``samples``."""
        return self.samples.size

    @property
    def duration_s(self) -> float:
        return self.samples.size / SPEECH_RATE_HZ

    @property
    def channels(self) -> int:
        """1 or 2, of what the viewer hears."""
        return int(self.playback.shape[0])

    def sound(self, start: int, count: int) -> np.ndarray:
        """What is heard during ``samples[start : start + count]``: [channels, 3 x count]."""
        ratio = self.playback_rate_hz // SPEECH_RATE_HZ
        return self.playback[:, ratio * start : ratio * (start + count)]


def load_speech(source: SoundSource, *, max_s: float = MAX_S) -> Speech:
    """Decode and resample ``source``, all of it at once.

    Args:
        source: path to a sound or video file (its sound track with a voice), or
            ``(rate_hz, array)`` with an array [samples] or [samples, channels].
        max_s: longest accepted sound, in seconds.

    Returns:
        The voice. However short, it holds at least one sample: a session pads the last frame with
        silence. Louder than full scale is turned down as a whole, which keeps its dynamics.
        Quiet sound stays as quiet as it is.

    Raises:
        FlashTalkError: the sound cannot be used; the sentence says why and what to do.
    """
    sound = open_sound(source, max_s=max_s)
    samples, notices = sound.samples, list(sound.notices)
    peak = max(float(np.abs(samples).max()), 1.0)
    if peak > 1.0:
        samples = samples / np.float32(peak)
        if peak > 1.1:  # decoders overshoot full scale by a hair; nobody needs to know
            notices.append(LOUD)
    count = max(1, round(samples.shape[1] * SPEECH_RATE_HZ / sound.rate_hz))
    narrow = _resampled(samples, sound, SPEECH_RATE_HZ, count)
    center = None
    if sound.center is not None:
        center = _resampled(sound.center[None] / peak, sound, SPEECH_RATE_HZ, count)[0]
    heard = choose(list(narrow), SPEECH_RATE_HZ, center)
    if np.ptp(heard.samples) / 2 < _SILENCE and np.abs(heard.samples).max() < 1.0:
        notices.append(SILENT)
    if heard.canceled:
        notices.append(CANCELED)
    return Speech(
        samples=heard.samples,
        playback=_resampled(samples, sound, PLAYBACK_RATE_HZ, 3 * count),
        notices=tuple(notices),
    )


def _resampled(samples: np.ndarray, sound: Sound, rate_hz: int, count: int) -> np.ndarray:
    """[channels, n] at the sound's rate to [channels, ``count``] at ``rate_hz``."""
    if sound.rate_hz != rate_hz:
        samples = soxr.resample(samples.T, sound.rate_hz, rate_hz, quality="HQ").T
    missing = max(0, count - samples.shape[1])
    samples = np.pad(samples[:, :count], ((0, 0), (0, missing)))
    return np.ascontiguousarray(np.clip(samples, -1.0, 1.0), dtype=np.float32)
