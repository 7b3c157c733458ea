"""A mouth that is wide open in the portrait is shut before a session begins."""

import torch
from faces import face

from flashtalk.models.tiny.face_code import LANDMARKS
from flashtalk.models.tiny.maps import cell_centers
from flashtalk.models.tiny.shut_mouth import OpenMouth, shut_mouths

SIDE = 128
SURE = torch.tensor([True])


def upright(gap: float) -> torch.Tensor:
    """A plain face, its left on the right of the picture; a chin far below its lips."""
    points = face(gap=gap) * torch.tensor([-1.0, 1.0])
    for name, y in (("outer_lower_lip", 0.3 + gap / 2 + 0.05), ("chin", 0.62)):
        points[:, LANDMARKS.index(name), 1] = y
    return points


def picture(gap: float) -> torch.Tensor:
    """Gray skin, a white mouth that is open, a black line below the chin: [1, 3, 128, 128]."""
    places = cell_centers(SIDE, torch.zeros(1))
    x, y = places[None], places[:, None]
    inside = (x / 0.15) ** 2 + ((y - 0.3) / (gap / 2)) ** 2 < 1.0
    drawn = torch.where(inside, 1.0, 0.0)
    drawn = torch.where((y > 0.6) & (y < 0.64), -1.0, drawn)
    return drawn.expand(1, 3, -1, -1).contiguous()


def test_what_lies_between_wide_lips_vanishes_and_the_chin_rises() -> None:
    gap = 0.16  # 0.38 distances of the eyes
    opened = picture(gap)
    shut = shut_mouths(opened, upright(gap), SURE)
    assert (opened > 0.5).sum() > 400
    assert (shut > 0.5).sum() < 0.1 * (opened > 0.5).sum()
    row = [(each[0, 0, :, SIDE // 2] < -0.5).float().argmax().item() for each in (opened, shut)]
    assert row[0] - row[1] == round(0.75 * gap * SIDE / 2), "the chin, by the jaw's share"
    assert torch.equal(shut[..., :20, :], opened[..., :20, :]), "forehead and eyes stay"
    assert torch.equal(shut[..., :5], opened[..., :5]), "and so does what is beside the face"


def test_parted_lips_and_lips_that_nobody_is_sure_of_stay() -> None:
    parted = picture(0.06)
    assert shut_mouths(parted, upright(0.06), SURE) is parted
    opened = picture(0.16)
    assert shut_mouths(opened, upright(0.16), ~SURE) is opened


def test_thick_lips_that_are_shut_stay() -> None:
    points = upright(0.02)
    points[:, LANDMARKS.index("outer_lower_lip"), 1] += 0.1  # 0.36 distances of the eyes
    shut = picture(0.02)
    assert shut_mouths(shut, points, SURE) is shut


def test_of_a_batch_only_wide_mouths_are_shut() -> None:
    pictures = torch.cat((picture(0.06), picture(0.16)))
    points = torch.cat((upright(0.06), upright(0.16)))
    shut = shut_mouths(pictures, points, torch.tensor([True, True]))
    assert torch.equal(shut[0], pictures[0])
    assert not torch.equal(shut[1], pictures[1])


def test_a_lower_lip_that_is_too_thick_is_a_tongue_that_was_taken_for_one() -> None:
    points = upright(0.16)
    true = OpenMouth.of(points).half_gap
    outer = points[0, LANDMARKS.index("outer_lower_lip"), 1].item()
    points[:, LANDMARKS.index("inner_lower_lip"), 1] = outer - 0.1  # 0.24 distances of the eyes
    assert OpenMouth.of(points).half_gap > 0.9 * true
    points[:, LANDMARKS.index("inner_lower_lip"), 1] = outer - 0.08
    assert OpenMouth.of(points).half_gap < 0.9 * true


def test_the_picture_is_nowhere_turned_over() -> None:
    """Each place shows what lay below what the place above it shows."""
    for gap in (0.1, 0.2, 0.3):
        mouth = OpenMouth.of(upright(gap))
        flow = mouth.raised_jaw(torch.zeros(1, 3, SIDE, SIDE))[0, 1]
        rows = flow + cell_centers(SIDE, flow)[:, None]
        assert (rows.diff(dim=0) > 0.0).all(), gap
