"""Sound tracks of films, and recordings with holes and cut ends."""

from __future__ import annotations

import io
import os
import re
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
from voices import RATE_HZ, rms, voice, write_tracks

from flashtalk.assets import ASSETS
from flashtalk.inputs.sound import LATER_TRACK
from flashtalk.inputs.speech import SILENT, load_speech

SPOKEN = voice(4.0, 48_000)[None]
SILENCE = np.zeros_like(SPOKEN)
FORMATS = [("voice.flac", "flac"), ("voice.mp3", "libmp3lame"), ("voice.mka", "aac")]
FORMATS += [("voice.webm", "libopus"), ("voice.wav", "pcm_s16le")]
# Their files do not say how long they are.
ENDLESS = [("voice.opus", "libopus"), ("voice.oga", "flac"), ("voice.aac", "aac")]


# --- several tracks -------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["film.mkv", "film.mp4"])
@pytest.mark.parametrize("silent", [1, 2])
def test_the_track_with_sound_is_used_and_said(name: str, silent: int, tmp_path: Path) -> None:
    write_tracks(tmp_path / name, "aac", *[SILENCE] * silent, SPOKEN, 0.1 * SPOKEN)
    speech = load_speech(tmp_path / name)
    assert rms(speech.samples) == pytest.approx(rms(SPOKEN), rel=0.05)
    assert f"{silent + 2} sound tracks; number {silent + 1}" in speech.notices[0]
    assert len(speech.notices) == 1


def test_of_several_tracks_with_sound_the_first(tmp_path: Path) -> None:
    write_tracks(tmp_path / "film.mkv", "flac", 0.1 * SPOKEN, SPOKEN)
    speech = load_speech(tmp_path / "film.mkv")
    assert rms(speech.samples) == pytest.approx(0.1 * rms(SPOKEN), rel=0.05)
    assert len(speech.notices) == 1 and "the first one is used" in speech.notices[0]


@pytest.mark.parametrize("first", ["hum", "tone", "offset"])
def test_a_track_without_a_voice_is_passed_over(first: str, tmp_path: Path) -> None:
    time_s = np.arange(SPOKEN.size)[None] / 48_000
    other = {
        "hum": 0.2 * np.sin(100 * np.pi * time_s),
        "tone": 0.2 * np.sin(2_000 * np.pi * time_s),
        "offset": np.full_like(SPOKEN, 0.3),
    }[first]
    write_tracks(tmp_path / "film.mkv", "flac", other, SPOKEN)
    speech = load_speech(tmp_path / "film.mkv")
    assert rms(speech.samples) == pytest.approx(rms(SPOKEN), rel=0.05)
    assert speech.notices == (LATER_TRACK.format(count=2, number=2),)
    write_tracks(tmp_path / "film.mkv", "flac", SILENCE, other, 0.5 * other)
    assert "number 2 is used" in load_speech(tmp_path / "film.mkv").notices[0]


def music(seconds: float = 4.0) -> np.ndarray:
    """[1, samples] at 48 kHz: chords that are struck four times a second, as syllables are."""
    time_s = np.arange(round(seconds * 48_000)) / 48_000
    struck = np.exp(-6.0 * (time_s % 0.25))
    notes = [hertz * octave for hertz in (262.0, 330.0, 392.0) for octave in (1, 2, 4)]
    return 0.1 * struck[None] * sum(np.sin(2 * np.pi * hertz * time_s) for hertz in notes)


@pytest.mark.parametrize("pause_s", [0, 12])
@pytest.mark.parametrize("places", [(1,), (1, 2), (0,)])
def test_the_track_in_which_somebody_speaks_is_used_beside_music(
    places: tuple[int, ...], pause_s: int, tmp_path: Path
) -> None:
    """However loud the music is, and however seldom the speaker speaks."""
    emma = load_speech(ASSETS / "voices" / "emma.flac").playback[:, : 4 * 48_000]
    emma = np.pad(0.3 * emma, ((0, 0), (0, pause_s * 48_000)))
    tracks = [music(4.0 + pause_s)] * 3
    for place in places:
        tracks[place] = emma
    write_tracks(tmp_path / "film.mkv", "flac", *tracks)
    speech = load_speech(tmp_path / "film.mkv")
    assert rms(speech.playback) == pytest.approx(rms(emma), rel=0.05)
    number = places[0] + 1
    told = "the first one" if number == 1 else f"number {number}"
    assert len(speech.notices) == 1 and f"{told} is used" in speech.notices[0]


def test_a_track_that_is_damaged_is_passed_over(tmp_path: Path) -> None:
    write_tracks(tmp_path / "film.mkv", "flac", music(), music())
    content = (tmp_path / "film.mkv").read_bytes()
    first, second = (found.start() for found in re.finditer(b"fLaC", content))
    broken = content[:second] + b"nono" + content[second + 4 :]
    (tmp_path / "film.mkv").write_bytes(broken)
    assert rms(load_speech(tmp_path / "film.mkv").playback) == pytest.approx(rms(music()), rel=0.05)
    assert first < second


def test_tracks_that_are_all_silent(tmp_path: Path) -> None:
    write_tracks(tmp_path / "film.mkv", "flac", SILENCE, SILENCE)
    notices = load_speech(tmp_path / "film.mkv").notices
    assert len(notices) == 2 and notices[1] == SILENT


# --- what is missing ------------------------------------------------------------------------------
@pytest.mark.parametrize(("name", "codec"), [*FORMATS, *ENDLESS])
def test_a_whole_file_is_not_said_to_be_cut(name: str, codec: str, tmp_path: Path) -> None:
    write_tracks(tmp_path / name, codec, SPOKEN)
    assert load_speech(tmp_path / name).notices == ()


@pytest.mark.parametrize(("name", "codec"), FORMATS)
def test_a_cut_end_is_said(name: str, codec: str, tmp_path: Path) -> None:
    write_tracks(tmp_path / name, codec, SPOKEN)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    speech = load_speech(tmp_path / name)
    assert 0.5 < speech.duration_s < 3.0
    assert len(speech.notices) == 1
    assert "cut off: the file promises 4.0 s" in speech.notices[0]
    assert f"holds {speech.duration_s:.1f} s" in speech.notices[0]


@pytest.mark.parametrize(("name", "codec"), ENDLESS)
@pytest.mark.parametrize("share", [0.4, 0.97])
def test_a_cut_end_is_said_of_files_that_do_not_know_their_length(
    name: str, codec: str, share: float, tmp_path: Path
) -> None:
    write_tracks(tmp_path / name, codec, SPOKEN)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: round(share * len(content))])
    speech = load_speech(tmp_path / name)
    assert 0.5 < speech.duration_s < 4.0
    (notice,) = speech.notices
    assert f"breaks off after {speech.duration_s:.1f} s: the end of the file is missing" in notice


def test_an_ogg_file_without_its_end_flag_is_whole(tmp_path: Path) -> None:
    """Android's recorder writes such files."""
    path = tmp_path / "voice.ogg"
    soundfile.write(path, SPOKEN[0], 48_000, format="OGG", subtype="VORBIS")
    assert load_speech(path).notices == ()
    content = bytearray(path.read_bytes())
    last = content.rindex(b"OggS")
    assert content[last + 5] & 4
    path.write_bytes(content[:last])
    assert load_speech(path).notices == ()


@pytest.mark.parametrize(("name", "codec"), [("voice.w64", "pcm_s16le"), ("voice.wv", "wavpack")])
def test_what_follows_the_sound_does_not_lose_it(
    name: str, codec: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_tracks(tmp_path / name, codec, SPOKEN)
    with (tmp_path / name).open("ab") as file:
        file.write(np.random.default_rng(3).bytes(5_000))
    speech = load_speech(tmp_path / name)
    assert speech.duration_s == pytest.approx(4.0, abs=0.1)
    assert rms(speech.samples) == pytest.approx(rms(SPOKEN), rel=0.05)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["voice.opus", "voice.flac"])
def test_a_hole_is_silent_and_said_and_what_follows_keeps_its_time(
    name: str, tmp_path: Path
) -> None:
    write_tracks(tmp_path / name, dict([*FORMATS, *ENDLESS])[name], SPOKEN)
    content = (tmp_path / name).read_bytes()
    third = len(content) // 3
    (tmp_path / name).write_bytes(content[:third] + content[third + third // 2 :])
    speech = load_speech(tmp_path / name)
    assert speech.duration_s == pytest.approx(4.0, abs=0.1)
    assert len(speech.notices) == 1 and "are missing" in speech.notices[0]
    expected = voice(4.0)
    end = slice(-RATE_HZ // 2, None)
    assert np.corrcoef(speech.samples[: expected.size][end], expected[end])[0, 1] > 0.9
    missing_s = float(speech.notices[0].split(" s of")[0])
    assert 0.3 < missing_s < 3.0


@pytest.mark.parametrize("byte", [b"\0", b"\x5a"])
@pytest.mark.parametrize(("name", "codec"), [("voice.tta", "tta"), ("voice.wv", "wavpack")])
def test_damage_does_not_become_noise(name: str, codec: str, byte: bytes, tmp_path: Path) -> None:
    room = np.random.default_rng(5).normal(0.0, 1e-3, SPOKEN.shape)  # zeros would change no pause
    write_tracks(tmp_path / name, codec, SPOKEN + room)
    content = (tmp_path / name).read_bytes()
    for share in (0.3, 0.45, 0.6):
        at = round(share * len(content))
        (tmp_path / name).write_bytes(content[:at] + byte * 300 + content[at + 300 :])
        speech = load_speech(tmp_path / name)
        assert np.abs(speech.playback).max() < 1.1 * np.abs(SPOKEN).max()
        assert len(speech.notices) == 1 and "are missing" in speech.notices[0]
        expected = voice(4.0)
        wrong = np.abs(speech.samples - expected) > 0.01
        assert (np.abs(speech.samples[wrong]) < 0.01).mean() > 0.98  # silence in its place


# --- pipes ----------------------------------------------------------------------------------------
def test_a_sound_comes_through_a_pipe(tmp_path: Path) -> None:
    file = io.BytesIO()
    soundfile.write(file, voice(1.0), RATE_HZ, format="WAV", subtype="FLOAT")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(file.getvalue(),))
    writer.start()
    speech = load_speech(pipe)
    writer.join()
    assert np.abs(speech.samples - voice(1.0)).max() < 1e-6
