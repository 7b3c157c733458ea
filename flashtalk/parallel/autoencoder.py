"""The Wan 2.1 autoencoder on several ranks: each encodes and decodes rows of all frames.

Nothing is approximated, so there is no border to be seen. Before a convolution that looks at
neighbors, ranks exchange the one row that it needs. What it makes of that row's outer side is cut
off. The one attention, at the size of the latents, is computed whole by everybody. Norms treat
every pixel alone, and upsampling repeats it.

All of it is hooks on the modules, so the network's forward stays what it is.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from flashtalk.models.published.frames import FramesAreShown
from flashtalk.models.published.wan_vae import WanAutoencoder
from flashtalk.parallel.exchange import all_rows, neighbor_rows, rows_at_first
from flashtalk.parallel.ranks import Ranks, shares
from flashtalk.parallel.team import Given, Team

ENCODE, DECODE = "encode", "decode"


class SharedAutoencoder(FramesAreShown):
    """A :class:`flashtalk.models.contracts.Autoencoder`; all ranks encode and decode.

    ``cells_px`` are the pixels of a latent cell in one direction.
    """

    def __init__(self, autoencoder: WanAutoencoder, team: Team, cells_px: int) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self._team, self._cells_px = team, cells_px
        self._rows = _Rows(team.ranks)
        share_rows(autoencoder, self._rows)
        self.graphs = autoencoder.graphs
        team.add(ENCODE, self._encoded)
        team.add(DECODE, self._decoded)

    def encode(self, video: Tensor, guidance: None = None) -> Tensor:
        """Rank 0: as the autoencoder's. Raises :class:`FlashTalkError` if a rank is gone."""
        return self._team.call(ENCODE, [video])

    def decode(self, latents: Tensor, guidance: None = None, *, skip_frames: int = 0) -> Tensor:
        """Rank 0: as the autoencoder's. Raises :class:`FlashTalkError` if a rank is gone."""
        return self._team.call(DECODE, [latents], skip_frames=skip_frames)

    def _encoded(self, given: Given) -> Tensor:
        (video,) = given
        assert video is not None
        start, stop = self._begin(video.shape[-2] // self._cells_px)
        local = video[..., start * self._cells_px : stop * self._cells_px, :]
        return self._joined(self.autoencoder.encode(local), 1)

    def _decoded(self, given: Given, *, skip_frames: int) -> Tensor:
        (latents,) = given
        assert latents is not None
        start, stop = self._begin(latents.shape[-2])
        local = self.autoencoder.decode(latents[..., start:stop, :], skip_frames=skip_frames)
        return self._joined(local, self._cells_px)

    def _begin(self, total: int) -> tuple[int, int]:
        """This rank's rows of ``total`` latent rows."""
        self._rows.counts = [stop - start for start, stop in shares(total, self._rows.ranks.count)]
        return self._rows.ranks.share(total)

    def _joined(self, local: Tensor, scale: int) -> Tensor:
        return rows_at_first(
            local, [scale * count for count in self._rows.counts], self._rows.ranks
        )


class _Rows:
    """What the hooks look at: who has how many latent rows of the running call."""

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks
        self.counts: list[int] = []

    def all_of(self, x: Tensor) -> Tensor:
        """The rows of all ranks of ``x``, whose rows are a multiple of the latents'."""
        scale = x.shape[-2] // self.counts[self.ranks.index]
        return all_rows(x, [scale * count for count in self.counts], self.ranks)

    def mine_of(self, whole: Tensor) -> Tensor:
        """This rank's rows of what :meth:`all_of` made."""
        scale = whole.shape[-2] // sum(self.counts)
        start = scale * sum(self.counts[: self.ranks.index])
        return whole[..., start : start + scale * self.counts[self.ranks.index], :]


def share_rows(autoencoder: WanAutoencoder, rows: _Rows) -> None:
    """Every part of the autoencoder that looks beyond a pixel gets hooks that exchange rows."""
    from diffusers.models.autoencoders.autoencoder_kl_wan import (
        WanAttentionBlock,
        WanCausalConv3d,
        WanResample,
    )

    for part in autoencoder.graphs():
        for module in part.modules():
            if isinstance(module, WanCausalConv3d) and module.kernel_size[1] > 1:
                _both_sides(module, rows.ranks)
            elif isinstance(module, WanAttentionBlock):
                _whole(module, rows)
            elif isinstance(module, WanResample) and module.mode.startswith("upsample"):
                _both_sides(module.resample[1], rows.ranks)
            elif isinstance(module, WanResample) and module.mode.startswith("downsample"):
                _below(module.resample, rows.ranks)


def _both_sides(convolution: nn.Module, ranks: Ranks) -> None:
    """One row more on each side where another rank has it; cut off again behind."""
    above, below = ranks.index > 0, ranks.index < ranks.count - 1

    def widen(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        x, *caches = args
        cache = next((each for each in caches if isinstance(each, Tensor)), None)
        frames = 0 if cache is None else cache.shape[2]
        known = x if cache is None else torch.cat((cache, x), dim=2)
        upper, lower = neighbor_rows(known, ranks, above=True)
        wide = torch.cat([each for each in (upper, known, lower) if each is not None], dim=-2)
        return (wide,) if cache is None else (wide[:, :, frames:], wide[:, :, :frames])

    def cut(_: nn.Module, args: tuple[Any, ...], made: Tensor) -> Tensor:
        return made[..., int(above) : made.shape[-2] - int(below), :]

    convolution.register_forward_pre_hook(widen)
    convolution.register_forward_hook(cut)


def _below(halving: nn.Module, ranks: Ranks) -> None:
    """One row more below: a step of two looks there, and pads with zeros at the picture's end."""

    def widen(_: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
        (x,) = args
        _upper, lower = neighbor_rows(x, ranks, above=False)
        return (x,) if lower is None else (torch.cat((x, lower), dim=-2),)

    halving.register_forward_pre_hook(widen)


def _whole(attention: nn.Module, rows: _Rows) -> None:
    """All rows in, this rank's rows out."""
    attention.register_forward_pre_hook(lambda _, args: (rows.all_of(args[0]),))
    attention.register_forward_hook(lambda _, args, made: rows.mine_of(made))
