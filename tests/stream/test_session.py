"""Sessions: slicing, tails, interleaving, closing, turns."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from scenes import scene_of
from talking import nearly_equal, picture, sound, talk

from flashtalk.conditions import gather_conditions
from flashtalk.errors import FlashTalkError
from flashtalk.models.networks import Networks
from flashtalk.models.pixels import to_pixels
from flashtalk.stream.compute import ComputeThread
from flashtalk.stream.piece import VideoPiece
from flashtalk.stream.session import Session
from flashtalk.stream.timing import StageTimer

SLOW_S = 60.0


@pytest.mark.parametrize("size", [640, 1_000, 4_096, 17_920, 50_000])
def test_any_slicing_gives_the_same_video(start, speech, whole, size: int) -> None:
    slices = [speech[begin : begin + size] for begin in range(0, len(speech), size)]
    assert np.array_equal(picture(talk(start(), slices)), whole)


def test_ragged_and_empty_slices_too(start, speech, whole) -> None:
    cuts = np.sort(np.random.default_rng(1).integers(0, len(speech), 40))
    slices = np.split(speech, [0, 0, 1, *cuts, len(speech)])
    assert np.array_equal(picture(talk(start(), slices)), whole)


def test_a_reused_microphone_buffer_does_no_harm(start, speech, whole) -> None:
    session, chunks, buffer = start(), [], np.empty(800, np.float32)
    for begin in range(0, len(speech), 800):
        buffer[:] = speech[begin : begin + 800]
        chunks += session.push(buffer)
        buffer[:] = np.nan
    assert np.array_equal(picture(chunks + list(session.flush())), whole)


def test_chunks_follow_without_gaps(start, speech) -> None:
    chunks = talk(start(), [speech])
    assert [chunk.index for chunk in chunks] == [0, 1, 2, 3]
    assert [len(chunk.frames) for chunk in chunks] == [28, 28, 28, 4]  # 56,000 = 87.5 frames
    assert [chunk.start_s for chunk in chunks] == pytest.approx([0, 1.12, 2.24, 3.36])
    assert np.array_equal(sound(chunks), speech)
    assert chunks[0].frames.dtype == np.uint8
    assert chunks[0].frames.shape[1:] == (64, 64, 3)


@pytest.mark.parametrize("count", [0, 1, 639, 640, 17_919, 17_920, 17_921, 40_000])
def test_tail_is_padded_then_trimmed_alike(start, speech, whole, count: int) -> None:
    chunks = talk(start(), [speech[:count]])
    frames = sum(len(chunk.frames) for chunk in chunks)
    assert frames == -(-count // 640)
    assert sum(len(chunk.samples) for chunk in chunks) == count
    for chunk in chunks:
        assert len(chunk.frames) == -(-len(chunk.samples) // 640)
    heard_ahead = 5 * 640
    complete = max(0, count - heard_ahead) // 17_920 * 28  # frames that no silence has changed
    if frames:
        assert np.array_equal(picture(chunks)[:complete], whole[:complete])
        assert np.array_equal(sound(chunks), speech[:count])


def test_a_chunk_is_made_once_what_comes_after_it_is_heard(start, speech) -> None:
    session, due = start(), 17_920 + 5 * 640
    assert list(session.push(speech[: due - 1])) == []
    assert [len(chunk.frames) for chunk in session.push(speech[due - 1 : due])] == [28]
    assert [len(chunk.frames) for chunk in session.flush()] == [5]


def test_what_comes_after_a_chunk_matters_to_its_end(start, speech) -> None:
    """And, as all of the chunk attends to it, to the rest; nothing further ahead matters."""

    def first_chunk(hidden_from: int) -> np.ndarray:
        known = np.where(np.arange(len(speech)) < hidden_from, speech, 0.0).astype(np.float32)
        return talk(start(), [known])[0].frames

    whole = first_chunk(len(speech))
    assert np.array_equal(first_chunk(17_920 + 5 * 640), whole)
    assert not np.array_equal(first_chunk(17_920), whole)


def test_silence_in_the_tail_is_what_the_tail_is_padded_with(start, speech) -> None:
    count = 20_000
    padded = np.concatenate((speech[:count], np.zeros(2 * 17_920 - count, np.float32)))
    short = picture(talk(start(), [speech[:count]]))
    assert np.array_equal(short, picture(talk(start(), [padded]))[: len(short)])


def test_same_seed_same_bytes_other_seed_other_bytes(start, speech, whole) -> None:
    again = picture(talk(start(seed=0), [speech]))
    other = picture(talk(start(seed=1), [speech]))
    assert again.tobytes() == whole.tobytes()
    assert other.tobytes() != whole.tobytes()


def test_speech_matters(start, speech, whole) -> None:
    assert not np.array_equal(picture(talk(start(), [np.zeros_like(speech)])), whole)


def test_a_preset_with_a_loudness_hears_whisper_and_shout_alike(
    toy_networks: Networks, toy_portrait: torch.Tensor, speech: np.ndarray
) -> None:
    preset = replace(toy_networks.preset, speech_loudness_lufs=-23.0)
    networks = replace(toy_networks, preset=preset)
    with torch.inference_mode():
        conditions = gather_conditions(networks, toy_portrait)

    def spoken(gain: float, networks: Networks) -> list[VideoPiece]:
        return talk(Session(scene_of(networks, conditions)), [speech[:20_000] * gain])

    loud, quiet = spoken(1.0, networks), spoken(0.1, networks)
    assert nearly_equal(picture(quiet), picture(loud))
    assert np.array_equal(sound(quiet), speech[:20_000] * np.float32(0.1))  # heard as it was
    assert not nearly_equal(picture(spoken(0.1, toy_networks)), picture(loud))


def test_interleaved_sessions_never_leak(start, speech, whole) -> None:
    alone = picture(talk(start(seed=4, mirrored=True), [speech[::-1]]))
    first, second = start(), start(seed=4, mirrored=True)
    chunks: tuple[list[VideoPiece], list[VideoPiece]] = ([], [])
    for begin in range(0, len(speech), 5_000):
        chunks[0].extend(first.push(speech[begin : begin + 5_000]))
        chunks[1].extend(second.push(speech[::-1][begin : begin + 5_000]))
    chunks[1].extend(second.flush())
    chunks[0].extend(first.flush())
    assert np.array_equal(picture(chunks[0]), whole)
    assert np.array_equal(picture(chunks[1]), alone)


def test_sessions_in_threads_take_turns_and_never_leak(start, speech, whole) -> None:
    computer = ComputeThread(1)
    results: dict[int, np.ndarray] = {}

    def visit(seed: int) -> None:
        results[seed] = picture(talk(start(seed=seed, computer=computer), [speech]))

    visitors = [threading.Thread(target=visit, args=(seed,)) for seed in (0, 1, 2)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert np.array_equal(results[0], whole)
    assert np.array_equal(results[1], picture(talk(start(seed=1), [speech])))


@pytest.mark.parametrize("first", [4, 12])
def test_the_first_fragment_comes_early_and_changes_nothing(start, speech, whole, first) -> None:
    chunks = talk(start(first_fragment_frames=first), [speech])
    assert [len(chunk.frames) for chunk in chunks] == [first, 28 - first, 28, 28, 4]
    assert [chunk.index for chunk in chunks] == [0, 1, 2, 3, 4]
    assert nearly_equal(picture(chunks), whole)
    assert np.array_equal(sound(chunks), speech)


def test_every_chunk_may_come_in_two_pieces(start, speech, whole) -> None:
    chunks = talk(start(first_fragment_frames=4, split="every"), [speech])
    assert [len(chunk.frames) for chunk in chunks] == [4, 24] * 3 + [4]
    assert [chunk.completes_chunk for chunk in chunks] == [False, True] * 3 + [True]
    assert nearly_equal(picture(chunks), whole)
    assert np.array_equal(sound(chunks), speech)


def test_short_chunks_keep_sound_and_picture_together(
    toy_networks: Networks, toy_portrait: torch.Tensor, speech: np.ndarray
) -> None:
    networks = replace(toy_networks, preset=toy_networks.preset.with_chunk(17))
    with torch.inference_mode():
        conditions = gather_conditions(networks, toy_portrait)

    def begin() -> Session:
        scene = scene_of(networks, conditions)
        return Session(scene, first_fragment_frames=4, split="every")

    session, due = begin(), (12 + 5) * 640
    assert list(session.push(speech[: due - 1])) == []
    assert len(list(session.push(speech[due - 1 : due]))) == 2
    slices = [speech[at : at + 1_280] for at in range(0, len(speech), 1_280)]
    pieces = talk(begin(), slices)
    assert [len(piece.frames) for piece in pieces] == [4, 8] * 7 + [4]  # 56,000 = 87.5 frames
    at = 0
    for piece in pieces:
        assert piece.start_s == pytest.approx(at / 25)
        assert np.array_equal(piece.samples, speech[at * 640 :][: len(piece.samples)])
        assert len(piece.frames) == -(-len(piece.samples) // 640)
        at += len(piece.frames)
    assert [piece.chunk_index for piece in pieces] == [
        chunk for chunk in range(7) for _ in "ab"
    ] + [7]
    assert np.array_equal(picture(pieces), picture(talk(begin(), [speech])))


@pytest.mark.parametrize(("count", "frames"), [(1_000, [2]), (5 * 640, [4, 1])])
def test_fragments_of_a_short_talk_are_trimmed(start, speech, count, frames) -> None:
    chunks = talk(start(first_fragment_frames=4), [speech[:count]])
    assert [len(chunk.frames) for chunk in chunks] == frames
    assert np.array_equal(sound(chunks), speech[:count])


def test_what_was_not_taken_comes_first_next_time(start, speech, whole) -> None:
    session = start(first_fragment_frames=4)
    chunks = [next(session.push(speech[:30_000]))]  # the rest of this iterator is dropped
    session.push(speech[30_000:])  # not even begun
    chunks += session.flush()
    assert nearly_equal(picture(chunks), whole)


def test_a_talk_goes_on_behind_what_was_skipped(start, speech, whole) -> None:
    session = start()
    chunk = 28 * 640  # what a chunk adds
    shown = list(session.push(speech[: chunk + 3200]))
    assert session.skip(speech[chunk + 3200 : 2 * chunk + 3200]) == 28
    rest = [*session.push(speech[2 * chunk + 3200 :]), *session.flush()]
    assert rest[0].start_s == pytest.approx(2 * 28 / 25)
    assert nearly_equal(picture(rest), whole[56:])
    assert nearly_equal(picture(shown), whole[:28])


def test_nothing_is_skipped_before_it_is_heard(start, speech) -> None:
    session = start()
    assert session.skip(speech[: 28 * 640]) == 0  # the chunk also hears what comes after it
    assert session.skip(speech[28 * 640 : 28 * 640 + 3200]) == 28


def test_video_that_is_ready_is_taken_before_skipping(start, speech) -> None:
    session = start()
    next(session.push(speech))
    with pytest.raises(FlashTalkError, match="Take the video"):
        session.skip(speech)


def test_a_held_picture_stays_over_what_the_next_chunk_can_do_without(start, speech) -> None:
    session = start()
    geometry = session._scene.geometry
    first = list(session.push(speech[: geometry.new_samples + geometry.lookahead_samples]))
    held = list(session.hold(speech[geometry.new_samples + geometry.lookahead_samples : 50_000]))
    rest = [*session.push(speech[50_000:]), *session.flush()]
    (still,) = held
    assert still.held and not any(piece.held for piece in first + rest)
    assert (still.frames == first[-1].frames[-1]).all()
    ahead = geometry.new_samples + geometry.lookahead_samples
    assert len(first[-1].samples) + len(still.samples) == (50_000 - ahead) // 640 * 640
    assert (sound(first + held + rest) == speech).all(), "every sample has its place"
    assert still.start_s == pytest.approx(first[-1].end_s)
    assert rest[0].start_s == pytest.approx(still.end_s)
    assert not (rest[0].frames[0] == still.frames[-1]).all()


def test_nothing_is_held_before_a_picture_or_without_need(start, speech) -> None:
    session = start()
    assert not list(session.hold(speech[:30_000]))
    assert list(session.push(speech[:0]))
    assert not list(session.hold(speech[30_000:30_640]))
    ready = session.push(speech[30_640:])
    next(ready)
    with pytest.raises(FlashTalkError, match="Take the video that is ready before holding"):
        session.hold(speech[:640])


def test_a_flushed_session_has_ended(start, speech) -> None:
    session = start()
    talk(session, [speech[:100]])
    assert session.closed
    for call in (lambda: session.push(speech), session.flush):
        with pytest.raises(FlashTalkError, match="Open a new one"):
            call()


def test_closing_stops_before_the_next_chunk(start, speech) -> None:
    with start() as session:
        video = session.push(speech)
        assert next(video).index == 0
        session.close()
        assert list(video) == []
    assert session.closed


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (np.zeros((2, 100), np.float32), r"shape \(2, 100\)"),
        (np.zeros(100, np.int16), "int16"),
        (np.array([0.0, np.nan], np.float32), "NaN"),
        (np.array([np.inf], np.float32), "NaN or infinite"),
    ],
)
def test_unusable_samples_are_refused_with_a_sentence(start, samples, said: str) -> None:
    session = start()
    with pytest.raises(FlashTalkError, match=said):
        session.push(samples)
    assert list(session.flush()) == []


def test_notices_come_with_the_first_piece_alone(start, speech) -> None:
    pieces = talk(start(notices=("The mouth is hidden.",)), [speech])
    assert [piece.notices for piece in pieces] == [("The mouth is hidden.",), (), (), ()]


def test_timings_are_off_unless_asked_for(start, speech) -> None:
    assert all(chunk.timings == {} for chunk in talk(start(), [speech[:20_000]]))
    timed = talk(start(timer=StageTimer(torch.device("cpu"))), [speech[:20_000]])
    stages = {"speech", "denoise", "decode", "color", "finish"}
    assert set(timed[0].timings) == stages
    assert set(timed[1].timings) == {*stages, "motion_encode"}


def test_a_session_leaves_the_networks_as_they_were(start, toy_networks, speech) -> None:
    modules = (toy_networks.transformer, toy_networks.autoencoder, toy_networks.speech_encoder)
    talk(start(), [speech[:100]])  # constant tables may be cached at first use
    before = [
        {name: set(vars(part)) for name, part in module.named_modules()} for module in modules
    ]
    values = [[value.clone() for value in module.state_dict().values()] for module in modules]
    talk(start(seed=9), [speech])
    assert before == [
        {name: set(vars(part)) for name, part in module.named_modules()} for module in modules
    ]
    for module, expected in zip(modules, values, strict=True):
        assert all(map(torch.equal, module.state_dict().values(), expected))


def test_pixels_are_rounded_and_clipped() -> None:
    video = torch.tensor([-2.0, -1.0, 0.0, 0.9999, 1.0, 7.0]).expand(3, 1, 1, 6)
    assert to_pixels(video)[0, 0, :, 0].tolist() == [0, 0, 128, 255, 255, 255]
