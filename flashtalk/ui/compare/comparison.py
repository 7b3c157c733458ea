"""One comparison: its talks are made and measured one after another, and kept as they come.

All comparisons of a page share one thread, which yields the processor to everybody else. After each
talk the next comparison has its turn. Each talk takes a seat like any other, and steps aside for
those who wait. A stop, a page that nobody looks at, or a server that closes ends the work. What was
made stays, and the work can go on from there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal
from zipfile import ZIP_STORED, ZipFile

from flashtalk.config import WHOLE_COST, Preset
from flashtalk.errors import FlashTalkError
from flashtalk.evaluation.report import REPORT, TABLE, pair_html, talk_html, write_report
from flashtalk.evaluation.suite import Result, Trial, make_talk, result_there
from flashtalk.geometry import SPEECH_RATE_HZ
from flashtalk.inputs.portrait import Portrait
from flashtalk.inputs.speech import load_speech
from flashtalk.memory import drop_cycles
from flashtalk.stream.admission import Seat
from flashtalk.stream.piece import VideoPiece
from flashtalk.ui.compare.models import Models
from flashtalk.ui.events import LINE_LOOK_S, Limits, Talk
from flashtalk.ui.sentences import sentences
from flashtalk.ui.stops import CLOSING
from flashtalk.ui.texts import texts

PATIENCE_S = 150.0
"""So long nobody may ask how far it is; a hidden tab asks once a minute."""
EVERYTHING = "everything.zip"
TOO_LONG = (
    "{talks} talks have {seconds:.0f} seconds of video; at most {most:.0f} are made at once. "
    "Choose fewer faces, voices or settings."
)

Stopped = Callable[[], bool]
State = Literal["reading", "waiting", "making", "done", "stopped", "failed"]


class Comparison:
    """Talks side by side, from the request to the report.

    Args:
        page: whose seats, stops and readers hold for it.
        models: make the video.
        limits: facts of the deployment.
        worker: the one thread of all comparisons.
        name: nobody else's, and not to be guessed.
        trials: the talks, checked.
        folder: of its own.
        patience_s: so long nobody may ask for it.
    """

    def __init__(
        self,
        page: Talk,
        models: Models,
        limits: Limits,
        worker: ThreadPoolExecutor,
        name: str,
        trials: list[Trial],
        folder: Path,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.name = name
        self.state: State = "reading"
        self._page, self._models, self._limits = page, models, limits
        self._worker, self._folder, self._patience_s = worker, folder, patience_s
        self._trials = trials
        self._todo: list[Trial] = []
        self._portraits: dict[tuple[Path, Preset, str], Portrait] = {}
        self._lengths_s: dict[Path, float] = {}
        self._talks: list[tuple[Trial, Result]] = []
        self._problems: list[str] = []
        self._made_s = 0.0
        self._sentence = ""
        self._stop = threading.Event()
        self._asked_s = time.monotonic()

    @property
    def over(self) -> bool:
        """Whether nothing is being made."""
        return self.state in ("done", "stopped", "failed")

    def start(self) -> None:
        """Begins, or goes on with what is not there yet."""
        self._stop.clear()
        self._asked_s = time.monotonic()
        self._sentence, self._problems, self.state = "", [], "reading"
        self._worker.submit(self._turn, self._read)

    def stop(self) -> None:
        """Ends it after the piece that is being made."""
        self._stop.set()

    def told(self, first_talk: int, address: str) -> dict[str, Any]:
        """How far it is, and the talks from number ``first_talk`` on as HTML.

        Args:
            first_talk: how many talks the asker has.
            address: of this comparison, for its films.
        """
        self._asked_s = time.monotonic()
        words = texts()["compare"]
        talks = self._talks[first_talk:]
        return {
            "state": self.state,
            "sentence": self._sentence,
            "problems": self._problems,
            "seed": self._trials[0].seed,
            "talks": len(self._trials),
            "count": first_talk + len(talks),
            "made_s": round(self._made_s, 2),
            "total_s": round(self._total_s, 2),
            "new": [
                {
                    "pair": result.name,
                    "pair_html": pair_html(result.name, self._settings, words),
                    "html": talk_html(trial, result, words, f"{address}/"),
                }
                for trial, result in talks
            ],
        }

    def file(self, name: str) -> Path | None:
        """The file called ``name``, if this comparison has made it; a zip is made now."""
        made = {REPORT, TABLE, *(f"{trial.name}.mp4" for trial, _ in self._talks)}
        if not self._talks or name not in (*made, EVERYTHING):
            return None
        if name == EVERYTHING:
            part = self._folder / f"{threading.get_ident()}.zip"
            with ZipFile(part, "w", ZIP_STORED) as packed:  # films are as small as they get
                for each in sorted(made):
                    packed.write(self._folder / each, each)
            return part.replace(self._folder / EVERYTHING)
        return self._folder / name

    # --- the thread -----------------------------------------------------------------------------
    def _turn(self, work: Callable[[Stopped], None]) -> None:
        """Does ``work``, then waits for the next turn, or is over."""
        try:
            with self._page.stops.run(self.name) as closing:
                work(lambda: closing.is_set() or self._stopped())
            if self._page.closing:
                self._sentence = CLOSING
        except Exception as error:
            files = [file for trial in self._trials for file in (trial.portrait, trial.voice)]
            self._sentence, _ = sentences(error, self.name[:6], *files)
            self.state = "failed"
        else:
            if self._stopped() or self._page.closing:
                self.state = "stopped"
            elif self._todo:
                self._worker.submit(self._turn, partial(self._make, self._todo[0]))
            else:
                self.state = "failed" if self._problems and not self._talks else "done"
        finally:
            drop_cycles()

    def _stopped(self) -> bool:
        return self._stop.is_set() or time.monotonic() - self._asked_s > self._patience_s

    def _read(self, stopped: Stopped) -> None:
        """All pictures and sounds, so that what cannot be used is said before any work.

        Raises:
            FlashTalkError: for an input that cannot be used, or too much to be made.
        """
        presets = {trial: self._models.of(trial.variant).preset for trial in self._trials}
        for trial in self._trials:
            read = partial(self._read_one, trial, presets[trial])
            if not self._page.preparing.run(read, stopped):
                return
        self._todo = [trial for trial in self._trials if not self._there(trial)]
        todo_s = sum(self._lengths_s[trial.voice] for trial in self._todo)
        if todo_s > self._limits.compare_s:
            told = {"talks": len(self._todo), "seconds": todo_s, "most": self._limits.compare_s}
            raise FlashTalkError(TOO_LONG.format(**told))
        self._made_s = self._total_s - todo_s

    def _read_one(self, trial: Trial, preset: Preset) -> bool:
        if trial.voice not in self._lengths_s:
            speech = load_speech(trial.voice, max_s=self._limits.speech_s)
            self._lengths_s[trial.voice] = len(speech.samples) / SPEECH_RATE_HZ
        key, wanted, framing = _key(trial, preset), trial.wanted, trial.variant.framing
        if key not in self._portraits:
            self._portraits[key] = self._page.pictures.read(
                trial.portrait,
                wanted if framing == "face" else replace(wanted, area=None),
                framing=framing,
                preset=preset,
            )
        return True

    def _there(self, trial: Trial) -> bool:
        """Whether an earlier start has made ``trial``."""
        preset = self._models.of(trial.variant).preset.name
        return result_there(trial, self._folder, preset) is not None

    def _make(self, trial: Trial, stopped: Stopped) -> None:
        maker, before_s = self._models.of(trial.variant), self._made_s
        while self._page.admission.full and not stopped():
            time.sleep(LINE_LOOK_S)
        length_s = self._lengths_s[trial.voice]
        weight = _weight(trial, maker.preset)
        with self._page.admission.seat(length_s, weight=weight, measured=False) as seat:

            def on_piece(piece: VideoPiece) -> None:
                self._made_s += piece.duration_s
                seat.made(piece)
                seat.step_aside()
                self._wait(seat, stopped)

            self._wait(seat, stopped)
            result = None
            if not stopped():
                result = make_talk(
                    maker.at(seat.engine),
                    maker.preset,
                    trial,
                    self._portraits[_key(trial, maker.preset)],
                    load_speech(trial.voice, max_s=self._limits.speech_s),
                    self._folder,
                    marking=self._page.marking,
                    stopped=stopped,
                    on_piece=on_piece,
                )
        if result is None:
            self._made_s = before_s
            return
        self._todo.remove(trial)
        self._made_s = before_s + length_s
        talks = [*self._talks, (trial, result)]
        write_report(self._folder, talks, self._models.own.name, texts()["compare"])
        self._talks.append((trial, result))

    def _wait(self, seat: Seat, stopped: Stopped) -> None:
        """Until there is room, or a stop."""
        while not stopped() and seat.wait(LINE_LOOK_S) is not None:
            self.state = "waiting"
        self.state = "making"

    @property
    def _settings(self) -> int:
        """How many talks each pair of face and voice has."""
        return len({trial.variant for trial in self._trials})

    @property
    def _total_s(self) -> float:
        return sum(self._lengths_s.get(trial.voice, 0.0) for trial in self._trials)


def _key(trial: Trial, preset: Preset) -> tuple[Path, Preset, str]:
    """Trials of one key share a portrait."""
    return trial.portrait, preset, trial.variant.framing


def _weight(trial: Trial, usual: Preset) -> float:
    """What a second costs, over a second at the preset's own settings."""
    geometry = usual.with_chunk(trial.variant.chunk_frames).geometry
    frames = geometry.frames_per_new / usual.geometry.frames_per_new
    steps = (trial.variant.steps or usual.sampler.steps) / usual.sampler.steps
    shown = WHOLE_COST if trial.variant.framing == "picture" else 1.0
    return max(1.0, shown * steps * frames)
