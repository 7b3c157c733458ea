"""The networks of one process become those of several, from outside."""

from __future__ import annotations

from dataclasses import replace

from flashtalk.acceleration.compiled import compile_shared
from flashtalk.acceleration.settings import Acceleration
from flashtalk.errors import FlashTalkError
from flashtalk.models.networks import Networks
from flashtalk.models.published.tiny_vae import TinyWanAutoencoder
from flashtalk.models.published.wan_vae import WanAutoencoder
from flashtalk.parallel.autoencoder import SharedAutoencoder
from flashtalk.parallel.denoiser import SharedDenoiser, shareable
from flashtalk.parallel.mesh import mesh_of, ulysses_degree
from flashtalk.parallel.ranks import Ranks
from flashtalk.parallel.ring import require_lse
from flashtalk.parallel.team import Team
from flashtalk.placement import Placement, streams


def share_networks(
    networks: Networks,
    ranks: Ranks,
    acceleration: Acceleration,
    placement: Placement | None,
    *,
    ulysses: int | None = None,
    autoencoder: bool = True,
) -> tuple[Networks, Team]:
    """``networks`` whose transformer and ``autoencoder`` all processes of ``ranks`` compute.

    ``ulysses`` is how many processes exchange heads; the others pass tokens around rings. Raises
    :class:`FlashTalkError` for networks that cannot be shared, and for techniques that exclude it.
    """
    preset, coder = networks.preset, networks.autoencoder
    sizes = preset.sizes or (preset.network_size,)
    rows = min(preset.geometry.sized(*size).token_grid[1] for size in sizes)
    whole = shareable(networks.transformer, ranks.count, rows)
    if acceleration.cuda_graphs or acceleration.ahead or streams(placement):
        raise FlashTalkError(
            "Several processes exclude cuda-graphs, ahead and the placement 24gb so far. Leave "
            "them out."
        )
    if autoencoder and isinstance(coder, TinyWanAutoencoder):
        raise FlashTalkError(
            "--tiny-vae and an autoencoder that processes share exclude each other. Add "
            "--no-shared-autoencoder, or leave --tiny-vae out."
        )
    degree = ulysses_degree(ranks.count, whole.config.heads, ulysses)
    if degree < ranks.count:
        require_lse(acceleration.attention)
    team = Team(ranks)
    shared = SharedDenoiser(whole, team, mesh_of(ranks, degree))
    if acceleration.compiled:
        compile_shared(networks, autoencoder=autoencoder)
    networks = replace(networks, transformer=shared)
    if autoencoder and isinstance(coder, WanAutoencoder):
        cells_px = preset.geometry.spatial_stride
        networks = replace(networks, autoencoder=SharedAutoencoder(coder, team, cells_px))
    return networks, team
