"""A finished film goes to where Gradio serves files from.

Gradio itself would copy it there. A full disk has no room for a copy. Then Gradio answers with
nothing, not even with the message that says why.
"""

from __future__ import annotations

import logging
import secrets
import shutil
from pathlib import Path

from gradio.utils import get_upload_folder

logger = logging.getLogger(__name__)


class Handover:
    """Where visitors get ``film``, once it is finished.

    Args:
        film: the file to be made.
    """

    def __init__(self, film: Path) -> None:
        self._film = film
        self._served: Path | None = None

    def path(self) -> str | None:
        """Where it is served from; nothing before it is finished.

        Raises:
            OSError: it cannot be moved there.
        """
        if self._served is None and self._film.exists():
            folder = Path(get_upload_folder()) / secrets.token_hex(32)  # as long as Gradio's names
            folder.mkdir(parents=True)
            try:
                shutil.move(self._film, folder / self._film.name)
            except OSError:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            self._served = folder / self._film.name
        return None if self._served is None else str(self._served)

    def path_if_any(self) -> str | None:
        """The same where something else went wrong already; nothing if it cannot be moved."""
        try:
            return self.path()
        except OSError as error:
            logger.error("a film is lost: %s", error.strerror)
            return None
