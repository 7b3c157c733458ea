"""Speak live over its routes, with the real engine at toy size and no browser."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from live_speaker import PIECE, PORTRAIT, Speaker, frames_of, served
from PIL import Image
from starlette.testclient import TestClient

from flashtalk.engine import Engine
from flashtalk.models.networks import Networks
from flashtalk.placement.pace import LIVE_SPEECH_COST, SMALLER_LIVE
from flashtalk.provenance.credentials import LIVE_SPEECH, read_credentials
from flashtalk.stream.piece import VideoPiece
from flashtalk.ui.events import Limits, Talk
from flashtalk.ui.live.keeping_up import HELD, SLOW, KeepingUp
from flashtalk.ui.live.routes import LARGEST_PIECE_BYTES, NO_PICTURE, NO_TALK
from flashtalk.ui.live.talk import AWAY, LIMIT
from flashtalk.ui.live.talks import FULL


@pytest.fixture(scope="module")
def engine(toy_networks: Networks) -> Engine:
    return Engine(toy_networks)


@pytest.fixture
def client(engine: Engine) -> Iterator[Callable[..., TestClient]]:
    with served(engine) as client:
        yield client


def sound_of(video: bytes) -> np.ndarray:
    with av.open(io.BytesIO(video)) as file:
        return np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)])


def test_pieces_of_sound_become_fragments_and_a_film(
    client: TestClient, speech: np.ndarray
) -> None:
    speaker = Speaker(client)
    assert speaker.opened | {"id": ""} == {
        **{"id": "", "seed": 5, "limit_s": 20.0, "rate_hz": 16_000},
        "film": "flashtalk-ada-live-5.mp4",
    }
    speaker.listen("listening")
    assert speaker.send(speech[:PIECE], 0) == {"heard": PIECE, "ended": False}
    speaker.say(speech)
    assert speaker.end()["made_s"] == 3.52  # 56,000 samples are 87.5 frames
    assert [message["number"] for message in speaker.got] == list(range(len(speaker.got)))
    fragments = [message for message in speaker.got if message["kind"] == "fragment"]
    assert len(fragments) == 15, "two of each chunk of 12 frames, and the last one's four frames"
    live = b"".join(base64.b64decode(message.get("data", "")) for message in speaker.got)
    film = speaker.film()
    assert np.array_equal(frames_of(live), frames_of(film))
    assert len(frames_of(film)) == 88
    heard = sound_of(film)[: 3 * len(speech)]
    spoken = np.interp(np.arange(len(heard)) / 3, np.arange(len(speech)), speech)
    assert np.corrcoef(heard[5_000:], spoken[5_000:])[0, 1] > 0.9, (
        "picture and sound begin together"
    )


def test_a_speaker_may_show_the_whole_picture(
    toy_networks: Networks, speech: np.ndarray, tmp_path: Path
) -> None:
    preset = replace(toy_networks.preset, framings=("face", "picture"))
    scene = Image.effect_noise((321, 200), 30).convert("RGB")
    scene.paste(Image.open(io.BytesIO(PORTRAIT)).resize((150, 150)), (100, 40))
    scene.save(tmp_path / "scene.png")
    with served(Engine(replace(toy_networks, preset=preset))) as client:
        speaker = Speaker(client, (tmp_path / "scene.png").read_bytes(), framing="picture")
        speaker.listen("listening")
        speaker.say(speech[:20_000])
        speaker.end()
        assert frames_of(speaker.film()).shape == (32, 200, 320)
        refused = client.post("/live", files={"portrait": PORTRAIT}, data={"framing": "body"})
    assert refused.json() == {"error": "Framing is 'face' or 'picture', got 'body'."}


def test_a_live_film_says_what_it_is_as_others_do(
    client: TestClient, speech: np.ndarray, tmp_path: Path
) -> None:
    speaker = Speaker(client)
    speaker.listen("listening")
    speaker.say(speech[:16_000])
    speaker.end()
    content = speaker.film()
    (tmp_path / "film.mp4").write_bytes(content)
    reply = client.get(f"{speaker.address}/film")
    assert 'filename="flashtalk-ada-live-5.mp4"' in reply.headers["content-disposition"]
    with av.open(str(tmp_path / "film.mp4")) as film:
        assert film.metadata["title"] == "ada speaks live"
        said = film.metadata["description"]
        assert said.startswith("portrait: ada; voice: live; seed: 5; steps: 2; preset: toy;")
    credentials = read_credentials(io.BytesIO(content))
    assert credentials is not None
    assert credentials.say_so
    assert any(LIVE_SPEECH in statement for statement in credentials.statements)


def test_a_repeated_or_overlapping_piece_is_taken_once(client: TestClient, speech) -> None:
    films = []
    for cuts in ([(0, 8_000), (8_000, 16_000)], [(0, 8_000), (0, 8_000), (5_000, 16_000)]):
        speaker = Speaker(client)
        speaker.listen("listening")
        for start, stop in cuts:
            assert speaker.send(speech[start:stop], start)["heard"] == stop
        speaker.end()
        films.append(frames_of(speaker.film()))
    assert np.array_equal(*films)


def test_a_piece_behind_a_gap_is_refused_and_the_talk_goes_on(client: TestClient, speech) -> None:
    speaker = Speaker(client)
    speaker.listen("listening")
    speaker.send(speech[:1_600], 0)
    reply = speaker.send(speech[3_200:4_800], 3_200)
    assert reply["heard"] == 1_600
    assert "from sample 3200 on was not taken: 1600 samples are here" in reply["error"]
    assert speaker.send(speech[1_600:4_800], 1_600)["heard"] == 4_800


def test_messages_can_be_asked_for_again_after_a_cut(client: TestClient, speech) -> None:
    speaker = Speaker(client)
    speaker.listen("listening")
    speaker.say(speech[: 17 * 640])
    speaker.listen("fragment")
    last = speaker.got[-1]
    again = client.get(f"{speaker.address}/messages/{last['number']}").json()
    assert again[0] == last


@pytest.mark.parametrize(
    ("body", "start", "status"),
    [
        (b"", "0", 400),
        (b"odd", "0", 400),
        (b"even", "-1", 400),
        (b"even", "", 400),
        (b"even", "1e3", 400),
        (b"even", "٣", 400),
        (b"even", 5_000 * "9", 400),
        (bytes(LARGEST_PIECE_BYTES + 2), "0", 413),
    ],
)
def test_what_is_no_piece_of_sound_is_a_sentence(
    client: TestClient, body: bytes, start: str, status: int
) -> None:
    speaker = Speaker(client)
    reply = client.post(f"{speaker.address}/sound", params={"start": start}, content=body)
    assert reply.status_code == status
    assert reply.json()["error"].endswith((".", f"{start!r}."))


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "sound?start=0"), ("GET", "messages/0"), ("POST", "end"), ("GET", "film")],
)
def test_an_unknown_talk_is_a_sentence(client: TestClient, method: str, path: str) -> None:
    reply = client.request(method, f"/live/{'x' * 22}/{path}", content=b"even")
    assert (reply.status_code, reply.json()) == (404, {"error": NO_TALK})


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({}, NO_PICTURE),
        ({"seed": "2.5"}, "The seed must be a whole number between 0 and 2147483647, got 2.5."),
        ({"seed": "x"}, "The seed must be a whole number between 0 and 2147483647, got 'x'."),
        ({"random_seed": "yes"}, "A random seed is true or false, got 'yes'."),
    ],
)
def test_a_talk_that_cannot_begin_is_a_sentence(client: TestClient, form, sentence: str) -> None:
    files = {"portrait": ("ada.jpg", PORTRAIT)} if form else {"other": ("ada.jpg", PORTRAIT)}
    reply = client.post("/live", files=files, data=form)
    assert (reply.status_code, reply.json()) == (400, {"error": sentence})


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("me.jpg", b"this is not a picture", "portrait.jpg"),
        ("../../me.JPG", b"", "portrait.jpg"),
        ("..", b"neither", "portrait"),
        ("lock", b"neither", "portrait"),
        ("x" * 3_000, b"neither", "portrait"),
    ],
)
def test_a_picture_that_cannot_be_used_is_a_sentence(
    client: TestClient, name: str, content: bytes, said: str
) -> None:
    opened = client.post("/live", files={"portrait": (name, content)}).json()
    messages: list[dict] = []
    while not messages or messages[-1]["kind"] == "stage":
        messages += client.get(f"/live/{opened['id']}/messages/{len(messages)}").json()
    assert messages[-1]["kind"] == "error"
    assert said in messages[-1]["sentence"]
    assert "/" not in messages[-1]["sentence"]


@pytest.mark.parametrize("wait", ["x", "-1", "1e3", "nan"])
def test_what_is_no_time_to_wait_is_a_sentence(client: TestClient, wait: str) -> None:
    reply = client.get(f"{Speaker(client).address}/messages/0", params={"wait": wait})
    assert reply.status_code == 400
    assert reply.json()["error"].endswith(f"up to 10; got {wait!r}.")


def test_two_talks_at_once_share_one_place(engine: Engine, speech: np.ndarray) -> None:
    with served(engine, queue=1) as client:
        first, second = Speaker(client), Speaker(client, seed="6")
        first.listen("listening")
        assert second.listen("waiting")["place"] == 1
        files = {"portrait": ("ada.jpg", PORTRAIT)}
        assert client.post("/live", files=files).json() == {"error": FULL}
        assert second.send(speech[:PIECE], 0) == {"heard": 0, "ended": False}, "not its turn yet"
        first.say(speech[:16_000])
        first.end()
        second.listen("listening")
        second.say(speech[:16_000])
        assert second.end()["made_s"] == 1.0
        assert not np.array_equal(frames_of(first.film()), frames_of(second.film()))


def test_a_machine_that_is_too_slow_shows_a_person_at_rest_and_keeps_the_sound(
    speech: np.ndarray,
) -> None:
    """Fifty steps on one thread, and a speaker whose line was cut from the beginning."""
    slow = Engine.from_pretrained("flashtalk-tiny", size=(256, 256), turn_threads=1)
    spoken = np.tile(speech, 2)[: 16_000 * 6]
    with served(slow, live_behind_s=1.0) as client:
        speaker = Speaker(client, steps="50")
        speaker.listen("listening")
        time.sleep(6)  # as long as is spoken: all of it is late
        speaker.say(spoken)
        ended = speaker.end()
        film = speaker.film()
    fragments = [message for message in speaker.got if message["kind"] == "fragment"]
    held_s = sum(message.get("held_s", 0.0) for message in fragments)
    assert 2.0 < held_s < 5.0
    assert ended["made_s"] == 6.0
    assert ended["sentence"] == HELD.format(held=held_s, total=6.0)
    notices = [notice for message in speaker.got for notice in message.get("notices", [])]
    assert notices.count(SLOW) == 1
    frames = frames_of(film)
    assert len(frames) == 150
    still = next(message for message in fragments if "held_s" in message)
    last = round(25 * still["made_s"])
    first = last - round(25 * still["held_s"])
    changes = np.abs(np.diff(frames.astype(int), axis=0)).mean(axis=(1, 2))
    assert np.median(changes[first : last - 1]) < 0.2 * changes[last:].mean()
    heard = sound_of(film)[: 3 * len(spoken)]
    said = np.interp(np.arange(len(heard)) / 3, np.arange(len(spoken)), spoken)
    assert np.corrcoef(heard[5_000:], said[5_000:])[0, 1] > 0.9


@pytest.mark.parametrize(("framing", "smaller"), [("face", True), ("picture", False)])
def test_large_pictures_that_would_lag_are_small_for_live_speech_alone(
    speech: np.ndarray, framing: str, smaller: bool
) -> None:
    engine = Engine.from_pretrained("flashtalk-tiny", turn_threads=1)
    engine.keep_up(cost=1.1 * LIVE_SPEECH_COST)
    assert engine.preset.picture_size == (512, 512)
    with served(engine) as client:
        speaker = Speaker(client, framing=framing)
        speaker.listen("listening")
        notices = [notice for message in speaker.got for notice in message.get("notices", [])]
        assert (SMALLER_LIVE.format(256, 256) in notices) == smaller
        speaker.say(speech[:16_000])
        speaker.end()
        height, width = frames_of(speaker.film()).shape[1:3]
    assert ((height, width) == (256, 256)) == smaller


def test_a_quick_machine_speaks_live_in_large_pictures() -> None:
    engine = Engine.from_pretrained("flashtalk-tiny", turn_threads=1)
    engine.keep_up(cost=LIVE_SPEECH_COST)
    assert engine.preset.for_live_speech().picture_size == (512, 512)


def test_a_machine_that_catches_up_leaves_out_nothing() -> None:
    keeping_up = KeepingUp(1.0)
    frames, samples = np.zeros((12, 2, 2, 3), np.uint8), np.zeros(7_680, np.float32)
    piece = VideoPiece(0, frames, samples, 0.0)

    def gives_up(late_s: float) -> bool:
        """When speech that should have been heard ``late_s`` ago still waits."""
        return keeping_up.gives_up(late_s, heard_s=0.0)

    assert not gives_up(100.0), "nothing is known yet"
    list(keeping_up.measured([piece] * 4))
    assert not gives_up(5.0)
    for each in keeping_up.measured([piece] * 4):
        time.sleep(1.5 * each.duration_s)
    assert gives_up(1.1)
    assert not gives_up(0.9), "a chunk may wait"
    assert not keeping_up.gives_up(9.0, heard_s=100.0), "it was sent before its time"


def test_the_limit_ends_a_talk_and_keeps_it(engine: Engine, speech: np.ndarray) -> None:
    with served(engine, live_s=1.0) as client:
        speaker = Speaker(client)
        speaker.listen("listening")
        reply = speaker.send(speech[:16_000], 0)
        assert reply == {"heard": 16_000, "ended": True}
        assert speaker.send(speech[16_000:20_000], 16_000) == reply
        ended = speaker.listen("end")
        assert (ended["made_s"], ended["sentence"]) == (1.0, LIMIT.format(1))
        assert len(frames_of(speaker.film())) == 25


def one_place(engine: Engine) -> Talk:
    return Talk(engine, Limits(visitors=1, queue=2), lambda function: function)


def counted(page: Talk, end: str) -> bool:
    """Whether /metrics comes to say of one talk that it ended so, and of no other that it did."""
    end_s = time.monotonic() + 30.0
    while page.watch.talks.labels(end)._value.get() < 1 and time.monotonic() < end_s:
        time.sleep(0.05)  # the last message goes out a moment before
    text = page.watch.text().decode()
    return f'flashtalk_talks_total{{end="{end}"}} 1.0' in text and '{end="made"} 0.0' in text


def test_a_speaker_who_stays_away_is_ended_and_frees_the_place(engine: Engine, speech) -> None:
    page = one_place(engine)
    with served(engine, patience_s=3.0, page=page) as client:
        gone = Speaker(client)
        gone.listen("listening")
        gone.send(speech[:16_000], 0)
        Speaker(client).listen("listening")
        ended = gone.listen("end")
        assert (ended["made_s"], ended["sentence"]) == (1.0, AWAY.format(3))
        assert counted(page, "left")


def test_somebody_who_leaves_the_line_is_not_waited_for(engine: Engine) -> None:
    page = one_place(engine)
    with served(engine, patience_s=30.0, page=page) as client:
        first, second = Speaker(client), Speaker(client)
        first.listen("listening")
        ended = second.end()
        assert (ended["made_s"], ended["stopped"]) == (0, True)
        assert counted(page, "stopped")
        assert first.end()["made_s"] == 0


def test_a_closing_page_ends_live_talks(engine: Engine, speech: np.ndarray) -> None:
    page = Talk(engine, Limits(), lambda function: function)
    with served(engine, page=page) as client:
        speaker = Speaker(client)
        speaker.listen("listening")
        speaker.say(speech[:16_000])
        speaker.listen("fragment")
        assert page.end_all(30.0)
        assert speaker.listen("end")["stopped"]
        assert len(frames_of(speaker.film())) >= 4


def test_where_nobody_can_speak_live_the_reason_is_said(engine: Engine) -> None:
    with served(engine, refusal="This machine is too slow.") as client:
        files = {"portrait": ("ada.jpg", PORTRAIT)}
        reply = client.post("/live", files=files)
        assert reply.json() == {"error": "This machine is too slow."}
