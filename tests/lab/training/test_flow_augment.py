"""Bent motion latents and the way back."""

import torch

from flashtalk.models.tiny.face_code import FEATURES, GROUP_FRAMES, flow_of
from lab.training.data.flow_augment import BENT, LARGEST, bent, random_bends


def test_bends_are_smooth_and_never_too_strong() -> None:
    torch.manual_seed(0)
    bends = random_bends(400, (8, 8))
    assert bends.shape == (400, 2, 8, 8)
    strength = bends.square().mean(dim=(1, 2, 3)).sqrt()
    assert strength.max() <= LARGEST * 1.001
    assert abs((strength > 0).float().mean() - BENT) < 0.1
    neighbors = (bends[..., 1:] - bends[..., :-1]).square().mean() / bends.square().mean()
    assert neighbors < 1.0  # 2 without smoothing


def test_only_flow_is_bent_fully_at_first_and_less_from_frame_to_frame() -> None:
    latents = torch.randn(2, GROUP_FRAMES * len(FEATURES), 9, 8, 8)
    bends = torch.full((2, 2, 8, 8), 0.1)
    moved = bent(latents, bends, motion=2) - latents
    codes = moved.unflatten(1, (GROUP_FRAMES, -1))
    assert (codes[:, :, 2:] == 0).all()
    flow = flow_of(moved.transpose(1, 2))[0, :, :, 0, 3, 3].flatten()  # all frames, x
    given, new = flow[:8], flow[8:]
    assert torch.allclose(given, given[:1].expand(8))
    assert (new.diff() < 0).all()
    assert 0.9 < new[0] / given[0] < 1.0
    assert new[-1] / given[0] < 0.2
    assert torch.equal(latents, latents.clone())
