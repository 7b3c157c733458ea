"""How long somebody speaks in a sound, whoever else plays music in it.

Asked only where there is a choice of tracks (:mod:`flashtalk.inputs.tracks`) or of channels
(:mod:`flashtalk.inputs.hearing`). The same network tells the embedded speech encoder what is a
voice.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import soxr

from flashtalk.geometry import SPEECH_RATE_HZ

if TYPE_CHECKING:
    from flashtalk.inputs.voice_activity import VoiceActivity

LEAST_VOICE_S = 0.5
"""Music is taken for a voice for a moment now and then."""
_LIKELY = 0.5
_AT_ONCE = 60 * SPEECH_RATE_HZ


def voiced_s(samples: np.ndarray, rate_hz: int) -> float:
    """Seconds in which there is a voice in ``samples`` [samples] at ``rate_hz``."""
    import torch  # here alone: most sounds leave no choice

    from flashtalk.inputs.voice_activity import FRAME_SAMPLES, lift

    gain = float(lift(torch.tensor(np.abs(samples).max(initial=0.0))))
    heard = soxr.resample(samples * np.float32(gain), rate_hz, SPEECH_RATE_HZ, quality="QQ")
    frames = 0
    with torch.inference_mode():
        for start in range(0, heard.size, _AT_ONCE):
            piece = torch.from_numpy(heard[start : start + _AT_ONCE].astype(np.float32))
            frames += int((_detector()(piece[None]) >= _LIKELY).sum())
    return frames * FRAME_SAMPLES / SPEECH_RATE_HZ


@cache
def _detector() -> VoiceActivity:
    from flashtalk.inputs.voice_activity import VoiceActivity

    return VoiceActivity()
