"""``flashtalk evaluate``: settings side by side, as films, figures and a report to look at."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from flashtalk.cli.jobs import PICTURES, SOUNDS, files_of, make_folder
from flashtalk.cli.loading import engine_for
from flashtalk.cli.options import EvaluateOptions
from flashtalk.cli.saying import reason, say
from flashtalk.cli.stopping import Stop, stoppable
from flashtalk.engine import Engine
from flashtalk.errors import FlashTalkError
from flashtalk.evaluation.report import REPORT, write_report
from flashtalk.evaluation.suite import Result, Trial, result_there, run_trial, trials_of
from flashtalk.evaluation.variants import Variant, check, variants_of
from flashtalk.geometry import SPEECH_RATE_HZ
from flashtalk.inputs.speech import load_speech
from flashtalk.ui.texts import texts
from flashtalk.weights.checkpoint import find_checkpoint

Talk = tuple[Trial, Result]


def evaluate(options: EvaluateOptions) -> int:
    """Make and measure what is not there yet, then write the report; returns the exit code."""
    preset = find_checkpoint(options.preset).preset.with_mode(options.mode)
    variants = variants_of(options.vary)
    for variant in variants:
        check(variant, find_checkpoint(variant.preset).preset if variant.preset else preset)
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
        write_report(options.out, talks, preset.name, texts()["compare"])
        sys.stdout.write(f"{options.out / REPORT}\n")
    say(f"{len(talks)} of {len(trials)} talks are in the report, {failed} could not be made.")
    return stop.exit_code if stop else int(failed > 0)


class _Suite:
    """Runs trials with one engine at a time."""

    def __init__(self, options: EvaluateOptions, preset: str) -> None:
        self._options = options
        self._preset = preset
        self._engine: Engine | None = None
        self._wanted = _engine_of(Variant())

    def run(self, trials: Sequence[Trial], stop: Stop) -> tuple[list[Talk], int]:
        """What there is of ``trials`` in their order, and how many could not be made."""
        out, failed = self._options.out, 0
        found = {trial: self._there(trial) for trial in trials}
        todo = [trial for trial in trials if found[trial] is None]
        lengths_s = {voice: _length_s(voice) for voice in {trial.voice for trial in todo}}
        with _bar(sum(lengths_s[trial.voice] for trial in todo)) as bar:
            # the longest part is loading, so talks of one engine follow each other
            for trial in sorted(todo, key=lambda trial: str(_engine_of(trial.variant))):
                if stop:
                    break
                bar.set_description(trial.name[:40])
                try:
                    found[trial] = run_trial(
                        self._engine_for(trial.variant),
                        trial,
                        out,
                        stopped=lambda: bool(stop),
                        on_piece=lambda piece: bar.update(piece.duration_s),
                    )
                except (FlashTalkError, OSError) as error:
                    failed += 1
                    sentence = f"flashtalk: {trial.name} was not made: {reason(error)}"
                    bar.write(sentence, file=sys.stderr)
        return [(trial, result) for trial, result in found.items() if result is not None], failed

    def _there(self, trial: Trial) -> Result | None:
        try:
            preset = trial.variant.preset
            name = self._preset if preset is None else find_checkpoint(preset).preset.name
            return result_there(trial, self._options.out, name)
        except OSError:
            return None  # an input that cannot be read is said when its turn comes

    def _engine_for(self, variant: Variant) -> Engine:
        wanted = _engine_of(variant)
        if self._engine is None or wanted != self._wanted:
            preset, placement, size = wanted
            options = replace(
                self._options,
                preset=preset or self._options.preset,
                placement=placement or self._options.placement,
            )
            self._engine = None  # two large ones do not fit at a time
            self._engine = engine_for(options, size or "auto")
            self._wanted = wanted
        return self._engine


def _engine_of(variant: Variant) -> tuple[str | None, str | None, tuple[int, int] | None]:
    """What decides which engine makes the talks of ``variant``."""
    return variant.preset, variant.placement, variant.size


def _bar(video_s: float) -> tqdm:
    layout = "{l_bar}{bar}| {n:.0f}/{total:.0f} s [{elapsed}<{remaining}]"
    return tqdm(total=video_s, bar_format=layout, file=sys.stderr)


def _length_s(voice: Path) -> float:
    try:
        return len(load_speech(voice).samples) / SPEECH_RATE_HZ
    except FlashTalkError:
        return 0.0  # said when its turn comes
