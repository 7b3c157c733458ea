"""What published autoencoders share: they are not guided, and their frames are the pictures."""

from __future__ import annotations

from torch import Tensor, nn

from flashtalk.inputs.still import FILLING, Place


class FramesAreShown(nn.Module):
    """The part of :class:`flashtalk.models.contracts.Autoencoder` that needs no network."""

    latents_independent = False

    def begin(
        self, portrait: Tensor, large: Tensor | None = None, place: Place = FILLING
    ) -> tuple[Tensor, None]:
        """The portrait as it is, and nothing: this autoencoder is not guided."""
        return portrait, None

    def notices(self, guidance: None) -> tuple[str, ...]:
        """None: every picture is drawn as it is."""
        return ()

    def openings(self, latents: Tensor) -> None:
        """Nobody knows: mouths have no latents of their own."""

    def encode(self, video: Tensor, guidance: None = None) -> Tensor:
        """Video [B, 3, 1+4k, H, W] in [-1, 1] -> latents [B, C, 1+k, H/8, W/8]."""
        raise NotImplementedError

    def reference_latents(self, clip: Tensor, guidance: None = None) -> Tensor:
        """The ``clip`` [B, 3, 1+4k, H, W] is encoded: latents [B, C, 1+k, H/8, W/8]."""
        return self.encode(clip)

    def motion_latents(self, video: Tensor, latents: Tensor, guidance: None = None) -> Tensor:
        """The ``video`` [B, 3, 1+4k, H, W] is encoded: latents [B, C, 1+k, H/8, W/8]."""
        return self.encode(video)

    def decode(self, latents: Tensor, guidance: None = None, *, skip_frames: int = 0) -> Tensor:
        """Latents [B, C, 1+k, h, w] -> video [B, 3, 1+4k-skip_frames, 8h, 8w] in [-1, 1]."""
        raise NotImplementedError

    def decode_traced(
        self, latents: Tensor, guidance: None = None, *, skip_frames: int = 0
    ) -> tuple[Tensor, None]:
        """:meth:`decode`, and nothing."""
        return self.decode(latents, skip_frames=skip_frames), None
