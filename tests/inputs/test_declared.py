"""Lengths that files promise, and telephones' sound, which FFmpeg takes for something else."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from voices import rms, voice

from flashtalk.errors import FlashTalkError
from flashtalk.inputs.declared import is_mistaken
from flashtalk.inputs.speech import load_speech

RATE_HZ = 8_000
SPOKEN = voice(2.0, RATE_HZ)


def alike(found: np.ndarray, expected: np.ndarray) -> float:
    """Of the same sound at two rates: how alike their loudness is over time."""
    levels = [
        np.array([rms(part) for part in np.array_split(samples, 60)])
        for samples in (found, expected)
    ]
    return float(np.corrcoef(*levels)[0, 1])


@pytest.mark.parametrize(
    ("kind", "compression"),
    [("WAV", f"NMS_ADPCM_{bits}") for bits in (16, 24, 32)]
    + [("WAV", "G721_32"), ("AU", "G721_32"), ("AU", "G723_24"), ("AU", "G723_40")],
)
def test_sound_of_telephones_is_no_noise(kind: str, compression: str, tmp_path: Path) -> None:
    file = tmp_path / "call.snd"
    soundfile.write(file, SPOKEN, RATE_HZ, format=kind, subtype=compression)
    assert is_mistaken(file.read_bytes()[:4_096])
    speech = load_speech(file)
    assert speech.notices == () and speech.duration_s == pytest.approx(2.0, abs=0.05)
    assert rms(speech.samples) == pytest.approx(rms(SPOKEN), rel=0.1)
    assert alike(speech.samples, SPOKEN) > 0.98


def test_a_call_that_cannot_be_decoded_is_a_sentence(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", SPOKEN, RATE_HZ, subtype="NMS_ADPCM_32")
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content[22:24] = struct.pack("<H", 3)  # channels, of which there is one
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(FlashTalkError, match=r"The sound a\.wav .* cannot be decoded"):
        load_speech(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("kind", "compression"),
    [
        *(("W64", "MS_ADPCM"), ("W64", "IMA_ADPCM"), ("AIFF", "GSM610"), ("AIFF", "PCM_16")),
        *(("AU", "ULAW"), ("WAV", "GSM610"), ("MP3", "MPEG_LAYER_III")),
    ],
)
def test_a_whole_file_is_not_called_cut(kind: str, compression: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.snd", SPOKEN, RATE_HZ, format=kind, subtype=compression)
    assert load_speech(tmp_path / "a.snd").notices == ()


@pytest.mark.parametrize("codec", ["adpcm_ms", "adpcm_ima_wav", "adpcm_yamaha", "pcm_s16le"])
def test_half_a_file_promises_what_a_whole_one_has(codec: str, tmp_path: Path) -> None:
    """FFmpeg counts more bits a second in some of these than there are."""
    whole, half = tmp_path / "whole.wav", tmp_path / "half.wav"
    with av.open(str(whole), "w") as out:
        stream = out.add_stream(codec, 48_000, layout="mono")
        sound = (voice(3.0, 48_000) * 32_767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(sound[None], "s16", "mono")
        frame.sample_rate, frame.pts = 48_000, 0
        fifo = av.AudioFifo()
        fifo.write(frame)
        size = stream.codec_context.frame_size or sound.size
        for part in fifo.read_many(size, partial=True):
            resampled = av.AudioResampler(stream.codec_context.format, "mono", 48_000)
            for each in resampled.resample(part):
                out.mux(stream.encode(each))
        out.mux(stream.encode(None))
    assert load_speech(whole).notices == ()
    content = whole.read_bytes()
    half.write_bytes(content[: len(content) // 2])
    (notice,) = load_speech(half).notices
    assert "the file promises 3.0 s, and holds 1.5 s" in notice


@pytest.mark.parametrize("compression", ["VORBIS", "OPUS"])
@pytest.mark.parametrize("lost", range(3))
def test_lost_pages_of_ogg_are_told(compression: str, lost: int, tmp_path: Path) -> None:
    """The first lost page of sound left no hole: what followed moved to the beginning."""
    soundfile.write(
        tmp_path / "a.ogg", voice(12.0, 48_000), 48_000, format="OGG", subtype=compression
    )
    assert load_speech(tmp_path / "a.ogg").notices == ()
    head, *pages = (tmp_path / "a.ogg").read_bytes().split(b"OggS")[1:]
    assert len(pages) > 5
    del pages[1 + lost]  # the first has the codec's tables
    (tmp_path / "a.ogg").write_bytes(b"OggS" + b"OggS".join([head, *pages]))
    assert len(load_speech(tmp_path / "a.ogg").notices) == 1
