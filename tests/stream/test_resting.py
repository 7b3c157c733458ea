"""Somebody who is held idles with shut lips, and is back where the next chunk goes on."""

from __future__ import annotations

import numpy as np
import torch

from flashtalk.assets import ASSETS
from flashtalk.engine import Engine
from flashtalk.evaluation.face_follower import FaceFollower
from flashtalk.evaluation.face_track import FaceTrack
from flashtalk.inputs.speech import load_speech
from flashtalk.stream.resting import WayToRest


def pictures(*shades: int) -> np.ndarray:
    return np.array(shades, np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)


def shades(frames: np.ndarray) -> list[int]:
    return frames[:, 0, 0, 0].tolist()


def way_of(*chunks: list[float]) -> WayToRest:
    """Of pictures that are numbered from 1; each chunk comes in two pieces."""
    way, number = WayToRest(), 1
    for openings in chunks:
        way.begin(torch.tensor(openings))
        for count in (2, len(openings) - 2):
            way.add(pictures(*range(number, number + count)))
            number += count
    return way


def test_the_way_goes_to_the_last_shut_picture_and_back() -> None:
    way, last = way_of([0.0, 1.0, 0.05, 0.5, 0.8, 0.9]), pictures(6)[0]
    assert shades(way.there_and_back(last, 9)) == [5, 4, 3, 3, 3, 3, 4, 5, 6]
    assert shades(way.there_and_back(last, 4)) == [5, 4, 5, 6]
    assert shades(way.there_and_back(last, 1)) == [6]


def test_the_way_goes_through_chunks_without_a_shut_picture() -> None:
    way = way_of([1.0, 0.0, 0.5], [0.5, 0.6, 0.7])
    assert shades(way.there_and_back(pictures(6)[0], 8)) == [5, 4, 3, 2, 3, 4, 5, 6]
    longest = way_of([0.0, *np.linspace(0.4, 1.0, 81)])
    assert min(shades(longest.there_and_back(pictures(82)[0], 200))) == 82 - 29


def test_shut_lips_and_unknown_ones_stay() -> None:
    shut, unknown = way_of([1.0, 1.0, 0.5, 0.0]), WayToRest()
    unknown.begin(None)
    unknown.add(pictures(3, 4))
    for way in (shut, unknown):
        assert shades(way.there_and_back(pictures(4)[0], 3)) == [4] * 3


def test_a_run_of_shut_lips_is_shown_forth_and_back() -> None:
    way, last = way_of([1.0, 0.1, 0.2, 0.1, 0.0], [0.0, 0.1, 0.2, 0.1, 0.6, 0.9]), pictures(11)[0]
    # 2 .. 9 have shut lips, and the next chunk goes on from 11
    idling = [9, 8, 7, 6, 5, 4, 3, 2, 2, 3, 4, 5, 6, 7, 8, 9, 9, 8, 7, 6, 7, 8, 9]
    assert shades(way.there_and_back(last, 26)) == [10, *idling, 10, 11]
    assert shades(way.there_and_back(last, 7)) == [10, 9, 8, 8, 9, 10, 11]


def test_a_long_rest_goes_further_back_to_where_the_person_can_idle() -> None:
    way = way_of([0.1] * 8, [0.8, 0.1, 0.9, 0.9])  # 1 .. 8 and 10 have shut lips
    last = pictures(12)[0]
    assert shades(way.there_and_back(last, 20)) == [11, *[10] * 17, 11, 12]
    longer = shades(way.there_and_back(last, 40))
    assert longer[:5] == [11, 10, 9, 8, 7]
    assert max(longer[3:-4]) == 8


def test_a_short_run_is_shown_slowly() -> None:
    way = way_of([1.0, *[0.1] * 4])
    slow = [5, 4, 4, 3, 3, 2, 2, 2, 2, 3, 3, 4, 4, 5, 5, 5, 5, 4, 4, 5]
    assert shades(way.there_and_back(pictures(5)[0], 20)) == slow


def test_too_few_shut_pictures_or_nearly_shut_ones_stay_still() -> None:
    few, nearly = way_of([1.0, *[0.1] * 3]), way_of([0.9, 0.9, *[0.4] * 9])
    assert shades(few.there_and_back(pictures(4)[0], 40)) == [4] * 40
    assert shades(nearly.there_and_back(pictures(11)[0], 40)) == [11] * 40


def test_somebody_who_was_silent_for_long_idles_over_the_last_second() -> None:
    way = way_of(*[[0.1] * 12] * 9)
    held = shades(way.there_and_back(pictures(108)[0], 300))
    assert min(held) == 108 - 24
    steps = np.diff([108, *held])
    assert set(steps.tolist()) == {-1, 0, 1}
    assert (steps == 0).mean() < 0.05, "a person, not a picture"


def test_a_held_person_shuts_the_lips() -> None:
    engine = Engine.from_pretrained("flashtalk-tiny", size=(256, 256), turn_threads=1)
    geometry = engine.preset.for_live_speech().geometry
    speech = load_speech(ASSETS / "voices" / "emma.flac").samples
    beyond = geometry.new_samples + geometry.lookahead_samples
    wait, rests = 60 * geometry.samples_per_frame, []
    with engine.open(
        ASSETS / "portraits" / "ada.jpg", seed=3, live=True, first_fragment_frames=4
    ) as session:
        shown = [piece.frames for piece in session.push(speech[: 2 * beyond])]
        for begin in (2 * beyond, 2 * beyond + wait):
            (held,) = session.hold(speech[begin : begin + wait])
            assert np.array_equal(held.frames[-1], shown[-1][-1])
            assert no_seam(np.concatenate(shown), held.frames)
            rests.append((opening(shown[-1][-1]), opening(held.frames[len(held.frames) // 2])))
            shown += [piece.frames for piece in session.push(speech[:0])]
    assert all(rest < max(before, 0.07) for before, rest in rests), rests
    assert any(rest < before - 0.03 for before, rest in rests), rests


def opening(frame: np.ndarray) -> float:
    """Of the lips, over the distance of the eyes, as a face mesh sees it."""
    return float(FaceTrack(FaceFollower().read(frame[None])).opening[0])


def no_seam(shown: np.ndarray, held: np.ndarray) -> bool:
    """Whether no step of ``held`` [F, H, W, 3] is larger than those that were ``shown``."""
    before, after = (steps(each) for each in (shown, np.concatenate((shown[-1:], held))))
    return bool(after.max() <= before.max())


def steps(frames: np.ndarray) -> np.ndarray:
    """Mean change from each frame to the next: [F - 1]."""
    return np.abs(np.diff(frames.astype(np.float32), axis=0)).mean(axis=(1, 2, 3))
