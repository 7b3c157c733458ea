"""Talks of the real engine at toy size, measured at several moments; rows and their settings."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from flashtalk.config import TINY
from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.portrait import portrait_for
from flashtalk.models.networks import Networks
from flashtalk.models.tiny.landmarks import FaceReader
from flashtalk.stream.chunk import conditioned_velocity
from flashtalk.weights.checkpoint import ASSETS, find_checkpoint
from lab.evaluation.digests import clips_digest
from lab.evaluation.measured_talk import Measured, Plan, run_talk
from lab.evaluation.measures.reading import read_faces
from lab.evaluation.measures.sync import SyncNetwork
from lab.evaluation.run import main
from lab.evaluation.runs import (
    GuidedTransformer,
    Run,
    parse_run,
)
from lab.evaluation.segment import FIGURES, Judges
from lab.evaluation.speed import frames_per_s
from lab.evaluation.talks import RenderedClip, Talk, clip_names, load_clip, make_talk


@pytest.fixture(scope="module")
def judges() -> Judges:
    torch.manual_seed(1)
    return Judges(FaceReader(8).eval(), SyncNetwork(8).eval())


@pytest.fixture(scope="module")
def talk(clips_folder: Path) -> Talk:
    clips = [load_clip(clips_folder, name) for name in clip_names(clips_folder)]
    return make_talk(clips, seed=0, seconds=8)


@pytest.fixture(scope="module")
def measured(toy_networks: Networks, judges: Judges, talk: Talk) -> list[Measured]:
    return list(run_talk(Engine(toy_networks), judges, talk, 0, Plan((2, 4), 2.0, opening_s=2.0)))


def test_each_moment_has_every_figure(measured: list[Measured]) -> None:
    assert [each.seconds for each in measured] == [2, 4]
    for each in measured:
        assert each.figures.keys() == FIGURES.keys()
        assert np.isfinite(each.figures["lip_correlation"])
        assert each.figures["border_jump"] > 0
        assert each.frames_per_s > 0


def test_a_moment_is_the_same_alone_and_on_the_way(
    judges: Judges, talk: Talk, tmp_path: Path
) -> None:
    # The chunks before are not drawn then, which rounds differently: trained weights that see a
    # face forgive it, random ones and pictures without a face make much of it.
    face = portrait_for(ASSETS / "portraits" / "ada.jpg", TINY).image
    face.save(tmp_path / f"{talk.person.name}.png")
    talk = replace(talk, person=replace(talk.person, folder=tmp_path))
    shipped = find_checkpoint("flashtalk-tiny").load(torch.device("cpu"))
    shipped = replace(shipped, preset=shipped.preset.with_size(shipped.preset.network_size))
    seeing = replace(judges, reader=shipped.autoencoder.reader)
    both, last = Plan((2, 5), 2.0, opening_s=1.0), Plan((5,), 2.0, opening_s=1.0)
    before, known = run_talk(Engine(shipped), seeing, talk, 0, both)
    (alone,) = run_talk(Engine(shipped), seeing, talk, 0, last)
    same = pytest.approx(known.figures, rel=0.01, abs=0.01, nan_ok=True)
    assert alone.figures == same != before.figures
    assert alone.figures["color_drift"] > 0.0


def test_colors_are_compared_with_the_beginning_once_there_is_one(
    toy_networks: Networks, judges: Judges, talk: Talk
) -> None:
    plan = Plan((2, 3, 4), 2.0, opening_s=3.0)
    before, *later = run_talk(Engine(toy_networks), judges, talk, 0, plan)
    assert "color_drift" not in before.figures
    assert [each.figures["color_drift"] > 0.0 for each in later] == [True, True]
    (whole,) = run_talk(Engine(toy_networks), judges, talk, 0, Plan((3,), 3.0, opening_s=3.0))
    assert whole.figures["color_drift"] == whole.figures["color_drift_percent"] == 0.0


def test_a_talk_shorter_than_the_segment_is_measured_whole(
    toy_networks: Networks, judges: Judges, talk: Talk, measured: list[Measured]
) -> None:
    longer = list(run_talk(Engine(toy_networks), judges, talk, 0, Plan((2, 4), 3.0, opening_s=2.0)))
    assert [each.segment_s for each in longer] == [2.0, 3.0]
    assert longer[0].figures == measured[0].figures
    assert longer[1].figures != measured[1].figures


def test_the_last_segment_is_what_the_session_shows_there(
    toy_networks: Networks, judges: Judges, talk: Talk, measured: list[Measured]
) -> None:
    portrait = portrait_for(talk.person.portrait, toy_networks.preset, crop="cover")
    session = Engine(toy_networks).open(portrait, seed=0)
    samples = talk.speech.samples[: 5 * 17_920]  # a chunk waits for what comes after it
    video = np.concatenate([chunk.frames for chunk in session.push(samples)])
    opening = read_faces(judges.reader, video[50:100]).opening
    low, high = np.percentile(opening, (5, 95))
    assert measured[1].figures["lip_range"] == pytest.approx(high - low)


def test_a_talk_can_be_stopped(toy_networks: Networks, judges: Judges, talk: Talk) -> None:
    heard: list[float] = []

    def stop_at_once(seconds: float) -> bool:
        heard.append(seconds)
        return False

    plan = Plan((4,), 2.0)
    assert not list(run_talk(Engine(toy_networks), judges, talk, 0, plan, stop_at_once))
    assert heard == [1.12]


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_guidance_moves_away_from_silence(toy_networks: Networks, scale: float) -> None:
    transformer = toy_networks.transformer
    config = transformer.config
    torch.manual_seed(2)
    latents = torch.randn(1, 44, 9, 2, 2)
    condition = torch.randn(1, config.in_channels - 44, 9, 2, 2)
    windows = (config.speech.window_frames, config.speech.layers, config.speech.width)
    speech = torch.randn(1, 33, *windows)

    def velocity(network, heard: torch.Tensor) -> torch.Tensor:
        return conditioned_velocity(network, condition, heard, num_motion=2)(latents, 700.0)

    spoken = velocity(transformer, speech)
    silent = velocity(transformer, torch.zeros_like(speech))
    found = velocity(GuidedTransformer(transformer, scale), speech)
    assert not torch.allclose(spoken, silent, atol=1e-3)
    assert torch.allclose(found, silent + scale * (spoken - silent), atol=1e-4)


def test_a_guided_run_goes_through_the_engine(
    toy_networks: Networks, judges: Judges, talk: Talk, measured: list[Measured]
) -> None:
    guided = replace(toy_networks, transformer=GuidedTransformer(toy_networks.transformer, 4.0))
    found = list(run_talk(Engine(guided), judges, talk, 0, Plan((2,), 2.0)))
    assert found[0].figures != measured[0].figures


def test_a_run_is_read_from_one_argument() -> None:
    run = parse_run(
        "stage1=runs/stage1,steps=20,guidance=4,color_strength=0.5,lookahead_frames=0,flow_prior=0"
    )
    assert run == Run("stage1", "runs/stage1", 20, 4.0, 0.5, lookahead_frames=0, flow_prior=False)
    assert parse_run("plain=flashtalk-tiny") == Run("plain", "flashtalk-tiny")
    for wrong in ("folder", "a=", "a=b,hue=1", "a=b,steps=many", "../a=b"):
        with pytest.raises(FlashTalkError):
            parse_run(wrong)


def test_clips_of_the_same_names_are_told_apart_by_what_is_in_them(
    clips_folder: Path, tmp_path: Path
) -> None:
    def clips() -> list[RenderedClip]:
        return [load_clip(tmp_path, name) for name in clip_names(tmp_path)]

    shutil.copytree(clips_folder, tmp_path, dirs_exist_ok=True)
    before = clips_digest(clips())
    assert clips_digest(clips()) == before
    Image.new("RGB", (64, 64)).save(tmp_path / "000019.png")
    repainted = clips_digest(clips())
    samples = clips()[0].samples
    soundfile.write(tmp_path / "000009.wav", 0.9 * samples, 16_000)
    assert len({before, repainted, clips_digest(clips())}) == 3
    Image.new("RGB", (64, 64)).save(tmp_path / "000010.png")  # not held out: in no talk
    soundfile.write(tmp_path / "000009.wav", samples, 16_000)
    assert clips_digest(clips()) == repainted


def test_plans_that_cannot_be_are_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    for seconds, segment_s in (((10, 60), 1.0), ((1, 60), 20.0)):
        with pytest.raises(FlashTalkError, match="must last 2 s or more"):
            Plan(seconds, segment_s)
    with pytest.raises(FlashTalkError, match="must ascend"):
        Plan((60, 10), 5.0)
    with pytest.raises(FlashTalkError, match="must last some time"):
        Plan((10, 60), 5.0, opening_s=0.0)
    with pytest.raises(SystemExit, match="2"):
        main(["--clips", "nowhere"])
    assert "There is nothing to evaluate: give --run NAME=" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["--clips", "nowhere", "--run", "a=flashtalk-tiny", "--run", "a=stage1"])
    assert "Every run needs a name of its own" in capsys.readouterr().err


def test_runs_are_timed_alone(clips_folder: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("lab.evaluation.speed.SECONDS", 1.0)
    arguments = ["--bench", "--clips", str(clips_folder), "--out", str(tmp_path)]
    assert main([*arguments, "--run", "ours=flashtalk-tiny"]) == 0
    content = json.loads((tmp_path / "speed.json").read_text())
    assert list(content) == ["ours"]
    assert content["ours"]["seconds"] == 1.0
    assert len(content["ours"]["each"]) == 3
    assert content["ours"]["frames_per_s"] == sorted(content["ours"]["each"])[1]
    assert not list(tmp_path.glob("measurements/*"))


def test_speed_is_frames_over_the_time_of_the_talk(
    toy_networks: Networks, talk: Talk, monkeypatch
) -> None:
    engine = Engine(toy_networks)
    clock = iter((100.0, 102.0))
    monkeypatch.setattr("lab.evaluation.speed.perf_counter", lambda: next(clock))
    assert frames_per_s(engine, talk, 0, seconds=3.0) == 75 / 2.0
