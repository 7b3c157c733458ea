"""Self-correction seen directly, in the displacements of motion latents.

    python -m lab.evaluation.studies.recovery --clips DIR --run ours=assets/flashtalk-tiny \\
        --run no-flow-prior=assets/flashtalk-tiny,flow_prior=0 --out runs/evaluation

*What is left of an error.* After the first chunk of a talk, its motion latents' displacements are
bent. A bad encoding would bend them alike. The talk then goes on twice, bent and not, with the same
speech and the same noise. The motion latents of both are compared along the bend after each further
chunk. 1 is an error that stays, 0 one that is forgotten. Along the bend only, because two talks
that differ a little soon hold their heads differently, which is no error.

*What piles up.* The same talks are longer and left alone. After each chunk, displacements are
compared with the nearest that a face makes. One judge serves all runs. A head that moves counts
little.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from torch import Tensor

from flashtalk.config import TINY, TinyDenoiserConfig
from flashtalk.errors import FlashTalkError, command
from flashtalk.inputs.portrait import portrait_for, to_tensor
from flashtalk.models.networks import Networks
from flashtalk.models.tiny.denoiser import TinyDenoiser
from flashtalk.models.tiny.face_code import FLOW_UNIT, flow_of, frame_codes
from flashtalk.models.tiny.flow_anchor import FlowPrior
from flashtalk.stream.chunk import Scene, skip
from flashtalk.stream.state import SessionState, opening_state
from flashtalk.weights.checkpoint import find_checkpoint
from lab.evaluation.reports.plots import can_draw, plot
from lab.evaluation.runs import FORM, parse_run
from lab.evaluation.talks import RenderedClip, load_held_out, make_talk
from lab.options import read_options, require_at_least, set_up
from lab.training.data.flow_augment import LARGEST, bent, smooth_fields
from lab.training.data.talks import gather_talk
from lab.training.rollout import Talk

log = logging.getLogger(__name__)

REPORT = "recovery.json"
PLOT = "recovery.png"


@torch.inference_mode()
def error_left(networks: Networks, talk: Talk, bends: Tensor) -> np.ndarray:
    """Share of ``bends`` [B, 2, h, w] left after each chunk but the first: [K - 1, B].

    By least squares, in the displacements of the last frame. Raises :class:`FlashTalkError` for a
    model whose latents hold no displacements.
    """
    require_displacements(networks)
    straight = spoken(networks, talk, opening_state(talk.conditions, seed=0), 0)
    given = straight.motion_latents
    wrong = replace(straight, motion_latents=bent(given, bends, given.shape[2]))
    left = []
    for index in range(1, talk.chunks):
        straight, wrong = (spoken(networks, talk, state, index) for state in (straight, wrong))
        away = last_flow(wrong.motion_latents) - last_flow(straight.motion_latents)
        along = (away * bends).sum(dim=(1, 2, 3)) / bends.square().sum(dim=(1, 2, 3))
        left.append(along.numpy())
    return np.stack(left)


@torch.inference_mode()
def error_grown(networks: Networks, talk: Talk, judge: FlowPrior) -> np.ndarray:
    """How far from a face's the displacements are after each chunk of ``talk``: [K, B].

    Raises as :func:`error_left`.
    """
    require_displacements(networks)
    portrait = portrait_code(talk)
    state = opening_state(talk.conditions, seed=0)
    grown = []
    for index in range(talk.chunks):
        state = spoken(networks, talk, state, index)
        grown.append(unlike_a_face(judge, last_flow(state.motion_latents), portrait).numpy())
    return np.stack(grown)


def unlike_a_face(judge: FlowPrior, flow: Tensor, portrait: Tensor) -> Tensor:
    """Root mean square of what ``judge`` takes from displacements [B, 2, h, w]: [B], their units.

    ``portrait`` [B, D, h, w] is the code of each portrait.
    """
    return (judge(flow, portrait) - flow).square().mean(dim=(1, 2, 3)).sqrt()


def portrait_code(talk: Talk) -> Tensor:
    """Codes [B, D, h, w] of the portraits of ``talk``."""
    return frame_codes(talk.conditions.reference_latents[:, :, 0], 1)


def require_displacements(networks: Networks) -> None:
    """Raises :class:`FlashTalkError` for a model whose latents hold no displacements."""
    if not isinstance(networks.preset.transformer, TinyDenoiserConfig):
        raise FlashTalkError(
            f"{networks.preset.name} has latents without displacements, so nothing can be bent. "
            "Give weights of the embedded model."
        )


def spoken(networks: Networks, talk: Talk, state: SessionState, index: int) -> SessionState:
    """The state after chunk ``index`` of ``talk``."""
    scene = Scene(networks, talk.conditions, networks.preset.sampler)
    return skip(scene, state, talk.speech[:, index])


def last_flow(latents: Tensor) -> Tensor:
    """Displacements [B, 2, h, w] of the last frame of latents [B, C, T, h, w], in their units."""
    return flow_of(latents[:, :, -1])[:, -1] / FLOW_UNIT


def talks_of(
    networks: Networks, clips: Sequence[RenderedClip], seeds: Sequence[int], chunks: int
) -> Talk:
    """The evaluated talks of ``seeds`` beside each other, ``chunks`` long."""
    geometry = networks.preset.geometry
    samples = chunks * geometry.new_samples + geometry.lookahead_samples
    portraits, sounds = [], []
    for seed in seeds:
        talk = make_talk(clips, seed, samples / geometry.sample_rate_hz + 1.0)
        portrait = portrait_for(talk.person.portrait, networks.preset, crop="cover")
        portraits.append(to_tensor(portrait.image))
        sounds.append(torch.from_numpy(talk.speech.samples[:samples]))
    return gather_talk(networks, torch.cat(portraits), torch.stack(sounds))


def beginning(talk: Talk, chunks: int) -> Talk:
    """The first ``chunks`` of ``talk``."""
    return replace(talk, speech=talk.speech[:, :chunks])


def draw_grown(runs: Mapping[str, Sequence[float]], chunk_s: float, path: Path) -> None:
    """Plot of errors that pile up, a line for each run; nothing without matplotlib."""
    if not can_draw():
        return
    with plot(path, "length of the talk, s", "error of the displacements") as axes:
        for name, errors in runs.items():
            axes.plot(chunk_s * np.arange(1, len(errors) + 1), errors, label=name)
        axes.set_ylim(bottom=0.0)


def _summary(figures: np.ndarray, digits: int = 3) -> dict[str, list[float]]:
    """Over talks: [chunks, B] -> mean, lowest and highest by chunk."""
    summaries: dict[str, Callable[..., np.ndarray]]
    summaries = {"mean": np.mean, "lowest": np.min, "highest": np.max}
    return {
        name: [round(float(value), digits) for value in of(figures, axis=1)]
        for name, of in summaries.items()
    }


@dataclass(frozen=True, kw_only=True)
class RecoveryStudy:
    """Judge what is left of an error in the displacements, and what piles up."""

    clips: Path
    """Folder of clips, as ``python -m lab.synthesis`` makes them."""
    run: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A run to judge, written NAME=WEIGHTS[,SETTING=VALUE ...]; may be given several times."""
    seeds: tuple[int, ...] = tuple(range(6))
    """Seeds of the talks."""
    chunks: int = 6
    """Chunks after the bent one."""
    alone: int = 54
    """Chunks in which errors pile up."""
    judge: str = TINY.name
    """Weights that know what a face makes."""
    out: Path | None = None
    """Folder for recovery.json and a plot."""
    threads: int = 1
    """Threads of the processor."""

    def __post_init__(self) -> None:
        require_at_least(1, self, "chunks", "alone")
        if not self.run:
            raise FlashTalkError(f"There is nothing to judge: give --run {FORM}.")


def judge_runs(config: RecoveryStudy) -> dict[str, dict[str, Any]]:
    """Both figures of every run, by its name."""
    clips = load_held_out(config.clips)
    judging = find_checkpoint(config.judge).load(torch.device("cpu"))
    require_displacements(judging)
    denoiser = judging.transformer
    assert isinstance(denoiser, TinyDenoiser)
    judge = denoiser.flow_anchor.flow_prior
    assert judge is not None
    cells = (TINY.geometry.latent_height, TINY.geometry.latent_width)
    found: dict[str, dict[str, Any]] = {}
    for run in map(parse_run, config.run):
        networks = run.load(torch.device("cpu"))
        torch.manual_seed(0)  # every run is bent alike
        bends = LARGEST * smooth_fields(len(config.seeds), cells)
        bent_chunks = config.chunks + 1
        talk = talks_of(networks, clips, config.seeds, max(bent_chunks, config.alone))
        left = _summary(error_left(networks, beginning(talk, bent_chunks), bends))
        grown = _summary(error_grown(networks, beginning(talk, config.alone), judge))
        found[run.name] = {"weights": run.weights, "left": left, "grown": grown}
        means = left["mean"], grown["mean"][0], grown["mean"][-1]
        log.info("%s: left %s, grown %s .. %s", run.name, *means)
    return found


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    config = read_options(RecoveryStudy, arguments)
    set_up(config.threads)
    found = judge_runs(config)
    if config.out:
        config.out.mkdir(parents=True, exist_ok=True)
        report = {"seeds": config.seeds, "runs": found}
        (config.out / REPORT).write_text(json.dumps(report, indent=1) + "\n")
        lines = {name: each["grown"]["mean"] for name, each in found.items()}
        draw_grown(lines, TINY.geometry.new_s, config.out / PLOT)


if __name__ == "__main__":
    sys.exit(main())
