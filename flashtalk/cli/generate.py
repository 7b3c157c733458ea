"""Entry point: a portrait and a voice become a video file.

    python -m flashtalk.generate --portrait me.jpg --audio voice.wav --out talk.mp4

The same session, chunk step and encoder as the live page, fed from a file. Exit codes: 0 done,
2 something in the command cannot be used (one sentence on stderr, nothing written), 130 stopped
with Ctrl-C (what was finished by then is kept as a playable file).
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from tqdm import tqdm

from flashtalk.config import PRESETS, TINY
from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError, command
from flashtalk.geometry import parse_size
from flashtalk.inputs.portrait import Portrait, portrait_for
from flashtalk.inputs.speech import Speech, load_speech
from flashtalk.outputs.film import Film, pieces_of
from flashtalk.placement import PLACEMENTS
from flashtalk.weights.checkpoint import find_checkpoint

MAX_SEED = 2**63 - 1  # what a torch.Generator takes


@dataclass
class Stop:
    """Set by the first Ctrl-C; looked at between two pieces of video."""

    signal_number: int = 0

    def __bool__(self) -> bool:
        return self.signal_number != 0


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except KeyboardInterrupt:
        _say("Stopped.")
        return 128 + signal.SIGINT
    except OSError as error:  # a full disk, a folder that went away
        _say(f"flashtalk: The video could not be written: {error.strerror or error}.")
        return 1


# --- command line ---------------------------------------------------------------------------------
def _run(options: argparse.Namespace) -> int:
    size = "auto" if options.size == "auto" else parse_size(options.size, ", or auto")
    preset = find_checkpoint(options.preset).preset.with_size(size)
    if options.steps is not None:
        preset.with_sampler(steps=options.steps)  # a wrong number is said before anything loads
    if not 0 <= options.seed <= MAX_SEED:
        raise FlashTalkError(f"The seed must be between 0 and {MAX_SEED}, got {options.seed}.")
    if not options.max_minutes > 0:
        raise FlashTalkError(f"--max-minutes must be above 0, got {options.max_minutes:g}.")
    check_destination(options.out, (options.portrait, options.audio))
    crop = "whole" if options.no_crop else None
    portrait = portrait_for(options.portrait, preset, crop=crop)
    speech = load_speech(options.audio, max_s=60 * options.max_minutes)
    for notice in (*portrait.notices, *speech.notices):
        _say(f"Note: {notice}")

    film = Film(portrait.image.size, preset.geometry.fps, speech, options.out)
    try:
        with film:
            stop = _talk(options, film, portrait, speech)
    except BaseException:
        if film.path is not None:
            _say(_kept(film))
        raise
    if not film.complete:
        _say(f"Stopped. {_kept(film)}")
        return 128 + stop.signal_number
    sys.stdout.write(f"{options.out}\n")
    return 0


def _talk(options: argparse.Namespace, film: Film, portrait: Portrait, speech: Speech) -> Stop:
    """Fills ``film`` until ``speech`` or a signal ends it."""
    engine = Engine.from_pretrained(
        options.preset,
        device=options.device,
        placement=options.placement,
        size="auto" if options.size == "auto" else parse_size(options.size, ", or auto"),
        threads=options.threads,
    )
    if notice := engine.prompt_notice(options.prompt):
        _say(f"Note: {notice}")
    session = engine.open(
        portrait,
        seed=options.seed,
        steps=options.steps,
        prompt=options.prompt,
        first_fragment_frames=engine.preset.first_fragment_frames,  # as the page
    )
    with _stoppable() as stop, _bar(film.total_s) as bar:
        for _ in film.fragments(pieces_of(session, speech), lambda: bool(stop)):
            bar.set_postfix_str(f"{film.real_time:.2f}x real time")
            bar.update(film.made_s - bar.n)
    return stop


def _kept(film: Film) -> str:
    if film.path is None:
        return "Nothing was written."
    return f"{film.made_s:.1f} s of {film.total_s:.1f} s are in {film.path}."


def check_destination(out: Path, inputs: Sequence[Path]) -> None:
    """Refuse a destination that cannot or must not be written, before any work is done."""
    if out.suffix.lower() != ".mp4":
        raise FlashTalkError(
            f"The video is an MP4 file: give --out a name ending in .mp4, not {out}."
        )
    if out.is_dir():
        raise FlashTalkError(f"{out} is a folder. Give --out the name of a file.")
    if not out.parent.is_dir():
        raise FlashTalkError(f"The folder {out.parent} does not exist. Create it first.")
    if not os.access(out.parent, os.W_OK | os.X_OK):
        raise FlashTalkError(f"The folder {out.parent} cannot be written to. Choose another one.")
    for source in inputs:
        if out.exists() and source.exists() and out.samefile(source):
            raise FlashTalkError(f"{out} is an input. Give --out another name.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flashtalk.generate",
        description="Make the person in a picture speak. An existing OUT is replaced, once the "
        "new video is complete.",
    )
    parser.add_argument("--portrait", type=Path, required=True, help="picture of one person")
    parser.add_argument("--audio", type=Path, required=True, help="sound file or video with sound")
    parser.add_argument("--out", type=Path, required=True, help="video to write (.mp4)")
    parser.add_argument(
        "--preset",
        default=TINY.name,
        help=f"{' or '.join(PRESETS)}, a folder of weights, or a Hub id (owner/name)",
    )
    parser.add_argument(
        "--prompt", help="what is to be seen, for models that read a prompt (default: the preset's)"
    )
    parser.add_argument(
        "--size",
        default="auto",
        help="HEIGHTxWIDTH in pixels, such as 768x448 (default auto: by the portrait's aspect)",
    )
    parser.add_argument("--seed", type=int, default=0, help="same seed, same video (default 0)")
    parser.add_argument("--steps", type=int, help="denoising steps (default: the preset's)")
    parser.add_argument(
        "--no-crop", action="store_true", help="use the picture's middle, do not cut it to the face"
    )
    parser.add_argument("--device", help="cpu, cuda or cuda:N (default: what the preset needs)")
    parser.add_argument(
        "--placement",
        choices=PLACEMENTS,
        help="how large networks share the GPU's memory (default: by how much there is)",
    )
    parser.add_argument("--threads", type=int, help="CPU threads (default: PyTorch's choice)")
    parser.add_argument(
        "--max-minutes", type=float, default=30.0, help="longest accepted sound (default 30)"
    )
    return parser


@contextmanager
def _stoppable() -> Iterator[Stop]:
    """Turn the first Ctrl-C (or SIGTERM) into a :class:`Stop`; a second one ends at once.

    Only a process's main thread hears signals; elsewhere nothing is changed.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def note(number: int, frame: FrameType | None) -> None:
        if stop:
            raise KeyboardInterrupt
        stop.signal_number = number
        _say("\nStopping after this piece; once more to stop at once.")

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _bar(seconds: float) -> tqdm:
    layout = "{l_bar}{bar}| {n:.1f}/{total:.1f} s [{elapsed}<{remaining}{postfix}]"
    return tqdm(total=seconds, desc="video", bar_format=layout, file=sys.stderr)


def _say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")


if __name__ == "__main__":
    sys.exit(main())
