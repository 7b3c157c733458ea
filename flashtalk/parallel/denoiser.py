"""The published transformer on several ranks.

Every rank takes *rows of all latent frames*. Patches, attention to text, image and speech, and the
head are then local as they are; only self-attention exchanges anything. Weights are whole on every
rank.
"""

from __future__ import annotations

from torch import Tensor

from flashtalk.errors import FlashTalkError
from flashtalk.models.dit.attention import SelfAttention
from flashtalk.models.dit.elsewhere import PredictsElsewhere
from flashtalk.models.dit.transformer import VideoTransformer
from flashtalk.parallel.exchange import rows_at_first
from flashtalk.parallel.mesh import Mesh
from flashtalk.parallel.ranks import shares
from flashtalk.parallel.ring import RingAttention
from flashtalk.parallel.team import Given, Team
from flashtalk.parallel.ulysses import RowRotary, UlyssesAttention

STATION = "predict"


def shareable(transformer: object, ranks: int, rows: int) -> VideoTransformer:
    """``transformer``; raises :class:`FlashTalkError` if ``ranks`` processes cannot share it.

    ``rows`` are the rows of patches of the smallest picture.
    """
    if type(transformer) is not VideoTransformer:  # a tiny one is a VideoTransformer, too
        raise FlashTalkError(
            "flashtalk-tiny runs in one process: its denoiser looks at whole frames. Start it "
            "without torchrun."
        )
    if ranks > rows:
        raise FlashTalkError(
            f"{ranks} processes cannot share {rows} rows of patches. Give torchrun "
            f"--nproc-per-node {rows} or less, or a taller --size."
        )
    return transformer


class SharedDenoiser(PredictsElsewhere):
    """A :class:`flashtalk.models.contracts.Denoiser` whose prediction all ranks compute.

    Everything but the prediction is the transformer's own, on rank 0.
    """

    def __init__(self, transformer: VideoTransformer, team: Team, mesh: Mesh) -> None:
        super().__init__(transformer)
        self._team, self._mesh = team, mesh
        transformer.rotary = RowRotary(transformer.rotary, mesh)  # type: ignore[assignment]
        for module in transformer.modules():
            if isinstance(module, SelfAttention):
                attend = RingAttention(mesh) if mesh.ring.count > 1 else module.attend
                module.attend = UlyssesAttention(attend, mesh)
        team.add(STATION, self._share)

    def predict(self, given: Given) -> Tensor:
        """Rank 0 asks all ranks. Raises :class:`FlashTalkError` if a rank is gone."""
        return self._team.call(STATION, given)

    def _share(self, given: Given) -> Tensor:
        """This rank's rows; rank 0 returns all of them."""
        latents, timestep, condition_latents, *context = given
        assert latents is not None and condition_latents is not None  # the call has them always
        ranks, patch_rows = self._mesh.ranks, self.transformer.config.patch[1]
        total = latents.shape[3] // patch_rows
        self._mesh.rows = [end - first for first, end in shares(total, ranks.count)]
        start, stop = (row * patch_rows for row in ranks.share(total))
        local = self.transformer(
            latents[..., start:stop, :], timestep, condition_latents[..., start:stop, :], *context
        )
        return rows_at_first(local, [rows * patch_rows for rows in self._mesh.rows], ranks)
