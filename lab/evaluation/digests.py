"""Digests of what a measurement is made of; other weights or clips ask for a new one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from torch import nn

from lab.evaluation.measured_talk import Plan
from lab.evaluation.runs import Run
from lab.evaluation.segment import Judges
from lab.evaluation.talks import RenderedClip


def digest_of(run: Run, judges: Judges, plan: Plan, clips: str) -> str:
    """Changes when weights, settings, judges, the measured segment or ``clips`` do.

    ``clips`` is their own digest (:func:`clips_digest`). The calibration follows from reader and
    clips. It is left out, because its last digits follow from the number of threads, too.
    """
    known = (run.digest(), plan.segment_s, clips)
    total = hashlib.sha256(" ".join(map(str, known)).encode())
    for judge in (judges.reader, judges.sync):
        total.update(weights_digest(judge) if judge is not None else b"none")
    return total.hexdigest()[:16]


def clips_digest(clips: Sequence[RenderedClip]) -> str:
    """Digest of what talks are made of: names, sounds, phones and portraits.

    Names alone do not do: the same numbers, rendered on another processor, make other clips.
    """
    total = hashlib.sha256()
    for clip in clips:
        total.update(repr((clip.name, clip.voice, clip.phones)).encode())
        total.update(clip.samples.tobytes() + clip.portrait.tobytes())
    return total.hexdigest()


def weights_digest(module: nn.Module) -> bytes:
    """Digest of all tensors of ``module``."""
    total = hashlib.sha256()
    for name, value in module.state_dict().items():
        total.update(name.encode() + value.detach().float().cpu().numpy().tobytes())
    return total.digest()
