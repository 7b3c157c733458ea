"""The moving picture of the README, made by the product: three people of the gallery talk.

python lab/runs/moving_picture.py docs/talking.webp
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from flashtalk.assets import ASSETS
from flashtalk.engine import Engine
from flashtalk.inputs.speech import load_speech

CAST = (("amara", "grace"), ("kenji", "george"), ("clara", "emma"))
SECONDS = 5
EVERY = 2  # frame of 25 a second


def main(out: Path) -> None:
    """Writes an animated WebP: 12.5 pictures a second, the people side by side."""
    engine = Engine.from_pretrained("flashtalk-tiny")
    geometry = engine.preset.geometry
    people = []
    for seed, (portrait, voice) in enumerate(CAST):
        samples = load_speech(ASSETS / "voices" / f"{voice}.flac").samples
        samples = samples[: SECONDS * geometry.sample_rate_hz]
        session = engine.open(ASSETS / "portraits" / f"{portrait}.jpg", seed=seed)
        pieces = [*session.push(samples), *session.flush()]
        people.append(np.concatenate([piece.frames for piece in pieces])[::EVERY])
    count = min(map(len, people))
    pictures = [
        Image.fromarray(np.concatenate([each[index] for each in people], axis=1))
        for index in range(count)
    ]
    pictures[0].save(
        out,
        save_all=True,
        append_images=pictures[1:],
        duration=1000 * EVERY // geometry.fps,
        loop=0,
        quality=70,
        method=4,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
