"""All live talks of a page: opened, found by their id, and forgotten after a while."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from flashtalk.errors import FlashTalkError
from flashtalk.outputs.credits import Credits
from flashtalk.stream.contracts import Engines
from flashtalk.ui.events import Limits, Talk
from flashtalk.ui.kept import Kept
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
        self._kept: Kept[LiveTalk] = Kept(SCRATCH_PREFIX, limits.keep_files_s, limits.queue)

    def open(self, settings: Settings, picture: bytes, picture_name: str) -> LiveTalk:
        """A talk of the person in ``picture``, which waits for its seat from now on.

        Raises:
            FlashTalkError: where nobody can speak live, or too many wait.
        """
        if self.refusal:
            raise FlashTalkError(self.refusal)
        settings.check(self.engines.preset)
        name = secrets.token_urlsafe(16)
        folder = self._kept.folder()
        file = folder / f"portrait{_ending(picture_name)}"
        try:
            file.write_bytes(picture)
        except OSError:  # of a full disk, which needs every byte
            self._kept.remove(folder)
            raise
        credits = Credits.of_live(
            Path(picture_name).name,
            seed=settings.seed,
            steps=settings.steps,
            preset=self.engines.preset.name,
        )
        talk = LiveTalk(
            *(self._page, self.engines, name, settings, file, folder / credits.file_name),
            credits=credits,
            limits=self.limits,
            patience_s=self._patience_s,
        )
        self._kept.add(name, talk, folder, FULL)
        talk.start()
        return talk

    def find(self, name: str) -> LiveTalk | None:
        """The talk called ``name``, unless it was forgotten or never there."""
        return self._kept.find(name)

    def close(self) -> None:
        """Removes the files of all talks: the page is over."""
        self._kept.close()


def _ending(name: str) -> str:
    """The ending of a file's name; nothing else of what a stranger calls a file is used."""
    found = re.search(r"\.[A-Za-z0-9]{1,5}$", name)
    return found[0].lower() if found else ""
