"""Self-correction seen directly: how much is left of an error that was handed over.

    python -m flashtalk.evaluation.recovery --clips DIR --variant ours=assets/flashtalk-tiny \\
        --variant errors-stay=assets/flashtalk-tiny,facelike=0 --out docs/evaluation

After the first chunk of a talk, the displacements that it hands over are bent as a bad hand-over
would bend them. The talk then goes on twice, bent and not, with the same speech and the same noise.
What both hand over after each further chunk is compared along the bend: 1 is an error that stays,
0 one that is forgotten. Along the bend only, because two talks that differ a little soon hold their
heads differently, which is no error.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flashtalk.config import TINY
from flashtalk.errors import FlashTalkError, command
from flashtalk.evaluation.talks import RenderedClip, clip_names, load_clip, make_talk
from flashtalk.evaluation.variants import FORM, parse_variant
from flashtalk.inputs.portrait import portrait_for, to_tensor
from flashtalk.models.face_code import FLOW_UNIT, flow_of
from flashtalk.stream.chunk import Networks, next_state
from flashtalk.stream.state import SessionState, opening_state
from flashtalk.training.bending import LARGEST, bent, smooth_fields
from flashtalk.training.rollout import Talk
from flashtalk.training.talks import gather_talk

log = logging.getLogger(__name__)

REPORT = "recovery.json"


@torch.inference_mode()
def error_left(networks: Networks, talk: Talk, bends: Tensor, seed: int = 0) -> np.ndarray:
    """Share of ``bends`` [B, 2, h, w] left after each chunk but the first: [K - 1, B].

    By least squares, in the displacements of the last frame. Raises :class:`FlashTalkError` for a
    model whose latents hold no displacements.
    """
    if networks.preset.transformer.face_cells is None:
        raise FlashTalkError(
            f"{networks.preset.name} has latents without displacements, so nothing can be bent. "
            "Give weights of the embedded model."
        )

    def go_on(state: SessionState, index: int) -> SessionState:
        speech = talk.speech[:, index]
        return next_state(networks, talk.conditions, state, speech, networks.preset.sampler)

    straight = go_on(opening_state(talk.conditions, seed), 0)
    given = straight.motion_latents
    wrong = replace(straight, motion_latents=bent(given, bends, given.shape[2]))
    left = []
    for index in range(1, talk.chunks):
        straight, wrong = go_on(straight, index), go_on(wrong, index)
        away = last_flow(wrong.motion_latents) - last_flow(straight.motion_latents)
        along = (away * bends).sum(dim=(1, 2, 3)) / bends.square().sum(dim=(1, 2, 3))
        left.append(along.numpy())
    return np.stack(left)


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


def _rounded(shares: np.ndarray) -> list[float]:
    return [round(float(share), 3) for share in shares]


@command
def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, required=True, help="made by flashtalk.synthesis")
    parser.add_argument("--variant", action="append", required=True, metavar=FORM)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(6)))
    parser.add_argument("--chunks", type=int, default=6, help="after the bent one")
    parser.add_argument("--out", type=Path, help=f"folder for {REPORT}")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    if options.chunks < 1:
        raise FlashTalkError(f"--chunks must be at least 1, got {options.chunks}.")

    clips = [load_clip(options.clips, name) for name in clip_names(options.clips)]
    rows = {}
    for variant in map(parse_variant, options.variant):
        networks = variant.load(torch.device("cpu"))
        talk = talks_of(networks, clips, options.seeds, options.chunks + 1)
        torch.manual_seed(0)  # every row is bent alike
        bends = LARGEST * smooth_fields(len(options.seeds), TINY.transformer.face_cells)
        left = error_left(networks, talk, bends)
        rows[variant.name] = {
            "weights": variant.weights,
            "mean": _rounded(left.mean(axis=1)),
            "lowest": _rounded(left.min(axis=1)),
            "highest": _rounded(left.max(axis=1)),
        }
        log.info("%s: %s", variant.name, rows[variant.name]["mean"])
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        report = {"seeds": options.seeds, "rows": rows}
        (options.out / REPORT).write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
