"""What an earlier page left on the disk: uploads and videos after their time, unfinished work."""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from flashtalk.outputs.scratch import sweep
from flashtalk.ui import events
from flashtalk.ui.compare import comparisons
from flashtalk.ui.live import talks

OWN_FOLDER = Path(tempfile.gettempdir()) / "flashtalk-files"
"""Of uploads and finished videos, unless GRADIO_TEMP_DIR names another."""


def sweep_uploads(keep_s: float) -> None:
    """Removes uploads and videos whose time is over, as a killed process leaves them behind.

    Only from a folder of our own: the one that Gradio takes by itself is everybody's.
    """
    folder = Path(os.environ.setdefault("GRADIO_TEMP_DIR", str(OWN_FOLDER)))
    if folder != OWN_FOLDER:
        return
    for file in folder.glob("*/*"):
        with suppress(OSError):  # removed by another page, or somebody else's
            if time.time() - file.stat().st_mtime > keep_s:
                file.unlink()
                file.parent.rmdir()


def sweep_unfinished() -> None:
    """Removes what a killed process worked on; what another page works on stays."""
    for prefix in (events.SCRATCH_PREFIX, talks.SCRATCH_PREFIX, comparisons.SCRATCH_PREFIX):
        sweep(Path(tempfile.gettempdir()), prefix)
