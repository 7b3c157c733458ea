"""Which techniques are on: one frozen dataclass, and the words by which a person chooses them.

``--acceleration compile,attention=flash3`` on the command line, or the variable
FLASHTALK_ACCELERATION where no options can be given. ``none`` is the plain path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from flashtalk.errors import FlashTalkError

AttentionName = Literal[
    "sdpa", "math", "flash", "efficient", "cudnn", "flash3", "flash-attn", "sage"
]
VARIABLE = "FLASHTALK_ACCELERATION"
ATTENTION = "attention="


@dataclass(frozen=True)
class Acceleration:
    """What is switched on; :func:`flashtalk.acceleration.apply.apply_acceleration` does it."""

    attention: AttentionName = "sdpa"
    """Kernel of the transformer's softmax attention; ``sdpa``: PyTorch picks."""
    channels_last: bool = False
    """Weights and feature maps of convolutions have their channels innermost in memory."""
    bf16_convolutions: bool = False
    """Convolutions on a processor multiply in bfloat16 and add in float32."""
    fp8_products: bool = False
    """Linear layers of all blocks but the first and the last one multiply in 8 bits."""
    fused_qkv: bool = False
    """Queries, keys and values of self-attention are one product."""
    compiled: bool = False
    """Blocks, autoencoder and color match are compiled, each as one graph."""
    ahead: bool = False
    """Blocks run code that was compiled ahead of time, for GPUs that are lent for a minute."""
    cuda_graphs: bool = False
    """Predictions, encoding and decoding are recorded for each shape, and replayed."""
    pinned_copies: bool = False
    """Pictures come to the host by way of memory that the GPU itself writes to."""
    encoder_thread: bool = True
    """H.264 and AAC run on a thread of their own, beside the next piece. Bytes are the same."""
    picture_thread: bool = True
    """A processor makes pictures beside the next chunk. Same bytes, but for live speech."""

    def __post_init__(self) -> None:
        if self.attention not in get_args(AttentionName):
            raise FlashTalkError(
                f"Unknown attention kernel {self.attention!r}. Known ones: "
                f"{', '.join(get_args(AttentionName))}."
            )

    @property
    def words(self) -> str:
        """What is on, in the words of :func:`acceleration_of`."""
        on = [word for word, name in SWITCHES.items() if getattr(self, name)]
        if self.attention != "sdpa":
            on.append(f"{ATTENTION}{self.attention}")
        return ",".join(on) or "none"


SWITCHES = {
    "channels-last": "channels_last",
    "bf16-convolutions": "bf16_convolutions",
    "fp8-products": "fp8_products",
    "fused-qkv": "fused_qkv",
    "compile": "compiled",
    "ahead": "ahead",
    "cuda-graphs": "cuda_graphs",
    "pinned-copies": "pinned_copies",
    "encoder-thread": "encoder_thread",
    "picture-thread": "picture_thread",
}
"""Words of the command line, and the fields that they switch on."""

PLAIN = Acceleration(encoder_thread=False, picture_thread=False)
"""Nothing: what every technique is compared with."""
DEFAULT = Acceleration()
"""What costs nothing: results are the same bytes as the plain path's."""


def acceleration_of(words: str) -> Acceleration:
    """The techniques named in ``words``, separated by commas; ``none`` is the plain path.

    Raises :class:`FlashTalkError` for a word that is none of them.
    """
    named = [word.strip() for word in words.split(",") if word.strip()]
    if not named:
        raise FlashTalkError(f"--acceleration is empty. Give none, or some of {_known()}.")
    if named == ["none"]:
        return PLAIN
    fields: dict[str, bool] = dict.fromkeys(SWITCHES.values(), False)
    attention: str = "sdpa"
    for word in named:
        if word.startswith(ATTENTION):
            attention = word.removeprefix(ATTENTION)
        elif word in SWITCHES:
            fields[SWITCHES[word]] = True
        else:
            raise FlashTalkError(
                f"Unknown acceleration {word!r}. Give none alone, or some of {_known()}, separated "
                "by commas."
            )
    return Acceleration(attention=attention, **fields)  # type: ignore[arg-type]  # checked there


def _known() -> str:
    return ", ".join([*SWITCHES, f"{ATTENTION}{'|'.join(get_args(AttentionName))}"])
