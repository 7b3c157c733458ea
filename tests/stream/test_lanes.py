"""Which thread makes which frames: the same video, and what runs side by side."""

import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scenes import scene_of
from talking import nearly_equal, picture, sound, talk

from flashtalk.conditions import gather_conditions
from flashtalk.errors import FlashTalkError
from flashtalk.models.networks import Networks
from flashtalk.stream.chunk import Scene, Shown, carry, fragment_bounds, sample
from flashtalk.stream.compute import ComputeThread
from flashtalk.stream.finisher import Pictures, finish
from flashtalk.stream.lanes import can_part
from flashtalk.stream.session import Session
from flashtalk.stream.workers import WorkerPool

SLOW_S = 60.0


def test_pictures_of_a_thread_of_their_own_are_the_same(start, speech, whole) -> None:
    threads = {"computer": ComputeThread(1), "picture_thread": ComputeThread(1)}
    for options in ({}, {"first_fragment_frames": 4}, {"split": "every"}):
        pieces = talk(start(**threads, **options), np.array_split(speech, 7))
        assert np.array_equal(picture(pieces), picture(talk(start(**options), [speech])))
        assert np.array_equal(sound(pieces), speech)


@pytest.mark.parametrize("frames", [17, 33])
def test_who_waits_for_each_piece_gets_the_same_video(
    toy_networks: Networks, toy_portrait: torch.Tensor, speech: np.ndarray, frames: int
) -> None:
    """The carried frames are decoded beside the pieces, in parts of another size."""
    networks = replace(toy_networks, preset=toy_networks.preset.with_chunk(frames))
    with torch.inference_mode():
        scene = scene_of(networks, gather_conditions(networks, toy_portrait))
    live = {"first_fragment_frames": 4, "split": "every"}
    expected = talk(Session(scene, **live), [speech])
    threads = {"computer": ComputeThread(1), "picture_thread": ComputeThread(1)}
    pieces = talk(Session(scene, **live, **threads), np.array_split(speech, 7))
    new = scene.geometry.new_frames
    assert {len(piece.frames) for piece in pieces[:-2]} == {4, new - 4}
    assert [len(piece.frames) for piece in pieces] == [len(piece.frames) for piece in expected]
    assert nearly_equal(picture(pieces), picture(expected))
    assert np.array_equal(sound(pieces), speech)


def test_chunks_in_one_piece_are_not_parted(
    toy_networks: Networks, toy_portrait: torch.Tensor
) -> None:
    networks = replace(toy_networks, preset=toy_networks.preset.with_chunk(17))
    geometry = networks.preset.geometry
    with torch.inference_mode():
        scene = scene_of(networks, gather_conditions(networks, toy_portrait))
    assert can_part(scene, fragment_bounds(geometry, 4))
    assert not can_part(scene, fragment_bounds(geometry))
    assert not can_part(scene, fragment_bounds(geometry, 8))


def test_a_chunk_that_breaks_off_ends_all_its_pieces(start, speech, monkeypatch) -> None:
    def check(values: torch.Tensor) -> None:
        if values.shape[1] == 3:  # pictures
            raise FlashTalkError("no more")

    threads = {"computer": ComputeThread(1), "picture_thread": ComputeThread(1)}
    session = start(split="every", first_fragment_frames=4, **threads)
    monkeypatch.setattr("flashtalk.stream.faults.require_numbers", check)
    with pytest.raises(FlashTalkError, match="no more"):
        next(session.push(speech))
    assert session.closed
    assert threads["picture_thread"].run(lambda: "free") == "free"


@pytest.mark.parametrize("live", [False, True])
def test_the_next_chunk_is_denoised_while_pictures_are_made(
    start, speech, monkeypatch, live: bool
) -> None:
    """But not of somebody who is live: who may be held before it."""
    denoised: list[None] = []
    second = threading.Event()

    def noted(*all: Any) -> torch.Tensor:
        denoised.append(None)
        if len(denoised) == 2:
            second.set()
        return sample(*all)

    def waiting(*all: Any) -> Pictures:
        second.wait(0.5 if live else SLOW_S)
        return finish(*all)

    monkeypatch.setattr("flashtalk.stream.session.sample", noted)
    monkeypatch.setattr("flashtalk.stream.lanes.finish", waiting)
    session = start(
        computer=ComputeThread(1),
        picture_thread=ComputeThread(1),
        split="every" if live else "first",
    )
    piece = next(session.push(speech))
    assert piece.completes_chunk and len(piece.frames) == 28
    assert len(denoised) == (1 if live else 2)
    with pytest.raises(FlashTalkError, match="Take the video that is ready"):
        session.skip(speech[:0])
    rest = [*session.flush()]
    assert all(each.completes_chunk for each in rest)
    assert np.array_equal(sound([piece, *rest]), speech)


def test_pictures_that_cannot_be_made_end_the_talk(start, speech, monkeypatch) -> None:
    def fail(scene: Scene, shown: Shown, workers: WorkerPool) -> Pictures:
        raise MemoryError

    session = start(computer=ComputeThread(1), picture_thread=ComputeThread(1))
    monkeypatch.setattr("flashtalk.stream.lanes.finish", fail)
    with pytest.raises(FlashTalkError, match="no memory left"):
        next(session.push(speech))
    assert session.closed


def test_no_motion_frames_are_encoded_at_the_end(start, speech, monkeypatch) -> None:
    counted: list[None] = []
    monkeypatch.setattr(
        "flashtalk.stream.session.carry", lambda *all: (carry(*all), counted.append(None))[0]
    )
    threads = {"computer": ComputeThread(1), "picture_thread": ComputeThread(1)}
    chunks = len({piece.chunk_index for piece in talk(start(**threads), [speech])})
    assert len(counted) == chunks - 1
