"""A denoiser whose predictions are computed in another way than its transformer's own.

For techniques that are applied from outside: replayed graphs, several processes. All but the
prediction stays the transformer's.
"""

from __future__ import annotations

from torch import Tensor, nn

from flashtalk.models.dit.transformer import VideoTransformer


class PredictsElsewhere(nn.Module):
    """A :class:`flashtalk.models.contracts.Denoiser` around ``transformer``."""

    anchored = False

    def __init__(self, transformer: VideoTransformer) -> None:
        super().__init__()
        self.transformer = transformer
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
        """As the transformer's; ``num_motion`` is for anchored denoisers."""
        return self.predict([latents, timestep, condition_latents, audio_tokens, text, image])

    def predict(self, given: list[Tensor | None]) -> Tensor:
        """What the transformer returns for ``given``, its arguments in their order."""
        raise NotImplementedError
