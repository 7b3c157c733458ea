"""One sound track of an open file -> blocks of samples, and what was missing in it.

Used by :mod:`flashtalk.inputs.sound`. Where the time stamps leave a hole, silence is put, so that
what follows keeps its time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import BinaryIO

import av
import numpy as np
import soundfile

from flashtalk.inputs.chains import links
from flashtalk.inputs.containers import open_container
from flashtalk.inputs.declared import declared_s, is_mistaken, promised_by_wav
from flashtalk.inputs.endings import breaks_off, has_lost_pages
from flashtalk.inputs.hearing import voice_of
from flashtalk.inputs.mixing import Mixed, mix
from flashtalk.inputs.voiced import LEAST_VOICE_S, voiced_s

LEAST_RATE_HZ = 4_000
AUDIBLE = 3e-3  # peak above -50 dB of full scale
LEAST_HOLE_S = 0.1
LONGEST_HOLE_S = 20.0  # beyond that a time stamp is not believed
_HEAD_BYTES = 4_096
# Their decoders make noise of damage, unless they are told to look at the check sums.
_CHECKED = ("tta", "wavpack")
# FFmpeg takes 24-bit integers in 32 for floats of an old kind; libsndfile looks at the values.
_MISTAKEN = "pcm_f24le"
_BLOCK_SAMPLES = 65_536
_MOSTLY = 0.25  # of a track: a voice that speaks so much of it is looked for no further


class NoTrack(Exception):
    """There is no sound track; the message says what there is, as in "contains no sound"."""


class TooLong(Exception):
    """The track goes on beyond the limit."""


@dataclass
class Track:
    """Blocks of floats, gathered packet by packet.

    Rate and channels may change inside a file; all of it follows the first frame.
    """

    blocks: list[Mixed] = field(default_factory=list)
    samples: int = 0
    rate_hz: int = 0
    damaged: bool = False
    """Packets amid others could not be decoded."""
    broken: bool = False
    """The last packet could not be decoded."""
    missing_s: float = 0.0
    """How much silence was put into holes."""
    declared_s: float | None = None
    """How long the track is by the file's own account, if the file knows."""
    breaks_off: bool = False
    """The file's end is missing, and the file does not say how long it was."""
    index: int = 0
    count: int = 1
    """Which of how many tracks."""
    _setup: tuple[int, str, str] | None = None
    _resampler: av.AudioResampler | None = None
    _next_s: float | None = None
    _holes: list[int] = field(default_factory=list)

    @property
    def duration_s(self) -> float:
        return self.samples / self.rate_hz if self.rate_hz else 0.0

    @property
    def is_cut(self) -> bool:
        """The end is missing, rather than a part in the middle."""
        if self.declared_s is None or self.damaged:
            return False
        return self.declared_s - self.duration_s > max(0.25, 0.02 * self.declared_s)

    @property
    def peak(self) -> float:
        """Largest sample, its sign and what is not a number left out."""
        peaks = [np.abs(np.nan_to_num(b.samples, posinf=0, neginf=0)).max() for b in self.blocks]
        return float(max(peaks, default=0.0))

    def voice_s(self) -> float:
        """Seconds in which somebody is heard to speak, in whichever channel that is most."""
        if self.peak < AUDIBLE:
            return 0.0
        return max(voiced_s(each, self.rate_hz) for each in self._heard())

    def has_syllables(self) -> bool:
        """Whether it rises and falls like speech: steady tones, hum and an offset do not."""
        if self.peak < AUDIBLE:
            return False
        return any(voice_of(each, self.rate_hz)[0] > 0 for each in self._heard())

    def _heard(self) -> list[np.ndarray]:
        whole = self.joined()
        heard = [*whole.samples] if whole.center is None else [*whole.samples, whole.center]
        return [np.nan_to_num(each, posinf=0, neginf=0) for each in heard]

    def joined(self) -> Mixed:
        """All blocks as one."""
        samples = np.concatenate([block.samples for block in self.blocks], axis=1)
        centers = [block.center for block in self.blocks if block.center is not None]
        loudest = max(block.loudest for block in self.blocks)
        return Mixed(samples, np.concatenate(centers) if centers else None, loudest)

    def add(self, packet: av.Packet[av.AudioStream]) -> None:
        """Decode one packet."""
        try:
            frames = packet.decode()
        except av.FFmpegError:
            self.broken = True
            return
        if frames and self.broken:
            self.damaged, self.broken = True, False
        for frame in frames:
            self._convert(frame)

    def begin_again(self) -> None:
        """What comes next counts its time from 0."""
        self._flush()
        self._setup = self._next_s = None

    def finish(self) -> None:
        """Take what is still held back."""
        self._flush()
        if self.declared_s is not None and self._holes:
            self._shorten_holes(self.samples - round(self.declared_s * self.rate_hz))

    def _flush(self) -> None:
        if self._resampler is not None:
            self._keep(self._resampler.resample(None))
            self._resampler = None

    def _convert(self, frame: av.AudioFrame) -> None:
        if not self.rate_hz:
            self.rate_hz = frame.sample_rate
        self._fill_hole(frame)
        setup = (frame.sample_rate, frame.layout.name, frame.format.name)
        if setup != self._setup or self._resampler is None:
            self._flush()
            self._setup = setup
            self._resampler = av.AudioResampler("flt", frame.layout, self.rate_hz)
        self._keep(self._resampler.resample(frame))

    def _fill_hole(self, frame: av.AudioFrame) -> None:
        if frame.time is None:
            return
        hole_s = frame.time - self._next_s if self._next_s is not None else 0.0
        self._next_s = frame.time + frame.samples / frame.sample_rate
        if LEAST_HOLE_S <= hole_s <= LONGEST_HOLE_S and self.blocks:
            self._flush()
            self.missing_s += hole_s
            last, count = self.blocks[-1], round(hole_s * self.rate_hz)
            silence = np.zeros((len(last.samples), count), np.float32)
            self._holes.append(len(self.blocks))
            self.blocks.append(Mixed(silence, None if last.center is None else silence[0]))
            self.samples += count

    def _shorten_holes(self, excess: int) -> None:
        """Time stamps after damage may be late (FLAC); the whole is never longer than declared."""
        for index in self._holes:
            hole = self.blocks[index]
            less = min(max(excess, 0), hole.samples.shape[1])
            center = None if hole.center is None else hole.center[less:]
            self.blocks[index] = Mixed(hole.samples[:, less:], center)
            self.samples -= less
            self.missing_s -= less / self.rate_hz
            excess -= less

    def _keep(self, frames: list[av.AudioFrame]) -> None:
        for frame in frames:
            names = tuple(channel.name for channel in frame.layout.channels)
            # Not planar: PyAV reads beyond its memory where there are more than eight planes.
            block = frame.to_ndarray().reshape(-1, len(names)).T
            mixed = mix(np.ascontiguousarray(block), names)
            self.blocks.append(mixed.like(self.blocks[0]) if self.blocks else mixed)
            self.samples += frame.samples


def audible_track(file: BinaryIO, max_s: float, formats: str) -> Track:
    """The sound track of ``file`` in which somebody speaks.

    It is the first that speaks much of the time, else the one that speaks longest. Where no voice
    is heard, it is the first with syllables, else the first that is not silent.

    ``formats`` are those of FFmpeg that are accepted.

    Raises:
        NoTrack: there is no sound track.
        TooLong: as soon as ``max_s`` seconds are exceeded.
        av.FFmpegError: not a sound file.
    """
    best = _track(file, 0, max_s, formats)
    if best.count == 1:
        return best
    merit = _merit(best)
    for index in range(1, best.count):
        if merit[0] > 0 and merit[0] >= _MOSTLY * best.duration_s:
            break
        try:
            track = _track(file, index, max_s, formats)
        except (av.FFmpegError, TooLong):
            continue  # the others may be whole
        if (other := _merit(track)) > merit:
            best, merit = track, other
    return best


def _merit(track: Track) -> tuple[float, bool, float]:
    """Seconds of voice, whether there are syllables, how loud it is up to where it is heard."""
    voice_s = track.voice_s()
    voice_s = voice_s if voice_s >= LEAST_VOICE_S else 0.0
    return voice_s, track.has_syllables(), min(track.peak, AUDIBLE)


def _track(file: BinaryIO, index: int, max_s: float, formats: str) -> Track:
    """Number ``index`` of the sound tracks of ``file``; raises as :func:`audible_track`."""
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    first, *others = links(file)
    with open_container(first, formats) as container:
        streams = _streams(container)
        told = declared_s(container, streams[index], file, head)
        track = Track(declared_s=told, index=index, count=len(streams))
        mistaken = streams[index].codec_context.name == _MISTAKEN or is_mistaken(head)
        if not mistaken:
            _read(container, streams[index], track, max_s)
        kind = container.format.name
    if mistaken:
        _read_by_libsndfile(file, track, max_s)
    if (times := promised_by_wav(file, head)) > 1.0:
        track.declared_s = times * track.duration_s
    for link in others:
        track.begin_again()
        with open_container(link, formats) as container:
            _read(container, _streams(container)[index], track, max_s)
    track.breaks_off = breaks_off(file, kind)
    if kind == "ogg" and not track.missing_s:
        track.damaged |= has_lost_pages(file)
    return track


def _streams(container: av.container.InputContainer) -> list[av.AudioStream]:
    """The sound tracks; raises :class:`NoTrack` if there are none."""
    # Sound of a kind that nobody decodes has no codec, and PyAV no facts of it.
    streams = [each for each in container.streams.audio if each.codec_context is not None]
    if not streams:
        if container.streams.audio:
            raise NoTrack("holds sound of a kind that cannot be decoded")
        film = bool(container.streams.video)
        raise NoTrack("is a video without sound" if film else "contains no sound")
    return streams


def _read_by_libsndfile(file: BinaryIO, track: Track, max_s: float) -> None:
    """As :func:`_read`, of what FFmpeg takes for something else."""
    file.seek(0)
    try:
        with soundfile.SoundFile(file) as sound:
            track.rate_hz = sound.samplerate
            # Not sound.blocks(), which wants files in which it can jump.
            while (block := sound.read(_BLOCK_SAMPLES, "float32", always_2d=True)).size:
                track.blocks.append(mix(np.ascontiguousarray(block.T)))
                track.samples += len(block)
                if track.samples > max_s * track.rate_hz:
                    raise TooLong
    except soundfile.LibsndfileError as error:
        raise NoTrack("holds sound of a kind that cannot be decoded, or is damaged") from error


def _read(
    container: av.container.InputContainer, stream: av.AudioStream, track: Track, max_s: float
) -> None:
    if stream.codec_context.name in _CHECKED:
        stream.codec_context.options = {"err_detect": "crccheck+explode"}
    try:
        for packet in container.demux(stream):
            track.add(packet)
            if 0 < track.rate_hz < LEAST_RATE_HZ:
                break  # whoever asked refuses it: a packet for each sample would take minutes
            if track.samples > max_s * track.rate_hz:
                raise TooLong
    except av.FFmpegError:
        if not track.samples:
            raise
        track.broken = True  # what was there before is used
    track.finish()
