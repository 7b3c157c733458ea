"""Speech and motion of the clip maker: the pure parts always, voices only where installed."""

import os
from pathlib import Path

import numpy as np
import pytest

from flashtalk.errors import FlashTalkError
from lab.synthesis.curves import MOUTH_CURVES, TARGETS, mouth_curves, mouth_weights
from lab.synthesis.motion import blinks, head_motion
from lab.synthesis.performance import perform
from lab.synthesis.voices.casting import HELD_OUT_VOICES
from lab.synthesis.voices.kokoro import ENVIRONMENT, speech_folder
from lab.synthesis.voices.phones import (
    ARPABET,
    CLASS_INDEX,
    PHONE_CLASSES,
    SILENCE,
    Phone,
    classify,
    phone_track,
)

OPENING, CLOSURE = MOUTH_CURVES.index("opening"), MOUTH_CURVES.index("closure")


def needs_voices() -> Path:
    folder = os.environ.get(ENVIRONMENT)
    if not folder or not (Path(folder) / "speech").is_dir():
        pytest.skip(f"the voices are not installed: {ENVIRONMENT} names no folder with speech")
    for package in ("onnx", "onnxruntime", "pocketsphinx"):
        pytest.importorskip(package)
    return Path(folder)


def test_every_class_has_a_mouth_target_and_diphthongs_become_two_phones():
    assert set(TARGETS) == set(PHONE_CLASSES) and len(PHONE_CLASSES) == 25
    phones = classify([("AY", 0.0, 0.2), ("B", 0.2, 0.3)], ARPABET)
    assert [phone.name for phone in phones] == ["AA", "IY", "P"]
    assert phones[0].end_s == pytest.approx(0.11)


def test_unknown_phone_and_empty_phone_are_explained():
    with pytest.raises(FlashTalkError, match="'XX'"):
        classify([("XX", 0.0, 0.1)], ARPABET)
    with pytest.raises(ValueError, match="positive length"):
        Phone("P", 0.2, 0.2)


def test_phone_track_names_the_sound_at_each_frame_center():
    track = phone_track([Phone("P", 0.04, 0.12)], 5)
    assert track.tolist() == [0, CLASS_INDEX["P"], CLASS_INDEX["P"], 0, 0]


def test_lips_close_for_bilabials_open_for_vowels_and_rest_in_silence():
    phones = [Phone("AA", 0.6, 0.8), Phone("P", 0.8, 0.88), Phone("AA", 0.88, 1.1)]
    curves = mouth_curves(mouth_weights(phones, np.ones(50)))
    closed = int((0.84 - 0.03) * 25)
    assert curves[closed, OPENING] < 0.02 and curves[closed, CLOSURE] > 0.9
    assert curves[int(0.67 * 25), OPENING] > 0.6 and curves[int(0.95 * 25), OPENING] > 0.6
    assert np.all(curves[:10] == 0.0) and np.all(curves[34:] == 0.0)


def test_articulation_widens_the_mouth():
    phones = [Phone("AA", 0.4, 0.6)]
    quiet, clear = (mouth_curves(mouth_weights(phones, np.ones(25), a)) for a in (0.8, 1.2))
    assert clear[:, OPENING].max() > 1.2 * quiet[:, OPENING].max()


def test_motion_is_repeatable_and_moderate():
    first, second = (head_motion(np.zeros(250), np.random.default_rng(3)) for _ in range(2))
    assert np.array_equal(first.yaw, second.yaw)
    assert np.abs(first.yaw).max() <= 0.3 and first.gaze.shape == (250, 2)
    assert np.abs(np.diff(first.yaw)).max() < 0.02  # radians per frame: no jumps
    assert blinks(500, np.random.default_rng(0)).max() == 1.0


def test_missing_assets_are_explained(monkeypatch, tmp_path):
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    with pytest.raises(FlashTalkError, match=ENVIRONMENT):
        speech_folder(None)
    with pytest.raises(FlashTalkError, match="does not exist"):
        speech_folder(tmp_path)


def test_performance_is_deterministic_with_sound_and_motion_of_equal_length():
    assets = needs_voices()
    first, second = (perform(7, 2.0, held_out=True, assets=assets) for _ in range(2))
    assert first.frames == 50 and first.audio.shape == (50 * 640,)
    assert np.array_equal(first.audio, second.audio)
    assert all(np.array_equal(first.weights[name], second.weights[name]) for name in first.weights)
    assert first.voice in (*HELD_OUT_VOICES, "none")
    assert all(name != SILENCE for name, _, _ in first.phones)
