"""The published transformer on several ranks: rank 0 calls, all compute, rank 0 has the result.

Every rank takes *rows of all latent frames*. Patches, attention to text, image and speech, and the
head are then local as they are; only self-attention exchanges anything. Weights are whole on every
rank.
"""

from __future__ import annotations

import threading
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from flashtalk.errors import FlashTalkError
from flashtalk.models.dit.attention import SelfAttention
from flashtalk.models.dit.transformer import VideoTransformer
from flashtalk.parallel.ranks import Ranks, shares
from flashtalk.parallel.ulysses import RowRotary, Rows, UlyssesAttention

GONE = (
    "A GPU process does not answer any more, so this video ends here. Please try again in a minute."
)
END = "end"


def shareable(transformer: object, ranks: int, rows: int) -> VideoTransformer:
    """``transformer``; raises :class:`FlashTalkError` if ``ranks`` processes cannot share it.

    ``rows`` are the rows of patches of the smallest picture.
    """
    if type(transformer) is not VideoTransformer:  # a tiny one is a VideoTransformer, too
        raise FlashTalkError(
            "flashtalk-tiny runs in one process: its denoiser looks at whole frames. Start it "
            "without torchrun."
        )
    most = min(transformer.config.heads, rows)
    if ranks > most:
        raise FlashTalkError(
            f"{ranks} processes cannot share {transformer.config.heads} heads and {rows} rows of "
            f"patches. Give torchrun --nproc-per-node {most} or less."
        )
    return transformer


class SharedDenoiser(nn.Module):
    """A :class:`flashtalk.models.contracts.Denoiser` whose prediction all ranks compute.

    Everything but the prediction is the transformer's own, on rank 0.
    """

    anchored = False

    def __init__(self, transformer: VideoTransformer, ranks: Ranks) -> None:
        super().__init__()
        self.transformer = transformer
        self._ranks = ranks
        self._rows = Rows()
        self.gone = threading.Event()
        """Set once a rank did not answer; no call succeeds after that."""
        transformer.rotary = RowRotary(transformer.rotary, ranks, self._rows)  # type: ignore[assignment]
        for module in transformer.modules():
            if isinstance(module, SelfAttention):
                module.attend = UlyssesAttention(module.attend, ranks, self._rows)
        self.reference_clip = transformer.reference_clip
        self.control = transformer.control
        self.condition = transformer.condition
        self.project_speech = transformer.project_speech
        self.constrain = transformer.constrain

    def forward(
        self,
        latents: Tensor,
        timestep: Tensor,
        condition_latents: Tensor,
        audio_tokens: Tensor,
        text: Tensor | None = None,
        image: Tensor | None = None,
        *,
        num_motion: int = 0,
    ) -> Tensor:
        """Rank 0: as the transformer's. Raises :class:`FlashTalkError` if a rank is gone."""
        given = [latents, timestep, condition_latents, audio_tokens, text, image]
        try:
            _announce([_kind(each) for each in given], self._ranks)
            for each in given:
                if each is not None:
                    dist.broadcast(each.contiguous(), 0, group=self._ranks.work)
            return self._computed(given)
        except RuntimeError as error:  # dist.DistError is one
            if isinstance(error, torch.OutOfMemoryError):
                raise
            self.gone.set()
            raise FlashTalkError(GONE) from error

    @torch.inference_mode()
    def follow(self) -> None:
        """Other ranks: computes a share of every call of rank 0, until it ends."""
        while (kinds := _announced(self._ranks)) != END:
            given = [self._received(kind) for kind in kinds]
            self._computed(given)

    def end(self) -> None:
        """Rank 0: lets the others go."""
        _announce(END, self._ranks)

    # --- inside ---------------------------------------------------------------------------------
    def _computed(self, given: list[Tensor | None]) -> Tensor:
        """This rank's rows; rank 0 returns all of them."""
        latents, timestep, condition_latents, *context = given
        assert latents is not None and condition_latents is not None  # the call has them always
        ranks, patch_rows = self._ranks, self.transformer.config.patch[1]
        self._rows.total = latents.shape[3] // patch_rows
        bounds = [
            (start * patch_rows, stop * patch_rows)
            for start, stop in shares(self._rows.total, ranks.count)
        ]
        start, stop = bounds[ranks.index]
        local = self.transformer(
            latents[..., start:stop, :], timestep, condition_latents[..., start:stop, :], *context
        )
        if not ranks.leads:
            dist.send(local.contiguous(), 0, group=ranks.work)
            return local
        parts = [local]
        for rank, (first, end) in list(enumerate(bounds))[1:]:
            part = local.new_empty((*local.shape[:3], end - first, local.shape[4]))
            dist.recv(part, rank, group=ranks.work)
            parts.append(part)
        return torch.cat(parts, dim=3)

    def _received(self, kind: tuple[tuple[int, ...], torch.dtype] | None) -> Tensor | None:
        if kind is None:
            return None
        tensor = torch.empty(kind[0], dtype=kind[1], device=self._ranks.device)
        dist.broadcast(tensor, 0, group=self._ranks.work)
        return tensor


def _kind(tensor: Tensor | None) -> tuple[tuple[int, ...], torch.dtype] | None:
    return None if tensor is None else (tuple(tensor.shape), tensor.dtype)


def _announce(header: Any, ranks: Ranks) -> None:
    dist.broadcast_object_list([header], 0, group=ranks.calls)


def _announced(ranks: Ranks) -> Any:
    header = [None]
    dist.broadcast_object_list(header, 0, group=ranks.calls)
    return header[0]
