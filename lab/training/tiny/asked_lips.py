"""What a chunk of the embedded transformer asks of the lips: the gap that its codes hold.

Between a speech encoder and lips that are seen stands the transformer alone. So this tells, without
any picture, what somebody says with an encoder, and gradient flows through it. Letters: B people,
S samples, F frames, M codes of frames.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from flashtalk.conditions import Conditions
from flashtalk.conditions.speech import last_speech_windows
from flashtalk.models.networks import Networks
from flashtalk.models.tiny.face_code import MOUTH, MOUTH_SIGMA, UNITS, eye_middle
from flashtalk.models.tiny.feature_state import read_center, read_values
from flashtalk.stream.chunk import Scene
from flashtalk.stream.state import SessionState, opening_state


def gap_of(code: Tensor) -> Tensor:
    """The lip gap of codes [M, D, h, w] in picture units: [M]."""
    size = (code.shape[-2], code.shape[-1])
    values = read_values(code, read_center(code), MOUTH, MOUTH_SIGMA, size)
    mean, deviation = UNITS["lip_gap"]
    return (values[:, MOUTH.index("lip_gap")] * deviation + mean).clamp(min=0.0)


def relative_gaps(codes: Tensor, conditions: Conditions) -> Tensor:
    """The lip gaps of codes [B, F, D, h, w], over the eyes' distance of one portrait: [B, F]."""
    points = conditions.guidance.points
    eyes = (eye_middle(points, "left") - eye_middle(points, "right")).norm(dim=-1)
    return gap_of(codes.flatten(0, 1)).unflatten(0, codes.shape[:2]) / eyes


def windows_of(networks: Networks, features: Tensor) -> Tensor:
    """Features [B, F, layers, width] of speech windows -> what a chunk hears: [B, 33, window, ...].

    The chunk ends as many frames before the window as the preset looks ahead.
    """
    preset = networks.preset
    chosen = [
        last_speech_windows(
            each,
            preset.transformer.speech.window_frames,
            preset.geometry.chunk_frames,
            preset.geometry.lookahead_frames,
        )
        for each in features
    ]
    return torch.stack(chosen)


def people_at_rest(
    networks: Networks, conditions: Conditions, count: int, seed: int
) -> tuple[Scene, SessionState]:
    """``count`` times the person of ``conditions`` before the first word."""
    latents = conditions.reference_latents.expand(count, -1, -1, -1, -1)
    conditions = replace(conditions, reference_latents=latents)
    scene = Scene(networks, conditions, networks.preset.sampler)
    return scene, opening_state(conditions, seed)
