"""Sounds that are whole, and of kinds that libraries mistake or stop in."""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import soxr
from voices import RATE_HZ, rms, voice

from flashtalk.inputs.mixing import mix
from flashtalk.inputs.speech import load_speech

SPOKEN = voice(3.0, RATE_HZ)
PCM = bytes.fromhex("0100000000001000800000aa00389b71")


def alike(speech_samples: np.ndarray, expected: np.ndarray) -> float:
    return float(
        np.corrcoef(speech_samples[: expected.size], expected[: speech_samples.size])[0, 1]
    )


def wav(data: bytes, *, bits: int, extensible: bool) -> bytes:
    """A file of 32-bit words that hold ``bits``."""
    tag, width = (0xFFFE, 32) if extensible else (1, bits)
    head = struct.pack("<HHIIHH", tag, 1, RATE_HZ, 4 * RATE_HZ, 4, width)
    if extensible:
        head += struct.pack("<HHI", 22, bits, 4) + PCM
    body = b"WAVEfmt " + struct.pack("<I", len(head)) + head
    body += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("extensible", [True, False])
def test_integers_of_24_bits_in_32_are_no_noise(extensible: bool, tmp_path: Path) -> None:
    """FFmpeg takes these for floats."""
    words = np.round(SPOKEN * (2**23 - 1)).astype("<i4") << 8
    (tmp_path / "voice.wav").write_bytes(wav(words.tobytes(), bits=24, extensible=extensible))
    speech = load_speech(tmp_path / "voice.wav")
    assert speech.notices == () and alike(speech.samples, SPOKEN) > 0.999
    assert rms(speech.samples) == pytest.approx(rms(SPOKEN), rel=0.01)


def test_integers_of_24_bits_in_32_have_a_limit_too(tmp_path: Path) -> None:
    words = np.round(SPOKEN * (2**23 - 1)).astype("<i4") << 8
    (tmp_path / "voice.wav").write_bytes(wav(words.tobytes(), bits=24, extensible=True))
    with pytest.raises(Exception, match="longer than the limit"):
        load_speech(tmp_path / "voice.wav", max_s=1.0)


@pytest.mark.parametrize(
    ("rates", "channels"),
    [((32_000, 44_100), (1, 1)), ((44_100, 32_000), (2, 2)), ((44_100, 44_100), (1, 2))],
)
def test_all_links_of_an_ogg_chain_are_heard(
    rates: tuple[int, int], channels: tuple[int, int], tmp_path: Path
) -> None:
    """Each as loud as it is, whatever its rate and channels."""
    chain = b""
    halves = np.array_split(SPOKEN, 2)
    for part, rate_hz, count in zip(halves, rates, channels, strict=True):
        link, sound = io.BytesIO(), soxr.resample(part, RATE_HZ, rate_hz)
        soundfile.write(link, np.stack([sound] * count, axis=1), rate_hz, format="OGG")
        chain += link.getvalue()
    (tmp_path / "radio.ogg").write_bytes(chain)
    speech = load_speech(tmp_path / "radio.ogg")
    assert speech.notices == () and speech.duration_s == pytest.approx(3.0, abs=0.02)
    assert alike(speech.samples, SPOKEN) > 0.97
    for heard, part in zip(np.array_split(speech.samples, 2), halves, strict=True):
        assert rms(heard) == pytest.approx(rms(part), rel=0.1)


def film(path: Path, *tracks: tuple[float, float]) -> None:
    """Sounds of so many seconds that begin so late."""
    with av.open(path, "w") as container:
        streams = [container.add_stream("flac", rate=RATE_HZ, layout="mono") for _ in tracks]
        for stream, (late_s, seconds) in zip(streams, tracks, strict=True):
            samples = (SPOKEN[: round(seconds * RATE_HZ)] * 32_767).astype("<i2")[None]
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate, frame.pts = RATE_HZ, round(late_s * RATE_HZ)
            frame.time_base = Fraction(1, RATE_HZ)
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))


@pytest.mark.parametrize("tracks", [[(2.0, 3.0)], [(0.0, 1.0), (1.0, 1.0)]])
def test_a_sound_that_begins_late_or_ends_early_is_not_cut(
    tracks: list[tuple[float, float]], tmp_path: Path
) -> None:
    film(tmp_path / "film.mkv", *tracks)
    speech = load_speech(tmp_path / "film.mkv")
    assert speech.duration_s == pytest.approx(tracks[0][1], abs=0.02)
    assert not [notice for notice in speech.notices if "cut off" in notice]


def test_blocks_follow_the_first_one() -> None:
    mono, stereo = mix(np.ones((1, 4), np.float32)), mix(np.ones((2, 4), np.float32))
    film = mix(np.ones((6, 4), np.float32), ("FL", "FR", "FC", "LFE", "SL", "SR"))
    assert stereo.like(mono).samples.tolist() == mono.samples.tolist()
    assert mono.like(stereo).samples.tolist() == stereo.samples.tolist()
    assert film.like(stereo).center is None
    center = stereo.like(film).center
    assert center is not None and center.tolist() == [1.0] * 4
