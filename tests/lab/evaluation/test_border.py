"""The border of a moving square: seen where something ends there, not seen where it fades."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from flashtalk.engine import Engine
from flashtalk.inputs.framing import Crop
from flashtalk.inputs.portrait import portrait_for
from flashtalk.inputs.still import Still
from flashtalk.models.networks import Networks
from lab.evaluation.measures.border import border_of, moving_in
from lab.evaluation.studies.whole_picture import row_of

SQUARE = Crop(40, 24, 64, 64)


@pytest.fixture(scope="module")
def still() -> Still:
    """Smooth stripes with a little noise, [128, 192, 3]."""
    down, across = np.mgrid[:128, :192]
    pixels = 128 + 60 * np.sin(across / 7) * np.cos(down / 9)
    noise = np.random.default_rng(1).normal(0, 2, (128, 192, 3))
    return Still((pixels[..., None] + noise).clip(0, 255).astype(np.uint8), SQUARE)


def frames_with(still: Still, squares: np.ndarray) -> np.ndarray:
    return still.around(squares.clip(0, 255).astype(np.uint8))


def inner(still: Still) -> np.ndarray:
    """The square's pixels [64, 64, 3]."""
    return still.pixels[24:88, 40:104].astype(np.float32)


def test_a_picture_at_rest_has_no_border(still: Still) -> None:
    border = border_of(frames_with(still, np.stack([inner(still)] * 3)), still)
    assert border.seam == pytest.approx(1.0) and border.still == 0.0


def test_a_lighter_square_has_a_seam(still: Still) -> None:
    border = border_of(frames_with(still, np.stack([inner(still) + 20] * 3)), still)
    assert border.seam > 1.5


def test_a_moved_square_has_a_seam_and_moves_at_its_border(still: Still) -> None:
    moved = np.stack([np.roll(inner(still), shift, axis=1) for shift in (0, 4, 8)])
    border = border_of(frames_with(still, moved), still)
    assert border.seam > 1.2 and border.motion > 0.8


def test_what_fades_toward_the_border_has_none(still: Still) -> None:
    place = np.minimum(np.arange(64), np.arange(64)[::-1]) / 16
    weight = np.clip(np.minimum(place[:, None], place), 0, 1)[..., None]
    light = np.array([0, 20, 5], np.float32)[:, None, None, None]
    border = border_of(frames_with(still, inner(still) + weight * light), still)
    assert border.seam < 1.1 and border.motion < 0.5


def test_the_border_of_a_turned_frame_is_found(still: Still) -> None:
    turned = Still(still.pixels, SQUARE, turn_deg=30.0)
    moving = moving_in(turned)
    side = 64 / (np.cos(np.pi / 6) + np.sin(np.pi / 6))
    assert moving.sum() == pytest.approx(side**2, rel=0.03)
    twice = np.stack([still.pixels] * 2)
    rest, lighter = (twice + shade * moving[..., None] for shade in (0, 20))
    assert border_of(rest.astype(np.uint8), turned).seam == pytest.approx(1.0)
    assert border_of(lighter.astype(np.uint8), turned).seam > 1.5


def test_what_changes_outside_is_found(still: Still) -> None:
    frames = frames_with(still, np.stack([inner(still)] * 2))
    frames[1, 5, 5] += 9
    assert border_of(frames, still).still == 9.0


def test_a_square_that_is_the_picture_has_no_border(still: Still) -> None:
    whole = Still(still.pixels, Crop(-2, -4, 196, 136))
    border = border_of(still.pixels[None].repeat(2, axis=0), whole)
    assert np.isnan(border.seam) and np.isnan(border.motion)


def test_a_row_says_what_was_measured(toy_networks: Networks, speech: np.ndarray) -> None:
    preset = replace(toy_networks.preset, framings=("face", "picture"))
    engine = Engine(replace(toy_networks, preset=preset))
    coarse = np.random.default_rng(2).integers(60, 200, (24, 42, 3), dtype=np.uint8)
    scene = cv2.resize(coarse, (420, 240), interpolation=cv2.INTER_CUBIC)
    portrait = portrait_for(scene, preset, framing="picture", without_face=True)
    session = engine.open(portrait, timed=True)
    pieces = [*session.push(speech[:24_000]), *session.flush()]
    size, part, seam, motion, outside, *seconds = row_of(portrait, pieces).split(" | ")
    assert (size, part, outside) == ("420 x 240", "240", "0")
    assert float(seam) < 1.1 and float(motion) < 0.5
    assert len(seconds) == 3
