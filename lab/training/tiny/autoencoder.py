"""Training of the embedded autoencoder, supervised by what the renderer knows.

    python -m lab.training.tiny.autoencoder --data runs/clips --out runs/decoder --part decoder

Latents have a meaning (:mod:`flashtalk.models.tiny.face_code`), so the parts learn apart:
``decoder`` to warp the portrait by true codes with a little noise, ``closeups`` to paint mouths and
eyes on what the decoder makes, ``warp`` to warp once more, now under these painters and those of
:mod:`lab.training.tiny.sharpening`, ``polish`` to paint mouths once more on this warp, ``flow`` to
guess the flow between a picture and the portrait; the face reader has its own training.
Reconstruction alone settles in copying the portrait; the warp learns from the exact flow, too, and
mouth and eyes weigh more than the rest.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from flashtalk.config import TINY
from flashtalk.errors import command
from flashtalk.models.tiny.autoencoder import PortraitAutoencoder
from flashtalk.models.tiny.decoder import close_up, frame_codes, portraits_of, sources
from flashtalk.models.tiny.face_code import (
    FLOW_UNIT,
    GROUP_FRAMES,
    MOUTH,
    flow_of,
    groups_of,
    index_of,
    paint,
)
from flashtalk.models.tiny.guidance import Guidance
from flashtalk.models.tiny.maps import cut, look_up
from flashtalk.models.tiny.matching import matching_features
from flashtalk.models.tiny.painter import CloseUp, Painted, eyes, mouths, soft_edges
from lab.training.cli import add_precision, add_workers, begin, training_parser
from lab.training.data.clips import Clip, ClipSet, pixels_of
from lab.training.data.codec_dataset import (
    BOX_WEIGHT,
    Batch,
    Place,
    any_place,
    as_float,
    batches,
    painted,
    telling_place,
)
from lab.training.data.codes import portrait_points
from lab.training.data.pictures import Pictures
from lab.training.loop import LoopConfig, device_of, load_average, train
from lab.training.losses.basic import (
    flow_l1,
    gradient_l1,
    opening_error,
    weighted_l1,
    weighted_square,
)
from lab.training.precision import mixed_precision

log = logging.getLogger(__name__)

CODE_NOISE = 0.06  # the decoder must tolerate what the diffusion leaves over
OWN_PICTURES = 0.5
REFERENCE_NOISE = 0.08  # and that the portrait is read only roughly
NUMBER_NOISE = 0.05  # places and numbers are averages over many cells
POINT_NOISE = 0.01  # how roughly landmarks are read, picture units
CHOSEN_FRAMES = 2  # of each group of four
MOST_WEIGHT = 4.0  # of a place in the squared error
NEAR_TEETH_PX = 2  # around an opening that is not learned from, which a gradient would see
TEETH_WEIGHT = 12.0  # of places where the portrait shows teeth, besides what they weigh already
EVALUATE_EVERY = 1000  # steps
JUDGED_GROUPS = 60  # at the end of a training; half of them on the way


def guidance_of(
    model: PortraitAutoencoder, batch: Batch, noise: float = 0.0, point_noise: float = 0.0
) -> Guidance:
    """What a session would know of the portraits, its readings off by so much.

    A session paints the portrait's code by the landmarks that it reads: lips that are misplaced
    have a wrong gap, too. A painter that always knew the gap to a tenth of a pixel left the teeth
    of photographs, whose gap is read two pixels wrong, between shut lips.
    """
    points = batch.points + point_noise * torch.randn_like(batch.points)
    code = batch.portrait_codes.clone()
    if point_noise:
        size = (code.shape[-2], code.shape[-1])
        mouth = [index_of(name) for name in MOUTH]
        code[:, mouth] = paint(points, points.new_zeros(len(points), 2), size)[:, mouth]
    return model.guidance(
        batch.portraits, code=code + noise * torch.randn_like(code), points=points
    )


def flow_losses(model: PortraitAutoencoder, batch: Batch) -> dict[str, Tensor]:
    """How well the flow between frames and portraits is guessed; touches no decoder weight.

    Half of the groups are the decoder's own pictures of their codes, which is all that a session
    ever shows to it.
    """
    with torch.no_grad():
        guidance = guidance_of(model, batch)
        own = model.decoder(batch.codes, guidance).clamp(-1.0, 1.0)
    chosen = torch.rand(len(own), 1, 1, 1, 1, device=own.device) < OWN_PICTURES
    frames = handed_over(torch.where(chosen, own, as_float(batch.frames)))
    bias = model.pyramid.encoder(F.pixel_unshuffle(batch.portraits, 8))
    guessed = model.flow_guesser(frames, bias, matching_features(batch.portraits))
    true = groups_of(handed_over(flow_of(batch.codes))).flatten(0, 1)
    return {"guess": (guessed - true).div(FLOW_UNIT).square().mean()}


def handed_over(group: Tensor) -> Tensor:
    """A group [N, 4, ...] as a session hands it over, [N, 5, ...]: behind a frame that is alone."""
    return torch.cat((group[:, :1], group), dim=1)


def chosen_frames(batch: Batch) -> Tensor:
    """Numbers of half of the frames of each group: they resemble each other, others teach more."""
    groups, device = len(batch.codes), batch.codes.device
    chosen = torch.rand(groups, GROUP_FRAMES, device=device).argsort(dim=1)[:, :CHOSEN_FRAMES]
    return (chosen + GROUP_FRAMES * torch.arange(groups, device=device)[:, None]).flatten()


def noisy_codes(batch: Batch, chosen: Tensor, noise: float) -> Tensor:
    """True codes [M, D, h, w] of the chosen frames, off by ``noise``."""
    code = frame_codes(batch.codes, GROUP_FRAMES)[chosen]
    return code + noise * torch.randn_like(code)


def decoder_losses(model: PortraitAutoencoder, batch: Batch) -> dict[str, Tensor]:
    """How well portraits are warped by true codes, slightly noisy; touches no encoder weight."""
    return warp_losses(model, batch, painting=False)


def finished_losses(model: PortraitAutoencoder, batch: Batch) -> dict[str, Tensor]:
    """The same where mouths and eyes are painted, by painters that learned on other warps."""
    return warp_losses(model, batch, painting=True)


def warp_losses(model: PortraitAutoencoder, batch: Batch, painting: bool) -> dict[str, Tensor]:
    """Squared error of whole pictures and error of their flow.

    Squared: absolute errors, and those of differences of neighboring pixels, want edges as sharp as
    they are even if a little beside their place; trained on them, held-out clips lost 0.4 dB.
    """
    guidance = guidance_of(model, batch, REFERENCE_NOISE)
    chosen = chosen_frames(batch)
    code = noisy_codes(batch, chosen, CODE_NOISE)
    offset = model.decoder.motion(code, guidance)
    weight = pixel_weight(batch, chosen).clamp(max=MOST_WEIGHT)
    if painting:
        pictures = model.decoder.drawn(code, offset, guidance)
    else:
        pictures = look_up(guidance.pixels, sources(offset))
        weight = weight * (1.0 - batch.inner[chosen])  # no warp makes teeth
    return {
        "flow": flow_l1(F.avg_pool2d(offset, 2), batch.offset[chosen], batch.known[chosen]),
        "square": weighted_square(pictures, as_float(batch.frames.flatten(0, 1)[chosen]), weight),
    }


@dataclass(frozen=True)
class CloseUps:
    """Painted windows of M frames and what they should be."""

    mouth: Painted
    mouth_true: Tensor
    """[M, 3, h, w]"""
    weight: Tensor
    """[M, 1, h, w] emphasis of the mouth's windows."""
    inner: Tensor
    """[M, 1, h, w] 1 where one looks into the mouth, or the warped portrait would show its own."""
    either: Tensor
    """[M, 1, h, w] 1 where both are so: the portrait's own teeth are the best there are."""
    taught: Tensor
    """[M, 1, h, w] ``inner`` of the mouths from which it is learned what is in one."""
    eyes: Painted | None = None
    eyes_true: Tensor | None = None
    """[2 M, 3, h, w]"""


def close_ups(model: PortraitAutoencoder, batch: Batch) -> CloseUps:
    """Mouths and eyes painted on what the decoder makes of slightly noisy codes."""
    seen = unpainted(model, batch)
    made = mouths_by(model.decoder.mouth, seen, batch)
    drawn, true, _ = eyes_by(model.decoder.eye, seen)
    return replace(made, eyes=drawn, eyes_true=true)


def mouths_by(
    painter: CloseUp,
    seen: Unpainted,
    batch: Batch,
    teeth: Tensor | None = None,
    models: Tensor | None = None,
) -> CloseUps:
    """Mouths drawn by ``painter``.

    ``teeth`` [N, TEETH_CODE] are those of each group's person; ``models`` [N] bool says whose are
    learned (all, by default): inside of other mouths nothing counts.
    """
    found = mouths(seen.code, seen.offset, *portraits_of(seen.guidance, len(seen.code)))
    if teeth is not None:
        teeth = teeth.repeat_interleave(CHOSEN_FRAMES, dim=0)
    mouth, windows = close_up(painter, found, seen.places, seen.guidance, teeth)
    weight = cut(pixel_weight(batch, seen.chosen), windows)
    shown = look_up(batch.portrait_inner, cut(seen.places, windows))
    opened = cut(batch.inner[seen.chosen], windows)
    weight = (weight + TEETH_WEIGHT * shown) * soft_edges(*mouth.picture.shape[-2:], shown)
    inner = torch.maximum(opened, shown)
    taught = inner
    if models is not None:
        learned = models.repeat_interleave(CHOSEN_FRAMES)[:, None, None, None].to(inner)
        inside = F.max_pool2d(opened, 2 * NEAR_TEETH_PX + 1, stride=1, padding=NEAR_TEETH_PX)
        weight = weight * (1.0 - inside * (1.0 - learned))
        taught = inner * learned
    return CloseUps(
        mouth=mouth,
        mouth_true=as_float(cut(seen.frames, windows)),
        weight=weight,
        inner=inner,
        either=torch.minimum(opened, shown),
        taught=taught,
    )


@dataclass(frozen=True)
class Unpainted:
    """M frames that painters are about to draw on."""

    chosen: Tensor
    """[M] their numbers in the batch."""
    frames: Tensor
    """[M, 3, H, W] uint8, as they truly are."""
    guidance: Guidance
    code: Tensor
    """[M, D, h, w], slightly noisy."""
    offset: Tensor
    """[M, 2, H/2, W/2], the flow that the decoder makes of ``code``."""
    places: Tensor
    """[M, 2, H, W], where that looks in the portrait."""


@torch.no_grad()
def unpainted(
    model: PortraitAutoencoder, batch: Batch, point_noise: float = POINT_NOISE
) -> Unpainted:
    """Half of the frames of ``batch``, as the decoder warps slightly noisy codes.

    ``point_noise`` is how roughly landmarks are read.
    """
    chosen = chosen_frames(batch)
    guidance = guidance_of(model, batch, NUMBER_NOISE, point_noise)
    code = noisy_codes(batch, chosen, NUMBER_NOISE)
    offset = model.decoder.motion(code, guidance)
    frames = batch.frames.flatten(0, 1)[chosen]
    return Unpainted(chosen, frames, guidance, code, offset, sources(offset))


def pixel_weight(batch: Batch, chosen: Tensor) -> Tensor:
    """Weight [M, 1, H, W] of the reconstruction of the ``chosen`` frames [M], for each pixel."""
    return F.interpolate(batch.weight[chosen], scale_factor=4.0, mode="nearest")


def eyes_by(painter: CloseUp, seen: Unpainted) -> tuple[Painted, Tensor, Tensor]:
    """Eyes drawn by ``painter``, true ones [2 M, 3, h, w], and how far they shut [2 M], 0..1."""
    found = eyes(seen.code, seen.offset, *portraits_of(seen.guidance, len(seen.code)))
    drawn, windows = close_up(painter, found, seen.places, seen.guidance)
    return drawn, as_float(cut(seen.frames.repeat_interleave(2, dim=0), windows)), found.shut


def polish_losses(model: PortraitAutoencoder, batch: Batch) -> dict[str, Tensor]:
    """How far mouths are from true ones as they are shown.

    Without a critic, and every place of a mouth's box weighs the same.
    """
    seen = unpainted(model, batch)
    lips, windows = model.decoder.paint_mouths(seen.code, seen.offset, seen.places, seen.guidance)
    true = as_float(cut(seen.frames, windows))
    weight = pixel_weight(batch, seen.chosen).clamp(max=BOX_WEIGHT)
    weight = cut(weight, windows) * soft_edges(*true.shape[-2:], true)
    return {
        "mouth": weighted_l1(lips, true, weight),
        "mouth_gradient": gradient_l1(lips, true, weight),
    }


def closeup_losses(model: PortraitAutoencoder, batch: Batch) -> dict[str, Tensor]:
    """How well mouths and eyes are painted."""
    return painting_losses(close_ups(model, batch))


def painting_losses(painted: CloseUps) -> dict[str, Tensor]:
    """The same of windows that are painted already."""
    mouth, eyes = painted.mouth, painted.eyes
    losses = {
        "mouth": weighted_l1(mouth.picture, painted.mouth_true, painted.weight),
        "mouth_gradient": gradient_l1(mouth.picture, painted.mouth_true, painted.weight),
        "opening": opening_error(mouth.veil, painted.inner, painted.either),
        "inside": weighted_l1(mouth.color, painted.mouth_true, painted.taught),
    }
    return losses if eyes is None else losses | eye_losses(eyes, painted.eyes_true)


def eye_losses(eyes: Painted, true: Tensor, weight: Tensor | None = None) -> dict[str, Tensor]:
    """How far painted eyes are from ``true`` [2 M, 3, h, w], each of them of a ``weight`` [2 M]."""
    edges = soft_edges(*true.shape[-2:], true)
    if weight is not None:
        edges = edges * weight[:, None, None, None]
    return {
        "eyes": weighted_l1(eyes.picture, true, edges),
        "eyes_gradient": gradient_l1(eyes.picture, true, edges),
        # keeps the paint fit to be shown, or a veil that has once vanished never comes back
        "lids": weighted_l1(eyes.color, true, edges),
    }


PARTS = {
    "decoder": decoder_losses,
    "closeups": closeup_losses,
    "warp": finished_losses,
    "polish": polish_losses,
    "flow": flow_losses,
}
MOVES_PICTURES = ("decoder", "warp")
"""Parts that learn from pictures without a face, too (:mod:`lab.training.data.pictures`)."""
WEIGHTS = {
    "guess": 2.0,
    "flow": 8.0,
    "square": 40.0,
    "mouth": 4.0,
    "mouth_gradient": 2.0,
    "opening": 20.0,
    "inside": 100.0,
    "eyes": 16.0,
    "eyes_gradient": 8.0,
    "lids": 2.0,
}
TRAINED = {
    "flow": ("flow_guesser.", "pyramid.encoder."),
    "decoder": ("decoder.", "pyramid."),
    "warp": tuple(
        f"decoder.{layer}" for layer in ("coarse", "reference", "middle", "fine", "flow", "outline")
    )
    + tuple(f"pyramid.{layer}" for layer in ("stem", "fine", "middle", "coarse", "still")),
    "closeups": ("decoder.mouth.", "decoder.eye."),  # and lab.training.tiny.sharpening
    "teeth": ("decoder.mouth.",),  # by lab.training.tiny.teeth alone
    "polish": ("decoder.mouth.", "decoder.cover."),
    "cover": ("decoder.cover.",),  # by lab.training.tiny.sharpening alone
    "lids": ("decoder.lids.",),  # likewise
}
"""Beginnings of the names of the weights that a part trains."""


def true_guidance(model: PortraitAutoencoder, clip: Clip) -> Guidance:
    """What a session would know of the portrait of ``clip`` if it read it without error."""
    _, still = painted(clip)
    device = device_of(model)
    portrait = as_float(torch.from_numpy(clip.portrait.copy()).permute(2, 0, 1))[None]
    return model.guidance(
        portrait.to(device),
        code=torch.from_numpy(still[None].astype(np.float32)).to(device),
        points=torch.from_numpy(portrait_points(clip))[None].to(device),
    )


def true_pictures(model: PortraitAutoencoder, clip: Clip, start: int) -> Tensor:
    """The group that begins at frame ``start``, drawn from its true codes: [4, 3, H, W] in -1..1.

    On the CPU, wherever ``model`` is.
    """
    codes = painted(clip)[0][start : start + GROUP_FRAMES].astype(np.float32)
    codes = torch.from_numpy(codes).to(device_of(model))
    return model.decoder.pictures(codes, true_guidance(model, clip)).clamp(-1, 1).cpu()


def group_psnr(clip: Clip, start: int, drawn: Tensor) -> dict[str, float]:
    """PSNR in dB of ``drawn`` [4, 3, H, W] in [-1, 1], and of a copy of the portrait ("_copy").

    Against the group that begins at frame ``start``; for the whole frame and for the boxes of mouth
    and eyes, where most happens.
    """
    frames = torch.from_numpy(clip.frames[start : start + GROUP_FRAMES].copy())
    true = as_float(frames.permute(0, 3, 1, 2))
    portrait = as_float(torch.from_numpy(clip.portrait.copy()).permute(2, 0, 1))[None]
    places = {
        "whole": (slice(None), slice(None)),
        "mouth": pixels_of(clip.mouth_box(start + 1), true.shape[-1]),
        "eyes": pixels_of(clip.eyes_box(start + 1), true.shape[-1]),
    }
    found = {}
    for name, picture in (("", drawn), ("_copy", portrait)):
        error = ((picture - true) / 2).square()
        for place, (rows, columns) in places.items():
            found[place + name] = psnr_db(error[..., rows, columns])
    return found


def psnr_db(square: Tensor) -> float:
    """PSNR of a squared error of any shape, of values in 0..1."""
    return float(-10 * np.log10(square.mean(dtype=torch.float64).item() + 1e-9))


@torch.no_grad()
def evaluate(
    model: PortraitAutoencoder, clips: ClipSet, groups: int, place: Place = telling_place
) -> dict[str, float]:
    """Mean :func:`group_psnr` of held-out groups drawn from their true codes.

    ``place`` says where in their clips the groups lie.
    """
    model.eval()
    rng = np.random.default_rng(1)
    found = []
    for index in range(groups):
        clip = clips.clips[index % len(clips.clips)]
        start = place(clip, rng)
        found.append(group_psnr(clip, start, true_pictures(model, clip, start)))
    return {name: float(np.mean([each[name] for each in found])) for name in found[0]}


def log_progress(
    model: PortraitAutoencoder, held_out: ClipSet, place: Place = telling_place
) -> None:
    """Log how the weights of a training that goes on paint."""
    quality = evaluate(model, held_out, JUDGED_GROUPS // 2, place)
    log.info("held out, current weights: %s", quality)


def log_quality(
    out: Path, model: PortraitAutoencoder, held_out: ClipSet, place: Place = telling_place
) -> None:
    """Put the averaged weights of the training in ``out`` into ``model``, and log how it paints."""
    load_average(out, model)
    log.info("held out, chosen groups: %s", evaluate(model, held_out, JUDGED_GROUPS, place))
    log.info("held out, any groups: %s", evaluate(model, held_out, JUDGED_GROUPS, any_place))


def trained_in_part(
    part: str, init: Path | None, device: torch.device | str = "cpu"
) -> PortraitAutoencoder:
    """An autoencoder of which ``part`` learns and the rest stays; ``init``: run to start from."""
    model = PortraitAutoencoder(TINY.autoencoder).to(memory_format=torch.channels_last)
    if init:
        load_average(init, model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(TRAINED[part]))
    return model.to(device)


@command
def main() -> None:
    """Entry point."""
    parser = training_parser(
        __doc__.splitlines()[0], steps=4000, batch=8, rate=2e-3, batch_of="groups of four frames"
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--part",
        choices=tuple(PARTS),
        required=True,
        help="in this order; flow beside closeups, if there are more cores",
    )
    parser.add_argument("--init", type=Path, help="run to start from, for weights not trained yet")
    parser.add_argument(
        "--pictures", type=Path, help="folder of photographs and textures; for decoder and warp"
    )
    add_precision(parser)
    add_workers(parser)
    arguments = begin(parser)
    device = arguments.device
    if arguments.pictures and arguments.part not in MOVES_PICTURES:
        parser.error(
            f"--pictures is for --part {' and '.join(MOVES_PICTURES)}, not {arguments.part}: "
            "nothing else is learned from pictures without a face"
        )

    clips = ClipSet(arguments.data)
    held_out = ClipSet(arguments.data, held_out=True)
    rng = np.random.default_rng()
    model = trained_in_part(arguments.part, arguments.init, device)
    pictures = Pictures(arguments.pictures) if arguments.pictures else None
    coming = batches(clips, arguments.batch, rng, telling_place, pictures, arguments.workers)

    def step(index: int) -> tuple[Tensor, dict[str, float]]:
        model.train()
        if index % EVALUATE_EVERY == EVALUATE_EVERY - 1:
            clips.refresh()
            log_progress(model, held_out)
            model.train()
        batch = next(coming).to(device)
        with mixed_precision(arguments.precision, device.type):
            terms = PARTS[arguments.part](model, batch)
        total = sum(WEIGHTS[name] * term for name, term in terms.items())
        return total, {name: term.item() for name, term in terms.items()}

    config = LoopConfig(
        out=arguments.out, steps=arguments.steps, learning_rate=arguments.rate, warmup_steps=50
    )
    train(model, step, config)
    log_quality(arguments.out, model, held_out)


if __name__ == "__main__":
    sys.exit(main())
