"""Lids in latents, from faces whose lids are known."""

import pytest
import torch
from faces import face

from flashtalk.models.tiny.face_code import (
    EYE_SIGMA,
    EYES,
    FEATURES,
    GROUP_FRAMES,
    eye_middle,
    index_of,
    paint,
)
from flashtalk.models.tiny.feature_state import read_values
from flashtalk.models.tiny.lid_clamp import LIDS_MEET, clamp_lids

SIZE = (8, 8)
LATENTS = 4
FRAMES = 1 + GROUP_FRAMES * (LATENTS - 1)


def looking(gap: float, shift: float = 0.0) -> torch.Tensor:
    """Codes [features, h, w] of a face with lids so far apart, moved to the right."""
    points = face(shift=(shift, 0.0), lids=gap)
    return paint(points, torch.zeros(1, 2), SIZE)[0]


def talk(*gaps: float, shift: float = 0.0) -> torch.Tensor:
    """Latents [1, C, T, h, w] of frames with lids so far apart."""
    codes = torch.stack([looking(gaps[0], shift)] * 3 + [looking(gap, shift) for gap in gaps])
    return codes.unflatten(0, (-1, GROUP_FRAMES)).flatten(1, 2).transpose(0, 1)[None]


def gaps_in(latents: torch.Tensor, shift: float = 0.0) -> torch.Tensor:
    """What is read from latents [1, C, T, h, w], frame by frame, in those of open eyes."""
    codes = latents[0].transpose(0, 1).unflatten(1, (GROUP_FRAMES, len(FEATURES))).flatten(0, 1)
    place = eye_middle(face(), "left") + torch.tensor([shift, 0.0])
    read = read_values(codes, place.expand(len(codes), 2), EYES, EYE_SIGMA, SIZE)
    return read[3:, EYES.index("lid")] / read[0, EYES.index("lid")]


def test_lids_meet_where_a_blink_asks_for_it() -> None:
    reference = talk(*[0.08] * FRAMES)[:, :, :1]
    narrowing = [0.08] * 6 + [0.05, 0.03, 0.03, 0.05] + [0.08] * 3  # as a transformer has it
    closed = torch.zeros(1, FRAMES)
    closed[0, 6:10] = torch.tensor([0.4, 1.0, 0.9, 0.2])
    for shift in (0.0, 0.1):
        latents = talk(*narrowing, shift=shift)
        found = clamp_lids(latents, reference, closed, num_motion=1)
        read = gaps_in(found, shift)
        assert read[7:9].abs().max() < 1e-4
        assert read[6] == pytest.approx(1 - 0.4 / LIDS_MEET, abs=0.01)
        assert read[9] == pytest.approx(5 / 8, abs=0.01), "narrower than was asked for: it stays"
        assert torch.equal(read[:6], gaps_in(latents, shift)[:6])
        others = torch.arange(len(FEATURES)) != index_of("lid")
        code, before = (
            each.unflatten(1, (GROUP_FRAMES, len(FEATURES))) for each in (found, latents)
        )
        assert torch.equal(code[:, :, others], before[:, :, others])


def test_motion_latents_stay() -> None:
    reference = talk(*[0.08] * FRAMES)[:, :, :1]
    latents = talk(*[0.08] * FRAMES)
    found = clamp_lids(latents, reference, torch.ones(1, FRAMES), num_motion=2)
    assert torch.equal(found[:, :, :2], latents[:, :, :2])
    assert gaps_in(found)[5:].abs().max() < 1e-4
    untold = clamp_lids(latents, reference, torch.zeros(1, FRAMES), num_motion=1)
    assert torch.equal(untold, latents)


def test_lids_that_overlap_are_shut() -> None:
    """Not as far apart as they overlap."""
    lid = index_of("lid")
    assert looking(0.03)[lid].max() > 0.3
    assert looking(-0.03)[lid].abs().max() == 0.0


def test_shut_lids_hand_no_gradient_to_the_network() -> None:
    reference = talk(*[0.08] * FRAMES)[:, :, :1]
    latents = talk(*[0.08] * FRAMES).requires_grad_()
    closed = torch.zeros(1, FRAMES)
    closed[0, 5:9] = 1.0  # all frames of the third latent
    clamp_lids(latents, reference, closed, num_motion=1).sum().backward()
    gradient = latents.grad.unflatten(1, (GROUP_FRAMES, len(FEATURES)))
    lid = index_of("lid")
    assert not gradient[:, :, lid, 2].any()
    gradient[:, :, lid, 2] = 1.0
    assert torch.equal(gradient, torch.ones_like(gradient)), "all else learns as it is"
