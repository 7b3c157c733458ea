"""``flashtalk generate``: portraits and voices become video files.

The same session, chunk step and encoder as the live page, fed from files.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from tqdm import tqdm

from flashtalk.acceleration.settings import DEFAULT
from flashtalk.cli.destination import is_folder
from flashtalk.cli.jobs import Job, jobs_of
from flashtalk.cli.loading import engine_for, size_of
from flashtalk.cli.options import GenerateOptions
from flashtalk.cli.saying import reason, say
from flashtalk.cli.stopping import Stop, stoppable
from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.area import Area
from flashtalk.inputs.portrait import CropWay, NoFaceError, Portrait, portrait_for
from flashtalk.inputs.sentence import SPEAKER, spoken
from flashtalk.inputs.speech import load_speech
from flashtalk.outputs.credits import Credits
from flashtalk.outputs.film import Film, pieces_of
from flashtalk.placement import placement_named
from flashtalk.provenance.credentials import Origin
from flashtalk.weights.checkpoint import find_checkpoint


def generate(options: GenerateOptions) -> int:
    """Make the videos; returns the exit code."""
    maker = Maker(options)
    try:
        with _sound(options) as audio, stoppable() as stop:
            jobs = jobs_of(options.portrait, audio, options.out)
            many = is_folder(options.portrait) or is_folder(audio)
            return _make_many(maker, jobs, stop) if many else _make_one(maker, jobs[0], stop)
    except BrokenPipeError:
        raise  # of what is printed; the video is there
    except OSError as error:  # a full disk, a folder that went away
        say(f"flashtalk: The video could not be written: {reason(error)}.")
        return 1


class Maker:
    """Makes videos with one set of options and one engine.

    Raises:
        FlashTalkError: for an option that cannot be used.
    """

    def __init__(self, options: GenerateOptions) -> None:
        self._options = options
        self._marking = options.marking()
        self._size = size_of(options.size)
        if options.placement is not None:
            placement_named(options.placement)
        preset = find_checkpoint(options.preset).preset.with_mode(options.mode)
        preset = preset.with_size(self._size)
        self._preset = preset.with_chunk(options.chunk_frames)
        self._preset.require_framing(options.framing)
        if options.steps is not None:
            self._preset.with_sampler(steps=options.steps)

    @cached_property
    def engine(self) -> Engine:
        """Loaded when the first video needs it."""
        engine = engine_for(self._options, self._size)
        if notice := engine.prompt_notice(self._options.prompt):
            say(f"Note: {notice}")
        return engine

    def make(self, job: Job, destination: Path, stop: Stop, title: str = "video") -> Film:
        """The film of ``job``, until its sound or ``stop`` ends it; what broke off is kept.

        Raises:
            FlashTalkError: for an input that cannot be used; nothing is written then. OSError: for
            a file that cannot be written to its end.
        """
        options = self._options
        portrait = self._portrait(job.portrait)
        speech = load_speech(job.audio, max_s=60 * options.max_minutes)
        for notice in (*portrait.notices, *speech.notices):
            say(f"Note: {notice}")
        film = Film(
            portrait.image.size,
            self._preset.geometry.fps,
            speech,
            destination,
            metadata=self._credits(job).metadata,
            ahead=(options.accelerated or DEFAULT).encoder_thread,
            origin=Origin(self._preset.name),
            marking=self._marking,
        )
        with _told(film), film:
            session = self.engine.open(
                portrait,
                seed=options.seed,
                steps=options.steps,
                prompt=options.prompt,
                chunk_frames=options.chunk_frames,
                first_fragment_frames=self._preset.first_fragment_frames,  # as the page
            )
            with _bar(title, film.total_s) as bar:
                for fragment in film.fragments(pieces_of(session, speech), lambda: bool(stop)):
                    for notice in fragment.piece.notices:
                        bar.write(f"Note: {notice}", file=sys.stderr)
                    bar.set_postfix_str(f"{film.real_time:.2f}x real time")
                    bar.update(film.made_s - bar.n)
        for notice in film.notices:
            say(f"Note: {notice}")
        return film

    def _credits(self, job: Job) -> Credits:
        return Credits.of(
            job.portrait,
            job.audio,
            seed=self._options.seed,
            steps=self._options.steps or self._preset.sampler.steps,
            preset=self._preset.name,
        )

    def _portrait(self, picture: Path) -> Portrait:
        options = self._options
        crop: CropWay | None = None if options.crop else "whole"
        try:
            return portrait_for(
                picture,
                self._preset,
                framing=options.framing,
                crop=crop,
                face=options.face,
                without_face=options.without_face,
                area=Area.parse(options.area or ""),
            )
        except NoFaceError as error:
            raise NoFaceError("add --without-face to use the picture's middle") from error


def _make_one(maker: Maker, job: Job, stop: Stop) -> int:
    film = maker.make(job, job.out, stop)
    if not film.complete:
        say(f"Stopped. {_kept(film)}")
        return stop.exit_code
    sys.stdout.write(f"{job.out}\n")
    return 0


def _make_many(maker: Maker, jobs: list[Job], stop: Stop) -> int:
    """Every video of ``jobs`` that is not there yet; one that fails does not stop the others.

    A video has its name only when it is complete, so the next start knows what is left to do. What
    was made of one that broke off is in NAME.part.mp4.
    """
    todo = [job for job in jobs if not job.out.exists()]
    failed = 0
    if todo:
        _ = maker.engine  # what is wrong with the model is wrong for every video: said once
    for number, job in enumerate(todo, start=1):
        if stop:
            break
        part = job.out.with_suffix(".part.mp4")
        try:
            film = maker.make(job, part, stop, f"{number}/{len(todo)} {job.out.name}")
            if film.complete:
                part.replace(job.out)
        except (FlashTalkError, OSError) as error:
            failed += 1
            say(f"flashtalk: {job.out.name} was not made: {reason(error)}")
            continue
        if film.complete:
            sys.stdout.write(f"{job.out}\n")
        else:
            say(_kept(film))
    made = sum(job.out.exists() for job in todo)
    there = len(jobs) - len(todo)
    say(
        f"{'Stopped. ' if stop else ''}{made} of {len(jobs)} videos were made, {there} were there "
        f"already, {failed} could not be made."
    )
    return stop.exit_code if stop else int(failed > 0)


@contextmanager
def _sound(options: GenerateOptions) -> Iterator[Path]:
    """The sound that was given, or a sentence that is spoken for this start."""
    if options.audio is not None:
        yield options.audio
        return
    with TemporaryDirectory(prefix="flashtalk-say-") as folder:
        file = Path(folder) / "sentence.wav"
        file.write_bytes(spoken(options.say or "", options.speaker or SPEAKER))
        yield file


@contextmanager
def _told(film: Film) -> Iterator[None]:
    """Say what is kept of a film that an error or a second Ctrl-C ends."""
    try:
        yield
    except BaseException:
        if film.path is not None:
            say(_kept(film))
        raise


def _kept(film: Film) -> str:
    if film.path is None:
        return "Nothing was written."
    return f"{film.made_s:.1f} s of {film.total_s:.1f} s are in {film.path}."


def _bar(title: str, seconds: float) -> tqdm:
    layout = "{l_bar}{bar}| {n:.1f}/{total:.1f} s [{elapsed}<{remaining}{postfix}]"
    return tqdm(total=seconds, desc=title, bar_format=layout, file=sys.stderr)
