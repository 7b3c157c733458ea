"""Files -> networks: our own folders of shards, published checkpoints, and the Hugging Face Hub.

Above the stream, below the engine and training. ``checkpoint`` is the one door. ``tiny`` reads and
writes folders of the embedded family, ``published`` reads the published layout, and ``hub`` fetches
files. ``strict`` fills modules so that every tensor is used exactly once.
"""

from flashtalk.weights.tiny import (
    MANIFEST,
    build_networks,
    load_networks,
    load_weights,
    modules_of,
    read_manifest,
    save_weights,
)

__all__ = [
    "MANIFEST",
    "build_networks",
    "load_networks",
    "load_weights",
    "modules_of",
    "read_manifest",
    "save_weights",
]
