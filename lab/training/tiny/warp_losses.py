"""Losses of the warp and of the guessed flow, supervised by the renderer's exact flow."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from flashtalk.models.tiny.autoencoder import PortraitAutoencoder
from flashtalk.models.tiny.decoder import sampling_grid
from flashtalk.models.tiny.face_code import FLOW_UNIT, GROUP_FRAMES, flow_of, frame_codes, groups_of
from flashtalk.models.tiny.maps import warp
from flashtalk.models.tiny.matching import matching_features
from lab.training.data.codec_dataset import Batch, as_float
from lab.training.losses.basic import flow_l1, weighted_square
from lab.training.tiny.supervision import chosen_frames, guidance_of, noisy_codes, pixel_weight

CODE_NOISE = 0.06  # the decoder must tolerate what the diffusion leaves over
REFERENCE_NOISE = 0.08  # and that the portrait is read only roughly
OWN_PICTURES = 0.5  # share of groups whose flow is guessed from the decoder's own pictures
MOST_WEIGHT = 4.0  # of a place in the squared error


def flow_losses(model: PortraitAutoencoder, batch: Batch) -> dict[str, Tensor]:
    """How well the flow between frames and portraits is guessed; touches no decoder weight.

    Half of the groups are the decoder's own pictures of their codes. A session shows nothing else
    to it.
    """
    with torch.no_grad():
        guidance = guidance_of(model, batch)
        own = model.decoder(frame_codes(batch.codes), guidance).clamp(-1.0, 1.0)
        own = own.unflatten(0, (-1, GROUP_FRAMES))
    chosen = torch.rand(len(own), 1, 1, 1, 1, device=own.device) < OWN_PICTURES
    frames = with_lone_frame(torch.where(chosen, own, as_float(batch.frames)))
    bias = model.pyramid.encoder(F.pixel_unshuffle(batch.portraits, 8))
    guessed = model.flow_guesser(frames, bias, matching_features(batch.portraits))
    true = groups_of(with_lone_frame(flow_of(batch.codes))).flatten(0, 1)
    return {"guess": (guessed - true).div(FLOW_UNIT).square().mean()}


def with_lone_frame(group: Tensor) -> Tensor:
    """A group [N, 4, ...] as motion frames [N, 5, ...]: behind a frame that is alone."""
    return torch.cat((group[:, :1], group), dim=1)


def decoder_losses(model: PortraitAutoencoder, batch: Batch) -> dict[str, Tensor]:
    """How well portraits are warped by true codes, slightly noisy; touches no encoder weight."""
    return warp_losses(model, batch, painting=False)


def finished_losses(model: PortraitAutoencoder, batch: Batch) -> dict[str, Tensor]:
    """The same where mouths and eyes are painted, by painters that learned on other warps."""
    return warp_losses(model, batch, painting=True)


def warp_losses(model: PortraitAutoencoder, batch: Batch, painting: bool) -> dict[str, Tensor]:
    """Squared error of whole pictures and error of their flow.

    Errors are squared. Absolute errors, and those of differences of neighboring pixels, want sharp
    edges, even a little beside their place. Trained on them, held-out clips lost 0.4 dB.
    """
    guidance = guidance_of(model, batch, REFERENCE_NOISE)
    chosen = chosen_frames(batch)
    code = noisy_codes(batch, chosen, CODE_NOISE)
    flow = model.decoder.flow_of(code, guidance)
    weight = pixel_weight(batch, chosen).clamp(max=MOST_WEIGHT)
    if painting:
        pictures = model.decoder.render(code, flow, guidance)
    else:
        pictures = warp(guidance.source, sampling_grid(flow))
        weight = weight * (1.0 - batch.inner[chosen])  # no warp makes teeth
    return {
        "flow": flow_l1(F.avg_pool2d(flow, 2), batch.offset[chosen], batch.known[chosen]),
        "square": weighted_square(pictures, as_float(batch.frames.flatten(0, 1)[chosen]), weight),
    }
