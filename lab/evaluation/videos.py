"""Talks as the files that visitors download, for a judge that is not ours.

    python -m lab.evaluation.videos --clips DIR --out runs/talks
    python -m lab.evaluation.videos --clips DIR --out runs/true --rendered
    PYTHONPATH=. .judge/bin/python lab/evaluation/studies/outside_lips.py runs/talks

Each talk is NAME.mp4 and, beside it, what its lips should do, as NAME.json. With ``--rendered`` the
held-out clips themselves are written so, which tells what the judge sees at best.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from flashtalk.config import TINY
from flashtalk.engine import Engine
from flashtalk.errors import command
from flashtalk.inputs.portrait import Portrait, portrait_for
from flashtalk.outputs.fragments import FragmentEncoder
from flashtalk.outputs.recording import Recording
from flashtalk.weights.checkpoint import find_checkpoint
from lab.evaluation.measures.series import CLOSURES
from lab.evaluation.talks import Speech, clip_names, load_clip, make_talk
from lab.synthesis.curves import LEAD_S
from lab.synthesis.voices.phones import FRAME_RATE_HZ, SAMPLE_RATE_HZ


def film(engine: Engine, portrait: Portrait, speech: Speech, seed: int = 0) -> np.ndarray:
    """``portrait`` says ``speech``: frames [F, H, W, 3] uint8."""
    with engine.open(portrait, seed=seed) as session:
        chunks = chain(session.push(speech.samples), session.flush())
        frames = np.concatenate([chunk.frames for chunk in chunks])
    return frames[: len(speech.expected_opening)]


def keep(path: Path, frames: np.ndarray, speech: Speech) -> None:
    """``path``.mp4 as a visitor would download it, and ``path``.json: what its lips should do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = frames.shape[1:3]
    encoder = FragmentEncoder(width, height, FRAME_RATE_HZ, SAMPLE_RATE_HZ)
    with Recording(path.with_suffix(".mp4")) as recording:
        recording.append(encoder.encode(frames, speech.samples[None]))
        recording.append(encoder.finish())
        recording.finish()
    closures = [phone.center_s - LEAD_S for phone in speech.phones if phone.name in CLOSURES]
    wanted = {"opening": speech.expected_opening.tolist(), "closures_s": closures}
    path.with_suffix(".json").write_text(json.dumps(wanted) + "\n")


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, required=True, help="made by lab.synthesis")
    parser.add_argument("--weights", default=TINY.name, help="a preset's name or a folder")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(12)))
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--rendered", action="store_true", help="the clips themselves")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args(arguments)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    clips = [load_clip(options.clips, name) for name in clip_names(options.clips)]
    if options.rendered:
        for clip in tqdm((clip for clip in clips if clip.phones), unit="clip"):
            frames = clip.frames()
            speech = Speech.whole(clip.samples, clip.phones).within(0, len(frames))
            keep(options.out / clip.name, frames, speech)
        return 0
    engine = Engine(find_checkpoint(options.weights).load(torch.device("cpu")))
    for seed in tqdm(options.seeds, unit="talk"):
        talk = make_talk(clips, seed, options.seconds)
        portrait = portrait_for(talk.person.portrait, engine.preset, crop="cover")
        speech = talk.speech.within(0, options.seconds * FRAME_RATE_HZ)
        name = f"{seed:02d}-{talk.person.name}-{talk.voice}"
        keep(options.out / name, film(engine, portrait, speech, seed), speech)
    return 0


if __name__ == "__main__":
    sys.exit(main())
