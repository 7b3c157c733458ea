"""Losses of the painters of mouths and eyes, which draw on what the decoder warps."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from flashtalk.models.tiny.autoencoder import PortraitAutoencoder
from flashtalk.models.tiny.decoder import close_up, portraits_of, sources
from flashtalk.models.tiny.guidance import Guidance
from flashtalk.models.tiny.maps import cut, look_up
from flashtalk.models.tiny.painter import CloseUp, Painted, eyes, mouths, soft_edges
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


def painter_losses(model: PortraitAutoencoder, batch: Batch) -> dict[str, Tensor]:
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
