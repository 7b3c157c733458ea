"""Self-attention over tokens that are shared out: all-to-all between rows and heads.

Source: DeepSpeed-Ulysses (Jacobs et al. 2023, arXiv 2309.14509). Every rank has the tokens of its
rows, with all heads. For the softmax it has all tokens, with its share of the heads::

    [B, L of my rows, all N, D]  --all to all-->  [B, all L, my N, D]  --attend-->  and back

Shares need not be equal, so no token is padded and no rank count must divide the heads. Where heads
would be too unequal, ranks form smaller groups, which :mod:`flashtalk.parallel.ring` joins. "All L"
above is then all of the group's tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor

from flashtalk.models.dit.rope import Grid, RotaryTables
from flashtalk.models.dit.softmax_attention import Attend
from flashtalk.parallel.exchange import all_to_all
from flashtalk.parallel.mesh import Mesh
from flashtalk.parallel.ranks import shares


class RowRotary:
    """The rotations of this rank's rows; in the place of the transformer's own tables."""

    def __init__(self, whole: RotaryTables, mesh: Mesh) -> None:
        self._whole, self._mesh = whole, mesh

    def of(self, grid: Grid, device: torch.device) -> Tensor:
        """[L of my rows, 1, D / 2] for the local ``grid`` (T, rows, W)."""
        frames, _, columns = grid
        total = sum(self._mesh.rows)
        start, stop = self._mesh.ranks.share(total)
        rotation = self._whole.of((frames, total, columns), device)
        rotation = rotation.unflatten(0, (frames, total, columns))
        return rotation[:, start:stop].flatten(0, 2)


class UlyssesAttention:
    """Softmax attention over the tokens of a group; ``attend`` computes it for some heads."""

    def __init__(self, attend: Attend, mesh: Mesh) -> None:
        self._attend, self._mesh = attend, mesh

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # what is exchanged is in no graph
    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """q, k, v [B, L of my rows, N, D] -> like q."""
        group = self._mesh.ulysses
        if group.count == 1:
            return self._attend(q, k, v)
        per_row = q.shape[1] // self._mesh.rows[self._mesh.ranks.index]
        lengths = [rows * per_row for rows in self._mesh.group_rows(self._mesh.ring.index)]
        heads = [stop - start for start, stop in shares(q.shape[2], group.count)]
        mine = heads[group.index]
        batch, width = q.shape[0], q.shape[3]
        shapes = [(batch, length, mine, width) for length in lengths]
        given = [
            torch.cat(all_to_all(list(each.split(heads, dim=2)), shapes, group), dim=1)
            for each in (q, k, v)
        ]  # [B, L of the group, my N, D]
        attended = self._attend(*given)
        back = [(batch, q.shape[1], count, width) for count in heads]
        return torch.cat(all_to_all(list(attended.split(lengths, dim=1)), back, group), dim=2)
