"""Where the frames of a chunk begin: at the last motion frame, freed of its errors.

Part of :class:`flashtalk.models.tiny.denoiser.TinyDenoiser`: the head's values are counted from
here. Motion goes on exactly where it was. But a chunk that only continued motion frames would
continue their errors, too. Within a minute a face is visibly bent. So displacements return, over
the length of a chunk, to the nearest ones that this portrait's face could have.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flashtalk.config import TinyDenoiserConfig
from flashtalk.errors import FlashTalkError
from flashtalk.models.tiny.face_code import FLOW, FLOW_PLACE

RETURN_FRAMES = 14.0
"""Time constant. An error is down to a seventh at the end of a chunk; its return is not seen."""
WIDTH = 256


class FlowPrior(nn.Module):
    """Displacements of a frame -> the nearest ones that a face makes, knowing the portrait.

    A denoising network (Vincent et al. 2008): trained to remove bends that were added to true
    displacements.
    """

    def __init__(self, features: int, cells: tuple[int, int]) -> None:
        super().__init__()
        area = cells[0] * cells[1]
        flow, portrait = len(FLOW) * area, (features - len(FLOW)) * area
        self.first = nn.Linear(flow + portrait, WIDTH)
        self.second = nn.Linear(WIDTH, WIDTH)
        self.third = nn.Linear(WIDTH, WIDTH)
        self.last = nn.Linear(WIDTH + flow, flow)
        nn.init.zeros_(self.last.weight)  # begins as the identity
        nn.init.zeros_(self.last.bias)

    def forward(self, flow: Tensor, portrait: Tensor) -> Tensor:
        """Flow channels [N, 2, h, w] of portraits with codes [N, D, h, w] -> the same."""
        dtype = self.first.weight.dtype  # sixteen bits where sharded weights are gathered so
        given = flow.flatten(1).to(dtype)
        known = portrait[:, FLOW_PLACE.stop :].flatten(1).to(dtype)
        x = F.relu(self.first(torch.cat((given, known), dim=1)))
        x = x + F.relu(self.second(x))
        x = x + F.relu(self.third(x))
        return flow - self.last(torch.cat((x, given), dim=1)).float().view_as(flow)


class FlowAnchor(nn.Module):
    """The last motion frame's values, for every frame of a chunk."""

    def __init__(self, config: TinyDenoiserConfig) -> None:
        super().__init__()
        self.frames = config.frames_per_latent
        values = config.latent_channels // self.frames
        # how much of each value is carried on; set by the training, not learned
        self.register_buffer("share", torch.ones(values, 1, 1))
        cells = config.flow_prior_cells
        self.flow_prior = FlowPrior(values, cells) if cells is not None else None
        self.corrects = True  # see disable_flow_prior

    def forward(self, latents: Tensor, reference: Tensor, num_motion: int) -> Tensor:
        """Latents [B, C, T, h, w], the first ``num_motion`` clean, and reference [B, C, h, w].

        -> [B, C, T, h, w] float32.
        """
        count = latents.shape[2]
        last = latents[:, :, num_motion - 1].float().unflatten(1, (self.frames, -1))[:, -1]
        begin = (self.share * last)[:, None, :, None].repeat(1, self.frames, 1, count, 1, 1)
        if self.flow_prior is not None and self.corrects:
            flow = last[:, FLOW_PLACE]
            portrait = reference.float().unflatten(1, (self.frames, -1))[:, 0]
            change = self.flow_prior(flow, portrait) - flow  # [B, 2, h, w]
            grown = 1.0 - remaining(self.frames, count, num_motion, last.device)
            begin[:, :, FLOW_PLACE] += change[:, None, :, None] * grown[:, None, :, None, None]
        return begin.flatten(1, 2)


def disable_flow_prior(denoiser: nn.Module) -> None:
    """Displacements of motion frames are continued as they are, for comparison.

    Raises :class:`FlashTalkError` for a denoiser without a flow prior.
    """
    anchor = getattr(denoiser, "flow_anchor", None)
    if anchor is None or anchor.flow_prior is None:
        raise FlashTalkError(
            "These weights have no flow prior that could be left out. Leave the setting out."
        )
    anchor.corrects = False


def remaining(frames: int, count: int, num_motion: int, device: torch.device) -> Tensor:
    """Share of an error that is left in each frame of ``count`` latents: [frames, count].

    1 up to the last frame of the first ``num_motion`` latents, then falling.
    """
    order = torch.arange(frames * count, device=device).view(count, frames).T
    elapsed = (order - frames * num_motion + 1).clamp(min=0)
    return torch.exp(-elapsed / RETURN_FRAMES)
