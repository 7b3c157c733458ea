"""What a file says of its making: its name, and the metadata inside it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from flashtalk import __version__

_LONGEST_NAME = 40


@dataclass(frozen=True)
class Credits:
    """What makes the same video again."""

    portrait: str
    """Name of the picture, without folder and ending."""
    voice: str
    """Name of the sound, the same way."""
    seed: int
    steps: int
    preset: str
    live: bool = False
    """Whether the voice was spoken live, from no file."""

    @classmethod
    def of(cls, portrait: object, voice: object, *, seed: int, steps: int, preset: str) -> Credits:
        """Of two files; whatever is no path goes without a name."""
        return cls(_name(portrait, "portrait"), _name(voice, "voice"), seed, steps, preset)

    @classmethod
    def of_live(cls, portrait: object, *, seed: int, steps: int, preset: str) -> Credits:
        """Of a picture's file and somebody who speaks live."""
        return cls(_name(portrait, "portrait"), "live", seed, steps, preset, live=True)

    @property
    def file_name(self) -> str:
        return f"flashtalk-{self.portrait}-{self.voice}-{self.seed}.mp4"

    @property
    def metadata(self) -> dict[str, str]:
        """Names and values of an mp4, as FFmpeg calls them."""
        facts = {
            "portrait": self.portrait,
            "voice": self.voice,
            "seed": self.seed,
            "steps": self.steps,
            "preset": self.preset,
            "version": __version__,
        }
        how = "live" if self.live else f"with the voice {self.voice}"
        return {
            "title": f"{self.portrait} speaks {how}",
            "artist": f"FlashTalk {__version__}, {self.preset}",
            "description": "; ".join(f"{name}: {value}" for name, value in facts.items()),
        }


def _name(file: object, otherwise: str) -> str:
    """A name that every file system takes."""
    if not isinstance(file, str | Path):
        return otherwise
    words = re.sub(r"[^\w]+", "-", Path(file).stem.lower()).strip("-_")
    return words[:_LONGEST_NAME].strip("-_") or otherwise
