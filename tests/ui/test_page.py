"""The page as a configuration: what is on it and that it needs no other server."""

from __future__ import annotations

import json
from pathlib import Path

import gradio as gr
import pytest

from flashtalk.config import FOURTEEN_B
from flashtalk.engine import Engine
from flashtalk.models.networks import Networks
from flashtalk.ui.events import Limits
from flashtalk.ui.gallery import Gallery
from flashtalk.ui.page import ASSETS, build_page
from flashtalk.ui.theme import STYLES, theme


@pytest.fixture(scope="module")
def page(toy_networks: Networks) -> gr.Blocks:
    return build_page(Engine(toy_networks), Limits())


def test_the_only_public_call_is_talk(page: gr.Blocks):
    endpoints = page.get_api_info()["named_endpoints"]
    assert list(endpoints) == ["/talk"]
    names = [parameter["parameter_name"] for parameter in endpoints["/talk"]["parameters"]]
    assert names == [
        *("portrait", "voice", "seed", "random_seed", "steps"),
        *("face", "without_face", "framing", "area"),
    ]


def test_calls_may_go_without_what_concerns_unusual_pictures(page: gr.Blocks):
    parameters = page.get_api_info()["named_endpoints"]["/talk"]["parameters"]
    defaults = {p["parameter_name"]: p["parameter_default"] for p in parameters[-4:]}
    assert defaults == {"face": None, "without_face": False, "framing": "face", "area": ""}
    assert all(p["parameter_has_default"] for p in parameters[-4:])


def test_where_nobody_can_speak_live_the_page_knows_why(toy_networks: Networks) -> None:
    page = build_page(Engine(toy_networks), Limits(), not_live="This machine is too slow.")
    assert "This machine is too slow." in json.dumps(page.config)


def test_that_pictures_are_smaller_is_said_before_any_talk() -> None:
    engine = Engine.from_pretrained("flashtalk-tiny", size="auto")
    sentences = engine.keep_up(cost=3.0)
    assert len(sentences) == 2
    words = json.dumps(build_page(engine, Limits()).config)
    assert all(sentence in words for sentence in sentences)


def test_type_needs_no_other_server():
    assert theme()._stylesheets == []
    assert not [style for style in STYLES if "http" in style.read_text()]


def test_the_marks_are_visible(page: gr.Blocks):
    words = json.dumps(page.config)
    assert "AI-generated" in words
    assert "the right to use" in words


def test_only_models_that_read_a_prompt_have_its_box(
    page: gr.Blocks, checkpoint: Path, tmp_path: Path
):
    def boxes(page: gr.Blocks) -> list[dict]:
        shown = [c["props"] for c in page.config["components"] if c["type"] == "textbox"]
        return [each for each in shown if each["label"] == "Prompt"]

    assert not boxes(page)
    engine = Engine.from_pretrained(checkpoint, device="cpu")
    reading = build_page(engine, Limits(), assets=tmp_path)
    (box,) = boxes(reading)
    assert box["value"] == FOURTEEN_B.prompt
    endpoint = reading.get_api_info()["named_endpoints"]["/talk"]
    names = [parameter["parameter_name"] for parameter in endpoint["parameters"]]
    assert names[4:] == ["steps", "prompt", "face", "without_face", "framing", "area"]


def test_a_page_without_examples_still_works(toy_networks: Networks, tmp_path: Path):
    page = build_page(Engine(toy_networks), Limits(), assets=tmp_path)
    (live,) = [c["props"] for c in page.config["components"] if c["type"] == "html"]
    assert '"people": [], "voices": []' in live["js_on_load"]


def test_everybody_of_the_gallery_has_a_voice():
    gallery = Gallery.of(ASSETS)
    voices = {path.stem for path in (ASSETS / "voices").glob("*.flac")}
    pairs = json.loads((ASSETS / "gallery.json").read_text())
    assert [path.stem for path in gallery.portraits] == list(pairs)
    assert {path.stem for path in (ASSETS / "photographs").glob("*.jpg")} < set(pairs)
    assert set(pairs.values()) == voices
