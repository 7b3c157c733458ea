"""A session on a worker: speech goes there, pieces of video come back as they are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError

from flashtalk.cluster.worker import OVER
from flashtalk.errors import FlashTalkError
from flashtalk.stream.piece import VideoPiece

GONE = (
    "The computer that made this video does not answer any more, so the video ends early. What was "
    "made can still be saved; please try again."
)
ANSWER_S = 30.0
"""A worker that makes nothing for so long is asked whether it is there, and has as long for it."""
_AHEAD = 2  # pieces that a worker makes before somebody takes them

Gone = Callable[[], None]


class RemoteSession:
    """As :class:`flashtalk.stream.session.Session`, but nothing is sent before pieces are taken.

    Iterators are taken in the order of their calls and to their ends, or the session is closed.

    Args:
        actor: the worker.
        number: of the session there.
        gone: called once the worker does not answer.
    """

    def __init__(self, actor: Any, number: int, gone: Gone) -> None:
        self._actor, self._number, self._gone = actor, number, gone
        self._closed = False

    def push(self, samples: Sequence[float] | np.ndarray) -> Iterator[VideoPiece]:
        """The video that ``samples`` [S] make ready.

        Raises:
            FlashTalkError: what the worker says, or that it is gone.
        """
        return self._pieces(self._actor.push, np.asarray(samples))

    def flush(self) -> Iterator[VideoPiece]:
        """The rest of the video; raises as :meth:`push`."""
        return self._pieces(self._actor.flush)

    def hold(self, samples: Sequence[float] | np.ndarray) -> Iterator[VideoPiece]:
        """The last picture, over what of ``samples`` [S] can go without; raises as :meth:`push`."""
        return self._pieces(self._actor.hold, np.asarray(samples))

    def close(self) -> None:
        """Ends the session before its next piece; may be called twice."""
        self._closed = True
        with answered(lambda: None):  # who is gone has no session to end
            grouped(self._actor.close, "calls").remote(self._number)

    def __enter__(self) -> RemoteSession:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # --- inside ---------------------------------------------------------------------------------
    def _pieces(self, method: Any, *given: object) -> Iterator[VideoPiece]:
        if self._closed:
            raise FlashTalkError(OVER)
        with answered(self._gone):
            streamed = grouped(
                method,
                "talks",
                num_returns="streaming",
                _generator_backpressure_num_objects=_AHEAD,
            ).remote(self._number, *given)
        while True:
            with answered(self._gone):
                while not ray.wait([streamed], timeout=ANSWER_S)[0]:  # nothing comes: is it there?
                    asked = grouped(self._actor.answer, "calls").remote()
                    ray.get(asked, timeout=ANSWER_S)
                try:
                    made = next(streamed)
                except StopIteration:
                    return
                piece = ray.get(made, timeout=ANSWER_S)
            yield piece


def grouped(method: Any, group: str, **options: object) -> Any:
    """``method`` of a worker, run by its threads of ``group``: "talks", "calls" or "life"."""
    return method.options(concurrency_group=group, **options)


@contextmanager
def answered(gone: Gone, sentence: str = GONE) -> Iterator[None]:
    """What a worker raises; if it does not answer, ``gone`` is called.

    Raises:
        FlashTalkError: what the worker says, or ``sentence`` if it does not answer.
        RuntimeError: what nobody foresaw there.
    """
    try:
        yield
    except RayTaskError as error:
        if isinstance(error.cause, FlashTalkError):
            raise error.cause from None  # its own text holds the worker's traceback
        raise RuntimeError(f"a worker failed: {error}") from error
    except (RayError, GetTimeoutError) as error:
        gone()
        raise FlashTalkError(sentence) from error
