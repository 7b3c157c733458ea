"""The watermark is not seen, survives what happens to videos, and is found nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from flashtalk.provenance.detection import THRESHOLD, find_watermark
from flashtalk.provenance.marks import Marks
from flashtalk.provenance.pattern import CELLS, field, tile
from lab.evaluation.measures.attacks import ATTACKS
from lab.evaluation.watermark import swaying, through_the_encoder

PORTRAITS = sorted((Path(__file__).parents[2] / "assets" / "portraits").glob("*.jpg"))
SIDE = 256


def moving(portrait: Path, side: int = SIDE, count: int = 28) -> np.ndarray:
    return swaying(Image.open(portrait), side, count)


@pytest.fixture(scope="module")
def marked() -> np.ndarray:
    return through_the_encoder(moving(PORTRAITS[0]))


def score(frames: np.ndarray) -> float:
    return find_watermark([frames.mean(axis=0)]).score


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_the_watermark_survives(
    marked: np.ndarray, attack: Callable[[np.ndarray], np.ndarray]
) -> None:
    assert score(attack(marked)) > THRESHOLD


@pytest.mark.parametrize("size", [(512, 512), (448, 768)])
def test_other_sizes_are_marked_too(size: tuple[int, int]) -> None:
    width, height = size
    frames = np.stack([frame[:height, :width] for frame in moving(PORTRAITS[1], 768, 3)])
    assert score(through_the_encoder(frames)) > 2 * THRESHOLD


def test_nothing_is_found_without_it() -> None:
    scores = [score(moving(portrait, count=1)) for portrait in PORTRAITS]
    assert max(scores) < THRESHOLD - 1


def test_another_pattern_is_not_found_in_a_marked_video(marked: np.ndarray) -> None:
    assert find_watermark([marked.mean(axis=0)], tile(key=1)).score < THRESHOLD - 1


@pytest.mark.parametrize("picture", [np.zeros((64, 64, 3)), np.full((300, 200, 3), 200.0)])
def test_a_picture_with_nothing_in_it_has_none(picture: np.ndarray) -> None:
    assert not find_watermark([picture]).found


def test_it_cannot_be_seen() -> None:
    for portrait in PORTRAITS[:3]:
        plain = av.VideoFrame.from_ndarray(moving(portrait)[0], format="rgb24")
        frames = [plain.reformat(format="yuv420p") for _ in range(2)]
        Marks(SIDE, SIDE, visible=False).mark(frames[1])
        before, after = (frame.to_ndarray(format="rgb24").astype(float) for frame in frames)
        luma = [np.asarray(frame.to_ndarray())[:SIDE] for frame in frames]
        assert 10 * np.log10(255**2 / np.mean((before - after) ** 2)) > 42
        assert (luma[0] == luma[1]).all()


def test_the_field_is_the_tile_at_every_size() -> None:
    """The mean over each cell is the cell, but for what averaging takes."""
    cells = field(4 * CELLS, 4 * CELLS).reshape(CELLS, 4, CELLS, 4).mean(axis=(1, 3))
    assert np.corrcoef(cells.ravel(), tile().ravel())[0, 1] > 0.99
    assert abs(field(448, 800)[:448, 448:].std() - 1) < 0.1


def test_the_visible_mark_covers_a_small_corner_unless_it_is_switched_off() -> None:
    frames = np.full((1, SIDE, SIDE, 3), 120, np.uint8)
    shown, hidden = (
        through_the_encoder(frames, visible_mark=visible)[0].astype(int)
        for visible in (True, False)
    )
    changed = np.abs(shown - hidden).max(axis=2) > 30
    rows, columns = np.nonzero(changed)
    assert rows.max() < 0.15 * SIDE and columns.max() < 0.4 * SIDE
    assert shown[changed].max() > 200, "the letters are white"
    assert 0.01 < changed.mean() < 0.04
