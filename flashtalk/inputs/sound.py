"""Any sound a person may hand in -> float samples at the rate they came with, or a sentence.

First half of :mod:`flashtalk.inputs.speech`: decoding of sound and video files with PyAV, and
reading of ``(rate, array)`` as Gradio gives it; no resampling.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from flashtalk.errors import FlashTalkError

SoundSource = str | Path | tuple[int, np.ndarray]

MIN_RATE_HZ = 4_000
MAX_RATE_HZ = 768_000
MAX_CHANNELS = 64
SUPPORTED = "Use a WAV, MP3, M4A, FLAC or OGG file, or a video with sound"
DAMAGED = "Parts of the sound are damaged and were left out."

# Self-contained formats only. Playlists (m3u8, ffconcat, sdp, dash) make the decoder open other
# files and addresses, which an uploaded file must never do.
_FORMATS = (
    "wav,w64,rf64,aiff,au,caf,mp3,flac,ogg,aac,ac3,eac3,amr,asf,mov,mp4,m4a,matroska,webm,avi,"
    "mpeg,mpegts,flv,wv,tta,ape,loas,dts,mpegvideo"
)


@dataclass(frozen=True, eq=False)
class Sound:
    """Decoded sound, mono or stereo."""

    samples: np.ndarray
    """[channels, samples] float32, 1 or 2 channels, finite; full scale is -1..1."""
    rate_hz: int
    name: str
    """How to call it in a sentence: "The sound" or "The sound voice.wav"."""
    notices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.samples.ndim != 2 or self.samples.shape[0] not in (1, 2):
            raise ValueError(f"samples must be [1 or 2, samples], got {self.samples.shape}")


def open_sound(source: SoundSource, *, max_s: float) -> Sound:
    """Decode ``source``: a sound or video file, or ``(rate_hz, array)``.

    An array is [samples] or [samples, channels], of 8, 16 or 32-bit integers or floats. More than
    two channels are averaged to one. Decoding stops as soon as ``max_s`` seconds are exceeded.

    Raises:
        FlashTalkError: missing, damaged, without sound, empty, longer than ``max_s``.
    """
    if isinstance(source, tuple):
        return _from_array(source, max_s)
    if isinstance(source, str | Path):
        return _from_file(Path(source), max_s)
    raise FlashTalkError(
        "Speech is a path to a sound or video file, or (sample rate, array); "
        f"got {type(source).__name__}."
    )


def too_long(name: str, max_s: float) -> FlashTalkError:
    """The error for speech beyond the limit."""
    limit = f"{max_s / 60:g} minutes" if max_s >= 120 else f"{max_s:g} seconds"
    return FlashTalkError(f"{name} is longer than the limit of {limit}. Cut it and try again.")


# --- files ----------------------------------------------------------------------------------------
def _from_file(path: Path, max_s: float) -> Sound:
    if path.is_dir():
        raise FlashTalkError(f"{path} is a folder, not a sound file. {SUPPORTED}.")
    name = f"The sound {path.name}"
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise FlashTalkError(f"{name} is empty (0 bytes). {SUPPORTED}.")
            file.seek(0)
            # An open file rather than its name: names such as "concat:..." mean more to FFmpeg.
            with av.open(file, options={"format_whitelist": _FORMATS}) as container:
                return _decode(container, name, max_s)
    except FileNotFoundError as error:
        raise FlashTalkError(f"No sound file at {path}. Check the path.") from error
    except (av.InvalidDataError, av.ArgumentError) as error:  # unknown, or not in _FORMATS
        raise FlashTalkError(
            f"{name} is damaged or not a sound file that can be decoded. {SUPPORTED}."
        ) from error
    except av.FFmpegError as error:
        raise FlashTalkError(
            f"{name} cannot be decoded ({error.strerror}). {SUPPORTED}."
        ) from error
    except OSError as error:
        raise FlashTalkError(f"{name} cannot be read: {error.strerror or error}.") from error


def _decode(container: av.container.InputContainer, name: str, max_s: float) -> Sound:
    if not container.streams.audio:
        kind = "is a video without sound" if container.streams.video else "contains no sound"
        raise FlashTalkError(f"{name} {kind}. {SUPPORTED}.")
    stream = _Decoded()
    for packet in container.demux(container.streams.audio[0]):
        stream.add(packet)
        if stream.samples > max_s * stream.rate_hz:
            raise too_long(name, max_s)
    stream.finish()
    if not stream.samples:
        raise FlashTalkError(f"{name} holds no samples that can be decoded. {SUPPORTED}.")
    notices = (DAMAGED,) if stream.damaged else ()
    return _checked(np.concatenate(stream.blocks, axis=1), stream.rate_hz, name, max_s, notices)


class _Decoded:
    """Planar float blocks, gathered packet by packet.

    Rate and channels may change inside a file; all of it follows the first frame.
    """

    def __init__(self) -> None:
        self.blocks: list[np.ndarray] = []  # each [1 or 2, samples]
        self.samples = 0
        self.rate_hz = 0
        self.damaged = False
        self._first: av.AudioFrame | None = None
        self._setup: tuple[int, str, str] | None = None
        self._resampler: av.AudioResampler | None = None

    def add(self, packet: av.Packet) -> None:
        try:
            frames = packet.decode()
        except av.FFmpegError:
            self.damaged = True
            return
        for frame in frames:
            self._convert(frame)

    def finish(self) -> None:
        """Take what the resampler still holds back."""
        if self._resampler is not None:
            self._keep(self._resampler.resample(None))

    def _convert(self, frame: av.AudioFrame) -> None:
        if self._first is None:
            self._first, self.rate_hz = frame, frame.sample_rate
        setup = (frame.sample_rate, frame.layout.name, frame.format.name)
        if setup != self._setup or self._resampler is None:
            self.finish()
            self._setup = setup
            self._resampler = av.AudioResampler("fltp", self._first.layout, self.rate_hz)
        self._keep(self._resampler.resample(frame))

    def _keep(self, frames: list[av.AudioFrame]) -> None:
        for frame in frames:
            self.blocks.append(_at_most_stereo(frame.to_ndarray()))
            self.samples += frame.samples


# --- arrays ---------------------------------------------------------------------------------------
def _from_array(source: tuple[int, np.ndarray], max_s: float) -> Sound:
    name = "The sound"
    if len(source) != 2:
        raise FlashTalkError(
            f"Speech as an array is (sample rate, array); got {len(source)} items."
        )
    rate_hz, array = _rate(source[0]), np.asarray(source[1])
    if array.ndim not in (1, 2) or (array.ndim == 2 and not 1 <= array.shape[1] <= MAX_CHANNELS):
        raise FlashTalkError(
            "A sound array has the shape [samples] or [samples, channels]; "
            f"got {list(array.shape)}."
        )
    if not array.size:
        raise FlashTalkError(f"{name} is empty: it holds no samples. Record or choose another one.")
    columns = _to_float(array.reshape(len(array), -1)).T
    return _checked(_at_most_stereo(columns), rate_hz, name, max_s, ())


def _rate(value: object) -> int:
    try:
        return int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError) as error:
        raise FlashTalkError(f"The sample rate must be a number in Hz, got {value!r}.") from error


def _to_float(array: np.ndarray) -> np.ndarray:
    """Number types to float32 with full scale at -1..1."""
    kind = array.dtype
    if kind.kind == "f":
        return array.astype(np.float32)
    if kind == np.uint8:  # the only unsigned sample format in use; its zero is 128
        return (array.astype(np.float32) - 128.0) / 128.0
    if kind in (np.int8, np.int16, np.int32):
        return (array / (np.iinfo(kind).max + 1.0)).astype(np.float32)
    raise FlashTalkError(f"A sound array holds 8, 16 or 32-bit integers or floats; got {kind}.")


# --- both -----------------------------------------------------------------------------------------
def _at_most_stereo(block: np.ndarray) -> np.ndarray:
    """[channels, samples]; more than two channels are averaged at once, to spare memory."""
    return block if block.shape[0] <= 2 else block.mean(axis=0, keepdims=True)


def _checked(
    samples: np.ndarray, rate_hz: int, name: str, max_s: float, notices: tuple[str, ...]
) -> Sound:
    if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise FlashTalkError(
            f"{name} has a sample rate of {rate_hz} Hz; "
            f"{MIN_RATE_HZ:,} to {MAX_RATE_HZ:,} Hz are accepted."
        )
    if samples.shape[1] > max_s * rate_hz:
        raise too_long(name, max_s)
    samples = np.ascontiguousarray(samples, dtype=np.float32)
    valid = np.isfinite(samples)
    if not valid.all():
        share = 1.0 - float(valid.mean())
        if share > 0.1:
            raise FlashTalkError(
                f"{name} is damaged: {share:.0%} of its samples are not numbers (NaN or infinity)."
            )
        samples = np.where(valid, samples, np.float32(0.0))
        notices += ("Some samples were not numbers (NaN or infinity) and were muted.",)
    return Sound(samples, rate_hz, name, notices)
