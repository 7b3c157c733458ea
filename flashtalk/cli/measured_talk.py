"""A talk that a benchmark measures: the engine, what it is given, and one fresh session."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from flashtalk.acceleration.settings import Acceleration
from flashtalk.assets import ASSETS
from flashtalk.cli.bench_table import STAGES
from flashtalk.cli.loading import TURN_THREADS, recipe_for
from flashtalk.cli.options import BenchOptions
from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError
from flashtalk.geometry import SPEECH_RATE_HZ, parse_size
from flashtalk.inputs.portrait import Portrait, portrait_for
from flashtalk.inputs.speech import Speech, load_speech
from flashtalk.outputs.film import Film, pieces_of
from flashtalk.placement import ALL_RESIDENT
from flashtalk.placement.device import checked_device, chosen_placement, default_device
from flashtalk.placement.plan import Budget, footprints
from flashtalk.weights.checkpoint import require_gpu
from flashtalk.weights.dry_run import DryRun, dry_run_of


@dataclass
class Repeat:
    """One fresh session, measured."""

    open_s: float
    first_fragment_s: float
    """From the wish to talk to the bytes of the first fragment, ``open_s`` included."""
    real_time_factor: float
    stages_s: dict[str, list[float]] = field(default_factory=dict)
    """Seconds of each full chunk, by stage."""


def engine_of(
    options: BenchOptions, acceleration: Acceleration | None
) -> tuple[Engine, Budget | None, str]:
    """The engine that is measured, what is planned for it, and what its weights are."""
    size = parse_size(options.size) if options.size else None
    if options.random_weights:
        dry_run = dry_run_of(options.preset, size, options.mode)
        engine, budget = _dry_engine(dry_run, options, acceleration)
        return engine, budget, dry_run.notice
    recipe = recipe_for(options, size) | {"acceleration": acceleration}
    return Engine.from_pretrained(**recipe), None, "as trained"


def _dry_engine(
    dry_run: DryRun, options: BenchOptions, acceleration: Acceleration | None
) -> tuple[Engine, Budget | None]:
    """The engine with random weights, and what is planned for it, if its sizes are known."""
    preset = dry_run.preset
    if not torch.cuda.is_available():
        require_gpu(preset, torch.device("cpu"))  # first: no other device would help
    device = checked_device(options.device or default_device(preset))
    require_gpu(preset, device)
    placement = chosen_placement(preset, device, options.placement)
    torch.set_num_threads(options.threads)
    footprint = footprints().get(preset.name)
    budget = None
    if footprint is not None:
        budget = footprint.budget((placement or ALL_RESIDENT).name, preset.geometry)
    networks = dry_run.networks(device)
    engine = Engine(
        networks,
        device=device,
        placement=placement,
        acceleration=acceleration,
        turn_threads=TURN_THREADS,
    )
    return engine, budget


def repeat(
    engine: Engine,
    portrait: Portrait,
    speech: Speech,
    ahead_frames: int,
    options: BenchOptions,
) -> Repeat:
    """Opens a session, lets it talk through the video encoder, and measures both."""
    geometry = engine.preset.with_chunk(options.chunk_frames).geometry
    start_s = time.perf_counter()
    session = engine.open(
        portrait,
        seed=options.seed,
        steps=options.steps,
        chunk_frames=options.chunk_frames,
        first_fragment_frames=ahead_frames,
        timed=True,
    )
    ahead = engine.acceleration.encoder_thread
    film = Film(portrait.image.size, geometry.fps, speech, ahead=ahead)
    open_s = time.perf_counter() - start_s
    first_fragment_s = 0.0
    chunks: dict[int, dict[str, float]] = {}
    for fragment in film.fragments(pieces_of(session, speech)):
        first_fragment_s = first_fragment_s or time.perf_counter() - start_s
        stages = chunks.setdefault(fragment.piece.chunk_index, {})
        for name, seconds in {**fragment.piece.timings, "video": fragment.encode_s}.items():
            stages[name] = stages.get(name, 0.0) + seconds
    film.finish()
    talked_s = time.perf_counter() - start_s - open_s
    # The last chunk may be a part of one; it counts only if it is the only one.
    whole = max(1, speech.samples.size // geometry.new_samples)
    full = [stages for number, stages in chunks.items() if number < whole]
    return Repeat(
        open_s=open_s,
        first_fragment_s=first_fragment_s,
        real_time_factor=film.made_s / talked_s,
        stages_s={name: [stages.get(name, 0.0) for stages in full] for name in STAGES},
    )


# --- what is measured with ------------------------------------------------------------------------
def portrait_of(options: BenchOptions, engine: Engine) -> Portrait:
    """The picture asked for, or the first of the gallery."""
    return portrait_for(options.portrait or _asset("portraits"), engine.preset)


def speech_of(options: BenchOptions) -> Speech:
    """The voice asked for, or the first of the gallery, as long as is to be measured."""
    return repeated(options.audio or _asset("voices"), options.video_s)


def repeated(path: Path, seconds: float) -> Speech:
    """The voice of a file, repeated and cut to ``seconds``."""
    speech = load_speech(path)
    count = max(1, round(seconds * SPEECH_RATE_HZ))
    ratio = speech.playback_rate_hz // SPEECH_RATE_HZ
    turns = -(-count // speech.samples.size)
    return Speech(
        samples=np.tile(speech.samples, turns)[:count],
        playback=np.tile(speech.playback, (1, turns))[:, : ratio * count],
    )


def _asset(kind: str) -> Path:
    files = sorted(path for path in (ASSETS / kind).glob("*.*") if path.suffix != ".md")
    if not files:
        option = {"voices": "--audio", "portraits": "--portrait"}[kind]
        raise FlashTalkError(f"There is nothing in {ASSETS / kind}. Give {option} a file.")
    return files[0]
