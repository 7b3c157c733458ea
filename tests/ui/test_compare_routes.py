"""Settings side by side over the routes of the page, with the real engine at toy size."""

from __future__ import annotations

import csv
import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import gradio as gr
import numpy as np
import pytest
import soundfile
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from flashtalk.assets import ASSETS
from flashtalk.engine import Engine
from flashtalk.models.networks import Networks
from flashtalk.ui.compare import asked
from flashtalk.ui.compare.comparisons import Comparisons
from flashtalk.ui.compare.routes import NO_FILE, NONE, compare_routes
from flashtalk.ui.events import Limits, Talk

TWO = [{}, {"steps": 1, "chunk_frames": 17, "color_match": 0}]


@pytest.fixture(scope="module")
def engine(toy_networks: Networks) -> Engine:
    return Engine(toy_networks)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, speech: np.ndarray) -> dict[str, str]:
    """Pictures and sounds as if they had been uploaded."""
    folder = tmp_path_factory.mktemp("uploads")
    for name in ("ada", "mei"):
        Image.open(ASSETS / "portraits" / f"{name}.jpg").save(folder / f"{name} <b>.png")
    (folder / "words.png").write_text("these are words")
    soundfile.write(folder / "short.wav", speech[:16_000], 16_000)
    soundfile.write(folder / "long.wav", np.tile(speech, 2), 16_000)
    gr.set_static_paths([folder])
    return {path.stem.split(" ")[0]: str(path) for path in folder.iterdir()}


def served(engine: Engine, **limits: Any) -> tuple[TestClient, Talk]:
    """A server with one seat."""
    known = Limits(**{"speech_s": 30.0, "visitors": 1} | limits)
    page = Talk(engine, known, lambda function: function)
    comparisons = Comparisons(page, engine, known)
    return TestClient(Starlette(routes=compare_routes(comparisons))), page


@pytest.fixture
def client(engine: Engine) -> Iterator[TestClient]:
    yield served(engine)[0]


def begun(client: TestClient, files: dict[str, str], sound: str = "short", **more: Any) -> str:
    """The address of a comparison."""
    content = {
        "portraits": [{"path": files["ada"]}],
        "voices": [files[sound]],
        "settings": TWO,
        "seed": 5,
    }
    reply = client.post("/compare", json=content | more)
    assert reply.status_code == 200, reply.text
    return f"/compare/{reply.json()['id']}"


def until(client: TestClient, address: str, *states: str, count: int = 0) -> dict[str, Any]:
    """What is told once it is in one of ``states`` and has so many talks."""
    while True:
        told = client.get(address).json()
        if told["state"] in states and told["count"] >= count:
            return told
        assert told["state"] != "failed", told["sentence"]
        time.sleep(0.05)


def test_two_settings_become_films_figures_and_a_report(
    client: TestClient, files: dict[str, str]
) -> None:
    address = begun(client, files)
    told = until(client, address, "done")
    assert (told["count"], told["talks"], told["seed"]) == (2, 2, 5)
    assert told["made_s"] == told["total_s"] == 2.0
    assert [talk["pair"] for talk in told["new"]] == ["ada <b> · short"] * 2
    assert all("<b>" not in talk["pair_html"] + talk["html"] for talk in told["new"])
    assert f'src="{address}/ada%20%3Cb%3E-short-own.mp4"' in told["new"][0]["html"]
    assert client.get(f"{address}?from=1").json()["new"] == told["new"][1:]

    rows = list(csv.DictReader(io.StringIO(client.get(f"{address}/figures.csv").text)))
    assert [row["variant"] for row in rows] == ["as it ships", "steps 1, chunk 17, color 0"]
    assert all(float(row["real_time"]) > 0 and float(row["decode_s"]) > 0 for row in rows)
    assert client.get(f"{address}/report.html").text.count("<video") == 2
    packed = zipfile.ZipFile(io.BytesIO(client.get(f"{address}/everything.zip").content))
    assert len(packed.namelist()) == 4
    with av.open(io.BytesIO(packed.read("ada <b>-short-own.mp4"))) as film:
        assert len(list(film.decode(video=0))) == 25
        assert "voice: short; seed: 5; steps: 4; preset: toy;" in film.metadata["description"]


def test_several_portraits_are_pairs_of_their_own(
    client: TestClient, files: dict[str, str]
) -> None:
    portraits = [{"path": files[name]} for name in ("ada", "mei")]
    told = until(client, begun(client, files, portraits=portraits), "done")
    assert told["count"] == 4
    assert {talk["pair"] for talk in told["new"]} == {"ada <b> · short", "mei <b> · short"}


def test_a_stop_keeps_what_was_made_and_the_rest_is_made_later(
    client: TestClient, files: dict[str, str]
) -> None:
    address = begun(client, files, "long", voices=[files["short"], files["long"]])
    until(client, address, "making", count=2)
    client.post(f"{address}/stop")
    stopped = until(client, address, "stopped")
    assert 2 <= stopped["count"] < 4
    assert client.get(f"{address}/report.html").text.count("<video") == stopped["count"]
    assert client.post(f"{address}/go-on").json()["state"] != "stopped"
    told = until(client, address, "done")
    assert told["new"][: stopped["count"]] == stopped["new"]
    assert told["count"] == 4


def test_a_visitor_who_talks_comes_first(engine: Engine, files: dict[str, str]) -> None:
    client, page = served(engine)
    address = begun(client, files, "long")
    until(client, address, "making")
    visitor = gr.Request(session_hash="visitor")
    updates = page.talk(files["ada"], files["short"], 5, False, 2, visitor)
    kinds = [json.loads(message)["kind"] for message, _, _ in updates]
    assert kinds[-1] == "end"
    told = client.get(address).json()
    assert told["state"] in ("making", "waiting")
    assert told["count"] == 0, "its first talk has not ended"
    assert until(client, address, "done")["count"] == 2


def test_one_that_nobody_looks_at_ends(engine: Engine, files: dict[str, str]) -> None:
    page = Talk(engine, known := Limits(speech_s=30.0), lambda function: function)
    comparisons = Comparisons(page, engine, known, patience_s=0.5)
    client = TestClient(Starlette(routes=compare_routes(comparisons)))
    comparison = comparisons.find(begun(client, files, "long").rpartition("/")[2])
    assert comparison is not None
    while not comparison.over:
        time.sleep(0.05)
    assert comparison.state == "stopped"


def test_a_closing_page_ends_it(engine: Engine, files: dict[str, str]) -> None:
    client, page = served(engine)
    address = begun(client, files, "long")
    until(client, address, "making")
    assert page.end_all(30.0)
    assert until(client, address, "stopped")["sentence"].startswith("The page is being closed")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"portraits": []}, asked.NO_FACES),
        ({"voices": []}, asked.NO_VOICE),
        ({"settings": [{}, {}]}, asked.ALIKE),
        ({"settings": []}, asked.SHAPE),
        ({"settings": [7]}, asked.SHAPE),
        ({"voices": "all"}, asked.SHAPE),
        ({"settings": [{"speed": 2}]}, "color_match, size, framing, model; got speed."),
        ({"settings": [{"steps": 0}]}, "Steps must be between 1 and 50, got 0."),
        ({"settings": [{"steps": 2.5}]}, "Steps must be a whole number, got 2.5."),
        ({"settings": [{"chunk_frames": 18}]}, "toy was trained on chunks of 17 or 33 frames"),
        ({"settings": [{"color_match": 2}]}, "Color strength must be between 0 and 1, got 2."),
        ({"settings": [{"color_match": "on"}]}, "A color match is a number from 0 to 1"),
        ({"settings": [{"size": "512x512"}]}, "toy makes pictures of 64 x 64 pixels"),
        ({"settings": [{"model": "flashtalk-14b"}]}, "'flashtalk-14b' is not on this page"),
        ({"settings": [{"framing": "picture"}]}, "toy has no framing but its own"),
        ({"settings": [{"framing": "feet"}]}, "Framing is 'face' or 'picture', got 'feet'."),
        ({"seed": -1}, "The seed must be a whole number between 0"),
        ({"portraits": [{"path": "/etc/hostname"}]}, "The request cannot be used"),
    ],
)
def test_what_cannot_be_compared_is_a_sentence_before_any_work(
    client: TestClient, files: dict[str, str], more: dict[str, Any], sentence: str
) -> None:
    content = {"portraits": [{"path": files["ada"]}], "voices": [files["short"]], "settings": TWO}
    reply = client.post("/compare", json=content | more)
    assert reply.status_code == 400
    assert sentence in reply.json()["error"]


def test_what_is_no_json_and_who_is_not_there_are_sentences(
    client: TestClient, files: dict[str, str]
) -> None:
    for body in (b"", b"[", b"7"):
        assert client.post("/compare", content=body).json() == {"error": asked.SHAPE}
    assert client.get("/compare/nobody").json() == {"error": NONE}
    address = begun(client, files)
    until(client, address, "done")
    for name in ("lock", "ada.json", "nothing.mp4"):
        assert client.get(f"{address}/{name}").status_code == 404
    assert client.get(f"{address}/lock").json() == {"error": NO_FILE}
    assert "got 'x'" in client.get(f"{address}?from=x").json()["error"]


@pytest.mark.parametrize(
    ("more", "limits", "sentence"),
    [
        ({"portraits": ["words"]}, {}, "words.png is not a picture"),
        ({"voices": ["words"]}, {}, "words.png"),
        ({"voices": ["long"]}, {"compare_s": 10.0}, "2 talks have 14 seconds of video; at most 10"),
        ({"voices": ["long"]}, {"speech_s": 5.0}, "longer than the limit of 5"),
    ],
)
def test_an_input_that_cannot_be_used_is_said_before_the_first_talk(
    engine: Engine, files: dict[str, str], more: dict, limits: dict, sentence: str
) -> None:
    client, _ = served(engine, **limits)
    portraits = [{"path": files[name]} for name in ("ada", *more.get("portraits", []))]
    voices = [files[name] for name in ("short", *more.get("voices", []))][-1:]
    content = {"portraits": portraits, "voices": voices, "settings": TWO}
    address = f"/compare/{client.post('/compare', json=content).json()['id']}"
    while (told := client.get(address).json())["state"] != "failed":
        assert told["count"] == 0
        time.sleep(0.02)
    assert sentence in told["sentence"]
    assert str(Path(files["ada"]).parent) not in told["sentence"]


def test_where_nothing_can_be_compared_the_reason_is_said(
    engine: Engine, files: dict[str, str]
) -> None:
    page = Talk(engine, Limits(), lambda function: function)
    refusing = Comparisons(page, engine, Limits(), refusal="Its GPU is lent.")
    client = TestClient(Starlette(routes=compare_routes(refusing)))
    assert client.post("/compare", json={}).json() == {"error": "Its GPU is lent."}


def test_all_sizes_of_a_model_share_its_weights() -> None:
    engine = Engine.from_pretrained("flashtalk-tiny", size=(256, 256))
    large = engine.at_size((512, 512))
    assert large.networks.transformer is engine.networks.transformer
    assert large.preset.picture_size == (512, 512)
    assert engine.preset.picture_size is None
    assert engine.at_size(None) is engine
    voice = np.zeros(640, np.float32)
    for each, side in ((engine, 256), (large, 512), (engine, 256)):
        with each.open(ASSETS / "portraits" / "ada.jpg") as session:
            session.push(voice)
            assert next(iter(session.flush())).frames.shape == (1, side, side, 3)
