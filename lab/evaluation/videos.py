"""Talks as the files that visitors download, for a judge that is not ours.

    python -m lab.evaluation.videos --clips DIR --out runs/talks
    python -m lab.evaluation.videos --clips DIR --out runs/true --rendered
    PYTHONPATH=. .judge/bin/python lab/evaluation/studies/outside_lips.py runs/talks

Each talk is NAME.mp4 and, beside it, what its lips should do, as NAME.json. With ``--rendered`` the
held-out clips themselves are written so, which tells what the judge sees at best.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from flashtalk.config import TINY
from flashtalk.engine import Engine
from flashtalk.errors import command
from flashtalk.inputs.portrait import Portrait, portrait_for
from flashtalk.inputs.speech import Speech as Heard
from flashtalk.outputs.film import Film, pieces_of
from flashtalk.stream.piece import VideoPiece
from flashtalk.weights.checkpoint import find_checkpoint
from lab.evaluation.measures.series import CLOSURES
from lab.evaluation.talks import RenderedClip, Speech, load_held_out, make_talk
from lab.options import read_options, set_up
from lab.synthesis.curves import LEAD_S
from lab.synthesis.voices.phones import FRAME_RATE_HZ, SAMPLE_RATE_HZ


def talk_to(
    engine: Engine, portrait: Portrait, speech: Speech, path: Path | None = None, seed: int = 0
) -> np.ndarray:
    """``portrait`` says ``speech``: frames [F, H, W, 3] uint8.

    With a ``path``, ``path``.mp4 is what a visitor would download, also of a talk that breaks off.
    """
    session = engine.open(
        portrait, seed=seed, first_fragment_frames=engine.preset.first_fragment_frames
    )
    pieces = pieces_of(session, heard(speech))
    return keep(path, pieces, speech, portrait.image.size, engine.preset.geometry.fps)


def keep(
    path: Path | None,
    pieces: Iterable[VideoPiece],
    speech: Speech,
    size: tuple[int, int],
    fps: int = FRAME_RATE_HZ,
) -> np.ndarray:
    """The frames of ``pieces``, [F, H, W, 3]; ``size`` is their width and height.

    ``path``.mp4 shows them and ``path``.json says what their lips should do. Without a ``path``
    nothing is written.
    """
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        closures = [phone.center_s - LEAD_S for phone in speech.phones if phone.name in CLOSURES]
        wanted = {"opening": speech.expected_opening.tolist(), "closures_s": closures}
        path.with_suffix(".json").write_text(json.dumps(wanted) + "\n")
    with Film(size, fps, heard(speech), path and path.with_suffix(".mp4")) as film:
        return np.concatenate([shown.piece.frames for shown in film.fragments(pieces)])


def heard(speech: Speech) -> Heard:
    """``speech`` as a session hears it and a film plays it."""
    return Heard(speech.samples, speech.samples[None], playback_rate_hz=SAMPLE_RATE_HZ)


@dataclass(frozen=True, kw_only=True)
class Videos:
    """Write talks of held-out people as files, for a judge that is not ours."""

    clips: Path
    """Folder of clips, as ``python -m lab.synthesis`` makes them."""
    weights: str = TINY.name
    """A preset's name or a folder."""
    seeds: tuple[int, ...] = tuple(range(12))
    """Seeds of the talks."""
    seconds: int = 8
    """Length of a talk."""
    rendered: bool = False
    """Write the held-out clips themselves in place of talks."""
    out: Path
    """Folder of the files."""
    threads: int | None = None
    """Threads of the processor."""


def write_rendered(clips: Sequence[RenderedClip], out: Path) -> None:
    """Write the clips in which somebody speaks as they were rendered."""
    for clip in tqdm([clip for clip in clips if clip.phones], unit="clip"):
        frames = clip.frames()
        speech = Speech.whole(clip.samples, clip.phones).within(0, len(frames))
        whole = VideoPiece(index=0, frames=frames, samples=speech.samples, start_s=0.0)
        keep(out / clip.name, [whole], speech, frames.shape[2:0:-1])


def write_talks(config: Videos, clips: Sequence[RenderedClip]) -> None:
    """Generate and write the talks of ``config.seeds``."""
    engine = Engine(find_checkpoint(config.weights).load(torch.device("cpu")))
    for seed in tqdm(config.seeds, unit="talk"):
        talk = make_talk(clips, seed, config.seconds)
        portrait = portrait_for(talk.person.portrait, engine.preset, crop="cover")
        speech = talk.speech.within(0, config.seconds * FRAME_RATE_HZ)
        name = f"{seed:02d}-{talk.person.name}-{talk.voice}"
        talk_to(engine, portrait, speech, config.out / name, seed)


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    config = read_options(Videos, arguments)
    set_up(config.threads)
    clips = load_held_out(config.clips)
    if config.rendered:
        write_rendered(clips, config.out)
    else:
        write_talks(config, clips)


if __name__ == "__main__":
    sys.exit(main())
