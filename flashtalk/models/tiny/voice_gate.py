"""What the embedded speech encoder hears: sound around voices, silence elsewhere.

The encoder learned from voices alone and takes every sound for one, so a breath would open the
mouth. Voices are told by :mod:`flashtalk.inputs.voice_activity` and, where they sing, by
:mod:`flashtalk.models.tiny.singing`. The gate keeps no state: any slicing of a talk passes the
same windows through it.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from flashtalk.inputs.voice_activity import FRAME_SAMPLES, VoiceActivity, lift
from flashtalk.models.tiny.singing import sung_frames

_VOICE = 0.4  # least probability; breaths reach 0.35, speech in noise as loud stays above 0.8
_BRIEF_FRAMES = 2  # on either side: a voice lasts five frames, 0.16 s, or it is a knock
_KEPT_FRAMES = 5  # 0.16 s before and after a voice: onsets are no voice yet


class VoiceGate(nn.Module):
    """Sound [B, S] -> the same around voices, silence elsewhere, with ramps of 32 ms."""

    def __init__(self) -> None:
        super().__init__()
        self.activity = VoiceActivity()

    def forward(self, samples: Tensor) -> Tensor:
        """Mono sound [B, S] at 16 kHz -> [B, S]."""
        lifted = samples * lift(samples.abs().amax(dim=1, keepdim=True))
        voiced = (self.activity(lifted) >= _VOICE) | sung_frames(lifted)
        lasting = _narrowed(voiced.to(samples.dtype), _BRIEF_FRAMES)
        open_frames = _widened(lasting, _BRIEF_FRAMES + _KEPT_FRAMES)
        gain = F.interpolate(
            open_frames[:, None], scale_factor=FRAME_SAMPLES, mode="linear", align_corners=False
        )
        return samples * gain[:, 0, : samples.shape[1]]


def _widened(frames: Tensor, reach: int) -> Tensor:
    """The largest value within ``reach`` frames: [B, N] -> [B, N]."""
    return F.max_pool1d(frames[:, None], 2 * reach + 1, stride=1, padding=reach)[:, 0]


def _narrowed(frames: Tensor, reach: int) -> Tensor:
    """The smallest value within ``reach`` frames; what goes on beyond an end is not held short."""
    return -_widened(-frames, reach)
