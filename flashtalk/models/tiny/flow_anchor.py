"""Where the frames of a chunk begin: at the last frame that was handed over, freed of its errors.

Part of :class:`flashtalk.models.dit.transformer.VideoTransformer` where it predicts clean latents
(the embedded model): the network's output is counted from here. Motion goes on exactly where it
was. But what is handed over was read back from pictures, and a chunk that only continued it would
continue the errors, too: within a minute faces were visibly bent. So displacements return, over the
length of a chunk, to the nearest ones that this portrait's face could have.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flashtalk.config import TransformerConfig
from flashtalk.errors import FlashTalkError
from flashtalk.models.tiny.face_code import FLOW, FLOW_PLACE

RETURN_FRAMES = 14.0
"""Time constant: an error is down to a seventh at the end of a chunk, and too slow to be seen."""
WIDTH = 256


class FaceLikeFlow(nn.Module):
    """Displacements of a frame -> the nearest ones that a face makes, knowing the portrait.

    A denoising network (Vincent et al. 2008): trained to remove bends that were added to true
    displacements (:mod:`lab.training.data.flow_augment`).
    """

    def __init__(self, features: int, cells: tuple[int, int]) -> None:
        super().__init__()
        area = cells[0] * cells[1]
        flow, portrait = len(FLOW) * area, (features - len(FLOW)) * area
        self.first = nn.Linear(flow + portrait, WIDTH)
        self.second = nn.Linear(WIDTH, WIDTH)
        self.third = nn.Linear(WIDTH, WIDTH)
        self.last = nn.Linear(WIDTH + flow, flow)
        self.forget()

    def forget(self) -> None:
        """Begin as the identity."""
        nn.init.zeros_(self.last.weight)
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


class HandOver(nn.Module):
    """The last given frame's values, for every frame of a chunk."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.frames = config.frames_per_latent
        values = config.latent_channels // self.frames
        # how much of each value is carried on; set by the training, not learned
        self.register_buffer("share", torch.ones(values, 1, 1))
        self.face_like = (
            FaceLikeFlow(values, config.face_cells) if config.face_cells is not None else None
        )
        self.errors_stay = False  # see let_errors_stay

    def forward(self, latents: Tensor, reference: Tensor, given: int) -> Tensor:
        """Latents [B, C, T, h, w], the first ``given`` clean, and reference [B, C, h, w].

        -> [B, C, T, h, w] float32.
        """
        count = latents.shape[2]
        last = latents[:, :, given - 1].float().unflatten(1, (self.frames, -1))[:, -1]
        begin = (self.share * last)[:, None, :, None].repeat(1, self.frames, 1, count, 1, 1)
        if self.face_like is not None and not self.errors_stay:
            flow = last[:, FLOW_PLACE]
            portrait = reference.float().unflatten(1, (self.frames, -1))[:, 0]
            change = self.face_like(flow, portrait) - flow  # [B, 2, h, w]
            grown = 1.0 - remaining(self.frames, count, given, last.device)
            begin[:, :, FLOW_PLACE] += change[:, None, :, None] * grown[:, None, :, None, None]
        return begin.flatten(1, 2)


def let_errors_stay(transformer: nn.Module) -> None:
    """Displacements that are handed over no longer return to those of a face, for comparison.

    Raises :class:`FlashTalkError` for a transformer in which they never do.
    """
    hand_over = getattr(transformer, "hand_over", None)
    if hand_over is None or hand_over.face_like is None:
        raise FlashTalkError(
            "Errors can only be told to stay where something takes them away: these weights have "
            "no part that returns displacements to those of a face. Leave the setting out."
        )
    hand_over.errors_stay = True


def remaining(frames: int, count: int, given: int, device: torch.device) -> Tensor:
    """Share of an error that is left in each frame of ``count`` latents: [frames, count].

    1 up to the last frame of the ``given`` latents, then falling.
    """
    order = torch.arange(frames * count, device=device).view(count, frames).T
    since = (order - frames * given + 1).clamp(min=0)
    return torch.exp(-since / RETURN_FRAMES)
