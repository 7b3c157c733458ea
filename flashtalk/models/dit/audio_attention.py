"""Attention of video tokens to the speech of their own moment.

Part of a :class:`flashtalk.models.dit.block.TransformerBlock`. The tokens of latent frame j see the
audio tokens of latent frame j and no others. That ties a mouth to its sound. Attribute names follow
the published checkpoint (InfiniteTalk).
"""

from __future__ import annotations

from torch import Tensor, nn

from flashtalk.models.dit.softmax_attention import Attend, attention


class AudioCrossAttention(nn.Module):
    """Cross-attention frame by frame: no positions, no norm of queries and keys."""

    attend: Attend = staticmethod(attention)
    """As in :class:`flashtalk.models.dit.attention.SelfAttention`."""

    def __init__(self, dim: int, audio_width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_linear = nn.Linear(dim, dim)
        self.kv_linear = nn.Linear(audio_width, 2 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, audio_tokens: Tensor) -> Tensor:
        """x [B, T*S, dim], audio tokens [B, T, M, audio_width] -> [B, T*S, dim]."""
        frames = audio_tokens.flatten(0, 1)  # [B*T, M, audio_width]
        q = self.q_linear(x).view(frames.shape[0], -1, self.heads, x.shape[-1] // self.heads)
        k, v = self.kv_linear(frames).unflatten(-1, (2, self.heads, -1)).unbind(2)
        return self.proj(self.attend(q, k, v).reshape(x.shape))
