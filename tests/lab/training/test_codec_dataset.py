from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import torch

from lab.training.data.clips import pixels_of
from lab.training.data.codec_dataset import (
    Batch,
    blink_place,
    joined,
    open_place,
    opened,
    portrait_opened,
    shows_teeth,
    shut_place,
)

SIDE = 64


def clip(gap: float, left: float = 0.0, right: float = 0.0) -> SimpleNamespace:
    """One frame of a mouth 0.5 wide around (0.1, 0.2), its lips ``gap`` apart.

    Its corners are ``left`` and ``right`` lower.
    """
    marks = {
        "inner_upper_lip": (0.1, 0.2 - gap / 2),
        "inner_lower_lip": (0.1, 0.2 + gap / 2),
        "left_mouth_corner": (-0.15, 0.2 + left),
        "right_mouth_corner": (0.35, 0.2 + right),
    }
    return SimpleNamespace(
        frames=np.zeros((1, SIDE, SIDE, 3), np.uint8),
        portrait=np.zeros((SIDE, SIDE, 3), np.uint8),
        portrait_landmarks=np.array(list(marks.values())),
        landmark_names=tuple(marks),
        mark=lambda name: np.array([marks[name]]),
    )


def test_the_opening_is_as_high_and_wide_as_the_lips_say() -> None:
    mask = opened(clip(gap=0.25), 0)
    column, row = round((0.1 + 1) / 2 * SIDE), round((0.2 + 1) / 2 * SIDE)
    assert abs(mask[:, column].sum() - 0.25 / 2 * SIDE) < 1.0
    assert abs(mask[row].sum() - 0.47 * SIDE / 2) < 2.0
    assert mask[:, :10].sum() == 0


def test_the_opening_of_a_smile_bends_upward_and_that_of_a_tilted_head_tilts() -> None:
    level, smile, tilted = (
        opened(clip(0.1, *corners), 0) for corners in ((0, 0), (-0.1, -0.1), (-0.1, 0.1))
    )
    rows = np.arange(SIDE)[:, None]

    def height(mask: np.ndarray, x: float) -> float:
        column = mask[:, round((x + 1) / 2 * SIDE)]
        return float((column * rows[:, 0]).sum() / column.sum())

    for mask, left, right in ((level, 0, 0), (smile, -0.07, -0.07), (tilted, -0.08, 0.08)):
        middle = height(mask, 0.1)
        assert abs(height(mask, -0.1) - middle - left * 0.8 * SIDE / 2) < 1.0
        assert abs(height(mask, 0.3) - middle - right * 0.8 * SIDE / 2) < 1.0
        assert abs(mask.sum() - level.sum()) < 0.1 * level.sum()  # tilted, it is as wide as before


def test_closed_lips_show_nothing() -> None:
    assert opened(clip(gap=0.0), 0).sum() == 0
    assert opened(clip(gap=-0.01), 0).sum() == 0


def test_a_portrait_shows_as_much_as_a_frame() -> None:
    for gap in (0.0, 0.1, 0.25):
        assert np.array_equal(portrait_opened(clip(gap)), opened(clip(gap), 0))


def test_a_portrait_with_lips_apart_shows_teeth() -> None:
    assert shows_teeth(clip(gap=0.25))
    assert not shows_teeth(clip(gap=0.0))


def test_shut_places_have_narrower_mouths_than_any() -> None:
    gap = np.linspace(0.0, 1.0, 40)
    talk = SimpleNamespace(frames=np.zeros((40, 1)), curve=lambda name: gap)
    rng = np.random.default_rng(0)
    places = [shut_place(talk, rng) for _ in range(200)]
    assert max(places) <= 36, "a group has four frames"
    assert 0.25 < gap[places].mean() < 0.38  # of two even draws the smaller: a third


def test_lids_are_learned_where_they_shut() -> None:
    opening = np.ones(400)
    opening[100:103] = opening[397:] = 0.2  # two blinks
    talk = SimpleNamespace(frames=np.zeros((400, 1)), curve=lambda name: opening)
    rng = np.random.default_rng(0)
    places = np.array([blink_place(talk, rng) for _ in range(200)])
    assert set(places) == {97, 98, 99, 100, 101, 102, 394, 395, 396}
    opening[:] = np.linspace(1.0, 0.8, 400)  # somebody who never blinks
    places = np.array([blink_place(talk, rng) for _ in range(200)])
    assert 300 < places.mean() < places.max() <= 396


def test_a_box_is_cut_out_in_pixels() -> None:
    rows, columns = pixels_of((0.0, 0.5, 0.25, 0.125), 64)
    assert (rows, columns) == (slice(44, 52), slice(24, 40))
    assert pixels_of((1.0, -1.0, 0.5, 0.5), 64) == (slice(0, 16), slice(48, 64))


def test_open_places_have_wider_mouths_than_any() -> None:
    gap = np.linspace(0.0, 1.0, 40)
    talk = SimpleNamespace(frames=np.zeros((40, 1)), curve=lambda name: gap)
    rng = np.random.default_rng(0)
    places = [open_place(talk, rng) for _ in range(200)]
    assert max(places) <= 36, "a group has four frames"
    assert 0.62 < gap[places].mean() < 0.75  # of three even draws up to 0.92 the largest


def test_two_batches_are_joined_in_order() -> None:
    def batch(number: int) -> Batch:
        return Batch(**{field.name: torch.full((2, 3), number) for field in fields(Batch)})

    both = joined(batch(1), batch(5))
    for field in fields(Batch):
        assert getattr(both, field.name)[:, 0].tolist() == [1, 1, 5, 5], field.name
