"""Unknown names, values of other types, files that are gone: sentences, and no folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from flashtalk.assets import ASSETS
from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.files import Kind, open_file
from flashtalk.models.networks import Networks
from flashtalk.ui.compare.asked import SHAPE
from flashtalk.ui.compare.comparisons import Comparisons
from flashtalk.ui.compare.routes import compare_routes
from flashtalk.ui.events import Limits, Talk
from flashtalk.ui.guard import Guard, Rates
from flashtalk.ui.live.routes import live_routes
from flashtalk.ui.live.talks import LiveTalks
from flashtalk.ui.look import look_for
from flashtalk.ui.sentences import without_folders
from flashtalk.ui.typed import speak_for

PORTRAIT = ASSETS / "portraits" / "ada.jpg"
LONG = "a photograph with a name as phones and scanners give them, number 000417.jpg"


@pytest.fixture(scope="module")
def talk(toy_networks: Networks) -> Talk:
    return Talk(Engine(toy_networks), Limits(visitors=1), lambda function: function)


@pytest.fixture
def client(talk: Talk, toy_networks: Networks) -> TestClient:
    """The page's own routes behind its guard."""
    engine, limits = Engine(toy_networks), Limits(visitors=1)
    live, comparisons = LiveTalks(talk, engine, limits), Comparisons(talk, engine, limits)
    guard = Middleware(Guard, upload_mb=30, rates=Rates())
    routes = [*live_routes(live), *compare_routes(comparisons)]
    return TestClient(Starlette(routes=routes, middleware=[guard]))


def opened(client: TestClient, files: Any = None, **form: Any) -> str:
    """What refuses a live talk."""
    files = files or {"portrait": ("ada.jpg", PORTRAIT.read_bytes())}
    reply = client.post("/live", files=files, data=form)
    assert reply.status_code == 400, reply.text
    return str(reply.json()["error"])


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"sede": "7"}, "A live talk has portrait, seed, "),
        ({"seed": ["1", "2"]}, "The request has seed twice."),
        ({"steps": "0"}, "Steps must be between 1 and 50, got 0."),
        ({"steps": "51"}, "Steps must be between 1 and 50, got 51."),
        ({"prompt": "a person talks"}, "toy does not read a prompt"),
        ({"framing": "picture"}, "toy has no framing but its own"),
        ({"seed": "1e90"}, "and 2147483647, got 9999999999999999"),
    ],
)
def test_a_live_talk_that_nobody_could_make_is_not_opened(
    client: TestClient, form: dict[str, Any], sentence: str
) -> None:
    said = opened(client, **form)
    assert sentence in said and len(said) < 250


def test_a_form_that_cannot_be_read_is_a_sentence(client: TestClient) -> None:
    picture = ("ada.jpg", PORTRAIT.read_bytes())
    assert "Too many files" in opened(client, [("portrait", picture), ("portrait", picture)])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/live", 405),
        ("PUT", "/live", 405),
        ("GET", "/live/x/nothing", 404),
        ("GET", "/live/x/messages/one", 404),
        ("GET", "/compare", 405),
        ("POST", "/compare/x/report.html", 405),
    ],
)
def test_a_route_that_is_asked_wrongly_answers_with_a_sentence(
    client: TestClient, method: str, path: str, status: int
) -> None:
    reply = client.request(method, path)
    assert reply.status_code == status and reply.json()["error"].endswith(".")


def test_what_a_route_says_of_itself_passes_the_guard_as_it_is(client: TestClient) -> None:
    reply = client.get("/live/nobody/film")
    assert reply.status_code == 404 and [*reply.json()] == ["error"]
    assert "default-src" in reply.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"sede": 5}, "A comparison has portraits, voices, settings, seed, random_seed; got sede."),
        ({"portraits": [{"path": "", "number": 1}]}, "A portrait has path, face, "),
        ({"portraits": [{"path": "", "without_face": 0}]}, "Without a face is true or false"),
        ({"settings": [{"chunk_frames": 1.5}]}, "Chunk frames must be a whole number, got 1.5."),
    ],
)
def test_a_comparison_with_a_typing_error_is_not_begun(
    client: TestClient, more: dict[str, Any], sentence: str
) -> None:
    content = {"portraits": [{"path": ""}], "voices": ["x"], "settings": [{}]}
    reply = client.post("/compare", json=content | more)
    assert reply.status_code == 400 and sentence in reply.json()["error"]


def test_a_picture_with_two_wishes_is_not_compared_with_one_of_them(
    client: TestClient, tmp_path: Path
) -> None:
    (tmp_path / "ada.jpg").write_bytes(PORTRAIT.read_bytes())
    gr.set_static_paths([tmp_path])
    path = str(tmp_path / "ada.jpg")
    portraits = [{"path": path, "face": 1}, {"path": path, "face": 2}]
    content = {"portraits": portraits, "voices": [path], "settings": [{}]}
    reply = client.post("/compare", json=content)
    assert reply.status_code == 400 and "ada.jpg was asked for twice" in reply.json()["error"]


def test_brackets_without_end_are_no_comparison(client: TestClient) -> None:
    reply = client.post("/compare", content="[" * 100_000)
    assert (reply.status_code, reply.json()["error"]) == (400, SHAPE)


@pytest.mark.parametrize("size", ["8000", "999999999999"])
def test_an_icon_of_any_size_is_not_drawn(client: TestClient, size: str) -> None:
    assert client.get(f"/pwa_icon/{size}").status_code == 404


@pytest.mark.parametrize(
    ("question", "problem"),
    [
        ({}, "A sentence is text, got nothing."),
        ({"sentence": None}, "A sentence is text, got nothing."),
        ({"sentence": 7}, "A sentence is text, got 7."),
        ({"sentence": ["a"]}, "A sentence is text, got ['a']."),
        ({"sentence": "hello", "speaker": 7}, "A speaker is text, got 7."),
        ({"sentence": "hello", "speeker": "emma"}, "has sentence, speaker; got speeker."),
    ],
)
def test_only_text_is_spoken(question: dict[str, Any], problem: str) -> None:
    with gr.Blocks():
        answer = speak_for(gr.Audio())(question)
    assert [*answer] == ["problem"] and problem in answer["problem"]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"number": 1}, "A look at a picture has path, face, "),
        ({"without_face": "false"}, "Without a face is true or false, got 'false'."),
    ],
)
def test_a_look_takes_nothing_that_it_does_not_know(
    talk: Talk, tmp_path: Path, more: dict[str, Any], problem: str
) -> None:
    (tmp_path / "ada.jpg").write_bytes(PORTRAIT.read_bytes())
    gr.set_static_paths([tmp_path])
    answer = look_for(talk)({"path": str(tmp_path / "ada.jpg")} | more)
    assert problem in answer["problem"]


def test_a_look_at_a_picture_that_was_deleted_says_so(
    talk: Talk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    answer = look_for(talk)({"path": str(tmp_path / LONG)})
    assert answer["problem"].startswith("Your picture is no longer here")


@pytest.mark.parametrize("name", ["ada.jpg", LONG, "a" * 200 + ".jpg"])
def test_a_file_that_goes_while_it_waits_is_called_by_its_name(tmp_path: Path, name: str) -> None:
    """However long name and folder are."""
    path = tmp_path / ("a folder whose name is as long as those of uploads, " * 3) / name
    with pytest.raises(FlashTalkError) as refused:
        open_file(path, Kind("picture", "picture", "Use a PNG"))
    said = without_folders(str(refused.value), path)
    assert str(tmp_path)[:12] not in said and "folder" not in said
    assert name[:50] in said and json.dumps(said)
