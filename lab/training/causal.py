"""Causal attention in place of bidirectional: the comparison that the design rests on.

Applied from outside to :class:`flashtalk.models.dit.transformer.VideoTransformer`; the weights fit
either way. Not used in any preset: a chunk is denoised at once, so its frames may all see each
other, which is what the paper argues for. Here to be trained and measured beside it.
"""

from __future__ import annotations

from flashtalk.geometry import ChunkGeometry
from flashtalk.models.dit.attention import SelfAttention
from flashtalk.models.dit.transformer import VideoTransformer
from flashtalk.models.tiny.frame_smoothing import FrameSmoothing


def look_back_only(transformer: VideoTransformer, geometry: ChunkGeometry) -> VideoTransformer:
    """``transformer``, changed: no latent frame sees a later one, in attention or smoothing."""
    return _set_sight(transformer, geometry.tokens_per_latent)


def look_both_ways(transformer: VideoTransformer) -> VideoTransformer:
    """The reverse of :func:`look_back_only`."""
    return _set_sight(transformer, None)


def _set_sight(transformer: VideoTransformer, tokens_per_latent: int | None) -> VideoTransformer:
    for module in transformer.modules():
        if isinstance(module, SelfAttention):
            module.tokens_per_latent = tokens_per_latent
        elif isinstance(module, FrameSmoothing):
            module.causal = tokens_per_latent is not None
    return transformer
