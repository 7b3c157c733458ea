"""Whether there is a mouth and a pair of eyes to paint: a hand, a microphone or glasses stay whole.

Computed once for each portrait. Heat maps spread where a landmark is not to be seen. Eyes are about
as light as the skin around them; dark glasses are not. Letters: B portraits, L landmarks.
"""

from __future__ import annotations

import torch
from torch import Tensor

from flashtalk.models.tiny.landmark_refiner import EYE_CROP, MOUTH_CROP
from flashtalk.models.tiny.landmarks import MOUTH, FaceMarks
from flashtalk.models.tiny.mouth_color import mouth_apart
from flashtalk.models.tiny.shut_mouth import wide_open
from flashtalk.models.tiny.tone import MIN_LUMA, face_masks, luma_of, masked_quantile

# Each pair: where confidence begins to fall, and where it is gone.
MOUTH_SPREAD = (0.0010, 0.0014)
"""Coarse variance of a mouth times the deviation in its crop, both means over its landmarks. On 115
photographs 69 of 100 mouths beyond 0.0014 are misread by more than 0.15 distances of the eyes, and
9 of 100 others. Renders have 0.0001."""
EYE_VARIANCE = (0.018, 0.028)
"""Variance in the crop of an eye, mean over its landmarks. On the same photographs 41 to 74 of 100
eyes in between are misread by more than 0.1 distances of the eyes. Renders have 0.004."""
CONFIRMED_MOUTH_VARIANCE = (0.040, 0.060)
"""Variance in the crop of a mouth where the face mesh has found it, mean over its landmarks. Of 65
photographs 64 have less than 0.040. A hand before the mouth has 0.075."""
MOUTH_TURN = (0.48, 0.55)
"""Turn of a head, by its nose: in profile a mouth would be painted beside the face. Of 45
photographs six in profile have 0.55 and more, all others, three-quarter views too, below 0.4."""
MOUTH_APART = (0.86, 0.9)
"""How far the color before a mouth is from the skin's. Of 802 photographs 0.6 % are beyond 0.9:
tongues and moustaches. Of 260 with a small microphone drawn before the mouth, 80 % are noticed
(black 92 %, blue 88 %, red and gray 75 %); by the variances alone it was 39 %."""
WIDE_DOUBT = (0.0, 0.5)
"""Doubt in a mouth that is wide open. It is shut before anything is painted, which leaves a tongue
that is put out where it is. Of 91 photographs with lips apart two are in between: such a tongue,
and a head turned nearly into profile."""
EYE_LIGHT = (0.5, 0.35)
"""Luma of an eye over that of the skin: 0.6 and more in renders, below 0.3 behind dark glasses."""
MOUTH_HIDDEN = (
    "The mouth cannot be seen well enough, so it does not move. Use a picture from the front, in "
    "which nothing covers it and the light is even."
)
EYES_HIDDEN = "The eyes cannot be seen well enough, so they do not blink."
EYE_QUANTILE = 0.8  # of the luma of an eye: the white beside iris and lashes, no glint


def feature_confidence(portrait: Tensor, marks: FaceMarks) -> Tensor:
    """Confidence in mouth and eyes of portraits [B, 3, H, W] in [-1, 1]: [B, 2] in 0..1.

    The less certain eye counts for both: one that does not blink is less strange than a wink. Heat
    maps of eyes that the own network misreads say nothing where the face mesh has found these.
    """
    sizes = [len(MOUTH_CROP.names), len(EYE_CROP.names), len(EYE_CROP.names)]
    mouth, left, right = (each.mean(dim=1) for each in marks.refined_variance.split(sizes, dim=1))
    spread = marks.variance[:, MOUTH].mean(dim=1) * mouth.sqrt()
    confirmed_mouths = _falling(mouth, CONFIRMED_MOUTH_VARIANCE)
    mouths = torch.where(marks.confirmed, confirmed_mouths, _falling(spread, MOUTH_SPREAD))
    mouths = mouths * _falling(marks.turn, MOUTH_TURN)
    mouths = mouths * _falling(mouth_apart(portrait, marks.points), MOUTH_APART)
    wide = wide_open(marks.points)
    mouths = torch.where(wide, _falling(1.0 - mouths, WIDE_DOUBT), mouths)
    seen = _falling(torch.maximum(left, right), EYE_VARIANCE)
    eyes = torch.where(marks.confirmed, torch.ones_like(seen), seen)
    light = _falling(eye_light(portrait, marks.points), EYE_LIGHT)
    return torch.stack((mouths, eyes * light), dim=1)


def hidden_notices(confidence: Tensor) -> tuple[str, ...]:
    """Sentences for the visitor about mouths and eyes [B, 2] that cannot be seen at all."""
    mouth, eyes = (confidence.amin(dim=0) <= 0.0).tolist()
    return (MOUTH_HIDDEN,) * mouth + (EYES_HIDDEN,) * eyes


def eye_light(portrait: Tensor, points: Tensor) -> Tensor:
    """Luma of the darker eye over that of the skin: [B]; ``points`` are [B, L, 2]."""
    luma = luma_of((portrait + 1.0) / 2.0)[:, 0]
    skin, left, right = face_masks(points, portrait)
    eyes = [masked_quantile(luma, each, EYE_QUANTILE) for each in (left, right)]
    return torch.minimum(*eyes) / masked_quantile(luma, skin, 0.5).clamp(min=MIN_LUMA)


def _falling(value: Tensor, limits: tuple[float, float]) -> Tensor:
    """1 up to the first limit, 0 from the second on."""
    start, end = limits
    return ((end - value) / (end - start)).clamp(0.0, 1.0)
