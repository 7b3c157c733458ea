"""The model hears the voice, wherever it is; listeners hear what their devices mix."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from voices import RATE_HZ, hum, rms, voice, write_tracks

from flashtalk.assets import ASSETS
from flashtalk.inputs.mixing import MINUS_3_DB, mix
from flashtalk.inputs.sound import LOW_ALONE
from flashtalk.inputs.speech import CANCELED, LOUD, SILENT, Speech, load_speech

VOICE = voice()
ROOM = np.random.default_rng(1).normal(0.0, 1e-3, VOICE.size).astype(np.float32)


def stereo(left: np.ndarray, right: np.ndarray) -> Speech:
    return load_speech((RATE_HZ, np.stack([left, right], axis=1)))


def likeness(samples: np.ndarray, to: np.ndarray) -> float:
    """Correlation, without regard to the sign."""
    return abs(float(np.corrcoef(samples, to)[0, 1]))


# --- what the model hears -------------------------------------------------------------------------
def test_channels_that_agree_are_averaged() -> None:
    speech = stereo(VOICE + ROOM, VOICE - ROOM)
    assert np.abs(speech.samples - VOICE).max() < 1e-6 and speech.notices == ()


@pytest.mark.parametrize("gain", [-1.0, -0.97, -0.5])
def test_channels_that_cancel_leave_the_louder_one(gain: float) -> None:
    speech = stereo(VOICE, gain * VOICE)
    assert np.abs(speech.samples - VOICE).max() < 1e-6
    assert speech.notices == ((CANCELED,) if gain < -0.9 else ())
    assert np.abs(speech.playback[1, ::3] - gain * VOICE).mean() < 1e-3  # heard as it is


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("other", ["silence", "room", "faint", "hum"])
def test_the_channel_with_the_voice_is_heard_at_its_level(side: int, other: str) -> None:
    rest = {"silence": 0 * VOICE, "room": ROOM, "faint": 0.03 * VOICE, "hum": hum()}[other]
    speech = stereo(VOICE, rest) if side == 0 else stereo(rest, VOICE)
    assert np.abs(speech.samples - VOICE).max() < 1e-6 and speech.notices == ()


TIME_S = np.arange(4 * RATE_HZ) / RATE_HZ
BESIDE = {
    "knocks": 0.3 * np.exp(-20.0 * (TIME_S % 0.5)) * np.sin(800 * np.pi * TIME_S),
    "music": 0.2 * np.exp(-6.0 * (TIME_S % 0.25)) * np.sin(660 * np.pi * TIME_S),
    "noise": np.random.default_rng(0).normal(0.0, 0.1, TIME_S.size),
}


@pytest.mark.parametrize("side", [0, 1, 2])
@pytest.mark.parametrize("level", [1.0, 0.1])
@pytest.mark.parametrize("other", BESIDE)
def test_the_voice_is_heard_beside_what_rises_and_falls_like_one(
    other: str, level: float, side: int
) -> None:
    """Even where that is twenty decibels louder; the third side is the center of 5.1."""
    emma = level * load_speech(ASSETS / "voices" / "emma.flac").samples[: TIME_S.size]
    if side == 2:
        rest = BESIDE[other]
        speech = load_speech((RATE_HZ, np.stack([rest, rest, emma, 0 * rest, rest, rest], axis=1)))
        assert likeness(speech.samples, emma) > 0.999
        return
    speech = stereo(BESIDE[other], emma) if side else stereo(emma, BESIDE[other])
    assert np.abs(speech.samples - emma).max() < 1e-6


def test_a_voice_in_the_low_channel_alone_is_said_to_be_left_out() -> None:
    six = np.stack([0 * VOICE] * 3 + [VOICE] + [0 * VOICE] * 2, axis=1)
    assert load_speech((RATE_HZ, six)).notices == (LOW_ALONE, SILENT)
    assert load_speech((RATE_HZ, 0 * six)).notices == (SILENT,)


def test_two_people_on_two_channels_are_both_heard() -> None:
    first = VOICE * (np.arange(VOICE.size) < VOICE.size // 2)
    second = voice()[::-1] * (np.arange(VOICE.size) >= VOICE.size // 2)
    speech = stereo(first, second)
    assert np.abs(speech.samples - (first + second) / 2).max() < 1e-6


def test_a_dialog_in_the_center_is_heard_without_the_music_beside_it() -> None:
    music = hum(level=0.1)
    six = np.stack([music, -music, VOICE, 0 * music, music, music], axis=1)
    speech = load_speech((RATE_HZ, six))
    assert np.abs(speech.samples - VOICE).max() < 1e-6
    empty = np.stack([VOICE, VOICE, 0 * music, 0 * music, 0 * music, 0 * music], axis=1)
    assert np.abs(load_speech((RATE_HZ, empty)).samples - VOICE).max() < 1e-6


def test_silence_is_judged_by_what_the_model_hears() -> None:
    assert stereo(0 * VOICE, 0 * VOICE).notices == (SILENT,)
    assert stereo(0 * VOICE + 0.1, 0 * VOICE + 0.1).notices == (SILENT,)  # an offset, no sound
    assert stereo(0 * VOICE, 0.05 * VOICE).notices == ()


# --- what listeners hear --------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("layout", "channel", "gains"),
    [
        ("5.1", "FL", (1, 0)),
        ("5.1", "FC", (MINUS_3_DB, MINUS_3_DB)),
        ("5.1", "LFE", (0, 0)),
        ("5.1", "BR", (0, MINUS_3_DB)),
        ("7.1", "SL", (MINUS_3_DB, 0)),
        ("7.1", "BL", (MINUS_3_DB, 0)),
        ("7.1", "FC", (MINUS_3_DB, MINUS_3_DB)),
        ("quad", "FR", (0, 1)),
        ("quad", "BL", (MINUS_3_DB, 0)),
        ("4.0", "BC", (MINUS_3_DB, MINUS_3_DB)),
        ("3.0", "FC", (MINUS_3_DB, MINUS_3_DB)),
    ],
)
def test_every_channel_has_its_gain(
    layout: str, channel: str, gains: tuple[float, float], tmp_path: Path
) -> None:
    names = {
        "5.1": "FL FR FC LFE BL BR",
        "7.1": "FL FR FC LFE BL BR SL SR",
        "quad": "FL FR BL BR",
        "4.0": "FL FR FC BC",
        "3.0": "FL FR FC",
    }[layout].split()
    loud = voice(1.0, 48_000)
    block = np.zeros((len(names), loud.size), np.float32)
    block[names.index(channel)] = loud
    assert np.abs(mix(block, tuple(names)).samples - np.outer(gains, loud)).max() < 1e-6
    write_tracks(tmp_path / "film.wav", "pcm_s16le", block, layout=layout)
    heard = load_speech(tmp_path / "film.wav")
    assert heard.playback.shape[0] == 2
    for side, gain in zip(heard.playback, gains, strict=True):
        assert rms(side) == pytest.approx(gain * rms(loud), rel=0.02, abs=1e-4)
    if channel != "LFE":
        assert likeness(heard.samples, loud[::3]) > 0.98
        assert rms(heard.samples) > 0.65 * rms(loud)


@pytest.mark.parametrize("count", [3, 4, 5, 6, 7, 8, 12])
def test_files_that_name_no_channels_are_never_faint(count: int, tmp_path: Path) -> None:
    for channel in (0, 1, 2 if count != 6 else 4, count - 1):
        block = np.zeros((VOICE.size, count), np.float32)
        block[:, channel] = VOICE
        soundfile.write(tmp_path / "voice.wav", block, RATE_HZ)
        for source in (tmp_path / "voice.wav", (RATE_HZ, block)):
            speech = load_speech(source)
            assert max(map(rms, speech.playback)) > 0.5 * rms(VOICE)  # within 6 dB
            assert rms(speech.samples) > 0.5 * rms(VOICE)


def test_only_the_sum_of_channels_is_turned_down_without_a_word() -> None:
    full = VOICE / np.abs(VOICE).max()
    speech = load_speech((RATE_HZ, np.tile(full[:, None], (1, 6))))
    assert speech.notices == () and np.abs(speech.playback).max() == pytest.approx(1.0, abs=0.02)
    assert load_speech((RATE_HZ, np.tile(3 * full[:, None], (1, 6)))).notices == (LOUD,)


def test_a_channel_of_numbers_that_are_none_is_muted() -> None:
    six = np.tile(VOICE[:, None], (1, 6))
    six[100, 3] = np.nan
    speech = load_speech((RATE_HZ, six))
    assert np.isfinite(speech.samples).all() and np.isfinite(speech.playback).all()
    assert len(speech.notices) == 1 and "NaN" in speech.notices[0]
