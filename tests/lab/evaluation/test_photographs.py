"""People of photographs: who is drawn, their sheet and table, and a talk as a visitor's."""

import json
from pathlib import Path

import numpy as np
import pytest
from drawn_clips import frames_of
from PIL import Image

from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError
from flashtalk.models.tiny.confidence import MOUTH_HIDDEN
from lab.evaluation.studies.photographs import (
    OPEN,
    SHUT,
    TILE_PX,
    Photographs,
    alike,
    descriptions,
    kinds_of,
    make,
    sheet_row,
    table,
    write_sheets,
)
from lab.evaluation.talks import Speech
from lab.synthesis.voices.phones import Phone

FACE = Path(__file__).parents[3] / "assets" / "photographs" / "nia.jpg"


def speech(frames: int) -> Speech:
    """A hum whose lips are to open and shut every ten frames."""
    seconds = np.arange(640 * frames) / 16_000
    samples = (0.1 * np.sin(2 * np.pi * 180 * seconds)).astype(np.float32)
    phones = (Phone("AA", 0.1, 0.3), Phone("P", 0.3, 0.4))
    return Speech(samples, phones, np.sin(np.arange(frames) * 2 * np.pi / 10))


def test_the_same_people_are_drawn_again() -> None:
    pictures = tuple(Path(f"{number}.jpg") for number in range(50))
    drawn = Photographs(pictures=pictures, count=8).people
    assert drawn == Photographs(pictures=pictures, count=8).people and len(set(drawn)) == 8
    assert drawn != Photographs(pictures=pictures, count=8, seed=2).people
    assert Photographs(pictures=pictures).people == pictures


def test_descriptions_make_kinds(tmp_path: Path) -> None:
    (tmp_path / "who.csv").write_text("file,described_as\na.jpg,sun hat\nb.jpg,full beard\n")
    told = descriptions(tmp_path / "who.csv")
    assert {name: kinds_of(words) for name, words in told.items()} == {"a": ["hat"], "b": ["beard"]}
    assert kinds_of("aviator sunglasses; tilted upwards") == ["glasses", "turned"]
    assert kinds_of("green background") == ["other"] and descriptions(None) == {}


def test_lips_that_all_move_wrongly_are_the_voices_fault() -> None:
    frames = np.arange(150)
    said, heard = np.sin(frames / 3), np.sin(frames / 3 + 1.0)
    together, other = alike(np.array([heard, 2 * heard, heard + 5]), said)
    assert other == pytest.approx(1.0) and together == pytest.approx(np.cos(1.0), abs=0.02)
    noise = np.random.default_rng(0).normal(size=(3, 150))
    together, other = alike(said + 2 * noise, said)
    assert other < 0.4 < together


def test_a_row_shows_the_widest_mouths_and_then_the_narrowest() -> None:
    frames = 100
    spoken = speech(frames)
    gray = np.rint(127 * (1 + spoken.expected_opening)).astype(np.uint8)
    pictures = np.broadcast_to(gray[:, None, None, None], (frames, 8, 8, 3))
    row = sheet_row(np.full((8, 8, 3), 9, np.uint8), pictures, spoken)
    assert row.shape == (TILE_PX, (1 + OPEN + SHUT) * TILE_PX, 3)
    tiles = row[0, TILE_PX // 2 :: TILE_PX, 0]
    assert tiles[0] == 9 and (tiles[1 : 1 + OPEN] > 240).all() and (tiles[1 + OPEN :] < 15).all()


def test_the_table_leaves_out_lips_of_whom_visitors_are_told() -> None:
    figures = {
        "a": {"notices": [], "likeness": 0.9, "sharpness": 0.8},
        "b": {"notices": [], "likeness": 0.7},
        "c": {"notices": [MOUTH_HIDDEN], "likeness": 0.5, "sharpness": 1.0},
    }
    lips = {"correlation": 0.8, "lag_frames": 1, "closures": 4, "closed": 3, "gap_range": 0.2}
    outside = {"a": lips, "b": lips | {"correlation": 0.6, "gap_range": 0.01}, "c": lips}
    *_, everybody, hat, other = table(figures, outside, {"a": "sun hat"}).splitlines()
    assert everybody == "| all | 3 | 1 | 0.700 | 1.0 | 0.75 | 0.105 | 1 of 2 | 0.700 | 0.900 |"
    assert hat.startswith("| hat | 1 | 0 | 0.800 |") and other.startswith(
        "| other | 2 | 1 | 0.600 |"
    )
    assert "| all | 3 | 1 |  |  |  |  |  | 0.700 | 0.900 |" in table(figures, {}, {})


def test_a_talk_is_a_film_its_lips_its_figures_and_a_row(tmp_path: Path) -> None:
    config = Photographs(pictures=(FACE,), out=tmp_path)
    engine = Engine.from_pretrained()
    found = make(engine, FACE, speech(25), config)
    assert found["notices"] == [] and found["seconds"] == 1.0
    assert 0.5 < found["likeness"] <= 1.0
    film = tmp_path / "talks" / "nia.mp4"
    assert frames_of(film).shape == (25, 512, 512, 3)
    assert len(json.loads(film.with_suffix(".json").read_text())["opening"]) == 25
    write_sheets(config, ["nia"])
    assert Image.open(tmp_path / "sheets" / "00.jpg").size == (8 * TILE_PX, TILE_PX)
    Image.fromarray(np.full((300, 300, 3), 128, np.uint8)).save(tmp_path / "plain.png")
    with pytest.raises(FlashTalkError, match="No face was found"):
        make(engine, tmp_path / "plain.png", speech(25), config)
