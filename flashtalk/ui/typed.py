"""Typed sentences of the page: spoken on the server, kept as long as an upload."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradio.components import Component
from gradio.processing_utils import save_bytes_to_cache

from flashtalk.config.given import known_names, shown
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.sentence import SPEAKER, spoken

Speak = Callable[[dict[str, Any]], dict[str, Any]]


def speak_for(owner: Component) -> Speak:
    """The server's half of ``assets/ui/scripts/sentence.js``; ``owner`` has the files deleted."""

    def speak(question: dict[str, Any]) -> dict[str, Any]:
        """The answer to ``{sentence, speaker}``: the path of a WAV file, or a problem."""
        try:
            known_names(question, ("sentence", "speaker"), "What is to be spoken")
            sentence = _text(question.get("sentence"), "A sentence")
            sound = spoken(sentence, _text(question.get("speaker") or SPEAKER, "A speaker"))
        except FlashTalkError as error:
            return {"problem": str(error)}
        path = save_bytes_to_cache(sound, "sentence.wav", owner.GRADIO_CACHE)
        owner.temp_files.add(path)
        return {"path": path}

    return speak


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise FlashTalkError(f"{what} is text, got {shown(value)}.")
    return value
