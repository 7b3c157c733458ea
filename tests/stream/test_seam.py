"""What re-encoding lost fades out over the first frames of the next chunk."""

from dataclasses import replace

import pytest
import torch
from scenes import pieces_of, scene_of
from torch import Tensor

from flashtalk.conditions import gather_conditions
from flashtalk.config import TINY, Preset
from flashtalk.models.networks import Networks
from flashtalk.stream.chunk import advance
from flashtalk.stream.color import match_color
from flashtalk.stream.seam import CHANGED, Seam, fade_seam
from flashtalk.stream.state import SessionState, opening_state


def test_the_share_falls_evenly_to_nothing() -> None:
    video = torch.zeros(1, 3, 6, 2, 2)
    seam = Seam(shown=torch.full((1, 3, 1, 2, 2), 0.5), decoded=torch.zeros(1, 3, 1, 2, 2))
    joined = fade_seam(video, seam, frames_before=0, seam_frames=4)
    assert torch.allclose(joined[0, 0, :, 0, 0], torch.tensor([0.4, 0.3, 0.2, 0.1, 0.0, 0.0]))
    later = fade_seam(video, seam, frames_before=2, seam_frames=4)
    assert torch.allclose(later[0, 0, :3, 0, 0], torch.tensor([0.2, 0.1, 0.0]))
    assert fade_seam(video, seam, frames_before=4, seam_frames=4) is video
    bright = Seam(seam.shown + 0.9, seam.decoded + 0.9)
    assert fade_seam(video + 0.9, bright, 0, 4).max() == 1.0


def test_nothing_stays_of_what_is_no_longer_there() -> None:
    seam = Seam(shown=torch.full((1, 3, 1, 2, 2), 0.1), decoded=torch.zeros(1, 3, 1, 2, 2))
    changed = torch.zeros(1, 3, 1, 2, 2)
    changed[:, 1, :, 0, 0] = 0.6  # lips have shut there
    added = (fade_seam(changed, seam, 0, 4) - changed).abs().amax(dim=1)[0, 0]
    assert added[0, 0] < 0.1 * added[1, 1]
    assert added[1, 1] == pytest.approx(0.08)


@pytest.fixture
def speech_rows() -> Tensor:
    return torch.randn(1, 33, 5, 2, 8, generator=torch.Generator().manual_seed(5))


def alike(one: Tensor, other: Tensor) -> bool:
    """Equal, but for what painters with random weights make of rounding."""
    return torch.allclose(one, other, rtol=0.0, atol=1e-3)


def test_what_the_motion_latents_lost_is_added_to_the_first_frames_alone(
    toy_networks: Networks, toy_portrait: Tensor, speech_rows: Tensor
) -> None:
    conditions = gather_conditions(toy_networks, toy_portrait)
    scene = scene_of(toy_networks, conditions)
    first, state = advance(scene, opening_state(conditions, 0), speech_rows)
    assert torch.equal(state.last_frame, first[:, :, -1:])

    def second(seam_frames: int) -> tuple[Tensor, SessionState]:
        seamed = scene_of(toy_networks, conditions, seam_frames=seam_frames)
        return advance(seamed, state, speech_rows)

    (plain, after_plain), (joined, after_joined) = second(0), second(6)
    again = toy_networks.autoencoder.decode(
        state.motion_latents, conditions.guidance, skip_frames=4
    )
    again = match_color(again, conditions.color, 1.0)
    lost = state.last_frame - again
    assert lost.shape == (1, 3, 1, 64, 64)
    assert lost.abs().mean() > 0.01
    change = (plain[:, :, :1] - again).abs().amax(dim=1, keepdim=True)
    expected = plain[:, :, :1] + lost * 6 / 7 / (1 + (change / CHANGED) ** 2)
    assert alike(joined[:, :, :1], expected.clamp(-1, 1))
    assert not alike(plain[:, :, 5], joined[:, :, 5])
    assert alike(plain[:, :, 6:], joined[:, :, 6:])
    # so the next chunk does not know of it, and a training roll-out need not compute it
    assert torch.allclose(after_plain.motion_latents, after_joined.motion_latents, atol=1e-2)

    in_pieces = torch.cat(pieces_of(scene, state, speech_rows, 4)[0], dim=2)
    assert torch.allclose(in_pieces, joined, atol=1e-3)


def test_a_seam_may_not_reach_the_next_motion_frames() -> None:
    def with_seam(frames: int) -> Preset:
        return replace(TINY, sampler=replace(TINY.sampler, seam_frames=frames))

    with_seam(23)
    with pytest.raises(ValueError, match="a seam of 24 frames would reach"):
        with_seam(24)
