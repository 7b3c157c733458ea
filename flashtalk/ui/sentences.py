"""What people read when something went wrong: no sentence names a folder of the server."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from flashtalk.errors import NO_SPACE, FlashTalkError
from flashtalk.inputs.files import short
from flashtalk.inputs.portrait import NoFaceError

logger = logging.getLogger(__name__)

AS_IT_IS = "use this picture as it is"
WITHOUT_FACE = "send without_face=true to use the picture's middle"
NO_ROOM = (
    "Our disk is full, and the video ended early. What was made can still be saved; please try "
    "again later."
)
UNEXPECTED = "Something went wrong on our side, and the video ended early. Please try again."


def sentences(error: Exception, run: str, *files: object) -> tuple[str, str]:
    """What visitors of the page and callers of the API read; the log has what nobody foresaw.

    Args:
        error: the cause.
        run: the talk's id in the log.
        files: paths whose folders must not show.
    """
    if isinstance(error, NoFaceError):
        return str(NoFaceError(AS_IT_IS)), str(NoFaceError(WITHOUT_FACE))
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        logger.error("talk %s ended early: %s", run, error.strerror)
        return NO_ROOM, NO_ROOM
    if not isinstance(error, FlashTalkError):
        logger.error("talk %s ended early", run, exc_info=error)
        return UNEXPECTED, UNEXPECTED
    sentence = without_folders(str(error), *files)
    return sentence, sentence


def without_folders(sentence: str, *files: object) -> str:
    """``sentence`` with ``files`` by their names alone."""
    for path in files:
        if isinstance(path, str | Path):
            sentence = sentence.replace(short(path), short(Path(path).name))  # as some name it
            sentence = sentence.replace(f"{Path(path).parent}{os.sep}", "")
    return sentence
