"""Digests of the frames of what ships: whether two commits make the same bytes on one machine.

    python -m lab.evaluation.studies.frame_digests --out before.json     # in one clone
    python -m lab.evaluation.studies.frame_digests --against before.json # in the other

Three portraits speak with two voices, ten chunks each.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flashtalk.assets import ASSETS
from flashtalk.config import TINY
from flashtalk.engine import Engine
from flashtalk.errors import command
from flashtalk.inputs.speech import load_speech
from lab.options import read_options

CHUNKS = 10
PORTRAITS = ("ada", "omar", "mei")
VOICES = ("emma", "george")


@dataclass(frozen=True)
class Options:
    """Digests of the frames of what ships, written down or compared."""

    out: Path | None = None
    """Where the digests are written."""
    against: Path | None = None
    """Digests to compare with; the exit code is 1 where one differs."""
    seed: int = 7
    threads: int = 1


def digests(seed: int, threads: int) -> dict[str, str]:
    """SHA-256 of the frames of each talk, by portrait and voice."""
    engine = Engine.from_pretrained(size=TINY.network_size, threads=threads)
    geometry = engine.preset.geometry
    count = CHUNKS * geometry.new_samples + geometry.lookahead_samples
    found = {}
    for portrait in PORTRAITS:
        for voice in VOICES:
            samples = load_speech(ASSETS / "voices" / f"{voice}.flac").samples
            samples = np.tile(samples, -(-count // len(samples)))[:count]
            session = engine.open(ASSETS / "portraits" / f"{portrait}.jpg", seed=seed)
            digest = hashlib.sha256()
            for piece in session.push(samples):
                digest.update(piece.frames.tobytes())
            found[f"{portrait} {voice}"] = digest.hexdigest()
    return found


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point."""
    options = read_options(Options, arguments)
    found = digests(options.seed, options.threads)
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")
    expected = json.loads(options.against.read_text()) if options.against else found
    for talk, digest in found.items():
        same = expected.get(talk) == digest
        sys.stdout.write(f"{talk}: {digest[:16]} {'' if same else 'differs'}\n")
    return int(found != expected)


if __name__ == "__main__":
    sys.exit(main())
