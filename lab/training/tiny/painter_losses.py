"""Losses of the painters of mouths and eyes, which draw on what the decoder warps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from flashtalk.models.tiny.autoencoder import PortraitAutoencoder
from flashtalk.models.tiny.crops import crop_fade, paint_crops
from flashtalk.models.tiny.decoder import eye_states, mouth_states, sampling_grid
from flashtalk.models.tiny.guidance import Guidance
from flashtalk.models.tiny.maps import crop, warp
from flashtalk.models.tiny.painter import FeaturePainter, PaintedCrops
from lab.training.data.codec_dataset import BOX_WEIGHT, Batch, as_float
from lab.training.losses.basic import gradient_l1, opening_error, weighted_l1
from lab.training.tiny.supervision import (
    CHOSEN_FRAMES,
    chosen_frames,
    guidance_of,
    noisy_codes,
    pixel_weight,
)

NUMBER_NOISE = 0.05  # places and numbers are averages over many cells
POINT_NOISE = 0.01  # how roughly landmarks are read, picture units
NEAR_TEETH_PX = 2  # around an opening that is not learned from, which a gradient would see
TEETH_WEIGHT = 12.0  # of places where the portrait shows teeth, besides what they weigh already


@dataclass(frozen=True)
class PaintedFeatures:
    """PaintedCrops crops of M frames and what they should be."""

    mouth: PaintedCrops
    mouth_true: Tensor
    """[M, 3, h, w]"""
    weight: Tensor
    """[M, 1, h, w] emphasis of the mouth's crops."""
    inner: Tensor
    """[M, 1, h, w] 1 where one looks into the mouth, or the warped portrait would show its own."""
    either: Tensor
    """[M, 1, h, w] 1 where both are so: the portrait's own teeth are the best there are."""
    taught: Tensor
    """[M, 1, h, w] ``inner`` of the mouths from which it is learned what is in one."""
    eyes: PaintedCrops | None = None
    eyes_true: Tensor | None = None
    """[2 M, 3, h, w]"""


def painted_features(model: PortraitAutoencoder, batch: Batch) -> PaintedFeatures:
    """Mouths and eyes painted on what the decoder makes of slightly noisy codes."""
    seen = unpainted(model, batch)
    made = mouths_by(model.decoder.mouth, seen, batch)
    drawn, true, _ = eyes_by(model.decoder.eye, seen)
    return replace(made, eyes=drawn, eyes_true=true)


def mouths_by(
    painter: FeaturePainter,
    seen: Unpainted,
    batch: Batch,
    identity_codes: Tensor | None = None,
    models: Tensor | None = None,
) -> PaintedFeatures:
    """Mouths drawn by ``painter``.

    ``identity_codes`` [N, IDENTITY_CHANNELS] say whose teeth each group has. ``models`` [N] bool
    says whose are learned (all, by default). Inside of other mouths nothing counts.
    """
    state = mouth_states(seen.code, seen.flow, seen.guidance)
    if identity_codes is not None:
        identity_codes = identity_codes.repeat_interleave(CHOSEN_FRAMES, dim=0)
    mouth, boxes = paint_crops(painter, state, seen.grid, seen.guidance.source, identity_codes)
    weight = crop(pixel_weight(batch, seen.chosen), boxes)
    shown = warp(batch.portrait_inner, crop(seen.grid, boxes))
    opened = crop(batch.inner[seen.chosen], boxes)
    weight = (weight + TEETH_WEIGHT * shown) * crop_fade(
        mouth.picture.shape[-2], mouth.picture.shape[-1], shown
    )
    inner = torch.maximum(opened, shown)
    taught = inner
    if models is not None:
        learned = models.repeat_interleave(CHOSEN_FRAMES)[:, None, None, None].to(inner)
        inside = F.max_pool2d(opened, 2 * NEAR_TEETH_PX + 1, stride=1, padding=NEAR_TEETH_PX)
        weight = weight * (1.0 - inside * (1.0 - learned))
        taught = inner * learned
    return PaintedFeatures(
        mouth=mouth,
        mouth_true=as_float(crop(seen.frames, boxes)),
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
    flow: Tensor
    """[M, 2, H/2, W/2] that the decoder makes of ``code``."""
    grid: Tensor
    """[M, 2, H, W] where that samples the portrait."""


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
    flow = model.decoder.flow_of(code, guidance)
    frames = batch.frames.flatten(0, 1)[chosen]
    return Unpainted(chosen, frames, guidance, code, flow, sampling_grid(flow))


def eyes_by(painter: FeaturePainter, seen: Unpainted) -> tuple[PaintedCrops, Tensor, Tensor]:
    """Eyes drawn by ``painter``, true ones [2 M, 3, h, w], and how far they shut [2 M], 0..1."""
    state = eye_states(seen.code, seen.flow, seen.guidance)
    drawn, boxes = paint_crops(painter, state, seen.grid, seen.guidance.source)
    true = as_float(crop(seen.frames.repeat_interleave(2, dim=0), boxes))
    return drawn, true, state.closed_share


def polish_losses(model: PortraitAutoencoder, batch: Batch) -> dict[str, Tensor]:
    """How far mouths are from true ones as they are shown.

    Without a critic, and every place of a mouth's box weighs the same.
    """
    seen = unpainted(model, batch)
    mouths = model.decoder.paint_mouths(seen.code, seen.flow, seen.grid, seen.guidance)
    lips = mouths.picture
    true = as_float(crop(seen.frames, mouths.boxes))
    weight = pixel_weight(batch, seen.chosen).clamp(max=BOX_WEIGHT)
    weight = crop(weight, mouths.boxes) * crop_fade(true.shape[-2], true.shape[-1], true)
    return {
        "mouth": weighted_l1(lips, true, weight),
        "mouth_gradient": gradient_l1(lips, true, weight),
    }


def painter_losses(model: PortraitAutoencoder, batch: Batch) -> dict[str, Tensor]:
    """How well mouths and eyes are painted."""
    return painting_losses(painted_features(model, batch))


def painting_losses(painted: PaintedFeatures) -> dict[str, Tensor]:
    """The same of crops that are painted already."""
    mouth, eyes = painted.mouth, painted.eyes
    losses = {
        "mouth": weighted_l1(mouth.picture, painted.mouth_true, painted.weight),
        "mouth_gradient": gradient_l1(mouth.picture, painted.mouth_true, painted.weight),
        "opening": opening_error(mouth.alpha_logits, painted.inner, painted.either),
        "inside": weighted_l1(mouth.color, painted.mouth_true, painted.taught),
    }
    if eyes is None or painted.eyes_true is None:
        return losses
    return losses | eye_losses(eyes, painted.eyes_true)


def eye_losses(eyes: PaintedCrops, true: Tensor, weight: Tensor | None = None) -> dict[str, Tensor]:
    """How far painted eyes are from ``true`` [2 M, 3, h, w], each of them of a ``weight`` [2 M]."""
    edges = crop_fade(true.shape[-2], true.shape[-1], true)
    if weight is not None:
        edges = edges * weight[:, None, None, None]
    return {
        "eyes": weighted_l1(eyes.picture, true, edges),
        "eyes_gradient": gradient_l1(eyes.picture, true, edges),
        # keeps the paint fit to be shown, or an alpha that has once vanished never comes back
        "lids": weighted_l1(eyes.color, true, edges),
    }
