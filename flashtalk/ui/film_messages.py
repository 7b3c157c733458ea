"""What the page hears of a film on its way; its sound was given, or is still being spoken."""

from __future__ import annotations

from collections.abc import Iterator

from flashtalk.inputs.portrait import NoFaceError
from flashtalk.outputs.film import Film, Fragment
from flashtalk.ui.player import LiveMessages, Progress
from flashtalk.ui.sentences import sentences


def of_fragment(
    messages: LiveMessages, film: Film, fragment: Fragment, stage: str, *, paced: bool = False
) -> Iterator[str]:
    """A fragment, behind the notices of its piece if there are any.

    Args:
        messages: of the run.
        film: which the fragment is a part of.
        fragment: the newest one.
        stage: the sentence that stands above the notices.
        paced: the film is made as fast as somebody speaks, so its speed says nothing.
    """
    if notices := fragment.piece.notices:
        yield messages.stage(stage, notices=notices)
    measured = fragment.piece.completes_chunk and not paced
    progress = Progress(
        made_s=film.made_s, total_s=film.total_s, work_s=film.work_s if measured else None
    )
    held_s = fragment.piece.duration_s if fragment.piece.held else 0.0
    yield messages.fragment(fragment.data, film.mime, progress, film.fps, held_s=held_s)


def of_end(messages: LiveMessages, film: Film, why: str = "") -> Iterator[str]:
    """The end of a finished film, behind its notices; ``why`` it ended, where that is not plain."""
    if film.notices:
        yield messages.stage("Finishing the video", notices=film.notices)
    yield messages.end(
        film.made_s,
        film_s=film.kept_s,
        stopped=not film.complete,
        last=film.tail,
        sentence=why,
    )


def of_error(messages: LiveMessages, error: Exception, *files: object) -> tuple[str, str]:
    """The message of an error, and the sentence for callers of the API; no folder of ``files``."""
    page, call = sentences(error, messages.run, *files)
    return messages.error(page, no_face=isinstance(error, NoFaceError)), call
