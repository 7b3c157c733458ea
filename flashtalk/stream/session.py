"""A visitor's talk: speech is pushed in, video comes out chunk by chunk.

Sits on top of the pure chunk step and below the engine, which opens sessions. A session holds its
conditions, the state between chunks and the speech that waits. The networks are shared and never
written to, so sessions may be interleaved in any order.

One session belongs to one visitor: its calls must follow each other. Different sessions may run in
different threads; a ``compute.Computer`` runs their steps. ``close`` may come from any thread and
takes effect before the next piece of video.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from flashtalk.conditions.loudness import LoudnessNormalizer
from flashtalk.conditions.speech import last_speech_windows
from flashtalk.errors import FlashTalkError
from flashtalk.stream import faults
from flashtalk.stream.chunk import Scene, carry, fragment_bounds, sample, skip
from flashtalk.stream.compute import HERE, Computer
from flashtalk.stream.finisher import Pictures
from flashtalk.stream.lanes import Finished, apart, can_part, in_turn
from flashtalk.stream.piece import VideoPiece
from flashtalk.stream.resting import WayToRest
from flashtalk.stream.speech_buffer import Samples, SpeechBuffer, checked_samples
from flashtalk.stream.state import SessionState, opening_state

Chunk = Generator[Future[Finished], None, SessionState]
"""Yields the pieces of a chunk as they are begun; returns the state after it."""
Split = Literal["first", "every"]
"""Which chunks come in two pieces: the first one of a session, or every one."""


@dataclass(frozen=True, eq=False)
class _Made:
    """A piece of video, as a step leaves it."""

    pictures: Future[Finished]
    completes_chunk: bool
    compute_s: float
    """Seconds of computing since the piece before."""
    timings: dict[str, float]
    """The same by stage, without that of the pictures."""


class Session:
    """``push`` speech as it comes, ``flush`` at its end; both return the video that is ready.

    The video is computed while the returned iterator is consumed. Pieces not taken from one
    iterator come first from the next one; speech is never lost.
    """

    def __init__(
        self,
        scene: Scene,
        *,
        seed: int = 0,
        computer: Computer = HERE,
        picture_thread: Computer | None = None,
        first_fragment_frames: int = 0,
        split: Split = "first",
        notices: tuple[str, ...] = (),
    ) -> None:
        geometry = scene.geometry
        target_lufs = scene.networks.preset.speech_loudness_lufs
        fragment_bounds(geometry, first_fragment_frames)  # a wrong size shows here, not later
        self._scene = scene
        self._computer = computer
        self._picture_thread = picture_thread  # for the last pictures of each chunk
        self._first_fragment_frames = first_fragment_frames
        self._split = split
        self._notices = notices  # for the first piece
        self._state = opening_state(scene.conditions, seed)
        self._speech = SpeechBuffer(geometry.speech_window_samples, geometry.lookahead_samples)
        self._loudness = (
            None
            if target_lufs is None
            else LoudnessNormalizer(target_lufs, geometry.sample_rate_hz)
        )
        self._running: Chunk | None = None
        self._pieces_left = 0  # of the running chunk
        self._begun: Future[_Made | None] | None = None  # the step that runs, or waits to
        self._unshown: Samples = np.zeros(0, np.float32)  # speech of chunks that were begun
        self._shown_frames = 0
        self._last_picture: Pictures | None = None  # [H, W, 3]
        self._way = WayToRest()
        self._shown_pieces = 0
        self._compute_s = 0.0  # since the last step that made a piece
        self._ending = False
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether the session has ended: flushed to the last frame, or closed."""
        return self._closed

    def push(self, samples: Sequence[float] | np.ndarray) -> Iterator[VideoPiece]:
        """Adds mono 16 kHz speech [S], float in -1..1, and returns the video that is ready.

        Any slicing of the same speech gives the same video. Raises :class:`FlashTalkError` for
        other samples and after ``flush`` or ``close``.
        """
        self._require_open()
        self._speech.append(checked_samples(samples))
        return self._deliver()

    def flush(self) -> Iterator[VideoPiece]:
        """Ends the speech: the last chunk is filled with silence, then trimmed to the speech.

        A session shows ``ceil(samples / 640)`` frames in all, and hands back every sample.
        """
        self._require_open()
        self._ending = True
        return self._deliver()

    def skip(self, samples: Sequence[float] | np.ndarray) -> int:
        """Like ``push``, for video that nobody will see; returns how many frames are left out.

        Only what the talk goes on from is computed, which takes less than half of the time. What
        comes after is the same up to rounding. Raises :class:`FlashTalkError` also when video that
        is ready was not taken.
        """
        self._require_open()
        geometry = self._scene.geometry
        if self._in_chunk:
            raise FlashTalkError("Take the video that is ready before skipping what comes next.")
        self._speech.append(checked_samples(samples))
        frames = 0
        while not self._closed and self._next_is_heard():
            self._speech.take(geometry.new_samples)
            self._computer.run(self._skip_chunk)
            frames += geometry.new_frames
        self._shown_frames += frames
        return frames

    def hold(self, samples: Sequence[float] | np.ndarray) -> Iterator[VideoPiece]:
        """Like ``push``, but nothing is computed over speech that the next chunk can do without.

        It is for somebody who speaks faster than video is made. The last picture stays, or the
        person of a live session comes to rest (:class:`flashtalk.stream.resting.WayToRest`). The
        next chunk goes on from the last picture. Raises :class:`FlashTalkError` also when video
        that is ready was not taken.
        """
        self._require_open()
        geometry, last = self._scene.geometry, self._last_picture
        if self._in_chunk:
            raise FlashTalkError("Take the video that is ready before holding a picture.")
        self._speech.append(checked_samples(samples))
        spare = self._speech.pending_samples - geometry.new_samples - geometry.lookahead_samples
        count = spare // geometry.samples_per_frame
        if last is None or count < 1:
            return iter(())
        self._unshown = self._speech.take(count * geometry.samples_per_frame)
        return iter((self._show(self._way.there_and_back(last, count), held=True),))

    def close(self) -> None:
        """Ends the session at once; speech that waits is dropped. May be called twice."""
        self._closed = True

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # --- inside -----------------------------------------------------------------------------------
    def _require_open(self) -> None:
        if self._ending or self._closed:
            raise FlashTalkError("This session has ended. Open a new one to go on talking.")

    def _deliver(self) -> Iterator[VideoPiece]:
        while not self._closed and (piece := self._next_piece()) is not None:
            yield piece
        if self._ending:
            self._closed = True

    @property
    def _in_chunk(self) -> bool:
        """Whether the last chunk has video that nobody took, or motion frames to encode."""
        return self._running is not None or self._begun is not None

    def _next_piece(self) -> VideoPiece | None:
        """The next piece, or None when there is not enough speech for one."""
        while (begun := self._begin_step()) is not None:
            try:
                made = begun.result()
                self._begun = None
                if made is None:
                    continue
                if not made.pictures.done() and (self._speech.pending_samples or not self._ending):
                    self._begin_ahead(made)
                pictures, finish_s = made.pictures.result()
            except BaseException:  # a chunk that broke off cannot be continued
                self._closed = True
                begun.cancel()  # if the wait was interrupted: whoever comes next need not wait
                raise
            timings = made.timings and made.timings | {"finish": finish_s}
            return self._show(
                pictures,
                completes_chunk=made.completes_chunk,
                compute_s=made.compute_s,
                timings=timings,
            )
        return None

    def _begin_ahead(self, made: _Made) -> None:
        """Begins the step after ``made`` while its pictures are made, and the next chunk with it.

        Whoever is live may be held before the next chunk.
        """
        live = self._split == "every"
        if made.completes_chunk and not live and (chunk := self._begin_chunk()) is not None:
            assert self._running is not None
            self._running = self._then(self._running, chunk)
        self._begin_step()

    def _then(self, ending: Chunk, chunk: Chunk) -> Chunk:
        self._state = yield from ending
        return (yield from chunk)

    def _begin_step(self) -> Future[_Made | None] | None:
        """The step that was handed in; it is now, if none was. ``None``: there is none to do."""
        if self._begun is not None:
            return self._begun
        if self._ending and not self._speech.pending_samples and not len(self._unshown):
            return None  # all is shown; no chunk will need the last motion latents
        self._running = self._running or self._begin_chunk()
        if self._running is not None:
            self._begun = self._computer.begin(self._step)
        return self._begun

    def _step(self) -> _Made | None:
        """Computes up to the next piece of the running chunk; None at its end."""
        assert self._running is not None
        begin_s = time.perf_counter()
        try:
            with torch.inference_mode(), faults.said():
                pictures = next(self._running)
        except StopIteration as done:
            self._state = done.value
            self._running = None
            return None
        finally:
            self._compute_s += time.perf_counter() - begin_s
        compute_s, self._compute_s = self._compute_s, 0.0
        self._pieces_left -= 1
        return _Made(pictures, not self._pieces_left, compute_s, self._scene.timer.take())

    def _skip_chunk(self) -> None:
        begin_s = time.perf_counter()
        with torch.inference_mode(), faults.said():
            self._state = skip(self._scene, self._state, self._heard(self._speech.window))
        self._compute_s += time.perf_counter() - begin_s

    def _begin_chunk(self) -> Chunk | None:
        if not self._next_is_heard() and not (self._ending and self._speech.pending_samples):
            return None
        taken = self._speech.take(self._scene.geometry.new_samples)
        self._unshown = np.concatenate((self._unshown, taken))
        return self._chunk(self._speech.window)

    def _next_is_heard(self) -> bool:
        """Whether all speech that the next chunk looks at is there."""
        geometry = self._scene.geometry
        return self._speech.pending_samples >= geometry.new_samples + geometry.lookahead_samples

    def _heard(self, window: Samples) -> Tensor:
        """What the transformer hears of a ``window`` of speech: [1, F, window, layers, width]."""
        networks, geometry = self._scene.networks, self._scene.geometry
        with self._scene.timer.stage("speech"):
            if self._loudness is not None:
                window = self._loudness(window)
            samples = torch.from_numpy(window).to(self._state.motion_latents.device)
            features = networks.speech_encoder(samples[None])[0]  # [F, layers, width]
            return last_speech_windows(
                features,
                networks.preset.transformer.speech.window_frames,
                geometry.chunk_frames,
                geometry.lookahead_frames,
            )[None]

    def _chunk(self, window: Samples) -> Chunk:
        """Yields pieces as they are begun; what the next chunk continues comes after the last."""
        scene, state = self._scene, self._state
        latents = sample(scene, state, self._heard(window))
        faults.require_numbers(latents)
        live = self._split == "every"
        if live:  # who may be held
            openings = scene.networks.autoencoder.openings(latents)
            first_new = scene.geometry.motion_frames
            self._way.begin(None if openings is None else openings[first_new:])
        splits = live or state.chunk_index == 0
        bounds = fragment_bounds(scene.geometry, self._first_fragment_frames if splits else 0)
        self._pieces_left = len(bounds)
        thread = self._picture_thread
        if live and thread and can_part(scene, bounds):
            last = yield from apart(scene, state, latents, bounds, thread)
        else:
            last = yield from in_turn(scene, state, latents, bounds, thread)
        return carry(scene, state, latents, last)

    def _show(
        self,
        frames: Pictures,
        *,
        completes_chunk: bool = True,
        compute_s: float = 0.0,
        timings: Mapping[str, float] = MappingProxyType({}),
        held: bool = False,
    ) -> VideoPiece:
        geometry = self._scene.geometry
        count = min(len(frames), geometry.frames_for(len(self._unshown)))
        end = count * geometry.samples_per_frame
        samples, self._unshown = self._unshown[:end], self._unshown[end:]
        piece = VideoPiece(
            index=self._shown_pieces,
            frames=frames[:count],
            samples=samples,
            start_s=self._shown_frames / geometry.fps,
            fps=geometry.fps,
            chunk_index=self._shown_frames // geometry.new_frames,
            completes_chunk=completes_chunk or not len(self._unshown),
            notices=self._notices,
            compute_s=compute_s,
            held=held,
            timings=dict(timings),
        )
        self._notices = ()
        self._shown_pieces += 1
        if not held:
            self._way.add(frames[:count])
        self._last_picture = frames[count - 1].copy()  # a view would keep all of them in memory
        self._shown_frames += count
        return piece
