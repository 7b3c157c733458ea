from pathlib import Path

import cv2
import numpy as np
import pytest

from flashtalk.errors import FlashTalkError
from lab.training.data.clips import GRID
from lab.training.data.codec_dataset import BOX_WEIGHT
from lab.training.data.pictures import Pictures, along, is_smooth, with_letters

SIDE = 256
MIDDLES = np.linspace(-1 + 1 / GRID, 1 - 1 / GRID, GRID, dtype=np.float32)


def flow(shift_px: float = 0.0) -> np.ndarray:
    """Positions in the portrait [g, g, 2] of a frame whose pixels are from ``shift_px`` lower."""
    here = np.stack(np.meshgrid(MIDDLES, MIDDLES), axis=-1)
    return here + np.array([0.0, shift_px * 2 / SIDE], np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    soft = cv2.GaussianBlur(rng.integers(0, 256, (300, 400, 3), dtype=np.uint8), (0, 0), 2.0)
    cv2.imwrite(str(tmp_path / "soft.png"), soft)
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    return tmp_path


def group(shift_px: float) -> dict[str, np.ndarray]:
    """A still gray group, its mouth's box in the middle."""
    weight = np.ones((4, GRID, GRID), np.float32)
    weight[:, 30:34, 28:36] = BOX_WEIGHT
    return {
        "pictures": np.full((5, SIDE, SIDE, 3), 128, np.uint8),
        "flow": np.stack([flow(shift_px)] * 4),
        "known": np.ones((4, GRID, GRID), np.float32),
        "weight": weight,
        "codes": np.zeros(1),
    }


def test_pictures_move_along_the_flow_of_the_clip(folder: Path) -> None:
    pictures = Pictures(folder)
    assert len(pictures.all) == 1, "what cannot be read is left out"
    for seed in range(4):
        moved = pictures.moved(group(shift_px=8.0), np.random.default_rng(seed))
        *frames, portrait = moved["pictures"].astype(int)
        assert np.abs(frames[0][:240] - portrait[8:248]).mean() < 1.0
        assert np.abs(frames[0] - portrait).mean() > 0.05
        assert moved["codes"] is not None, "the codes still say how it moves"


def test_nothing_is_asked_where_painters_draw(folder: Path) -> None:
    weight = Pictures(folder).moved(group(0.0), np.random.default_rng(0))["weight"]
    assert set(np.unique(weight)) == {0.0, 1.0}
    assert weight[0, 26:38, 22:42].max() == 0.0
    assert weight[0, :20].min() == 1.0


def test_nothing_is_asked_where_the_flow_jumps_or_is_hidden(folder: Path) -> None:
    jumping = group(0.0)
    jumping["flow"][:, :, 40:, 0] += 0.1
    jumping["known"][:, 5, 5] = 0.0
    moved = Pictures(folder).moved(jumping, np.random.default_rng(0))
    for name in ("known", "weight"):
        assert moved[name][:, :, 39:41].max() == 0.0
        assert moved[name][:, 5, 5].max() == 0.0
        assert moved[name][:, :, 50:].min() == 1.0
    assert is_smooth(flow(20.0)).min() == 1.0, "a shift is smooth"


def test_a_still_flow_changes_nothing() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    inner = slice(4, -4)  # beyond the outermost cells' middles the flow is the nearest
    assert np.array_equal(along(picture, flow())[inner, inner], picture[inner, inner])


def test_letters_are_written_on_a_copy() -> None:
    picture = np.full((SIDE, SIDE, 3), 128, np.uint8)
    written = with_letters(picture, np.random.default_rng(0))
    assert (picture == 128).all()
    assert 0.002 < (written != 128).any(axis=-1).mean() < 0.5


def test_a_folder_without_pictures_is_named(tmp_path: Path) -> None:
    with pytest.raises(FlashTalkError, match=str(tmp_path)):
        Pictures(tmp_path)
