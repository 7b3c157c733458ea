"""Typed sentences of the page: spoken on the server, kept as long as an upload."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradio.components import Component
from gradio.processing_utils import save_bytes_to_cache

from flashtalk.errors import FlashTalkError
from flashtalk.inputs.sentence import SPEAKER, spoken

Speak = Callable[[dict[str, Any]], dict[str, Any]]


def speak_for(owner: Component) -> Speak:
    """The server's half of ``assets/ui/scripts/sentence.js``; ``owner`` has the files deleted."""

    def speak(question: dict[str, Any]) -> dict[str, Any]:
        """The answer to ``{sentence, speaker}``: the path of a WAV file, or a problem."""
        sentence, speaker = str(question.get("sentence")), question.get("speaker") or SPEAKER
        try:
            sound = spoken(sentence, str(speaker))
        except FlashTalkError as error:
            return {"problem": str(error)}
        path = save_bytes_to_cache(sound, "sentence.wav", owner.GRADIO_CACHE)
        owner.temp_files.add(path)
        return {"path": path}

    return speak
