"""What breaks in the middle of a talk ends that talk with a sentence, keeps its film, and no more.

The real networks, encoders and disk at toy size; faults come in where they do in life.
"""

from __future__ import annotations

import errno
import gc
import json
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import av
import gradio as gr
import numpy as np
import pytest
import soundfile
import torch
from gradio.utils import get_upload_folder
from live_speaker import Speaker, served
from own_loop import run_apart
from PIL import Image

from flashtalk.assets import ASSETS
from flashtalk.engine import Engine
from flashtalk.models.networks import Networks
from flashtalk.stream.faults import NO_MEMORY, NOT_NUMBERS
from flashtalk.stream.piece import VideoPiece
from flashtalk.ui.door import Page
from flashtalk.ui.events import Limits, Talk
from flashtalk.ui.sentences import NO_ROOM, UNEXPECTED
from flashtalk.ui.stops import Stops

VISITOR = gr.Request(session_hash="visitor")


@pytest.fixture(scope="module")
def files(speech: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Portrait and voice: four chunks."""
    folder = tmp_path_factory.mktemp("files")
    Image.open(ASSETS / "portraits" / "ada.jpg").resize((128, 128)).save(folder / "ada.png")
    soundfile.write(folder / "voice.wav", speech, 16_000)
    return str(folder / "ada.png"), str(folder / "voice.wav")


@pytest.fixture(scope="module")
def engine(toy_networks: Networks) -> Engine:
    return Engine(toy_networks)


@pytest.fixture(scope="module")
def talk(engine: Engine) -> Talk:
    return Talk(engine, Limits(), lambda compute: compute)


@pytest.fixture(autouse=True)
def talk_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where talks keep unfinished films."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


class Ended:
    """How a talk ended: its last message, the frames that were shown, and those of its film."""

    def __init__(self, talk: Talk, files: tuple[str, str], after: Callable[[int], None]) -> None:
        self.kinds: list[str] = []
        self.frames = self.shown = 0
        try:
            for text, file, _ in talk.talk(*files, 5, False, 2, VISITOR):
                self.last = json.loads(text)
                self.kinds.append(self.last["kind"])
                if self.kinds[-1] == "fragment":
                    self.shown = round(25 * self.last["made_s"])
                if file:
                    assert file.startswith(get_upload_folder()), "Gradio copies all others"
                    with av.open(file) as film:
                        self.frames = len(list(film.decode(video=0)))
                after(self.kinds.count("fragment"))
        except gr.Error as error:
            assert error.message == self.last["sentence"], "callers of the API read the same"


def ends(talk: Talk) -> Counter[str]:
    """How many talks ended in which way, as /metrics says."""
    text = talk.watch.text().decode()
    said = re.findall(r'^flashtalk_talks_total{end="(\w+)"} (\S+)$', text, re.MULTILINE)
    return Counter({end: int(float(count)) for end, count in said})


@contextmanager
def fault(module: torch.nn.Module, hook: Callable[..., object]) -> Iterator[Callable[[int], None]]:
    """``hook`` acts on ``module`` from the second fragment on."""
    handles = []

    def after(fragments: int) -> None:
        if fragments == 2 and not handles:
            handles.append(module.register_forward_hook(hook))

    try:
        yield after
    finally:
        for handle in handles:
            handle.remove()


def raising(*given: object) -> None:
    raise RuntimeError("in the middle of a chunk")


def without_memory(*given: object) -> None:
    torch.empty(2**60)


def without_memory_on_a_gpu(*given: object) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory")


@pytest.mark.parametrize(
    ("hook", "sentence"),
    [
        (lambda module, given, made: made * float("nan"), NOT_NUMBERS),
        (lambda module, given, made: made / 0.0, NOT_NUMBERS),
        (raising, UNEXPECTED),
        (without_memory, NO_MEMORY),
        (without_memory_on_a_gpu, NO_MEMORY),
    ],
)
def test_a_network_that_fails_ends_its_talk_alone(
    talk: Talk, toy_networks: Networks, files: tuple[str, str], hook, sentence: str
) -> None:
    before = ends(talk)
    with fault(toy_networks.transformer, hook) as after:
        ended = Ended(talk, files, after)
    assert ended.last["sentence"] == sentence
    assert 0 < ended.frames == ended.shown < 88
    assert Ended(talk, files, lambda fragments: None).frames == 88, "the engine goes on"
    assert talk.admission.talking == talk.admission.waiting == 0
    assert ends(talk) - before == {"failed": 1, "made": 1}


def test_what_a_visitor_sends_is_no_fault_of_the_page(talk: Talk, files: tuple[str, str]) -> None:
    before, voice = ends(talk), files[1]
    assert Ended(talk, (voice, voice), lambda fragments: None).kinds[-1] == "error"
    assert ends(talk) - before == {"refused": 1}


def test_an_encoder_that_fails_keeps_the_film(engine: Engine, files: tuple[str, str]) -> None:
    def misshapen(compute: Callable[..., Iterator[VideoPiece]]):
        def pieces(*given: object) -> Iterator[VideoPiece]:
            for piece in compute(*given):
                yield replace(piece, frames=piece.frames[:, :10]) if piece.index == 2 else piece

        return pieces

    ended = Ended(Talk(engine, Limits(), misshapen), files, lambda fragments: None)
    assert ended.last["sentence"] == UNEXPECTED
    assert 0 < ended.frames == ended.shown < 88


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of file sizes")
def test_a_full_disk_keeps_what_it_holds(
    talk: Talk, files: tuple[str, str], talk_folder: Path
) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(fragments: int) -> None:
        for live in talk_folder.rglob("live-*.mp4") if fragments == 2 else ():
            size = live.stat().st_size
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, before[1]))

    try:
        ended = Ended(talk, files, fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert ended.last["sentence"] == NO_ROOM
    assert 0 < ended.frames == ended.shown < 88


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of file sizes")
def test_a_film_that_cannot_be_served_is_told(
    talk: Talk, files: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*given: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/home/somebody/secret")

    monkeypatch.setattr("shutil.move", no_room)
    ended = Ended(talk, files, lambda fragments: None)
    assert (ended.kinds[-1], ended.frames) == ("error", 0)
    assert ended.last["sentence"] == NO_ROOM


@pytest.mark.parametrize(
    ("error", "sentence"),
    [(OSError(errno.ENOSPC, "full"), NO_ROOM), (RuntimeError("/home/secret.py"), UNEXPECTED)],
)
def test_an_answer_that_gradio_cannot_give_is_a_sentence(
    error: Exception, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*given: object) -> None:
        raise error

    monkeypatch.setattr(gr.Blocks, "postprocess_data", fails)
    with pytest.raises(gr.Error) as raised:
        run_apart(Page.postprocess_data, object.__new__(Page))
    assert raised.value.message == sentence


def test_a_full_disk_keeps_no_folder_of_a_live_talk(engine: Engine, talk_folder: Path) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, before[1]))
    try:
        with served(engine) as client, pytest.raises(OSError, match="too large"):
            Speaker(client)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(talk_folder.glob("flashtalk-live-*"))


def test_a_talk_leaves_no_encoder_behind(talk: Talk, files: tuple[str, str]) -> None:
    """Containers of PyAV are cycles, which Python may not look for during the next fifty talks."""
    gc.collect()
    gc.disable()
    try:
        before = encoders()  # other tests may hold some
        Ended(talk, files, lambda fragments: None)
        left = encoders()
    finally:
        gc.enable()
    assert len(left) <= len(before)


def encoders() -> list[object]:
    return [each for each in gc.get_objects() if type(each) is av.container.OutputContainer]


def test_stop_ends_the_talks_of_every_tab_with_the_same_session() -> None:
    stops = Stops()
    with stops.run("visitor") as first, stops.run("visitor") as second, stops.run("other") as other:
        stops.stop("visitor")
        assert first.is_set() and second.is_set() and not other.is_set()
    with stops.run("visitor") as third:
        assert not third.is_set()


def test_a_client_that_leaves_gives_its_place_to_the_next(
    engine: Engine, files: tuple[str, str]
) -> None:
    talk = Talk(engine, Limits(visitors=1), lambda compute: compute)
    leaving = talk.talk(*files, 5, False, 2, VISITOR)
    while json.loads(next(leaving)[0])["kind"] != "fragment":
        pass
    waiting = talk.talk(*files, 5, False, 2, VISITOR)
    kinds = [json.loads(next(waiting)[0])["kind"] for _ in range(2)]
    assert kinds == ["stage", "waiting"]
    leaving.close()
    assert [json.loads(text)["kind"] for text, _, _ in waiting][-1] == "end"
    text = talk.watch.text().decode()
    assert 'flashtalk_talks_total{end="left"} 1.0' in text
    assert 'flashtalk_talks_total{end="made"} 1.0' in text


def test_eight_at_once_get_the_bytes_that_each_gets_alone(
    engine: Engine, speech: np.ndarray
) -> None:
    people = [np.asarray(Image.open(p).resize((128, 128))) for p in portraits()]
    alone = [video(engine, person, seed, speech) for seed, person in enumerate(people)]
    assert len(set(alone)) == len(people) == 8
    together: dict[int, bytes] = {}

    def visit(seed: int) -> None:
        together[seed] = video(engine, people[seed], seed, speech)

    visitors = [threading.Thread(target=visit, args=(seed,)) for seed in range(8)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert [together[seed] for seed in range(8)] == alone


def portraits() -> list[Path]:
    return sorted((ASSETS / "portraits").iterdir())


def video(engine: Engine, person: np.ndarray, seed: int, speech: np.ndarray) -> bytes:
    session = engine.open(person, seed=seed, first_fragment_frames=8, without_face=True)
    pieces = [*session.push(speech[:10_000]), *session.flush()]
    return b"".join(piece.frames.tobytes() for piece in pieces)
