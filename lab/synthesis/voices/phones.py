"""Phones: the 24 mouth-relevant sound classes, timed phones and utterances.

First station of the speech half: every engine (Kokoro, flite, espeak-ng, the aligner) has its own
phone set. This file maps all of them onto one small set in which sounds that look alike share a
class (P stands for p, b and m). A diphthong becomes two phones, the first 55 % of its length. The
flow: text -> **phones** + samples -> mouth curves -> performance -> renderer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from flashtalk.errors import FlashTalkError
from flashtalk.geometry import ChunkGeometry, exact_div

SAMPLE_RATE_HZ = ChunkGeometry.sample_rate_hz
FRAME_RATE_HZ = ChunkGeometry.fps
SAMPLES_PER_FRAME = exact_div(SAMPLE_RATE_HZ, FRAME_RATE_HZ, "samples per frame")

SILENCE = "SIL"
CONSONANTS = ("P", "F", "TH", "T", "S", "SH", "K", "N", "L", "R", "W", "Y", "HH")
VOWELS = ("AA", "AE", "AH", "AO", "EH", "ER", "IH", "IY", "UH", "UW", "OH")
PHONE_CLASSES = (SILENCE, *CONSONANTS, *VOWELS)  # 24 sounds and silence, which is index 0
CLASS_INDEX = {name: index for index, name in enumerate(PHONE_CLASSES)}

DIPHTHONG_SPLIT = 0.55  # the first target holds a little longer than the second

# ARPABET, as the aligner and flite (in lower case) name phones.
ARPABET: Mapping[str, tuple[str, ...]] = {
    **{name: (name,) for name in PHONE_CLASSES if name != "OH"},
    **{"B": ("P",), "M": ("P",), "V": ("F",), "DH": ("TH",), "D": ("T",), "Z": ("S",)},
    **{"ZH": ("SH",), "CH": ("SH",), "JH": ("SH",), "G": ("K",), "NG": ("K",), "AX": ("AH",)},
    **{"AW": ("AA", "UW"), "AY": ("AA", "IY"), "EY": ("EH", "IY"), "OW": ("OH", "UW")},
    **{"OY": ("OH", "IY"), "PAU": (SILENCE,), "EL": ("L",), "EM": ("P",), "EN": ("N",)},
}

# The symbols that Kokoro reads (a one-character-per-sound variant of IPA).
KOKORO: Mapping[str, tuple[str, ...]] = {
    **{"p": ("P",), "b": ("P",), "m": ("P",), "f": ("F",), "v": ("F",), "θ": ("TH",)},
    **{"ð": ("TH",), "t": ("T",), "d": ("T",), "ɾ": ("T",), "T": ("T",), "s": ("S",), "z": ("S",)},
    **{"ʃ": ("SH",), "ʒ": ("SH",), "ʧ": ("SH",), "ʤ": ("SH",), "k": ("K",), "ɡ": ("K",)},
    **{"g": ("K",), "ŋ": ("K",), "ʔ": ("K",), "n": ("N",), "l": ("L",), "ɹ": ("R",), "w": ("W",)},
    **{"j": ("Y",), "h": ("HH",), "ɑ": ("AA",), "a": ("AA",), "ɒ": ("AO",), "æ": ("AE",)},
    **{"ʌ": ("AH",), "ə": ("AH",), "ᵊ": ("AH",), "ɐ": ("AH",), "ɔ": ("AO",), "o": ("OH",)},
    **{"ɛ": ("EH",), "e": ("EH",), "ɜ": ("ER",), "ɪ": ("IH",), "ᵻ": ("IH",), "i": ("IY",)},
    **{"ʊ": ("UH",), "u": ("UW",), "A": ("EH", "IY"), "I": ("AA", "IY"), "W": ("AA", "UW")},
    **{"Y": ("OH", "IY"), "O": ("OH", "UW"), "Q": ("AH", "UW")},
    # sounds of other languages, by what is seen of them
    **{"β": ("F",), "ɸ": ("F",), "ʋ": ("F",), "ʣ": ("S",), "ʦ": ("S",), "ʥ": ("SH",)},
    **{"ʨ": ("SH",), "ɕ": ("SH",), "ʂ": ("SH",), "ꭧ": ("SH",), "c": ("SH",), "ɟ": ("SH",)},
    **{"ç": ("HH",), "x": ("K",), "χ": ("K",), "ɣ": ("K",), "ɰ": ("K",), "q": ("K",), "ʁ": ("K",)},
    **{"ɖ": ("T",), "ʈ": ("T",), "ɽ": ("T",), "r": ("L",), "ɻ": ("R",), "ʎ": ("Y",), "ʝ": ("Y",)},
    **{"ɲ": ("N",), "ɳ": ("N",), "ɴ": ("N",), "ɥ": ("W",), "y": ("UW",), "ø": ("UH",)},
    **{"œ": ("OH",), "ɨ": ("IH",), "ɯ": ("UH",), "ɤ": ("AH",), "ɚ": ("ER",), "S": ("S",)},
}

# espeak-ng's own mnemonics for English.
ESPEAK: Mapping[str, tuple[str, ...]] = {
    **{"p": ("P",), "b": ("P",), "m": ("P",), "f": ("F",), "v": ("F",), "T": ("TH",)},
    **{"D": ("TH",), "t": ("T",), "d": ("T",), "t#": ("T",), "t2": ("T",), "d#": ("T",)},
    **{"s": ("S",), "z": ("S",), "S": ("SH",), "Z": ("SH",), "tS": ("SH",), "dZ": ("SH",)},
    **{"k": ("K",), "g": ("K",), "N": ("K",), "?": ("K",), "n": ("N",), "n-": ("N",)},
    **{"l": ("L",), "l#": ("L",), "@L": ("AH", "L"), "r": ("R",), "r-": ("R",), "r/": ("R",)},
    **{"w": ("W",), "j": ("Y",), "h": ("HH",), "x": ("K",), "m-": ("P",), "a": ("AE",)},
    **{"aa": ("AE",), "a#": ("AH",), "A:": ("AA",), "A@": ("AA", "R"), "O:": ("AO",)},
    **{"O@": ("AO", "R"), "o@": ("AO", "R"), "0": ("AA",), "0#": ("AA",), "V": ("AH",)},
    **{"E": ("EH",), "E#": ("EH",), "E2": ("EH",), "e@": ("EH", "R"), "I": ("IH",)},
    **{"I2": ("IH",), "I#": ("IH",), "i": ("IY",), "i:": ("IY",), "i@": ("IY", "AH")},
    **{"i@3": ("IY", "ER"), "3": ("ER",), "3:": ("ER",), "@": ("AH",), "@2": ("AH",)},
    **{"@5": ("AH",), "@#": ("AH",), "@-": ("AH",), "U": ("UH",), "u": ("UW",), "u:": ("UW",)},
    **{"O2": ("AO",), ";": ("Y",)},
    **{"U@": ("UH", "R"), "aI": ("AA", "IY"), "aU": ("AA", "UW"), "eI": ("EH", "IY")},
    **{"oU": ("OH", "UW"), "oU#": ("OH", "UW"), "OI": ("OH", "IY"), "aI@": ("AA", "IY")},
    **{"aI3": ("AA", "ER"), "aU@": ("AA", "UW"), "e": ("EH",), "o": ("OH",), "_": (SILENCE,)},
    **{"_:": (SILENCE,), "_::": (SILENCE,), "_!": (SILENCE,), "_|": (SILENCE,), "_^_": (SILENCE,)},
}


@dataclass(frozen=True)
class Phone:
    """One sound class between two instants of an utterance."""

    name: str  # one of PHONE_CLASSES
    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        if self.name not in CLASS_INDEX:
            raise ValueError(f"Phone name is {self.name!r}; it must be one of {PHONE_CLASSES}.")
        if not self.start_s < self.end_s:
            raise ValueError(
                f"Phone {self.name} runs from {self.start_s} s to {self.end_s} s; it must have "
                "a positive length."
            )

    @property
    def center_s(self) -> float:
        """The middle of the phone, in seconds."""
        return 0.5 * (self.start_s + self.end_s)

    def shifted(self, seconds: float) -> "Phone":
        """The same phone, `seconds` later."""
        return Phone(self.name, self.start_s + seconds, self.end_s + seconds)


@dataclass(frozen=True)
class Utterance:
    """Speech and its timed phones.

    samples: float32 [S], mono, 16 kHz, within -1..1.
    phones: in order of time; instants that no phone covers are silent.
    """

    samples: np.ndarray
    phones: tuple[Phone, ...]

    def __post_init__(self) -> None:
        if self.samples.ndim != 1 or self.samples.dtype != np.float32:
            raise ValueError(
                f"Utterance samples are {self.samples.dtype} {list(self.samples.shape)}; "
                "they must be float32 [S]."
            )

    @property
    def seconds(self) -> float:
        """Length of the sound, in seconds."""
        return len(self.samples) / SAMPLE_RATE_HZ


def classify(
    named: Iterable[tuple[str, float, float]], table: Mapping[str, tuple[str, ...]]
) -> tuple[Phone, ...]:
    """Maps an engine's (name, start_s, end_s) rows onto classes and splits its diphthongs.

    Raises FlashTalkError for a name that `table` lacks.
    """
    phones: list[Phone] = []
    for name, start_s, end_s in named:
        if end_s - start_s < 1e-3:
            continue
        classes = table.get(name)
        if classes is None:
            raise FlashTalkError(
                f"The speech engine reports a phone named {name!r}; the known names are "
                f"{sorted(table)}. Add the missing one to lab/synthesis/voices/phones.py."
            )
        if len(classes) == 1:
            phones.append(Phone(classes[0], start_s, end_s))
        else:
            middle_s = start_s + DIPHTHONG_SPLIT * (end_s - start_s)
            phones += [Phone(classes[0], start_s, middle_s), Phone(classes[1], middle_s, end_s)]
    return tuple(phones)


def phone_track(phones: Iterable[Phone], frames: int) -> np.ndarray:
    """The class index at the center of every frame: uint8 [T], 0 where nothing is spoken."""
    centers_s = (np.arange(frames) + 0.5) / FRAME_RATE_HZ
    track = np.zeros(frames, np.uint8)
    for phone in phones:
        track[(centers_s >= phone.start_s) & (centers_s < phone.end_s)] = CLASS_INDEX[phone.name]
    return track
