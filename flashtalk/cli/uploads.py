"""What an earlier page left on the disk: uploads and videos after their time, unfinished work."""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from threading import Thread

from flashtalk.outputs.scratch import sweep
from flashtalk.ui import events
from flashtalk.ui.compare import comparisons
from flashtalk.ui.live import talks

_SWEEP_S = 60.0
OWN_FOLDER = Path(tempfile.gettempdir()) / "flashtalk-files"
"""Of uploads and finished videos, unless GRADIO_TEMP_DIR names another."""


def sweep_uploads(keep_s: float) -> None:
    """Removes uploads and videos whose time is over, as a killed process leaves them behind.

    Only from a folder of our own: the one that Gradio takes by itself is everybody's. There it
    goes on with uploads that were cut off, which nobody else removes.
    """
    folder = Path(os.environ.setdefault("GRADIO_TEMP_DIR", str(OWN_FOLDER)))
    if folder != OWN_FOLDER:
        return
    for file in folder.glob("*/*"):
        if _remove_old(file, keep_s):
            with suppress(OSError):
                file.parent.rmdir()
    sweep_cut_off(folder, keep_s)
    again = Thread(target=_sweep_on, args=(folder, keep_s), name="flashtalk-uploads", daemon=True)
    again.start()


def sweep_cut_off(folder: Path, keep_s: float) -> None:
    """Removes what came of uploads that did not come to their end, once its time is over."""
    for file in folder.glob(f"{tempfile.gettempprefix()}*"):
        _remove_old(file, keep_s)


def _sweep_on(folder: Path, keep_s: float) -> None:
    while True:
        time.sleep(max(1.0, min(keep_s, _SWEEP_S)))
        sweep_cut_off(folder, keep_s)


def _remove_old(file: Path, keep_s: float) -> bool:
    with suppress(OSError):  # removed by another page, or somebody else's
        if time.time() - file.stat().st_mtime > keep_s:
            file.unlink()
            return True
    return False


def sweep_unfinished() -> None:
    """Removes what a killed process worked on; what another page works on stays."""
    for prefix in (events.SCRATCH_PREFIX, talks.SCRATCH_PREFIX, comparisons.SCRATCH_PREFIX):
        sweep(Path(tempfile.gettempdir()), prefix)
