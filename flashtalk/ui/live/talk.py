"""One person who speaks live: sound goes in, messages come out, a thread of its own in between.

The thread reads the portrait, waits for its seat and opens a session. Then it pushes speech as it
comes. Each piece of video leaves as soon as it is decoded. Whatever ends the speech (the speaker,
a limit, others who wait, silence, a cut that lasts, a page that closes), the film is finished.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from flashtalk.geometry import SPEECH_RATE_HZ
from flashtalk.inputs.live_speech import LiveSpeech
from flashtalk.inputs.portrait import Portrait
from flashtalk.memory import drop_cycles
from flashtalk.outputs.credits import Credits
from flashtalk.outputs.film import Film
from flashtalk.placement.pace import SMALLER_LIVE
from flashtalk.provenance.credentials import LIVE_SPEECH, STILL_PICTURE, Origin
from flashtalk.stream.admission import Seat
from flashtalk.stream.contracts import Engines, VideoSession
from flashtalk.stream.piece import VideoPiece
from flashtalk.ui import film_messages
from flashtalk.ui.events import LINE_LOOK_S, Limits, Talk
from flashtalk.ui.live.keeping_up import HELD, SLOW, KeepingUp
from flashtalk.ui.live.mailbox import Mailbox
from flashtalk.ui.player import LiveMessages
from flashtalk.ui.settings import Settings
from flashtalk.ui.watch import TalkWatch

PATIENCE_S = 15.0
"""So long a speaker may be away, and comes back to the same talk."""
FIRST_PIECE_FRAMES = 4
"""Frames of a chunk that leave before the rest of it is decoded."""
_SILENCE = 0.01  # peak: -40 dB of full scale, the noise of a quiet room
_LOOK_S = 0.25  # how often a thread that waits for sound looks whether to go

LISTENING = "Listening"
LIMIT = "The limit of {:g} seconds is reached."
MADE_WAY = "Somebody else waits to talk, so the talk ended after {:.0f} seconds."
SILENCE = "Nothing was said for {:g} seconds, so the talk ended."
ROLLS = "The film keeps the last {:g} minutes of this talk."
AWAY = "Nothing was heard for {:g} seconds, so the talk ended."


class LiveTalk:
    """A talk from the first sound to the finished film.

    Args:
        page: whose seats, stops and limits hold for it.
        engines: make the video.
        name: nobody else's, and not to be guessed.
        settings: checked ones.
        picture: a file of the talk's own.
        film: the file to be made.
        credits: what the film says of itself.
        limits: how long it may be, and what its film keeps.
        patience_s: so long the speaker may be away.
    """

    def __init__(
        self,
        page: Talk,
        engines: Engines,
        name: str,
        settings: Settings,
        picture: Path,
        film: Path,
        *,
        credits: Credits,
        limits: Limits,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.name = name
        self.settings = settings
        self.film = film
        """There once the talk is over, if it has a picture."""
        self.speech = LiveSpeech(limits.live_s)
        self._limits, self._patience_s = limits, patience_s
        self._page, self._engines = page, engines
        self._preset = engines.preset.for_live_speech()
        self._picture = picture
        self._credits = credits
        self._messages = LiveMessages()
        self._mailbox = Mailbox()
        self._asked_s = self._heard_s = self._spoken_s = time.monotonic()
        self._listening = False
        self._keeping_up = KeepingUp(limits.live_behind_s)
        self._left = False  # the speaker
        self._why = ""  # the talk ended, where the speaker did not end it
        self._thread = threading.Thread(target=self._run, name=f"live-{name[:6]}", daemon=True)

    def start(self) -> None:
        """Begins to read the portrait, to wait for a seat, then to listen."""
        self._thread.start()

    @property
    def over(self) -> bool:
        """Whether the film is finished and the last message is there."""
        return not self._thread.is_alive()

    def hear(self, start: int, samples: np.ndarray) -> int:
        """Adds ``samples`` from sample ``start`` on; how many there are by now.

        Sound that comes before the talk listens is dropped.
        """
        self._heard_s = time.monotonic()
        if np.abs(samples).max(initial=0.0) > _SILENCE:
            self._spoken_s = self._heard_s
        return self.speech.append(start, samples) if self._listening else 0

    async def messages_from(self, number: int, patience_s: float) -> list[str]:
        """Messages from ``number`` on; waits up to ``patience_s`` for one."""
        self._asked_s = time.monotonic() + patience_s  # whoever waits is there
        try:
            return await self._mailbox.messages_from(number, patience_s)
        finally:
            self._asked_s = time.monotonic()

    def end(self) -> None:
        """Ends the speech: what was said is shown, then the film is finished."""
        self.speech.end()

    # --- the thread -----------------------------------------------------------------------------
    def _run(self) -> None:
        run = self._messages.run
        try:
            with self._page.stops.run(self.name) as stop, self._page.watch.talk(run) as watched:
                self._talk(stop.is_set, watched)
        except Exception as error:
            message, _ = film_messages.of_error(self._messages, error, self._picture, self.film)
            self._mailbox.put(message)
        finally:
            self.speech.end()
            drop_cycles()

    def _talk(self, stopped: Callable[[], bool], watched: TalkWatch) -> None:
        watched.end = "stopped"
        self._mailbox.put(self._messages.stage("Preparing the portrait"))
        read = self._page.preparing.run(self._read, lambda: self._leaves(stopped))
        most_s = self._limits.speech_s  # that somebody who waits has to wait for it
        with self._page.admission.seat(most_s, weight=self._weight, paced=True) as seat:
            while read and (place := seat.wait(LINE_LOOK_S)) is not None:
                if self._leaves(stopped):
                    read = None
                else:
                    self._mailbox.put(self._messages.waiting(place))
            if read is None:
                watched.end = "left" if self._asks_no_more() else "stopped"
                self._mailbox.put(self._messages.end(0.0, stopped=True))
                return
            watched.let_in()
            film = self._listen(*read, seat, stopped, watched)
        watched.end = "made" if film.complete else "stopped"
        if self._left:
            watched.end = "left"
        if film.kept_s < film.made_s:
            self._why = f"{self._why} {self._rolls}".strip()
        if held_s := self._keeping_up.held_s:
            self._why = f"{self._why} {HELD.format(held=held_s, total=film.made_s)}".strip()
        for message in film_messages.of_end(self._messages, film, self._why):
            self._mailbox.put(message)

    def _read(self) -> tuple[Portrait, list[str]]:
        """The portrait, and sentences for the speaker."""
        settings = self.settings
        speaker = self._page.pictures.read(
            self._picture,
            settings.wanted,
            framing=settings.framing,
            preset=self._preset,
        )
        notices = [*speaker.notices]
        larger = self._engines.preset.picture_size not in (None, self._preset.picture_size)
        if larger and settings.framing == "face":
            notices.append(SMALLER_LIVE.format(*self._preset.network_size))
        if notice := self._engines.prompt_notice(self.settings.prompt):
            notices.append(notice)
        return speaker, notices

    def _listen(
        self,
        speaker: Portrait,
        notices: list[str],
        seat: Seat,
        stopped: Callable[[], bool],
        watched: TalkWatch,
    ) -> Film:
        """The film of what is said from now on."""
        self._mailbox.put(self._messages.stage(LISTENING, poster=speaker.image, notices=notices))
        session = self._engines.at(seat.engine).open(
            speaker,
            seed=self.settings.seed,
            steps=self.settings.steps,
            prompt=self.settings.prompt,
            live=True,
            first_fragment_frames=FIRST_PIECE_FRAMES,
        )
        self._heard_s = self._spoken_s = time.monotonic()
        self._listening = True
        self._keeping_up.begin()
        self._mailbox.put(self._messages.listening())
        film = Film(
            speaker.image.size,
            self._preset.geometry.fps,
            self.speech,
            self.film,
            metadata=self._credits.metadata,
            origin=Origin(self._preset.name, (STILL_PICTURE, LIVE_SPEECH)),
            marking=self._page.marking,
            keep_s=self._limits.live_film_s,
        )
        told = False
        with film, closing(self._pieces(session, seat, stopped)) as pieces:
            for fragment in film.fragments(pieces, stopped):
                if not fragment.piece.held:  # which says nothing of the engine
                    seat.made(fragment.piece)
                watched.made(fragment)
                for message in film_messages.of_fragment(
                    self._messages, film, fragment, LISTENING, paced=True
                ):
                    self._mailbox.put(message)
                if film.made_s > self._limits.live_film_s and not told:
                    told = True
                    self._mailbox.put(self._messages.stage(LISTENING, notices=[self._rolls]))
        return film

    def _pieces(
        self, session: VideoSession, seat: Seat, stopped: Callable[[], bool]
    ) -> Generator[VideoPiece, None, None]:
        """Video of the speech as it comes, up to its end."""
        waiting, chunk = np.zeros(0, np.float32), self._preset.geometry.new_samples
        with session:
            while not stopped():
                patience_s = 0.0 if len(waiting) else _LOOK_S
                waiting = np.concatenate((waiting, self.speech.take(patience_s)))
                seconds = len(waiting) / SPEECH_RATE_HZ
                if self._keeping_up.gives_up(seconds, heard_s=self.speech.taken_s):
                    yield from self._held(session.hold(waiting))
                    waiting = waiting[:0]
                elif len(waiting):
                    yield from self._keeping_up.measured(session.push(waiting[:chunk]))
                    waiting = waiting[chunk:]
                elif self._ends(seat):
                    break
            self.speech.end()
            yield from session.push(waiting)
            yield from session.flush()

    def _held(self, pieces: Iterator[VideoPiece]) -> Iterator[VideoPiece]:
        """``pieces`` of a person at rest, the first of which says why."""
        for piece in pieces:
            yield piece if self._keeping_up.held_s else replace(piece, notices=(SLOW,))
            self._keeping_up.held_s += piece.duration_s

    # --- who is there ---------------------------------------------------------------------------
    def _leaves(self, stopped: Callable[[], bool]) -> bool:
        """Whether somebody who waits has left."""
        return stopped() or self.speech.ended or self._asks_no_more()

    def _ends(self, seat: Seat) -> bool:
        """Whether the speech is over; ``_why`` tells what ended it, if the speaker did not."""
        limits = self._limits
        if self.speech.full:
            self._why = LIMIT.format(limits.live_s)
        elif self._away():
            self._why, self._left = AWAY.format(self._patience_s), True
        elif time.monotonic() - self._spoken_s > limits.live_silence_s:
            self._why = SILENCE.format(limits.live_silence_s)
        elif seat.makes_way(limits.speech_s):
            self._why = MADE_WAY.format(seat.made_s)
        return bool(self._why) or self.speech.ended

    def _away(self) -> bool:
        """Whether nothing was heard, or nobody asked for video, for too long."""
        last_s = min(self._heard_s, self._asked_s)
        return time.monotonic() - last_s > self._patience_s

    def _asks_no_more(self) -> bool:
        return time.monotonic() - self._asked_s > self._patience_s

    @property
    def _rolls(self) -> str:
        return ROLLS.format(self._limits.live_film_s / 60)

    @property
    def _weight(self) -> float:
        """What a second costs, over a second at the preset's settings: more frames per new one."""
        usual, live = self._engines.preset, self._preset.geometry
        frames = live.frames_per_new / usual.geometry.frames_per_new
        return self.settings.weight(usual.sampler.steps) * frames
