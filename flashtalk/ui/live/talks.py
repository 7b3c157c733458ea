"""All live talks of a page: opened, found by their id, and forgotten after a while."""

from __future__ import annotations

import re
import secrets
import tempfile
import threading
import time
from pathlib import Path

from flashtalk.errors import FlashTalkError
from flashtalk.outputs.credits import Credits
from flashtalk.outputs.scratch import ScratchFolder
from flashtalk.stream.contracts import Engines
from flashtalk.ui.events import Limits, Talk
from flashtalk.ui.live.talk import PATIENCE_S, LiveTalk
from flashtalk.ui.settings import Settings

SCRATCH_PREFIX = "flashtalk-live-"
FULL = "Too many people wait to speak. Please try again in a minute."


class LiveTalks:
    """Live talks by their ids, each with a folder for its picture and its film.

    Args:
        page: whose seats and stops hold for them.
        engines: make the video.
        limits: facts of the deployment.
        refusal: why this page cannot listen live; empty where it can.
        patience_s: so long a speaker may be away.
    """

    def __init__(
        self,
        page: Talk,
        engines: Engines,
        limits: Limits,
        refusal: str = "",
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.engines = engines
        self.limits = limits
        self.refusal = refusal
        self._page = page
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._talks: dict[str, tuple[LiveTalk, ScratchFolder]] = {}
        self._over_since: dict[str, float] = {}

    def open(self, settings: Settings, picture: bytes, picture_name: str) -> LiveTalk:
        """A talk of the person in ``picture``, which waits for its seat from now on.

        Raises:
            FlashTalkError: where nobody can speak live, or too many wait.
        """
        self.sweep()
        if self.refusal:
            raise FlashTalkError(self.refusal)
        name = secrets.token_urlsafe(16)
        folder = ScratchFolder(Path(tempfile.gettempdir()), SCRATCH_PREFIX)
        file = folder.path / f"portrait{_ending(picture_name)}"
        file.write_bytes(picture)
        credits = Credits.of_live(
            Path(picture_name).name,
            seed=settings.seed,
            steps=settings.steps,
            preset=self.engines.preset.name,
        )
        talk = LiveTalk(
            *(self._page, self.engines, name, settings, file, folder.path / credits.file_name),
            credits=credits,
            limit_s=self.limits.speech_s,
            patience_s=self._patience_s,
        )
        with self._lock:
            if sum(not each.over for each, _ in self._talks.values()) > self.limits.queue:
                folder.close()
                raise FlashTalkError(FULL)
            self._talks[name] = talk, folder
            talk.start()
        return talk

    def find(self, name: str) -> LiveTalk | None:
        """The talk called ``name``, unless it was forgotten or never there."""
        with self._lock:
            talk, _ = self._talks.get(name, (None, None))
        return talk

    def sweep(self) -> None:
        """Forgets talks that have been over for long, and their files."""
        now_s = time.monotonic()
        gone = []
        with self._lock:
            for name, (talk, folder) in list(self._talks.items()):
                if not talk.over:
                    continue
                if now_s - self._over_since.setdefault(name, now_s) > self.limits.keep_files_s:
                    del self._talks[name], self._over_since[name]
                    gone.append(folder)
        for folder in gone:
            folder.close()


def _ending(name: str) -> str:
    """The ending of a file's name; nothing else of what a stranger calls a file is used."""
    found = re.search(r"\.[A-Za-z0-9]{1,5}$", name)
    return found[0].lower() if found else ""
