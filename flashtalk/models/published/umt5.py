"""Prompt -> text condition, with the umT5 encoder of Wan 2.1.

Runs once per session, before its first chunk. The published model always sees the same number of
text rows; those behind the prompt are exactly zero (they are attended, it was trained so).
"""

from __future__ import annotations

import html
import logging
from collections import OrderedDict
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, UMT5EncoderModel

logger = logging.getLogger(__name__)

CACHED_PROMPTS = 8  # 4 MB each at 512 x 4096 in 16 bits


def cleaned(prompt: str) -> str:
    """The prompt as the model was trained to see it: plain letters, no entities, single spaces.

    ftfy straightens quotes, narrows full-width letters and mends what was decoded wrongly.
    """
    import ftfy  # only models that read a prompt need it

    plain = html.unescape(html.unescape(ftfy.fix_text(prompt)))  # twice, as the published system
    return " ".join(plain.split())


class TextConditioner(nn.Module):
    """States of the text encoder; the last prompts are remembered."""

    def __init__(
        self, encoder: UMT5EncoderModel, tokenizer: PreTrainedTokenizerBase, tokens: int = 512
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.tokens = tokens
        self._tokenizer = tokenizer
        self._remembered: OrderedDict[str, Tensor] = OrderedDict()

    def forward(self, prompt: str) -> Tensor:
        """``prompt`` -> [1, tokens, width] in the encoder's own type, zero behind the prompt.

        Only the prompt's own tokens are encoded: padding would be masked out and change nothing.
        A prompt that is too long is cut; :meth:`notice` says so and it is logged.
        """
        prompt = cleaned(prompt)
        if prompt not in self._remembered:
            if notice := self.notice(prompt):
                logger.warning(notice)
            self._remembered[prompt] = self._encode(prompt)
            while len(self._remembered) > CACHED_PROMPTS:
                self._remembered.popitem(last=False)
        self._remembered.move_to_end(prompt)
        return self._remembered[prompt]

    def notice(self, prompt: str) -> str | None:
        """A sentence for the visitor when ``prompt`` is longer than the model reads."""
        count = len(self._tokenizer(cleaned(prompt), verbose=False).input_ids)
        if count <= self.tokens:
            return None
        return (
            f"The prompt has {count} tokens; the first {self.tokens} are used and the rest is "
            "left out. Shorten it to say which part matters."
        )

    def _encode(self, prompt: str) -> Tensor:
        ids = self._tokenizer(
            prompt, truncation=True, max_length=self.tokens, return_tensors="pt"
        ).input_ids.to(self.encoder.device)
        # Remembered, so a later training step may meet it: not an inference tensor.
        with torch.inference_mode(False), torch.no_grad():
            states = self.encoder(input_ids=ids.clone()).last_hidden_state  # [1, L, width]
            return F.pad(states, (0, 0, 0, self.tokens - states.shape[1]))
