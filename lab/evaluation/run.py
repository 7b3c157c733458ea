"""Talks are generated and measured, cell by cell; the command line of the evaluation.

    python -m lab.evaluation --weights assets/flashtalk-tiny --clips DIR \\
        --seconds 10 60 300 900 --seeds 0 1 2 --out docs/evaluation

A talk of 900 s begins with those of 10, 60 and 300 s: it is generated once, and whenever one of
these moments is reached, the stretch that ends there is measured and its cell is written. The first
10 s are always drawn, for colors are compared with them; between the stretches only what the talk
goes on from is computed. Cells that are there already are not made again; Ctrl-C stops after the
current chunk and keeps all cells written. A talk that was stopped starts again at its beginning,
since a session cannot be saved.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError, command
from flashtalk.inputs.portrait import portrait_for
from lab.evaluation import speed
from lab.evaluation.measurements import Cell, is_done, read_cells, write_cell
from lab.evaluation.measures.calibration import calibrate, for_calibration
from lab.evaluation.measures.pictures import align, mean_colors
from lab.evaluation.measures.reading import load_reader, read_faces
from lab.evaluation.measures.sync import SHIPPED, load_sync
from lab.evaluation.reports.table import write_report
from lab.evaluation.runs import FORM, Variant, parse_variant
from lab.evaluation.segment import Judges, measure, reference_of
from lab.evaluation.talks import RenderedClip, Talk, clip_names, load_clip, make_talk

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """What is to be measured."""

    seconds: tuple[int, ...]
    """Moments of a talk, ascending."""
    window_s: float
    """Length of the stretch measured before each of them, or all there is if that is less."""
    opening_s: float = 10.0
    """The beginning of a talk that colors of later stretches are compared with."""

    def __post_init__(self) -> None:
        if not self.seconds or list(self.seconds) != sorted(set(self.seconds)):
            raise FlashTalkError(f"Lengths must ascend, got {' '.join(map(str, self.seconds))}.")
        if self.window_s < 2.0 or self.seconds[0] < 2:
            raise FlashTalkError(
                f"Measured stretches must last 2 s or more, got {self.window_s:g} s in talks of "
                f"{self.seconds[0]} s and more."
            )

        if self.opening_s <= 0.0:
            raise FlashTalkError(f"A talk's beginning must last some time, got {self.opening_s:g}.")

    def stretch(self, seconds: int, fps: int) -> tuple[int, int]:
        """First frame of the stretch before the moment ``seconds``, and the frame behind it."""
        stop = seconds * fps
        return max(0, stop - round(self.window_s * fps)), stop


@dataclass(frozen=True)
class Measured:
    """The figures at one moment of a talk."""

    seconds: int
    window_s: float
    figures: dict[str, float]
    frames_per_s: float


def run_talk(
    engine: Engine,
    judges: Judges,
    talk: Talk,
    seed: int,
    plan: Plan,
    on_video: Callable[[float], bool] = lambda seconds: True,
) -> Iterator[Measured]:
    """Generate ``talk`` and measure it at each moment of ``plan``.

    ``on_video`` hears of the seconds added by each chunk and answers whether to go on.
    """
    geometry = engine.preset.geometry
    new_frames = geometry.new_frames
    portrait = portrait_for(talk.person.portrait, engine.preset, crop="cover")
    reference = reference_of(judges.reader, np.asarray(portrait.image))
    kept = np.empty((0, geometry.height_px, geometry.width_px, 3), np.uint8)
    pushed = frames = drawn = 0
    spent_s = 0.0
    coming = [(seconds, *plan.stretch(seconds, geometry.fps)) for seconds in plan.seconds]
    opening_frames = round(plan.opening_s * geometry.fps)
    first_colors = None
    longest_frames = max(opening_frames, *(stop - start for _, start, stop in coming))
    with engine.open(portrait, seed=seed) as session:
        while coming:
            heard = frames + new_frames + geometry.lookahead_frames
            samples = talk.speech.samples[pushed : heard * geometry.samples_per_frame]
            pushed += len(samples)
            if frames >= opening_frames and frames + new_frames <= coming[0][1]:
                added = session.skip(samples)  # nothing of it will be measured
                kept = kept[:0]
            else:
                started_s = time.perf_counter()
                chunks = list(session.push(samples))
                spent_s += time.perf_counter() - started_s
                # one chunk more than a stretch: a moment may lie within the newest one
                kept = np.concatenate((kept, *(chunk.frames for chunk in chunks)))
                added = sum(len(chunk.frames) for chunk in chunks)
                kept = kept[-(longest_frames + added) :]
                drawn += added
            frames += added
            if first_colors is None and frames >= opening_frames:  # all of it is kept yet
                opening = kept[:opening_frames]
                points = read_faces(judges.reader, opening).points
                first_colors = mean_colors(align(opening, points))
            while coming and frames >= coming[0][2]:
                seconds, start, stop = coming.pop(0)
                first = frames - len(kept)
                shown = kept[start - first : stop - first]
                figures = measure(
                    judges,
                    reference,
                    shown,
                    read_faces(judges.reader, shown),
                    start,
                    talk.speech.within(start, stop),
                    new_frames,
                    first_colors if stop >= opening_frames else None,
                )
                yield Measured(seconds, (stop - start) / geometry.fps, figures, drawn / spent_s)
            if not on_video(added / geometry.fps):
                return


def digest_of(variant: Variant, judges: Judges, plan: Plan, clips: str) -> str:
    """Changes when weights, settings, judges, the measured stretch or ``clips`` do.

    ``clips`` is their own digest (:func:`clips_digest`). The calibration follows from reader and
    clips. It is left out, because its last digits follow from the number of threads, too.
    """
    known = (variant.digest(), plan.window_s, clips)
    total = hashlib.sha256(" ".join(map(str, known)).encode())
    for judge in (judges.reader, judges.sync):
        total.update(weights_digest(judge) if judge is not None else b"none")
    return total.hexdigest()[:16]


def clips_digest(clips: Sequence[RenderedClip]) -> str:
    """Of what talks are made of: names, sounds, phones and portraits.

    Names alone do not do: the same numbers, rendered on another processor, make other clips.
    """
    total = hashlib.sha256()
    for clip in clips:
        total.update(repr((clip.name, clip.voice, clip.phones)).encode())
        total.update(clip.samples.tobytes() + clip.portrait.tobytes())
    return total.hexdigest()


def weights_digest(module: nn.Module) -> bytes:
    """Of all tensors of ``module``."""
    total = hashlib.sha256()
    for name, value in module.state_dict().items():
        total.update(name.encode() + value.detach().float().cpu().numpy().tobytes())
    return total.digest()


# --- command line ---------------------------------------------------------------------------------
@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    return _run(options)


def _run(options: argparse.Namespace) -> int:
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    plan = Plan(tuple(sorted(set(options.seconds))), options.window)
    variants = [parse_variant(text) for text in options.variant]
    if options.weights is not None:
        variants.insert(
            0,
            Variant(options.name, options.weights, options.steps, options.guidance, options.color),
        )
    if not variants:
        raise FlashTalkError("There is nothing to evaluate: give --weights or --variant.")
    if len({variant.name for variant in variants}) < len(variants):
        raise FlashTalkError("Every row needs a name of its own: see --name and --variant.")
    if options.bench:
        return _bench(variants, options)
    sync = load_sync(options.sync)
    reader = load_reader(options.reader)
    clips = [load_clip(options.clips, name) for name in clip_names(options.clips)]
    judges = Judges(reader, sync, calibrate(reader, for_calibration(clips)))
    log.info("the reader is calibrated: %s", judges.calibration)

    material = clips_digest(clips)
    digests = [digest_of(variant, judges, plan, material) for variant in variants]
    work = []
    for variant, digest in zip(variants, digests, strict=True):
        for seed in options.seeds:
            missing = tuple(
                s for s in plan.seconds if not is_done(options.out, variant.name, seed, s, digest)
            )
            if missing:
                work.append((variant, digest, seed, Plan(missing, plan.window_s)))
    log.info("%d talks to make; all others are in %s", len(work), options.out)

    total_s = sum(todo.seconds[-1] for *_, todo in work)
    layout = "{l_bar}{bar}| {n:.0f}/{total:.0f} s of video [{elapsed}<{remaining}]"
    with _stoppable() as stopped, tqdm(total=total_s, bar_format=layout) as bar:

        def on_video(seconds: float) -> bool:
            bar.update(min(seconds, bar.total - bar.n))
            return not stopped()

        engine, loaded = None, None
        for variant, digest, seed, todo in work:
            if stopped():
                break
            if loaded != variant:
                device = torch.device(options.device)
                engine, loaded = Engine(variant.load(device), device=device), variant
                engine.warm_up()
            bar.set_description(f"{variant.name} seed {seed}")
            talk = make_talk(clips, seed, todo.seconds[-1] + plan.window_s)
            for found in run_talk(engine, judges, talk, seed, todo, on_video):
                cell = Cell(
                    variant=variant.name,
                    seed=seed,
                    seconds=found.seconds,
                    person=talk.person.name,
                    voice=talk.voice,
                    window_s=found.window_s,
                    settings={
                        "weights": variant.weights,
                        "steps": engine.preset.sampler.steps,
                        "guidance": variant.guidance,
                        "color_strength": engine.preset.sampler.color_strength,
                        "seam_frames": engine.preset.sampler.seam_frames,
                        "lookahead_frames": engine.preset.geometry.lookahead_frames,
                        "face_like": variant.face_like,
                        "causal": variant.causal,
                    },
                    digest=digest,
                    frames_per_s=found.frames_per_s,
                    figures=found.figures,
                    speech_clips=talk.clips,
                    speech_s=talk.clips_s,
                )
                write_cell(options.out, cell)
        interrupted = stopped()
    write_report(options.out, [variant.name for variant in variants])
    return 130 if interrupted else 0


def _bench(variants: Sequence[Variant], options: argparse.Namespace) -> int:
    """Time rows and, where there are cells, write the table anew."""
    clips = [load_clip(options.clips, name) for name in clip_names(options.clips)]
    seed = options.seeds[0]
    talk = make_talk(clips, seed, speed.SECONDS)
    found = speed.bench(variants, talk, seed, torch.device(options.device), options.out)
    for name, frames_per_s in found.items():
        log.info("%s: %.1f frames/s", name, frames_per_s)
    if read_cells(options.out):
        write_report(options.out, [variant.name for variant in variants])
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lab.evaluation",
        description="Measure talks of held-out people and voices, and write the table.",
    )
    parser.add_argument("--weights", help="a preset's name or a folder of weights: the first row")
    parser.add_argument("--name", default="flashtalk", help="name of that row")
    parser.add_argument("--steps", type=int, help="denoising steps of that row")
    parser.add_argument("--guidance", type=float, default=1.0, help="its guidance over speech")
    parser.add_argument("--color", type=float, help="its color strength, 0..1")
    parser.add_argument(
        "--variant",
        action="append",
        default=[],
        metavar=FORM,
        help="a further row; may be given several times",
    )
    parser.add_argument("--clips", type=Path, required=True, help="made by lab.synthesis")
    parser.add_argument("--seconds", type=int, nargs="+", default=[10, 60, 300, 900])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--window", type=float, default=30.0, help="seconds measured before each moment, at most"
    )
    parser.add_argument(
        "--reader",
        type=Path,
        default=Path("assets/flashtalk-tiny"),
        help="folder with the face reader that judges all rows",
    )
    parser.add_argument(
        "--sync",
        type=Path,
        default=SHIPPED,
        help="folder made by lab.evaluation.measures.train_sync (default: what ships)",
    )
    parser.add_argument("--out", type=Path, default=Path("docs/evaluation"))
    parser.add_argument(
        "--bench",
        action="store_true",
        help="make no cells: time each row alone, for the table's speed",
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int)
    return parser


@contextmanager
def _stoppable() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C or SIGTERM into a request to stop; a second one ends at once."""
    asked: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        log.info("stopping after this chunk; once more to stop at once")

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
