"""The old programs flite and espeak-ng as cheap extra voices, each with its own phone timings.

Both run hundreds of times faster than real time and sound robotic. About a quarter of the audio for
speech pre-training comes from them. So the encoder does not listen to one engine's habits. Debian
packages `flite` (BSD-like) and `espeak-ng` with `libespeak-ng1` (GPL program; the sound that it
makes is not covered by that).
"""

import ctypes
import shutil
import subprocess
import tempfile
import unicodedata
import wave
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

from flashtalk.errors import FlashTalkError
from lab.synthesis.voices.phones import (
    ARPABET,
    ESPEAK,
    KOKORO,
    SAMPLE_RATE_HZ,
    Utterance,
    classify,
)

FLITE_VOICES = ("awb", "rms", "slt", "kal16")
ESPEAK_ACCENTS = ("gmw/en-US", "gmw/en")
ESPEAK_VARIANTS = (
    *("", "+f1", "+f2", "+f3", "+f4", "+f5", "+m1", "+m2", "+m3", "+m4", "+m5", "+m6", "+m7"),
    *("+m8", "+Alex", "+Andrea", "+Annie", "+Belinda", "+Michael", "+Steph", "+Linda", "+Denis"),
)
ESPEAK_SYNCHRONOUS = 2
ESPEAK_PHONEME_EVENTS = 1
ESPEAK_IPA_EVENTS = 2
ESPEAK_PHONEME = 7  # event type espeakEVENT_PHONEME
ESPEAK_UTF8 = 1
ESPEAK_LATENESS_S = 0.02  # its events against the energy minima of 28 closures
ESPEAK_RATE = 1  # parameter numbers of espeak_SetParameter
ESPEAK_PITCH = 3
AFFRICATES = {
    **{"tʃ": "ʧ", "dʒ": "ʤ", "ts.": "ꭧ", "ts": "ʦ", "dz": "ʣ", "tɕ": "ʨ", "dʑ": "ʥ", "s.": "ʂ"},
    **{"ʑ": "ʥ", "ʐ": "ɻ"},
}
"""Sounds of IPA that are one symbol of Kokoro's."""
NO_FLITE = "The program flite was not found; install it with: apt install flite"


def check_formant_voices() -> None:
    """FlashTalkError where flite or the library of espeak-ng is missing."""
    if shutil.which("flite") is None:
        raise FlashTalkError(NO_FLITE)
    _load_espeak()


def say_flite(text: str, voice: str, speed: float) -> Utterance:
    """Speaks with flite; phones are the unit boundaries of its voice."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        stretch = f"duration_stretch={1.0 / speed:.3f}"
        command = ["flite", "-psdur", "-voice", voice, "--setf", stretch, "-t", text]
        try:
            result = subprocess.run(
                [*command, "-o", str(path)], capture_output=True, text=True, check=True
            )
        except FileNotFoundError as error:
            raise FlashTalkError(NO_FLITE) from error
        except subprocess.CalledProcessError as error:
            raise FlashTalkError(f"flite failed on {text!r}: {error.stderr.strip()}") from error
        with wave.open(str(path)) as file:
            rate_hz = file.getframerate()
            pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    rows, start_s = [], 0.0
    for entry in result.stdout.split():
        name, end = entry.rsplit(":", 1)
        rows.append((name.upper(), start_s, float(end)))
        start_s = float(end)
    return Utterance(_to_16_khz(pcm, rate_hz), classify(rows, ARPABET))


class _EventId(ctypes.Union):
    _fields_ = [
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    ]


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # milliseconds
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


class Espeak:
    """espeak-ng's library with phoneme events in milliseconds.

    ipa: events name phones in IPA, as for all languages but English. The library has one way at a
    time, so whoever speaks after another starts it anew.
    """

    def __init__(self, ipa: bool = False) -> None:
        self._library = _load_espeak()
        self._ipa = ipa
        self._rate_hz = 0
        self._sound: list[np.ndarray] = []
        self._events: list[tuple[float, str]] = []
        pointer = ctypes.POINTER
        prototype = ctypes.CFUNCTYPE(
            ctypes.c_int, pointer(ctypes.c_short), ctypes.c_int, pointer(_Event)
        )
        self._callback = prototype(self._receive)  # kept: the library holds only the address

    def _start(self) -> None:
        global _speaking
        if _speaking is self:
            return
        events = ESPEAK_PHONEME_EVENTS | (ESPEAK_IPA_EVENTS if self._ipa else 0)
        self._rate_hz = self._library.espeak_Initialize(ESPEAK_SYNCHRONOUS, 0, None, events)
        if self._rate_hz <= 0:
            raise FlashTalkError("espeak-ng could not start; is the package espeak-ng-data there?")
        self._library.espeak_SetSynthCallback(self._callback)
        _speaking = self

    def say(self, text: str, voice: str, speed: float, pitch: int) -> Utterance:
        """Speaks one sentence; voice is accent plus variant (gmw/en-US+f2), pitch 0..99."""
        self._start()
        self._sound.clear()
        self._events.clear()
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise FlashTalkError(f"espeak-ng has no voice {voice!r}; see `espeak-ng --voices=en`.")
        self._library.espeak_SetParameter(ESPEAK_RATE, int(165 * speed), 0)
        self._library.espeak_SetParameter(ESPEAK_PITCH, pitch, 0)
        data = text.encode()
        self._library.espeak_Synth(data, len(data) + 1, 0, 0, 0, ESPEAK_UTF8, None, None)
        self._library.espeak_Synchronize()
        pcm = np.concatenate(self._sound)
        instants = [*(when for when, _ in self._events), len(pcm) / self._rate_hz]
        rows = [
            (name, start, end)
            for (start, name), end in zip(self._events, instants[1:], strict=True)
            if name
        ]
        table = {name: ipa_classes(name) for name, *_ in rows} if self._ipa else ESPEAK
        rows = [row for row in rows if not self._ipa or table[row[0]]]
        return Utterance(_to_16_khz(pcm, self._rate_hz), classify(rows, table))

    def _receive(self, samples: object, count: int, events: object) -> int:
        if count > 0:
            self._sound.append(np.ctypeslib.as_array(samples, (count,)).copy())
        index = 0
        while events[index].type != 0:  # type: ignore[index]
            event = events[index]  # type: ignore[index]
            if event.type == ESPEAK_PHONEME:
                name = bytes(event.id.string).split(b"\0")[0].decode()
                start_s = event.audio_position / 1000.0 - ESPEAK_LATENESS_S
                self._events.append((max(start_s, 0.0), name))
            index += 1
        return 0


_speaking: Espeak | None = None  # whom the library was started for


def ipa_classes(name: str) -> tuple[str, ...]:
    """The classes of a phone that espeak-ng names in IPA, at most two; none of a mark or pause."""
    symbols = unicodedata.normalize("NFD", name).replace("c\u0327", "ç")
    for pair, symbol in AFFRICATES.items():
        symbols = symbols.replace(pair, symbol)
    return tuple(each for symbol in symbols for each in KOKORO.get(symbol, ()))[:2]


def _load_espeak() -> ctypes.CDLL:
    try:
        return ctypes.CDLL("libespeak-ng.so.1")
    except OSError as error:
        raise FlashTalkError(
            "The library libespeak-ng.so.1 was not found; install it with: apt install espeak-ng"
        ) from error


def _to_16_khz(pcm: np.ndarray, rate_hz: int) -> np.ndarray:
    """int16 [S'] at `rate_hz` -> float32 [S] at 16 kHz."""
    samples = pcm.astype(np.float64) / 32768.0
    if rate_hz != SAMPLE_RATE_HZ:
        common = np.gcd(rate_hz, SAMPLE_RATE_HZ)
        samples = resample_poly(samples, SAMPLE_RATE_HZ // common, rate_hz // common)
    return samples.astype(np.float32)
