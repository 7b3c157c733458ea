"""The loop from pieces to film: whatever ends it, what was made is a file."""

import io
import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from unsigned import unsigned

from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.speech import Speech
from flashtalk.models.networks import Networks
from flashtalk.outputs.film import Film, pieces_of
from flashtalk.stream.piece import VideoPiece

FPS = 25
SIZE = (64, 64)


@pytest.fixture(scope="module")
def said(speech: np.ndarray) -> Speech:
    """Three and a half seconds: 87.5 frames, three chunks and a short one."""
    return Speech(speech, np.repeat(speech, 3)[None])


@pytest.fixture(scope="module")
def pieces(toy_networks: Networks, said: Speech) -> list[VideoPiece]:
    picture = np.tile(np.arange(64, dtype=np.uint8)[None, :, None], (64, 1, 3))
    session = Engine(toy_networks).open(picture, seed=3, first_fragment_frames=8, without_face=True)
    return list(pieces_of(session, said))


def frames_in(path: Path) -> int:
    with av.open(str(path)) as file:
        return len(list(file.decode(video=0)))


def test_pieces_know_their_place(pieces: list[VideoPiece]):
    assert [len(piece.frames) for piece in pieces] == [8, 20, 28, 28, 4]
    assert [piece.chunk_index for piece in pieces] == [0, 0, 1, 2, 3]
    assert [piece.completes_chunk for piece in pieces] == [False, True, True, True, True]
    assert [piece.end_s for piece in pieces] == pytest.approx([0.32, 1.12, 2.24, 3.36, 3.52])


def test_a_film_is_complete_and_counts_its_work(
    pieces: list[VideoPiece], said: Speech, tmp_path: Path
):
    with Film(SIZE, FPS, said, tmp_path / "talk.mp4") as film:
        assert film.total_s == 3.52 and film.path is None and not film.complete
        made = [(fragment.piece.index, film.made_s) for fragment in film.fragments(pieces)]
    assert made == [(piece.index, pytest.approx(piece.end_s)) for piece in pieces]
    assert film.complete and film.path == tmp_path / "talk.mp4" and film.real_time > 0
    assert frames_in(film.path) == 88


def test_a_film_of_many_pieces_has_all_of_them(tmp_path: Path):
    """Seconds of pieces, added up, would fall short of the whole by a rounding error."""
    counts = [4, 8] * 80
    samples = np.zeros(640 * sum(counts), np.float32)
    speech = Speech(samples, np.repeat(samples, 3)[None])
    frames = np.zeros((8, 64, 64, 3), np.uint8)
    pieces = (VideoPiece(0, frames[:n], samples[: 640 * n], 0.0) for n in counts)
    with Film(SIZE, FPS, speech, tmp_path / "talk.mp4", keep_s=1_800.0) as film:
        for _ in film.fragments(pieces):
            assert film.kept_s == film.made_s
    assert film.kept_s == film.made_s == 38.4


@pytest.mark.parametrize(("free_bytes", "refused"), [(0, True), (40_000, True), (200_000, False)])
def test_a_full_disk_is_said_before_the_work(
    free_bytes: int, refused: bool, said: Speech, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """By what three and a half small seconds need; a file system that knows nothing is believed."""
    usage = SimpleNamespace(total=1e9, free=free_bytes)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    if refused:
        with pytest.raises(FlashTalkError, match=r"no space.* MB are free"):
            Film(SIZE, FPS, said, tmp_path / "talk.mp4")
        usage.total = 0
    Film(SIZE, FPS, said, tmp_path / "talk.mp4").finish()
    assert list(tmp_path.iterdir()) == []


def test_a_film_made_ahead_is_the_same_bytes(
    pieces: list[VideoPiece], said: Speech, tmp_path: Path
):
    films = [
        Film(SIZE, FPS, said, tmp_path / f"{ahead}.mp4", ahead=ahead) for ahead in (False, True)
    ]
    made = []
    for film in films:
        with film:
            made.append([fragment.data for fragment in film.fragments(iter(pieces))])
        assert film.complete and film.path is not None and film.real_time > 0
    assert made[0] == made[1] and films[0].tail == films[1].tail
    assert unsigned(tmp_path / "False.mp4") == unsigned(tmp_path / "True.mp4")


def test_fragments_and_tail_are_the_same_video(pieces: list[VideoPiece], said: Speech):
    with Film(SIZE, FPS, said) as film:
        data = b"".join(fragment.data for fragment in film.fragments(pieces))
    assert film.path is None and film.tail
    with av.open(io.BytesIO(data + film.tail)) as file:
        assert len(list(file.decode(video=0))) == 88


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
def test_what_was_made_before_an_error_is_kept(
    pieces: list[VideoPiece],
    said: Speech,
    tmp_path: Path,
    error: type[BaseException],
    ahead: bool,
):
    def broken() -> Iterator[VideoPiece]:
        yield from pieces[:2]
        raise error("the device went away")

    film = Film(SIZE, FPS, said, tmp_path / "talk.mp4", ahead=ahead)
    with pytest.raises(error, match="went away"), film:
        for _ in film.fragments(broken()):
            pass
    assert film.path is not None and not film.complete
    assert frames_in(film.path) == 28
    assert [path.name for path in tmp_path.iterdir()] == ["talk.mp4"]


def test_a_piece_that_cannot_be_encoded_costs_only_itself(
    pieces: list[VideoPiece], said: Speech, tmp_path: Path
):
    larger = VideoPiece(2, np.zeros((28, 32, 32, 3), np.uint8), pieces[2].samples, start_s=1.12)
    film = Film(SIZE, FPS, said, tmp_path / "talk.mp4")
    with pytest.raises(ValueError, match="64, 64"), film:
        list(film.fragments([*pieces[:2], larger]))
    assert frames_in(tmp_path / "talk.mp4") == 28


@pytest.mark.parametrize("ahead", [False, True])
def test_a_stop_keeps_what_was_made(
    pieces: list[VideoPiece], said: Speech, tmp_path: Path, ahead: bool
):
    shown: list[int] = []
    with Film(SIZE, FPS, said, tmp_path / "talk.mp4", ahead=ahead) as film:
        for fragment in film.fragments(pieces, lambda: len(shown) == 3):
            shown.append(fragment.piece.index)
    assert shown == [0, 1, 2] and film.made_s == pytest.approx(2.24)
    assert frames_in(tmp_path / "talk.mp4") == 56


@pytest.mark.parametrize("ahead", [False, True])
def test_a_loop_that_is_left_keeps_what_was_made(
    pieces: list[VideoPiece], said: Speech, tmp_path: Path, ahead: bool
):
    with Film(SIZE, FPS, said, tmp_path / "talk.mp4", ahead=ahead) as film:
        list(islice(film.fragments(pieces), 3))
    assert frames_in(tmp_path / "talk.mp4") == 56


def test_without_a_picture_there_is_no_file_and_the_older_one_stays(said: Speech, tmp_path: Path):
    path = tmp_path / "talk.mp4"
    path.write_bytes(b"older")
    with Film(SIZE, FPS, said, path) as film:
        list(film.fragments([]))
    assert film.path is None and path.read_bytes() == b"older"
    assert [p.name for p in tmp_path.iterdir()] == ["talk.mp4"]
