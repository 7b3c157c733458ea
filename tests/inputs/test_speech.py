"""Every kind of sound, and every wrong one with the key words of its sentence."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from flashtalk.errors import FlashTalkError
from flashtalk.inputs.speech import LOUD, SILENT, Speech, load_speech

LEFT_HZ, RIGHT_HZ = 440.0, 1_200.0


def tones(rate_hz: int, seconds: float = 0.5) -> np.ndarray:
    """[samples, 2]: one tone on each side, half of full scale."""
    time_s = np.arange(round(rate_hz * seconds)) / rate_hz
    return 0.5 * np.sin(2 * np.pi * time_s[:, None] * (LEFT_HZ, RIGHT_HZ))


def loudest_hz(samples: np.ndarray, rate_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size)))
    return float(np.fft.rfftfreq(samples.size, 1 / rate_hz)[spectrum.argmax()])


def write_video(path: Path, sound: np.ndarray | None) -> None:
    """A short mp4 or mkv; with ``sound`` [samples, 2] at 48 kHz, or silent film."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", 25, width=64, height=64, pix_fmt="yuv420p")
        audio = None if sound is None else out.add_stream("aac", 48_000, layout="stereo")
        for _ in range(12):
            picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24")
            out.mux(video.encode(picture))
        out.mux(video.encode(None))
        if audio is not None:
            planes = np.ascontiguousarray(sound.T, dtype=np.float32)
            frame = av.AudioFrame.from_ndarray(planes, "fltp", "stereo")
            frame.sample_rate, frame.pts = 48_000, 0
            out.mux(audio.encode(frame))
            out.mux(audio.encode(None))


def checked(speech: Speech, seconds: float, channels: int) -> Speech:
    assert speech.samples.dtype == speech.playback.dtype == np.float32
    assert speech.samples.size == pytest.approx(16_000 * seconds, abs=1)
    assert speech.playback.shape == (channels, 3 * speech.samples.size)
    assert speech.duration_s == speech.samples.size / 16_000
    assert np.abs(speech.samples).max() <= 1 and np.abs(speech.playback).max() <= 1
    return speech


# --- what is accepted -----------------------------------------------------------------------------
@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 44_100, 48_000, 96_000, 192_000])
def test_any_rate_keeps_time_and_pitch(rate_hz: int, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "voice.wav", tones(rate_hz), rate_hz)
    from_file = checked(load_speech(tmp_path / "voice.wav"), 0.5, 2)
    from_array = checked(load_speech((rate_hz, tones(rate_hz))), 0.5, 2)
    for speech in (from_file, from_array):
        assert speech.notices == ()
        assert loudest_hz(speech.playback[0], 48_000) == pytest.approx(LEFT_HZ, abs=3)
        assert loudest_hz(speech.playback[1], 48_000) == pytest.approx(RIGHT_HZ, abs=3)
    assert np.abs(from_file.samples - from_array.samples).max() < 1e-3


def test_mono_is_the_average_of_the_channels() -> None:
    speech = load_speech((16_000, tones(16_000)))
    assert np.abs(speech.samples - tones(16_000).mean(1)).max() < 1e-6


@pytest.mark.parametrize("name", ["v.flac", "v.ogg", "v.mp3", "v.aiff"])
def test_other_sound_files(name: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / name, tones(44_100), 44_100)
    speech = load_speech(tmp_path / name)
    assert speech.duration_s == pytest.approx(0.5, abs=0.06)
    assert loudest_hz(speech.playback[1], 48_000) == pytest.approx(RIGHT_HZ, abs=5)


@pytest.mark.parametrize("kind", ["PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
def test_every_sample_format(kind: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "voice.wav", tones(16_000), 16_000, subtype=kind)
    found = load_speech(tmp_path / "voice.wav").samples
    assert np.abs(found - tones(16_000).mean(1)).max() < 0.03


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_the_sound_of_a_video(name: str, tmp_path: Path) -> None:
    write_video(tmp_path / name, tones(48_000))
    speech = load_speech(tmp_path / name)
    assert speech.duration_s == pytest.approx(0.5, abs=0.06)
    assert loudest_hz(speech.playback[0], 48_000) == pytest.approx(LEFT_HZ, abs=5)


@pytest.mark.parametrize(
    ("dtype", "scale"), [(np.int16, 2**15), (np.int32, 2**31), (np.int8, 2**7), (np.float64, 1)]
)
def test_integer_arrays_have_their_full_scale(dtype: type, scale: int) -> None:
    voice = tones(16_000)[:, 0]
    speech = load_speech((16_000, (voice * scale).astype(dtype)))
    assert np.abs(speech.samples - voice).max() < 0.02
    unsigned = load_speech((16_000, (voice * 127 + 128).astype(np.uint8)))
    assert np.abs(unsigned.samples - voice).max() < 0.02


def test_a_single_sample_is_enough(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "click.wav", np.ones(1), 48_000)
    for source in (tmp_path / "click.wav", (48_000, np.ones(1)), (192_000, np.ones(2))):
        speech = load_speech(source)
        assert speech.samples.shape == (1,) and speech.playback.shape == (1, 3)


def test_silence_is_accepted_with_a_notice() -> None:
    speech = checked(load_speech((44_100, np.zeros((22_050, 2), np.int16))), 0.5, 2)
    assert speech.notices == (SILENT,) and "stay quiet" in SILENT
    assert not speech.samples.any()


def test_too_loud_is_turned_down_as_a_whole() -> None:
    speech = checked(load_speech((16_000, 30_000 * tones(16_000))), 0.5, 2)
    assert speech.notices == (LOUD,)
    assert np.abs(speech.playback).max() == pytest.approx(1.0, abs=0.02)
    quiet = load_speech((16_000, 0.01 * tones(16_000)))
    assert quiet.notices == () and np.abs(quiet.samples).max() < 0.011


def test_a_few_numbers_that_are_none_are_muted() -> None:
    voice = tones(16_000)
    voice[100], voice[200], voice[300] = np.nan, np.inf, -np.inf
    speech = checked(load_speech((16_000, voice)), 0.5, 2)
    assert np.isfinite(speech.samples).all() and speech.samples[100] == 0
    assert len(speech.notices) == 1 and "NaN" in speech.notices[0]


def test_of_a_truncated_file_the_part_that_is_there(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "voice.mp3", tones(44_100, 2.0), 44_100)
    content = (tmp_path / "voice.mp3").read_bytes()
    (tmp_path / "voice.mp3").write_bytes(content[: len(content) // 2])
    speech = load_speech(tmp_path / "voice.mp3")
    assert 0.5 < speech.duration_s < 1.5
    assert "promises 2.0 s" in speech.notices[0]


def test_damage_in_the_middle_is_left_out_with_a_notice(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "voice.mp3", tones(44_100, 1.0), 44_100)
    content = bytearray((tmp_path / "voice.mp3").read_bytes())
    content[3_000:5_000] = bytes(2_000)
    (tmp_path / "voice.mp3").write_bytes(content)
    speech = load_speech(tmp_path / "voice.mp3")
    assert 0.5 < speech.duration_s < 1.0
    assert len(speech.notices) == 1 and "damaged" in speech.notices[0]


# --- what is refused ------------------------------------------------------------------------------
def refused(source: object, *words: str, **options: float) -> None:
    with pytest.raises(FlashTalkError) as caught:
        load_speech(source, **options)
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence
    for word in words:
        assert word in sentence


def test_missing_folder_and_empty(tmp_path: Path) -> None:
    refused(tmp_path / "absent.wav", "No sound file at", "absent.wav", "path")
    refused(tmp_path, "is a folder")
    (tmp_path / "empty.wav").write_bytes(b"")
    refused(tmp_path / "empty.wav", "empty.wav", "empty (0 bytes)")
    refused(None, "NoneType", "path")


def test_not_a_sound(tmp_path: Path) -> None:
    contents = {
        "text.mp3": b"dear diary " * 500,
        "noise.wav": np.random.default_rng(0).bytes(9_999),
        "half.flac": b"fLaC\x00\x00\x00\x22" + bytes(20),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name, name, "not a sound file", "WAV, MP3")


def test_playlists_do_not_open_other_files(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "private.wav", tones(16_000), 16_000)
    lists = {
        "list.m3u8": f"#EXTM3U\n#EXTINF:1,\nfile://{tmp_path}/private.wav\n#EXT-X-ENDLIST\n",
        "list.wav": f"ffconcat version 1.0\nfile {tmp_path}/private.wav\n",
    }
    for name, text in lists.items():
        (tmp_path / name).write_text(text)
        refused(tmp_path / name, "not a sound file")
    refused(f"concat:{tmp_path}/private.wav", "No sound file")


def test_a_video_without_sound(tmp_path: Path) -> None:
    write_video(tmp_path / "silent.mp4", None)
    refused(tmp_path / "silent.mp4", "silent.mp4", "video without sound")


def test_no_samples_at_all(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "voice.wav", np.zeros((0, 1)), 16_000)
    refused(tmp_path / "voice.wav", "no samples")
    refused((16_000, np.zeros(0)), "no samples")
    refused((16_000, np.zeros((0, 2))), "no samples")


def test_longer_than_the_limit(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "voice.wav", tones(16_000, 1.0), 16_000)
    refused(tmp_path / "voice.wav", "voice.wav", "limit of 0.5 seconds", max_s=0.5)
    refused((16_000, tones(16_000, 1.0)), "limit of 0.5 seconds", max_s=0.5)
    refused((4_000, np.zeros(4_000 * 1_801, np.int16)), "limit of 30 minutes")
    assert load_speech(tmp_path / "voice.wav", max_s=1.0).duration_s == 1.0


def test_arrays_that_are_no_sound() -> None:
    refused((16_000, np.full(100, np.nan)), "100%", "NaN")
    refused((16_000, np.zeros((2, 3, 4))), "[2, 3, 4]", "[samples, channels]")
    refused((16_000, np.zeros((2, 4_000))), "[2, 4000]")
    refused((16_000, None), "shape")
    refused((16_000, np.zeros(100, np.int64)), "int64")
    refused((0, np.zeros(100)), "0 Hz")
    refused((10**6, np.zeros(100)), "1000000 Hz", "768,000")
    refused((16_000,), "(sample rate, array)")
    refused(("fast", np.zeros(100)), "sample rate", "fast")
    refused((float("inf"), np.zeros(100)), "sample rate", "inf")
    refused((44_100.7, np.zeros(100)), "whole number", "44100.7")
    refused((16_000, [[0.1], [0.1, 0.2]]), "[samples, channels]")
    refused((16_000, np.full(100, 1e300)), "NaN or infinity")
    refused((16_000, np.full((100, 6), 3e38, np.float32)), "NaN or infinity")


def test_a_header_with_a_rate_that_nobody_uses_is_refused_for_that(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "slow.wav", np.zeros(16_000), 16_000)
    content = bytearray((tmp_path / "slow.wav").read_bytes())
    content[24:28] = (1).to_bytes(4, "little")
    (tmp_path / "slow.wav").write_bytes(content)
    refused(tmp_path / "slow.wav", "sample rate of 1 Hz", "4,000")


def test_numbers_may_have_the_other_order_of_bytes() -> None:
    spoken = (10_000 * np.sin(np.arange(16_000) / 20)).astype(">i2")
    native = load_speech((16_000, spoken.astype(np.int16)))
    assert (load_speech((16_000, spoken)).samples == native.samples).all()
