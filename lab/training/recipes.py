"""Recipes: the settings that made the weights that ship, each a whole configuration.

    python -m lab.training.recipes decoder
    python -m lab.training.recipes decoder --data elsewhere/clips --out runs/other --steps 100

A recipe is a function of the folder of all runs; what one leaves there the next begins with. Any
field can be set on the command line. ``lab/runs/train_tiny.sh`` and ``train_14b.sh`` run them in
their order.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tyro

from flashtalk.errors import command
from lab.options import CONVENTIONS, program
from lab.training.checkpoints.average import Average, average_runs
from lab.training.checkpoints.export import Export, export
from lab.training.losses.stage2_loss import Stage2Config
from lab.training.options import Splitting
from lab.training.stage1 import Stage1, train_stage1
from lab.training.stage2 import Stage2, train_stage2
from lab.training.tiny.autoencoder import AutoencoderTraining, train_autoencoder
from lab.training.tiny.landmarks import LandmarkTraining, train_landmarks
from lab.training.tiny.sharpening import SharpeningTraining, train_sharpening
from lab.training.tiny.speech_encoder import SpeechTraining, train_speech_encoder
from lab.training.tiny.stage1 import TinyStage1, train_tiny_stage1
from lab.training.tiny.teeth import TeethTraining, train_teeth
from lab.training.tiny.world_speech import WorldSpeechTraining, train_world_speech

RUNS = Path("runs")
DONORS = Path(__file__).parents[1] / "runs" / "teeth_donors.txt"
DEFAULT_DONOR = 564

COMMANDS: Mapping[type, Callable[[Any], None]] = {
    SpeechTraining: train_speech_encoder,
    LandmarkTraining: train_landmarks,
    AutoencoderTraining: train_autoencoder,
    SharpeningTraining: train_sharpening,
    TeethTraining: train_teeth,
    TinyStage1: train_tiny_stage1,
    WorldSpeechTraining: train_world_speech,
    Stage1: train_stage1,
    Stage2: train_stage2,
    Average: average_runs,
    Export: export,
}
"""The function that runs a configuration of each type."""


# --- the embedded model: encoder, reader and autoencoder ------------------------------------------
def speech_encoder(runs: Path = RUNS) -> SpeechTraining:
    """Phones and mouth curves from sound alone."""
    return SpeechTraining(
        data=(runs / "speech-data",), check=(runs / "clips",), out=runs / "speech", steps=8000
    )


def landmarks(runs: Path = RUNS) -> LandmarkTraining:
    """The face reader."""
    return LandmarkTraining(data=runs / "clips", out=runs / "reader", steps=3000)


def decoder(runs: Path = RUNS) -> AutoencoderTraining:
    """The warp without painters."""
    return AutoencoderTraining(
        part="decoder", data=runs / "clips", out=runs / "decoder", steps=3500
    )


def painters(runs: Path = RUNS) -> AutoencoderTraining:
    """Mouths and eyes on what the decoder warps."""
    return AutoencoderTraining(
        part="painters",
        data=runs / "clips",
        init=runs / "decoder",
        out=runs / "painters",
        steps=6000,
    )


def sharpening(runs: Path = RUNS) -> SharpeningTraining:
    """Mouths and eyes against critics."""
    return _sharpened(runs, "painters", "sharpening", steps=8000, rate=1e-3)


def cover(runs: Path = RUNS) -> SharpeningTraining:
    """Lips over the portrait's teeth."""
    return _sharpened(runs, "sharpening", "cover", part="cover", steps=4000, rate=4e-4)


def lids(runs: Path = RUNS) -> SharpeningTraining:
    """Shut lids."""
    return _sharpened(runs, "cover", "lids", part="lids", steps=8000, rate=1e-3)


def warp(runs: Path = RUNS) -> AutoencoderTraining:
    """The warp under all painters, with photographs and textures beside the clips."""
    return AutoencoderTraining(
        part="warp",
        data=runs / "clips",
        init=runs / "lids",
        out=runs / "warp",
        steps=4200,
        rate=8e-4,
        pictures=runs / "pictures",
    )


def polish(runs: Path = RUNS) -> AutoencoderTraining:
    """Mouths on the finished warp, without a critic."""
    return AutoencoderTraining(
        part="polish",
        data=runs / "clips",
        init=runs / "warp",
        out=runs / "polish",
        steps=2600,
        rate=8e-4,
    )


def polished(runs: Path = RUNS) -> Average:
    """Four tenths of the way to the polish: all of it draws soft teeth and pale lashes."""
    return Average(first=runs / "warp", second=runs / "polish", share=0.4, out=runs / "polished")


def teeth(runs: Path = RUNS) -> TeethTraining:
    """Teeth of the people who show them."""
    return TeethTraining(
        data=runs / "clips",
        init=runs / "polished",
        out=runs / "teeth",
        steps=10400,
        rate=1.8e-3,
        donors=tuple(map(int, DONORS.read_text(encoding="utf-8").split())),
        default_donor=DEFAULT_DONOR,
    )


def covered(runs: Path = RUNS) -> SharpeningTraining:
    """Lips over teeth once more, on the finished painter of mouths."""
    return _sharpened(runs, "teeth", "covered", part="cover", go_on=True, steps=7400, rate=8e-4)


def flow(runs: Path = RUNS) -> AutoencoderTraining:
    """The flow between a picture and the portrait; beside all others after the decoder."""
    return AutoencoderTraining(
        part="flow", data=runs / "clips", init=runs / "decoder", out=runs / "flow", steps=2560
    )


# --- the embedded model: transformer --------------------------------------------------------------
def stage1_tiny(runs: Path = RUNS) -> TinyStage1:
    """Stage 1 from nothing, on processors."""
    return TinyStage1(data=runs / "clips", speech=runs / "speech", out=runs / "before", steps=14000)


def stage1_tiny_end(runs: Path = RUNS) -> TinyStage1:
    """The end of Stage 1, in large batches on a GPU."""
    return TinyStage1(
        data=runs / "clips",
        speech=runs / "speech",
        init=runs / "before",
        out=runs / "stage1",
        steps=1600,
        batch=128,
        rate=5e-4,
        versions=2,
        device="cuda",
        precision="float32",
    )


def stage2_tiny(runs: Path = RUNS) -> Stage2:
    """Self-correcting distillation, K = 5, on a GPU."""
    return Stage2(
        data=runs / "clips",
        runs=runs,
        out=runs / "stage2",
        steps=391,
        rate=2e-5,
        critic_rate=4e-4,
        loss=Stage2Config(batch=12, draws=4, chunks=5, audio_guidance=1.5),
        device="cuda",
    )


def stage1_tiny_after(runs: Path = RUNS) -> TinyStage1:
    """Stage 1 once more: the distillation opens mouths too far."""
    return TinyStage1(
        data=runs / "clips",
        speech=runs / "speech",
        init=runs / "stage2",
        out=runs / "after",
        steps=1900,
        batch=32,
        rate=3e-4,
    )


def between_tiny(runs: Path = RUNS) -> Average:
    """The transformer that ships, half of the way."""
    return Average(first=runs / "stage2", second=runs / "after", share=0.5, out=runs / "between")


def export_tiny(runs: Path = RUNS) -> Export:
    """The folder of weights that the engine loads."""
    return Export(runs=runs, transformer=runs / "between", out=runs / "flashtalk-tiny")


def world_speech(runs: Path = RUNS) -> WorldSpeechTraining:
    """The speech encoder in other languages, in songs and over music; the transformer stays."""
    return WorldSpeechTraining(
        data=(runs / "world-speech-data", runs / "speech-data"),
        weights=runs / "flashtalk-tiny",
        out=runs / "world-speech",
        steps=4200,
        rate=4e-4,
        spoken=8,
    )


def export_world(runs: Path = RUNS) -> Export:
    """What ships: four fifths of the way to the encoder that has learned the world.

    All of it would close fewer lips of photographs.
    """
    return Export(
        runs=runs,
        transformer=runs / "between",
        speech=runs / "world-speech",
        speech_share=0.8,
        out=runs / "flashtalk-tiny-world",
    )


# --- a published checkpoint -----------------------------------------------------------------------
def stage1_14b(runs: Path = RUNS) -> Stage1:
    """The public reproduction's Stage 1: 500 steps of 32 chunks on 8 GPUs."""
    return Stage1(
        weights="checkpoints/undistilled",
        data=runs / "clips",
        out=runs / "14b-stage1",
        device="cuda",
        splitting=Splitting(shard=True, recompute=True),
        checkpoint_every_s=7200,
        log_every=1,
    )


def stage2_14b(runs: Path = RUNS) -> Stage2:
    """The published Stage 2: 200 steps of 32 talks on 8 GPUs, K = 5."""
    return Stage2(
        weights="checkpoints/14b",
        data=runs / "clips",
        out=runs / "14b",
        steps=200,
        rate=2e-6,
        critic_rate=4e-7,
        warmup_steps=0,
        accumulate=4,
        loss=Stage2Config(batch=1, chunks=5),
        device="cuda",
        splitting=Splitting(shard=True, recompute=True),
        checkpoint_every_s=7200,
        log_every=1,
    )


RECIPES: Mapping[str, Callable[[Path], Any]] = {
    recipe.__name__.replace("_", "-"): recipe
    for recipe in (
        speech_encoder,
        landmarks,
        decoder,
        painters,
        sharpening,
        cover,
        lids,
        warp,
        polish,
        polished,
        teeth,
        covered,
        flow,
        stage1_tiny,
        stage1_tiny_end,
        stage2_tiny,
        stage1_tiny_after,
        between_tiny,
        export_tiny,
        world_speech,
        export_world,
        stage1_14b,
        stage2_14b,
    )
}
"""All recipes, by the name that the command line has for them."""


def run(config: object) -> None:
    """Run the command whose options ``config`` is."""
    COMMANDS[type(config)](config)


def _sharpened(runs: Path, before: str, after: str, **settings: Any) -> SharpeningTraining:
    return SharpeningTraining(data=runs / "clips", init=runs / before, out=runs / after, **settings)


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    configs = {name: (recipe.__doc__ or "", recipe(RUNS)) for name, recipe in RECIPES.items()}
    config = tyro.extras.overridable_config_cli(
        configs, prog=program(), args=arguments, config=CONVENTIONS
    )
    run(config)


if __name__ == "__main__":
    sys.exit(main())
