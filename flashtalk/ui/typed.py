"""Typed sentences of the page: spoken on the server, kept as long as an upload."""

from __future__ import annotations

import io
import wave
from collections.abc import Callable
from typing import Any

from gradio.components import Component
from gradio.processing_utils import save_bytes_to_cache

from flashtalk.errors import FlashTalkError
from flashtalk.inputs.sentence import say

Speak = Callable[[dict[str, Any]], dict[str, Any]]


def speak_for(owner: Component) -> Speak:
    """The server's half of ``assets/ui/scripts/sentence.js``; ``owner`` has the files deleted."""

    def speak(question: dict[str, Any]) -> dict[str, Any]:
        """The answer to ``{sentence, speaker}``: the path of a WAV file, or a problem."""
        try:
            rate_hz, samples = say(str(question.get("sentence")), str(question.get("speaker")))
        except FlashTalkError as error:
            return {"problem": str(error)}
        file = io.BytesIO()
        with wave.open(file, "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(rate_hz)
            sound.writeframes(samples.tobytes())
        path = save_bytes_to_cache(file.getvalue(), "sentence.wav", owner.GRADIO_CACHE)
        owner.temp_files.add(path)
        return {"path": path, "seconds": len(samples) / rate_hz}

    return speak
