"""Frames and sound → short mp4 fragments that a browser plays while the next ones are made.

One H.264 and one AAC encoder live as long as the session, so picture and sound are continuous
across fragments. Only the container is new for each chunk. Every fragment leaves with all frames of
its chunk (an encoder that looks ahead, or ffmpeg's own fragmenting of one long container, would
hold up to six of them back until the next chunk). The first one starts with a key frame, later ones
only every few seconds. Later key frames are encoded from what is on the screen
(:mod:`flashtalk.outputs.key_frames`).

Every picture is marked as AI-generated here (:mod:`flashtalk.provenance.marks`), where live video,
files and API have their one door.

Time: both tracks start at 0 and the picture is the clock. AAC needs 1,024 samples of lead-in
("priming"). That packet is left out, so sound begins at 0 too, and its first 21 ms fade in.
Fragments appended to one another are a valid fragmented mp4: the browser's ``MediaSource`` and
:mod:`flashtalk.outputs.recording` read the same bytes.
"""

from __future__ import annotations

import io
import operator
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from flashtalk.outputs.key_frames import Screen
from flashtalk.provenance.marks import Marks

MARK = "AI-generated with FlashTalk"
"""Written into the comment of every file, so that the video carries its origin."""

_VIDEO_OPTIONS = {
    "preset": "veryfast",
    "tune": "zerolatency",  # no look-ahead: a frame that goes in comes out
    "crf": "20",
    "sc_threshold": "0",  # key frames come when asked for only
    "forced-idr": "1",  # nothing after a key frame depends on anything before it
    # A key frame is a good copy of what it is drawn from: a third of the quantizer of the others.
    # Colors are encoded finely, so that a key frame does not shift those of the watermark.
    "x264-params": "ipratio=3.0:chroma-qp-offset=-4",
}
_AUDIO_BITS_PER_CHANNEL = 96_000  # per second
_BT709 = 1  # the same code for matrix, primaries and transfer
_LIMITED_RANGE = 1
_KEY_FRAME = 1
_KEY_FRAME_EVERY_S = 5.0  # or later: only fragments start with one, for seeking and for joining
_FRAGMENT_OPTIONS = {
    "movflags": "empty_moov+default_base_moof+frag_discont",
    "use_editlist": "0",
    "avoid_negative_ts": "disabled",
}


class FragmentEncoder:
    """Encodes the chunks of one session; not safe for use by two threads at once.

    Args:
        width: picture width in pixels, even.
        height: picture height in pixels, even.
        fps: frames per second.
        audio_rate_hz: samples per second; must be a multiple of ``fps``.
        channels: 1 or 2.
        visible_mark: draw the visible mark; the watermark is always there.

    Raises:
        ValueError: for a size or a rate that the codecs cannot carry.
    """

    def __init__(
        self,
        width: int,
        height: int,
        fps: int = 25,
        audio_rate_hz: int = 48_000,
        channels: int = 1,
        *,
        visible_mark: bool = True,
    ) -> None:
        if width < 2 or height < 2 or width % 2 or height % 2:
            raise ValueError(f"width and height must be even, got {width}x{height}")
        if fps < 1 or audio_rate_hz % fps:
            raise ValueError(f"audio_rate_hz ({audio_rate_hz}) must be a multiple of fps ({fps})")
        if channels not in (1, 2):
            raise ValueError(f"channels must be 1 or 2, got {channels}")
        self._size = (height, width, 3)
        self._channels = channels
        self._samples_per_frame = audio_rate_hz // fps
        self._video_time = Fraction(1, fps)
        self._audio_time = Fraction(1, audio_rate_hz)
        self._layout = "mono" if channels == 1 else "stereo"
        self._pixels = VideoReformatter()
        self._marks = Marks(width, height, visible=visible_mark)
        self.frames = 0
        """Pictures encoded so far."""
        self._key_every = round(_KEY_FRAME_EVERY_S * fps)
        self._next_key = 0  # the first frame that may be a key frame
        self._samples = 0  # encoded so far
        self._waiting = np.zeros((channels, 0), np.float32)  # less than one AAC frame
        self._fragments = 0
        self._finished = False
        self._open(width, height, fps, audio_rate_hz)
        self.init_segment: bytes = self._headers()
        """``ftyp`` and ``moov``: what a player needs before the first fragment."""

    @property
    def mime(self) -> str:
        """The exact type for ``MediaSource.addSourceBuffer``."""
        sps = bytes(self._video.codec_context.extradata or b"").split(b"\x00\x00\x01", 1)[1]
        return f'video/mp4; codecs="avc1.{sps[1:4].hex()}, mp4a.40.2"'

    def encode(self, frames: np.ndarray, audio: np.ndarray) -> bytes:
        """One fragment with every picture of a chunk; the first is preceded by the init segment.

        The sound of a chunk may be shorter than its pictures (silence fills the rest before the
        next chunk's sound). It is never longer, so it cannot run away from the picture. Up to two
        AAC frames (43 ms) of sound stay inside the encoder until the next call.

        Args:
            frames: ``[F, H, W, 3]`` uint8, F >= 1.
            audio: ``[channels, n]`` float32 in [-1, 1], n <= F * audio_rate_hz / fps.

        Raises:
            ValueError: for another shape, dtype or length, or after :meth:`finish`.
        """
        frames, audio = self._checked(frames, audio)
        clock = self.frames * self._samples_per_frame
        pictures = [
            packet
            for position, frame in enumerate(frames)
            for packet in self._picture(frame, starts_fragment=position == 0)
        ]
        silence = clock - self._samples - self._waiting.shape[1]
        sound = self._sound(np.pad(audio, ((0, 0), (silence, 0))))
        first = self._fragments == 0
        media = self._fragment(pictures, sound)
        return self.init_segment + media if first else media

    def finish(self) -> bytes:
        """The last sound still inside the encoder, filled up to the last picture; may be empty."""
        if self._finished:
            return b""
        self._finished = True
        silence = self.frames * self._samples_per_frame - self._samples - self._waiting.shape[1]
        sound = self._sound(np.zeros((self._channels, silence), np.float32))
        if self._waiting.shape[1]:
            sound += self._encode_sound(self._waiting)
        if self._samples:
            sound += self._audio.encode(None)
        pictures = self._video.encode(None) if self.frames else []
        return self._fragment(pictures, sound) if pictures or sound else b""

    # --- encoders -------------------------------------------------------------------------------
    def _open(self, width: int, height: int, fps: int, audio_rate_hz: int) -> None:
        # A container that is never written to: it owns the encoders and their headers.
        self._header = av.open(io.BytesIO(), "w", format="mp4")
        self._video = self._header.add_stream("libx264", rate=fps, options=_VIDEO_OPTIONS)
        video = self._video.codec_context
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.time_base = self._video_time
        video.max_b_frames = 0
        video.gop_size = 1_000_000  # key frames only where they are asked for
        video.thread_count = 1  # the model needs the other cores more
        video.colorspace = video.color_primaries = video.color_trc = _BT709
        video.color_range = _LIMITED_RANGE
        self._audio = self._header.add_stream("aac", rate=audio_rate_hz)
        audio = self._audio.codec_context
        audio.layout = self._layout
        audio.bit_rate = _AUDIO_BITS_PER_CHANNEL * self._channels
        self._header.start_encoding()
        self._screen = Screen(bytes(video.extradata or b""))
        self._audio_frame = audio.frame_size  # 1,024 samples

    def _picture(self, pixels: np.ndarray, starts_fragment: bool) -> list[Packet[Any]]:
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        frame = self._pixels.reformat(
            rgb,
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
        )
        self._marks.mark(frame)
        key = starts_fragment and self.frames >= self._next_key
        if key:
            self._next_key = self.frames + self._key_every
            frame = self._screen.key_frame(frame)
        frame.pts, frame.time_base = self.frames, self._video_time
        frame.pict_type = _KEY_FRAME if key else 0
        self.frames += 1
        packets = self._video.encode(frame)
        self._screen.show(packets)
        return packets

    def _sound(self, samples: np.ndarray) -> list[Packet[Any]]:
        """Packets of the whole AAC frames in what waited and ``samples [channels, n]``."""
        waiting = np.concatenate([self._waiting, samples.astype(np.float32)], axis=1)
        size = self._audio_frame
        whole = waiting.shape[1] // size * size
        self._waiting = waiting[:, whole:]
        starts = range(0, whole, size)
        return [p for start in starts for p in self._encode_sound(waiting[:, start : start + size])]

    def _encode_sound(self, samples: np.ndarray) -> list[Packet[Any]]:
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples), format="fltp", layout=self._layout
        )
        frame.sample_rate = self._audio.codec_context.sample_rate
        frame.pts, frame.time_base = self._samples, self._audio_time
        self._samples += samples.shape[1]
        return self._audio.encode(frame)

    # --- containers -----------------------------------------------------------------------------
    def _container(self) -> tuple[io.BytesIO, OutputContainer, Stream, Stream]:
        file = io.BytesIO()
        options = _FRAGMENT_OPTIONS | {"fragment_index": str(self._fragments + 1)}
        container = av.open(file, "w", format="mp4", options=options)
        container.metadata["comment"] = MARK
        video = container.add_stream_from_template(self._video)
        audio = container.add_stream_from_template(self._audio)
        return file, container, video, audio

    def _headers(self) -> bytes:
        file, container, _, _ = self._container()
        container.start_encoding()
        container.close()
        return init_segment_of(file.getvalue())

    def _fragment(self, pictures: list[Packet[Any]], sound: list[Packet[Any]]) -> bytes:
        file, container, video, audio = self._container()
        for packet in pictures:
            packet.stream = video
        for packet in sound:
            packet.stream = audio
        timed = [(p.pts * p.time_base, p) for p in pictures + sound if p.pts is not None]
        for time_s, packet in sorted(timed, key=operator.itemgetter(0)):
            if time_s >= 0:  # drops the AAC lead-in
                container.mux_one(packet)
        container.close()
        self._fragments += 1
        return b"".join(data for name, data in _boxes(file.getvalue()) if name in ("moof", "mdat"))

    def _checked(self, frames: np.ndarray, audio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self._finished:
            raise ValueError("finish() was called: open a new FragmentEncoder for a new video")
        frames, audio = np.asarray(frames), np.asarray(audio)
        if frames.dtype != np.uint8 or frames.shape[1:] != self._size or not len(frames):
            raise ValueError(
                f"frames must be [F >= 1, {', '.join(map(str, self._size))}] uint8, "
                f"got {list(frames.shape)} {frames.dtype}"
            )
        if audio.ndim != 2 or audio.shape[0] != self._channels:
            raise ValueError(f"audio must be [{self._channels}, n], got {list(audio.shape)}")
        room = len(frames) * self._samples_per_frame
        if audio.shape[1] > room:
            raise ValueError(
                f"{len(frames)} frames carry at most {room} samples of audio, got {audio.shape[1]}"
            )
        return frames, audio


def init_segment_of(data: bytes) -> bytes:
    """``ftyp`` and ``moov`` of a fragmented mp4; empty for a fragment without them."""
    return b"".join(box for name, box in _boxes(data) if name in ("ftyp", "moov"))


def _boxes(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The top-level boxes of an mp4: (four-letter name, whole box)."""
    start = 0
    while start < len(data):
        size = int.from_bytes(data[start : start + 4], "big")
        yield data[start + 4 : start + 8].decode("ascii"), data[start : start + size]
        start += size
