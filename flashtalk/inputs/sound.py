"""Any sound a person may hand in -> float samples at the rate they came with, or a sentence.

First half of :mod:`flashtalk.inputs.speech`. It decodes sound and video files with PyAV, and reads
``(rate, array)`` as Gradio gives it. It does not resample.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np

from flashtalk.errors import FlashTalkError
from flashtalk.inputs.files import Kind, open_file, short
from flashtalk.inputs.mixing import Mixed, mix
from flashtalk.inputs.tracks import LEAST_RATE_HZ, NoTrack, TooLong, Track, audible_track

SoundSource = str | Path | tuple[int, np.ndarray]

MAX_RATE_HZ = 768_000
MAX_CHANNELS = 64
SUPPORTED = "Use a WAV, MP3, M4A, FLAC or OGG file, or a video with sound"
DAMAGED = "Parts of the sound are damaged and were left out."
HOLES = "{seconds:.1f} s of the sound are missing in the file, and are silent."
CUT = "The sound is cut off: the file promises {declared:.1f} s, and holds {seconds:.1f} s."
BREAKS_OFF = "The sound breaks off after {seconds:.1f} s: the end of the file is missing."
FIRST_TRACK = "The file has {count} sound tracks; the first one is used."
LATER_TRACK = (
    "The file has {count} sound tracks; number {number} is used, as it sounds most like a voice."
)
LOW_ALONE = (
    "Nothing is left of the sound once its channels are mixed for two loudspeakers: the channel of "
    "low frequencies is left out. Export it as stereo."
)
_SILENCE = 1e-3  # peak below -60 dB of full scale
_SOUND = Kind("sound", "sound file", SUPPORTED)

FORMATS = (
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
    center: np.ndarray | None = None
    """[samples]: the center of more than two channels, where films have their dialog."""

    def __post_init__(self) -> None:
        if self.samples.ndim != 2 or self.samples.shape[0] not in (1, 2):
            raise ValueError(f"samples must be [1 or 2, samples], got {self.samples.shape}")


def open_sound(source: SoundSource, *, max_s: float) -> Sound:
    """Decode ``source``: a sound or video file, or ``(rate_hz, array)``.

    An array is [samples] or [samples, channels], of 8, 16 or 32-bit integers or floats. More than
    two channels are mixed to two. Of several sound tracks, the one with a voice is taken.
    Decoding stops as soon as ``max_s`` seconds are exceeded.

    Raises:
        FlashTalkError: missing, damaged, without sound, empty, longer than ``max_s``.
    """
    if isinstance(source, tuple):
        return _from_array(source, max_s)
    if isinstance(source, str | Path):
        return _from_file(source, max_s)
    raise FlashTalkError(
        "Speech is a path to a sound or video file, or (sample rate, array); "
        f"got {type(source).__name__}."
    )


def too_long(name: str, max_s: float) -> FlashTalkError:
    """The error for speech beyond the limit."""
    limit = f"{max_s / 60:g} minutes" if max_s >= 120 else f"{max_s:g} seconds"
    return FlashTalkError(f"{name} is longer than the limit of {limit}. Cut it and try again.")


# --- files ----------------------------------------------------------------------------------------
def _from_file(source: str | Path, max_s: float) -> Sound:
    name = f"The sound {short(Path(source).name)}"
    try:
        with open_file(source, _SOUND) as file:
            return _decoded(file, name, max_s)
    except (av.InvalidDataError, av.ArgumentError) as error:  # unknown, or not in FORMATS
        raise FlashTalkError(
            f"{name} is damaged or not a sound file that can be decoded. {SUPPORTED}."
        ) from error
    except av.FFmpegError as error:
        raise FlashTalkError(
            f"{name} cannot be decoded ({error.strerror}). {SUPPORTED}."
        ) from error
    except OSError as error:
        raise FlashTalkError(f"{name} cannot be read: {error.strerror or error}.") from error


def _decoded(file: BinaryIO, name: str, max_s: float) -> Sound:
    try:
        track = audible_track(file, max_s, FORMATS)
    except NoTrack as error:
        raise FlashTalkError(f"{name} {error}. {SUPPORTED}.") from error
    except TooLong as error:
        raise too_long(name, max_s) from error
    if not track.samples:
        raise FlashTalkError(f"{name} holds no samples that can be decoded. {SUPPORTED}.")
    notices = (*_track_notices(track), *_loss_notices(track))
    return _checked(track.joined(), track.rate_hz, name, max_s, notices)


def _track_notices(track: Track) -> tuple[str, ...]:
    told = {"number": track.index + 1, "count": track.count}
    if track.index:
        return (LATER_TRACK.format(**told),)
    return (FIRST_TRACK.format(**told),) if track.count > 1 else ()


def _loss_notices(track: Track) -> tuple[str, ...]:
    """What is missing inside ``track``, and at its end."""
    notices: tuple[str, ...] = ()
    if track.missing_s:
        notices = (HOLES.format(seconds=track.missing_s),)
    elif track.damaged:
        notices = (DAMAGED,)
    if track.is_cut:
        notices += (CUT.format(seconds=track.duration_s, declared=track.declared_s),)
    elif track.breaks_off:
        notices += (BREAKS_OFF.format(seconds=track.duration_s),)
    elif track.broken and not notices:
        notices = (DAMAGED,)
    return notices


# --- arrays ---------------------------------------------------------------------------------------
def _from_array(source: tuple[int, np.ndarray], max_s: float) -> Sound:
    name = "The sound"
    if len(source) != 2:
        raise FlashTalkError(
            f"Speech as an array is (sample rate, array); got {len(source)} items."
        )
    rate_hz = _rate(source[0])
    try:
        array = np.asarray(source[1])
    except ValueError as error:  # rows of several lengths
        raise FlashTalkError(
            "A sound array has the shape [samples] or [samples, channels]; got none."
        ) from error
    if array.ndim not in (1, 2) or (array.ndim == 2 and not 1 <= array.shape[1] <= MAX_CHANNELS):
        raise FlashTalkError(
            "A sound array has the shape [samples] or [samples, channels]; "
            f"got {list(array.shape)}."
        )
    if not array.size:
        raise FlashTalkError(f"{name} is empty: it holds no samples. Record or choose another one.")
    columns = _to_float(array.reshape(len(array), -1)).T
    return _checked(mix(columns), rate_hz, name, max_s, ())


def _rate(value: object) -> int:
    try:
        rate_hz = int(value)  # type: ignore[call-overload]
        whole = bool(rate_hz == float(value))  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError) as error:
        raise FlashTalkError(f"The sample rate must be a number in Hz, got {value!r}.") from error
    if not whole:
        raise FlashTalkError(f"The sample rate must be a whole number in Hz, got {value!r}.")
    return rate_hz


def _to_float(array: np.ndarray) -> np.ndarray:
    """Number types to float32 with full scale at -1..1."""
    kind = array.dtype.newbyteorder("=")
    if kind.kind == "f":
        with np.errstate(over="ignore"):  # infinity is refused or muted later, with a sentence
            return array.astype(np.float32)
    if kind == np.uint8:  # the only unsigned sample format in use; its zero is 128
        return (array.astype(np.float32) - 128.0) / 128.0
    if kind in (np.int8, np.int16, np.int32):
        return (array / (np.iinfo(kind).max + 1.0)).astype(np.float32)
    raise FlashTalkError(f"A sound array holds 8, 16 or 32-bit integers or floats; got {kind}.")


# --- both -----------------------------------------------------------------------------------------
def _checked(
    mixed: Mixed, rate_hz: int, name: str, max_s: float, notices: tuple[str, ...]
) -> Sound:
    if not LEAST_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        raise FlashTalkError(
            f"{name} has a sample rate of {rate_hz} Hz; "
            f"{LEAST_RATE_HZ:,} to {MAX_RATE_HZ:,} Hz are accepted."
        )
    if mixed.samples.shape[1] > max_s * rate_hz:
        raise too_long(name, max_s)
    samples = np.ascontiguousarray(mixed.samples, dtype=np.float32)
    valid = np.isfinite(samples)
    if not valid.all():
        share = 1.0 - float(valid.mean())
        if share > 0.1:
            raise FlashTalkError(
                f"{name} is damaged: {share:.0%} of its samples are not numbers (NaN or infinity)."
            )
        samples = np.where(valid, samples, np.float32(0.0))
        notices += ("Some samples were not numbers (NaN or infinity) and were muted.",)
    if mixed.loudest > _SILENCE > np.abs(samples).max():
        notices += (LOW_ALONE,)
    center = mixed.center
    if center is not None:
        center = np.nan_to_num(center, posinf=0.0, neginf=0.0).astype(np.float32)
    whole = Mixed(samples, center, mixed.loudest).within_full_scale()
    return Sound(whole.samples, rate_hz, name, notices, center)
