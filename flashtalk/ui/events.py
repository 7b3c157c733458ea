"""Clicks → session → fragments: what the page does, without how it looks.

One call of :meth:`Talk.talk` is one video. It is a plain generator, so Gradio's queue, its API and
its clean-up on a closed tab apply as they are; Stop is a flag that is looked at between pieces, so
that the part made so far becomes a finished file.
"""

from __future__ import annotations

import logging
import random
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.portrait import Portrait, portrait_for
from flashtalk.inputs.speech import Speech, load_speech
from flashtalk.outputs.film import Film, pieces_of
from flashtalk.stream.piece import VideoPiece
from flashtalk.ui.player import LiveMessages, Progress

logger = logging.getLogger(__name__)

MAX_SEED = 2**31 - 1

NO_PORTRAIT = "There is no portrait yet. Choose one of the people, or add a picture of your own."
NO_VOICE = "There is no voice yet. Choose an example, record yourself, or add a sound file."
UNEXPECTED = "Something went wrong on our side, and the video ended early. Please try again."

Update = tuple[str, str | None, int]
"""Values for the live player, the finished file and the seed."""
OnGpu = Callable[[Callable[..., Iterator[VideoPiece]]], Callable[..., Iterator[VideoPiece]]]


@dataclass(frozen=True)
class Limits:
    """Facts of a deployment, set in ``app.py``."""

    speech_s: float = 120.0
    """Longest accepted speech, in seconds."""
    visitors: int = 1
    """Videos made at the same time; the others wait in the queue."""
    queue: int = 20
    """Visitors who may wait."""
    keep_files_s: int = 3600
    """Age at which uploads and finished videos are deleted, in seconds."""

    def __post_init__(self) -> None:
        for name in ("speech_s", "visitors", "queue", "keep_files_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")


@dataclass(frozen=True)
class Settings:
    """What a visitor chose for one video."""

    seed: int
    steps: int | None = None
    """``None`` for the model's own."""
    prompt: str = ""
    """Empty for the model's own."""


class Talk:
    """The callbacks of one page around one engine.

    Args:
        engine: opens a session per call.
        limits: facts of the deployment.
        on_gpu: wraps the function that computes, e.g. ``spaces.GPU``.
    """

    def __init__(self, engine: Engine, limits: Limits, on_gpu: OnGpu) -> None:
        self._engine = engine
        self._limits = limits
        self._pieces = on_gpu(self._compute)
        self._stops = Stops()

    def talk(
        self,
        portrait: str | None,
        voice: str | None,
        seed: float,
        random_seed: bool,
        steps: float | None,
        request: gr.Request,
        prompt: str = "",
    ) -> Generator[Update, None, None]:
        """Live video of the portrait speaking, then the finished file.

        Args:
            portrait: path to a picture of one person.
            voice: path to a sound file, or a video with sound.
            seed: the same seed makes the same video again.
            random_seed: draw a new seed instead; the one drawn is returned.
            steps: denoising steps; ``None`` for the model's own.
            request: given by Gradio.
            prompt: what is to be seen, for models that read one; empty for the model's own.

        Yields:
            Messages of the player (JSON text), the finished mp4 (last update only), the seed.

        Raises:
            gr.Error: with the sentence that the page shows under the video.
        """
        seed = random.randint(0, MAX_SEED) if random_seed else int(seed or 0)
        messages = LiveMessages()
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "flashtalk.mp4"
            try:
                with self._stops.run(request.session_hash or "") as stop:
                    settings = Settings(seed, int(steps) if steps else None, prompt)
                    for message in self._run(portrait, voice, settings, messages, stop, file):
                        yield message, _made(file), seed
            except Exception as error:
                sentence = str(error) if isinstance(error, FlashTalkError) else UNEXPECTED
                if sentence == UNEXPECTED:
                    logger.exception("a video ended early")
                yield messages.error(sentence), _made(file), seed
                raise gr.Error(sentence, visible=False, print_exception=False) from error

    def stop(self, request: gr.Request) -> None:
        """Ends the visitor's running or waiting video after the chunk that is being made."""
        self._stops.stop(request.session_hash or "")

    def forget(self, request: gr.Request) -> None:
        """Drops a Stop that came too late, so that the next video is not ended by it."""
        self._stops.forget(request.session_hash or "")

    # --- inside ---------------------------------------------------------------------------------
    def _run(
        self,
        portrait: str | None,
        voice: str | None,
        settings: Settings,
        messages: LiveMessages,
        stop: threading.Event,
        file: Path,
    ) -> Iterator[str]:
        yield messages.stage("Preparing the portrait")
        if not portrait:
            raise FlashTalkError(NO_PORTRAIT)
        if not voice:
            raise FlashTalkError(NO_VOICE)
        speaker = portrait_for(portrait, self._engine.preset)
        speech = load_speech(voice, max_s=self._limits.speech_s)
        notices = [*speaker.notices, *speech.notices]
        if notice := self._engine.prompt_notice(settings.prompt):
            notices.append(notice)
        yield messages.stage("Making the first pictures", poster=speaker.image, notices=notices)
        fps = self._engine.preset.geometry.fps
        film = Film(speaker.image.size, fps, speech, file)
        with closing(self._pieces(speaker, speech, settings)) as pieces:
            yield from self._deliver(pieces, film, messages, stop)

    def _compute(
        self, portrait: Portrait, speech: Speech, settings: Settings
    ) -> Iterator[VideoPiece]:
        """All video of ``speech``; on ZeroGPU this runs in a process with the GPU."""
        session = self._engine.open(
            portrait,
            seed=settings.seed,
            steps=settings.steps,
            prompt=settings.prompt,
            first_fragment_frames=self._engine.preset.first_fragment_frames,
        )
        yield from pieces_of(session, speech)

    def _deliver(
        self,
        pieces: Iterator[VideoPiece],
        film: Film,
        messages: LiveMessages,
        stop: threading.Event,
    ) -> Iterator[str]:
        """Messages for the pieces; at the end, the film is finished."""
        fps = self._engine.preset.geometry.fps
        with film:
            for fragment in film.fragments(pieces, stop.is_set):
                progress = Progress(
                    made_s=film.made_s,
                    total_s=film.total_s,
                    work_s=film.work_s if fragment.piece.completes_chunk else None,
                )
                yield messages.fragment(fragment.data, film.mime, progress, fps)
        yield messages.end(film.made_s, stopped=not film.complete, last=film.tail)


def _made(file: Path) -> str | None:
    """The finished file, once there is one."""
    return str(file) if file.exists() else None


class Stops:
    """Which visitor asked to stop; safe for several threads.

    A visitor may press Stop while the video still waits in the queue; that is remembered until the
    video would have begun.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[str, threading.Event] = {}
        self._early: set[str] = set()

    @contextmanager
    def run(self, visitor: str) -> Iterator[threading.Event]:
        """The flag of a run that begins now."""
        flag = threading.Event()
        with self._lock:
            if visitor in self._early:
                self._early.discard(visitor)
                flag.set()
            self._running[visitor] = flag
        try:
            yield flag
        finally:
            with self._lock:
                if self._running.get(visitor) is flag:
                    del self._running[visitor]

    def stop(self, visitor: str) -> None:
        """Sets the flag of the visitor's run, or of the one that is about to begin."""
        with self._lock:
            if visitor in self._running:
                self._running[visitor].set()
            else:
                self._early.add(visitor)

    def forget(self, visitor: str) -> None:
        """Drops a Stop for which no run came."""
        with self._lock:
            self._early.discard(visitor)
