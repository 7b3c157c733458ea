"""Clicks → session → fragments: what the page does, without how it looks.

One call of :meth:`Talk.talk` is one video. It is a plain generator. So Gradio's queue, its API and
its clean-up on a closed tab apply as they are. Stop is a flag that is looked at between pieces. So
the part made so far becomes a finished file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from flashtalk.config import FramingWay
from flashtalk.errors import FlashTalkError
from flashtalk.geometry import SPEECH_RATE_HZ
from flashtalk.inputs.area import Area
from flashtalk.inputs.bounded import PictureReader
from flashtalk.inputs.portrait import Portrait
from flashtalk.inputs.speech import Speech, load_speech
from flashtalk.inputs.wanted import Wanted
from flashtalk.memory import drop_cycles
from flashtalk.outputs.credits import Credits
from flashtalk.outputs.film import Film, pieces_of
from flashtalk.outputs.scratch import ScratchFolder
from flashtalk.provenance.credentials import Origin
from flashtalk.provenance.marking import Marking
from flashtalk.stream.admission import Admission, Seat
from flashtalk.stream.contracts import Engines
from flashtalk.stream.piece import VideoPiece
from flashtalk.ui import film_messages
from flashtalk.ui.guard import Rates
from flashtalk.ui.handover import Handover
from flashtalk.ui.player import LiveMessages
from flashtalk.ui.preparing import Preparing
from flashtalk.ui.settings import Settings, uploaded
from flashtalk.ui.stops import Stops
from flashtalk.ui.watch import TalkWatch, Watch

SCRATCH_PREFIX = "flashtalk-talk-"

NO_PORTRAIT = "There is no portrait yet. Choose one of the people, or add a picture of your own."
NO_VOICE = "There is no voice yet. Choose an example, record yourself, or add a sound file."
FIRST_PICTURES = "Making the first pictures"
LINE_LOOK_S = 1.0  # between two looks at the line, each of which is a message

Update = tuple[str, str | None, int | dict[str, Any]]
"""Values for the live player, the finished file and the seed."""
Pieces = Generator[VideoPiece, None, None]
OnGpu = Callable[[Callable[..., Pieces]], Callable[..., Pieces]]


@dataclass(frozen=True)
class Limits:
    """Facts of a deployment, set in ``app.py``."""

    speech_s: float = 120.0
    """Longest accepted speech, in seconds; live, where others wait."""
    live_s: float | None = None
    """Longest live speech, in seconds; ``None``: as long as somebody speaks."""
    live_silence_s: float = 600.0
    """Silence after which live speech ends, in seconds."""
    live_film_s: float = 1800.0
    """Seconds of live speech that its film has, the newest ones."""
    visitors: int | None = None
    """Videos made at the same time at most; ``None``: as many as stay in real time."""
    queue: int = 20
    """Visitors who may wait."""
    keep_files_s: int = 3600
    """Age at which uploads and finished videos are deleted, in seconds."""
    compare_s: float = 900.0
    """Video that one comparison makes at most, in seconds."""
    live_behind_s: float = 1.0
    """Live speech that may wait for its pictures before a still one is shown, in seconds."""
    upload_mb: int = 100
    """Largest file that is taken, in megabytes."""
    rates: Rates = field(default_factory=Rates)
    """How much one visitor may ask for."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name != "rates" and value is not None and value <= 0:
                raise ValueError(f"{name} must be above 0, got {value}")


@dataclass(frozen=True)
class Run:
    """One video on its way."""

    settings: Settings
    messages: LiveMessages
    stopped: Callable[[], bool]
    file: Path
    """Where the finished video will be."""
    credits: Credits


class Talk:
    """The callbacks of one page around its engines.

    Args:
        engines: open a session per call.
        limits: facts of the deployment.
        on_gpu: wraps the function that computes, e.g. ``spaces.GPU``.
        marking: how the videos are marked.
    """

    def __init__(
        self,
        engines: Engines,
        limits: Limits,
        on_gpu: OnGpu,
        marking: Marking = Marking(),  # noqa: B008, it is frozen
    ) -> None:
        self._engines = engines
        self.marking = marking
        """How videos are marked."""
        self._limits = limits
        self._pieces = on_gpu(self._compute)
        self.stops = Stops()
        self.preparing = Preparing()
        self.pictures = PictureReader(engines.preset)
        self.admission = Admission(lambda: engines.states, most=limits.visitors, line=limits.queue)
        """Who talks and who waits; every way to talk takes its seat here."""
        self.watch = Watch(self.admission, lambda: self.preparing.count, lambda: engines.states)

    def talk(
        self,
        portrait: object,
        voice: object,
        seed: object,
        random_seed: object,
        steps: object,
        request: gr.Request,
        prompt: object = "",
        face: object = None,
        without_face: object = False,
        framing: object = "face",
        area: object = "",
    ) -> Generator[Update, None, None]:
        """Live video of the portrait speaking, then the finished file.

        Values come as the caller sent them, so that each is refused in a sentence.

        Args:
            portrait: path to a picture of one person.
            voice: path to a sound file, or a video with sound.
            seed: the same seed makes the same video again.
            random_seed: draw a new seed instead; the one drawn is returned.
            steps: denoising steps.
            request: given by Gradio.
            prompt: what is to be seen, for models that read one; empty for the model's own.
            face: who speaks of several; 1 is the leftmost, nothing the largest.
            without_face: use the picture's middle if no face is found, rather than refuse it.
            framing: "face", or "picture" for the whole picture, in which the person speaks.
            area: the part of the picture that is shown, "LEFT,TOP,WIDTH"; empty: around the face.

        Yields:
            Messages of the player (JSON text), the finished mp4 (last update only), the seed.

        Raises:
            gr.Error: with the sentence for callers of the API; the page shows that of the player.
        """
        messages = LiveMessages()
        shown: int | dict[str, Any] = gr.skip()  # a seed that cannot be used stays in its box
        file: Path | None = None
        made: Handover | None = None
        with ExitStack() as stack:
            stack.callback(drop_cycles)
            try:
                scratch = stack.enter_context(_scratch_folder())
                stop = stack.enter_context(self.stops.run(request.session_hash or ""))
                settings = Settings.of(
                    seed, random_seed, steps, prompt, face, without_face, framing, area
                )
                settings.check(self._engines.preset)
                shown = messages.seed = settings.seed
                credits = self._credits(portrait, voice, settings)
                file = scratch.path / credits.file_name
                run = Run(settings, messages, stop.is_set, file, credits)
                made = Handover(file)
                for message in self._run(portrait, voice, run):
                    yield message, made.path(), shown
            except Exception as error:
                message, call = film_messages.of_error(messages, error, portrait, voice, file)
                yield message, None if made is None else made.path_if_any(), shown
                raise gr.Error(call, visible=False, print_exception=False) from error

    def stop(self, request: gr.Request) -> None:
        """Ends the visitor's running or waiting video after the chunk that is being made."""
        self.stops.stop(request.session_hash or "")

    def forget(self, request: gr.Request) -> None:
        """Drops a Stop that came too late, so that the next video is not ended by it."""
        self.stops.forget(request.session_hash or "")

    def look(
        self, picture: Path, face: int | None, framing: FramingWay, area: Area | None
    ) -> Portrait:
        """The portrait that a talk would begin with, without a face if there is none.

        While nobody talks, engines get ready for it.

        Raises:
            FlashTalkError: the picture cannot be used.
        """
        read = partial(
            self.pictures.read,
            uploaded(str(picture), "picture", self._limits.keep_files_s),
            Wanted(face, without_face=True, area=area),
            framing=framing,
        )
        portrait = self.preparing.run(read, lambda: False)
        assert portrait is not None  # nobody stops it
        if not self.admission.talking:
            self._engines.prepare(portrait)
        return portrait

    def get_ready(self) -> None:
        """Starts what the first visitor would wait for."""
        self.pictures.get_ready()

    @property
    def closing(self) -> bool:
        """Whether talks are being ended before the server is."""
        return self.stops.closing

    def end_all(self, patience_s: float) -> bool:
        """Ends every video after the piece that is being made; whether all ended in time."""
        return self.stops.end_all(patience_s)

    def _credits(self, portrait: object, voice: object, settings: Settings) -> Credits:
        seed, steps, preset = settings.seed, settings.steps, self._engines.preset.name
        return Credits.of(portrait, voice, seed=seed, steps=steps, preset=preset)

    # --- inside ---------------------------------------------------------------------------------
    def _run(self, portrait: object, voice: object, run: Run) -> Iterator[str]:
        """All messages of a run but its error."""
        with self.watch.talk(run.messages.run) as watched:
            yield run.messages.stage("Preparing the portrait")
            read = self.preparing.run(self._reading(portrait, voice, run.settings), run.stopped)
            if read is None:
                watched.end = "stopped"
                yield run.messages.end(0.0, stopped=True)
                return
            speaker, speech, notices = read
            weight = run.settings.weight(self._engines.preset.sampler.steps)
            seconds = len(speech.samples) / SPEECH_RATE_HZ
            with self.admission.seat(seconds, weight=weight) as seat:
                yield from _in_line(seat, run)
                watched.let_in()
                yield run.messages.stage(FIRST_PICTURES, poster=speaker.image, notices=notices)
                film = self._film(speaker, speech, run)
                pieces = self._pieces(speaker, speech, run.settings, seat.engine)
                yield from self._deliver(pieces, film, run, seat, watched)
            watched.end = "made" if film.complete else "stopped"

    def _reading(
        self, portrait: object, voice: object, settings: Settings
    ) -> Callable[[], tuple[Portrait, Speech, list[str]]]:
        """What reads picture and sound, and returns them with sentences for the visitor."""
        if not portrait:
            raise FlashTalkError(NO_PORTRAIT)
        if not voice:
            raise FlashTalkError(NO_VOICE)
        kept_s = self._limits.keep_files_s
        picture = uploaded(portrait, "picture", kept_s)
        sound = uploaded(voice, "sound", kept_s)

        def read() -> tuple[Portrait, Speech, list[str]]:
            speaker = self.pictures.read(
                picture,
                settings.wanted,
                framing=settings.framing,
            )
            speech = load_speech(sound, max_s=self._limits.speech_s)
            notices = [*speaker.notices, *speech.notices]
            if notice := self._engines.prompt_notice(settings.prompt):
                notices.append(notice)
            return speaker, speech, notices

        return read

    def _film(self, speaker: Portrait, speech: Speech, run: Run) -> Film:
        return Film(
            speaker.image.size,
            self._engines.preset.geometry.fps,
            speech,
            run.file,
            metadata=run.credits.metadata,
            ahead=self._engines.encoder_thread,
            origin=Origin(self._engines.preset.name),
            marking=self.marking,
        )

    def _compute(
        self, portrait: Portrait, speech: Speech, settings: Settings, engine: str
    ) -> Pieces:
        """All video of ``speech``; on ZeroGPU this runs in a process with the GPU."""
        session = self._engines.at(engine).open(
            portrait,
            seed=settings.seed,
            steps=settings.steps,
            prompt=settings.prompt,
            first_fragment_frames=self._engines.preset.first_fragment_frames,
            timed=self._engines.device.type == "cpu",  # a GPU would wait for its clock
        )
        yield from pieces_of(session, speech)

    def _deliver(
        self, pieces: Iterator[VideoPiece], film: Film, run: Run, seat: Seat, watched: TalkWatch
    ) -> Iterator[str]:
        """Messages for the pieces; at the end, the film is finished."""
        with film, closing(film.fragments(pieces, run.stopped)) as fragments:
            for fragment in fragments:
                seat.made(fragment.piece)
                watched.made(fragment)
                yield from film_messages.of_fragment(run.messages, film, fragment, FIRST_PICTURES)
        yield from film_messages.of_end(run.messages, film)


def _in_line(seat: Seat, run: Run) -> Iterator[str]:
    """Messages while others talk; ends with the seat, or with a stop."""
    while not run.stopped() and (place := seat.wait(LINE_LOOK_S)) is not None:
        yield run.messages.waiting(place)


def _scratch_folder() -> ScratchFolder:
    return ScratchFolder(Path(tempfile.gettempdir()), SCRATCH_PREFIX)
