"""Where the weights of a preset are under a placement, phase by phase."""

from __future__ import annotations

from flashtalk.placement import ALL_RESIDENT, OFFLOAD_ENCODERS, STREAMED, Placement
from flashtalk.placement.offload import BLOCKS_IN_FLIGHT
from flashtalk.placement.plan import PlacedWeights
from lab.memory.parts import Parts

PHASES = {
    "text": "text_encoder",
    "image": "image_encoder",
    "first frame": "autoencoder",
    "speech": "speech_encoder",
    "denoise": "transformer",
    "decode": "autoencoder",
    "color": None,
    "motion encode": "autoencoder",
}
"""The phases of a session in order, and the network that each of them runs."""

FP8_PHASES = {"denoise": "denoise fp8"}  # what they are called where the blocks store 8 bits
OFFLOADED = ("text_encoder", "image_encoder")

ENDLESS = 1e9  # GiB: for arrangements that are only shown, never chosen
COLUMNS = (
    ALL_RESIDENT,
    Placement("+ offload", ENDLESS, offload_encoders=True),
    Placement("+ FP8", ENDLESS, fp8=True),
    OFFLOAD_ENCODERS,
    STREAMED,
)
"""The placements, and between them what each of two measures saves."""


def placed_weights(parts: Parts, placement: Placement) -> PlacedWeights:
    """Bytes on the GPU in every phase that ``parts`` has, and on the host."""
    weights = {part.name: part.bytes for part in parts.parts}
    blocks = parts.blocks
    block = blocks.fp8 if placement.fp8 else blocks.plain
    kept = blocks.count
    if placement.resident_blocks is not None:
        kept = min(kept, placement.resident_blocks)
    streamed = blocks.count - kept
    on_gpu = kept + min(streamed, BLOCKS_IN_FLIGHT)
    around = weights["transformer"] - blocks.count * blocks.plain
    weights["transformer"] = around + on_gpu * block
    offloaded = OFFLOADED if placement.offload_encoders else ()
    always = sum(size for name, size in weights.items() if name not in offloaded)
    gpu_bytes: dict[str, int] = {}
    for phase, runs in PHASES.items():
        if runs is None or runs in weights:
            key = FP8_PHASES.get(phase, phase) if placement.fp8 else phase
            gpu_bytes[key] = always + (
                weights[runs] if runs is not None and runs in offloaded else 0
            )
    converted = sum(part.bytes for part in parts.parts if part.name in parts.converted)
    return PlacedWeights(gpu_bytes, host_bytes=converted + streamed * block)
