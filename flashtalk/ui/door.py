"""The page's door: what comes in is handed on as it was sent, and a refusal is a sentence.

Gradio opens pictures, rounds numbers and checks files before our code sees them. It answers what it
refuses with nothing but "Error". Here only its check of files stays, with a sentence of ours.
"""

from __future__ import annotations

import inspect
import logging
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.components import Component
from gradio.data_classes import FileData, ImageData
from gradio.state_holder import SessionState

from flashtalk.ui.compare.comparisons import Comparisons
from flashtalk.ui.events import Talk
from flashtalk.ui.live.talks import LiveTalks
from flashtalk.ui.sent import NOT_TAKEN, uploaded_path
from flashtalk.ui.sentences import sentences

logger = logging.getLogger(__name__)


class Page(gr.Blocks):
    """The page with the talks that it makes."""

    def __init__(
        self, talk: Talk, live_talks: LiveTalks, comparisons: Comparisons, **options: Any
    ) -> None:
        super().__init__(**options)
        self.talk = talk
        self.live_talks = live_talks
        self.comparisons = comparisons

    async def preprocess_data(
        self,
        block_fn: BlockFunction,
        inputs: list[Any],
        state: SessionState | None,
        *given: Any,
        **named: Any,
    ) -> list[Any]:
        """What Gradio makes of a request's values; those with a default may be left out.

        Raises:
            gr.Error: for values that it refuses, such as a file that nobody uploaded.
        """
        if state is not None:
            _hand_on(block_fn, state)
        try:
            if block_fn.inputs and len(inputs) > len(block_fn.inputs):
                raise ValueError(f"{len(inputs)} values for {len(block_fn.inputs)} fields")
            values = [*inputs, *_left_out(block_fn, len(inputs))]
            return await super().preprocess_data(block_fn, values, state, *given, **named)
        except Exception as error:
            logger.info("a request was refused: %s", error)
            raise gr.Error(NOT_TAKEN, print_exception=False) from error

    async def postprocess_data(self, *given: Any, **named: Any) -> list[Any]:
        """What Gradio makes of an answer's values.

        Raises:
            gr.Error: with a sentence, where it cannot serve a file.
        """
        try:
            return await super().postprocess_data(*given, **named)
        except gr.Error:
            raise
        except Exception as error:
            _, said = sentences(error, "whose answer was to be given")
            raise gr.Error(said, print_exception=False) from error


def _hand_on(block_fn: BlockFunction, state: SessionState) -> None:
    """Lets a visitor's components do so, too: each value that a talk changes makes a new one."""
    for component in block_fn.inputs:
        mine = state.get(component._id)
        if mine is not None and getattr(component, "preprocess", None) is _as_sent:
            as_sent(mine)


def _left_out(block_fn: BlockFunction, count: int) -> list[Any]:
    """Defaults of what follows the first ``count`` values, up to one that has none."""
    defaults: list[Any] = []
    if block_fn.fn is None:
        return defaults
    parameters = inspect.signature(block_fn.fn).parameters
    for name in block_fn.input_parameter_names[count:]:
        if name is None or parameters[name].default is inspect.Parameter.empty:
            break
        defaults.append(parameters[name].default)
    return defaults


def as_sent(component: Component) -> None:
    """Lets ``component`` hand on its value as it was sent, a file as its path."""
    component.preprocess = _as_sent  # type: ignore[method-assign, assignment]


def _as_sent(value: Any) -> Any:
    return uploaded_path(value.path) if isinstance(value, FileData | ImageData) else value
