"""Phone alignment: where in a recording each sound of its known text lies.

The acoustic model is the US-English one inside the `pocketsphinx` wheel (BSD-like). It places /p/
and /b/ on the energy minimum of their closure (median 0 ms over 84 cases). So it is taken as the
truth wherever it works. It does the same for recorded speech whose words are known.
"""

import re
from importlib.util import find_spec

import numpy as np

from flashtalk.errors import FlashTalkError
from lab.synthesis.voices.phones import ARPABET, SAMPLE_RATE_HZ, SILENCE, Phone, classify

ALIGNER_STEP_S = 0.01


class AlignmentFailed(FlashTalkError):
    """The aligner found no path through this recording; use the engine's own durations."""


def check_aligner() -> None:
    """FlashTalkError where pocketsphinx is missing."""
    if find_spec("pocketsphinx") is None:
        raise FlashTalkError(
            "Phone alignment needs the package pocketsphinx; "
            "install it with: pip install pocketsphinx==5.1.1"
        )


class PhoneAligner:
    """Forced alignment with pocketsphinx; about 5 % of the recording's length on one core."""

    def __init__(self) -> None:
        check_aligner()
        from pocketsphinx import Decoder

        self._decoder = Decoder(lm=None, samprate=SAMPLE_RATE_HZ, loglevel="FATAL")

    def knows(self, word: str) -> bool:
        """Whether the pronunciation dictionary holds `word`."""
        return self._decoder.lookup_word(word) is not None

    def align(self, samples: np.ndarray, text: str) -> tuple[Phone, ...]:
        """Timed phones of `text` as spoken in `samples` (float [S], 16 kHz).

        Raises AlignmentFailed where the recording and the text do not fit together.
        """
        pcm = (np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes()
        try:
            self._decoder.set_align_text(spoken_words(text))
            self._decode(pcm)
            self._decoder.set_alignment()
            self._decode(pcm)
            words = self._decoder.get_alignment()
        except RuntimeError as error:
            raise AlignmentFailed(
                f"The text {text!r} could not be aligned with its {len(samples)} samples."
            ) from error
        rows = [
            (
                phone.name if phone.name in ARPABET else SILENCE,  # fillers: +NSN+ and the like
                phone.start * ALIGNER_STEP_S,
                (phone.start + phone.duration) * ALIGNER_STEP_S,
            )
            for word in words
            for phone in word
        ]
        return classify(rows, ARPABET)

    def _decode(self, pcm: bytes) -> None:
        self._decoder.start_utt()
        self._decoder.process_raw(pcm, full_utt=True)
        self._decoder.end_utt()


def spoken_words(text: str) -> str:
    """Lower-case words with single spaces, as the aligner's dictionary spells them."""
    return " ".join(re.sub(r"[^a-z' ]", " ", text.lower()).split())
