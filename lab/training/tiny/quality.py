"""How well the autoencoder draws held-out groups of frames from their true codes, in dB."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flashtalk.models.tiny.autoencoder import PortraitAutoencoder
from flashtalk.models.tiny.face_code import GROUP_FRAMES
from flashtalk.models.tiny.guidance import Guidance
from lab.training.data.clips import Clip, ClipSet, pixels_of
from lab.training.data.codec_dataset import Place, any_place, as_float, painted, telling_place
from lab.training.data.codes import portrait_points
from lab.training.loop import device_of, load_average

log = logging.getLogger(__name__)

EVALUATE_EVERY = 1000  # steps
JUDGED_GROUPS = 60  # at the end of a training; half of them on the way


def true_guidance(model: PortraitAutoencoder, clip: Clip) -> Guidance:
    """Guidance of the portrait of ``clip``, read without error."""
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
    painted_codes = painted(clip)[0][start : start + GROUP_FRAMES].astype(np.float32)
    codes = torch.from_numpy(painted_codes).to(device_of(model))
    return model.decoder(codes, true_guidance(model, clip)).clamp(-1, 1).cpu()


def group_psnr(clip: Clip, start: int, drawn: Tensor) -> dict[str, float]:
    """PSNR in dB of ``drawn`` [4, 3, H, W] in [-1, 1], and of a copy of the portrait ("_copy").

    They are compared with the group that begins at frame ``start``. Returns values of the whole
    frame and of the boxes of mouth and eyes, where most happens.
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
