"""A voice of known syllables, and files that hold it: nobody's recording."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

RATE_HZ = 16_000


def voice(seconds: float = 3.0, rate_hz: int = RATE_HZ) -> np.ndarray:
    """[samples] float32: a buzz of 140 Hz in four syllables a second, with a pause now and then."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    buzz = sum(np.sin(2 * np.pi * 140.0 * k * time_s) / k for k in range(1, 20))
    syllables = np.clip(np.sin(2 * np.pi * 4.0 * time_s), 0.0, None) * (time_s % 1.0 < 0.8)
    return (0.1 * buzz * syllables).astype(np.float32)


def hum(seconds: float = 3.0, rate_hz: int = RATE_HZ, level: float = 0.2) -> np.ndarray:
    """[samples]: steady noise and mains hum."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    noise = np.random.default_rng(0).normal(0.0, 0.3, time_s.size)
    return (level * (np.sin(2 * np.pi * 50.0 * time_s) + noise)).astype(np.float32)


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))


def write_tracks(path: Path, codec: str, *tracks: np.ndarray, layout: str = "mono") -> None:
    """One sound track in ``path`` for each of ``tracks`` [channels, samples] at 48 kHz."""
    with av.open(str(path), "w") as out:
        streams = [out.add_stream(codec, 48_000, layout=layout) for _ in tracks]
        for stream, samples in zip(streams, tracks, strict=True):
            form, size = stream.codec_context.format.name, stream.codec_context.frame_size
            packed = np.ascontiguousarray(samples.T, dtype=np.float32).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(packed, "flt", layout)
            frame.sample_rate, frame.pts = 48_000, 0
            resampler = av.AudioResampler(form, layout, 48_000, frame_size=size or 1_024)
            for piece in [*resampler.resample(frame), *resampler.resample(None)]:
                out.mux(stream.encode(piece))
            out.mux(stream.encode(None))
