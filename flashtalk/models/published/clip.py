"""Portrait -> image condition, with the CLIP vision tower of Wan 2.1.

Runs once per session, before its first chunk. The transformer's cross-attention reads the last but
one hidden state. A class token and one token for each of the tower's patches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from transformers import CLIPVisionModel

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)  # RGB in [0, 1]; OpenAI's CLIP
CLIP_DEVIATION = (0.26862954, 0.26130258, 0.27577711)


def clip_pixels(portrait: Tensor, size: int) -> Tensor:
    """Portrait [B, 3, H, W] in [-1, 1] -> [B, 3, size, size] normalized as CLIP wants it, float32.

    The whole picture is squeezed into the square, bicubic and without antialiasing: so the
    published model was trained.
    """
    square = F.interpolate(portrait.float(), (size, size), mode="bicubic", align_corners=False)
    rgb = (square + 1.0) / 2.0
    mean, deviation = (
        rgb.new_tensor(values)[:, None, None] for values in (CLIP_MEAN, CLIP_DEVIATION)
    )
    return (rgb - mean) / deviation


class ImageConditioner(nn.Module):
    """The penultimate hidden state of a CLIP vision tower."""

    def __init__(self, encoder: CLIPVisionModel) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, portrait: Tensor) -> Tensor:
        """Portrait [B, 3, H, W] in [-1, 1] -> [B, tokens, width] in the encoder's own type.

        224 pixels in patches of 14 make 257 tokens.
        """
        side: Any = self.encoder.config.image_size  # the library's types allow two sides
        pixels = clip_pixels(portrait, side).to(self.encoder.dtype)
        states = self.encoder(pixel_values=pixels, output_hidden_states=True).hidden_states
        return states[-2]
