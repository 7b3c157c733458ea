"""``flashtalk evaluate``: settings side by side, as films, figures and a report to look at."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tqdm import tqdm

from flashtalk.cli.jobs import PICTURES, SOUNDS, files_of, make_folder
from flashtalk.cli.loading import engine_for
from flashtalk.cli.options import EvaluateOptions
from flashtalk.cli.saying import reason, say
from flashtalk.cli.stopping import Stop, stoppable
from flashtalk.config import Preset
from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError
from flashtalk.evaluation.report import write_csv, write_html
from flashtalk.evaluation.suite import Result, Trial, result_there, run_trial, trials_of
from flashtalk.evaluation.variants import Variant, variants_of
from flashtalk.geometry import SPEECH_RATE_HZ
from flashtalk.inputs.speech import load_speech
from flashtalk.weights.checkpoint import find_checkpoint

REPORT, TABLE = "report.html", "figures.csv"

Talk = tuple[Trial, Result]


def evaluate(options: EvaluateOptions) -> int:
    """Make and measure what is not there yet, then write the report; returns the exit code."""
    preset = find_checkpoint(options.preset).preset.with_mode(options.mode)
    variants = variants_of(options.vary)
    for variant in variants:
        _check(preset, variant)
    trials = trials_of(
        files_of(options.portrait, PICTURES, "picture"),
        files_of(options.audio, SOUNDS, "sound file"),
        variants,
        options.seed,
    )
    make_folder(options.out)
    with stoppable() as stop:
        talks, failed = _Suite(options, preset.name).run(trials, stop)
    if talks:
        _write(options.out, talks, f"FlashTalk: {preset.name}, seed {options.seed}")
        sys.stdout.write(f"{options.out / REPORT}\n")
    say(f"{len(talks)} of {len(trials)} talks are in the report, {failed} could not be made.")
    return stop.exit_code if stop else int(failed > 0)


class _Suite:
    """Runs trials with one engine for each size, one at a time."""

    def __init__(self, options: EvaluateOptions, preset: str) -> None:
        self._options = options
        self._preset = preset
        self._engine: Engine | None = None
        self._size: tuple[int, int] | None = None

    def run(self, trials: Sequence[Trial], stop: Stop) -> tuple[list[Talk], int]:
        """What there is of ``trials`` in their order, and how many could not be made."""
        out, failed = self._options.out, 0
        found = {trial: self._there(trial) for trial in trials}
        todo = [trial for trial in trials if found[trial] is None]
        lengths_s = {voice: _length_s(voice) for voice in {trial.voice for trial in todo}}
        with _bar(sum(lengths_s[trial.voice] for trial in todo)) as bar:
            # the longest part is loading, so talks of one size follow each other
            for trial in sorted(todo, key=lambda trial: trial.variant.size or (0, 0)):
                if stop:
                    break
                bar.set_description(trial.name[:40])
                try:
                    found[trial] = run_trial(
                        self._engine_for(trial.variant),
                        trial,
                        out,
                        stopped=lambda: bool(stop),
                        on_video=_advancing(bar),
                    )
                except (FlashTalkError, OSError) as error:
                    failed += 1
                    sentence = f"flashtalk: {trial.name} was not made: {reason(error)}"
                    bar.write(sentence, file=sys.stderr)
        return [(trial, result) for trial, result in found.items() if result is not None], failed

    def _there(self, trial: Trial) -> Result | None:
        try:
            return result_there(trial, self._options.out, self._preset)
        except OSError:
            return None  # an input that cannot be read is said when its turn comes

    def _engine_for(self, variant: Variant) -> Engine:
        if self._engine is None or variant.size != self._size:
            self._engine = engine_for(self._options, variant.size or "auto")
            self._size = variant.size
        return self._engine


def _bar(video_s: float) -> tqdm:
    layout = "{l_bar}{bar}| {n:.0f}/{total:.0f} s [{elapsed}<{remaining}]"
    return tqdm(total=video_s, bar_format=layout, file=sys.stderr)


def _advancing(bar: tqdm) -> Callable[[float], None]:
    """Moves ``bar`` from where it is by the seconds of one talk that are made."""
    before_s = bar.n

    def on_video(made_s: float) -> None:
        bar.update(before_s + made_s - bar.n)

    return on_video


def _check(preset: Preset, variant: Variant) -> None:
    """Refuse settings that the model cannot have, before anything is made."""
    preset = preset.with_size(variant.size).with_chunk(variant.chunk_frames)
    preset.require_framing(variant.framing)
    preset.with_sampler(steps=variant.steps, color_strength=variant.color_match)


def _length_s(voice: Path) -> float:
    try:
        return len(load_speech(voice).samples) / SPEECH_RATE_HZ
    except FlashTalkError:
        return 0.0  # said when its turn comes


def _write(out: Path, talks: Sequence[Talk], title: str) -> None:
    write_csv(out / TABLE, [result for _, result in talks])
    write_html(out / REPORT, talks, title)
