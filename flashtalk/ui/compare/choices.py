"""What a comparison on this page may vary, for the browser's half."""

from __future__ import annotations

from typing import Any

from flashtalk.evaluation.variants import Variant
from flashtalk.ui.compare.comparisons import Comparisons
from flashtalk.ui.compare.models import Models

STEPS = (1, 2, 4, 8)


def choices(comparisons: Comparisons) -> dict[str, Any]:
    """By model: steps, sizes and chunks to choose from, and those of its own."""
    models = comparisons.models
    offered = [_of_model(models, name) for name in models.names]
    return {"models": offered, "refusal": comparisons.refusal}


def _of_model(models: Models, name: str) -> dict[str, Any]:
    whole = models.preset_of(Variant(preset=name))
    own = models.own if name == models.own.name else whole
    chunks = dict.fromkeys((whole.geometry.chunk_frames, *whole.trained_chunk_frames))
    return {
        "name": name,
        "steps": list(dict.fromkeys(sorted((*STEPS, own.sampler.steps)))),
        "own_steps": own.sampler.steps,
        "sizes": ["{}x{}".format(*size) for size in whole.picture_sizes or whole.sizes],
        "own_size": "{}x{}".format(*(own.picture_size or own.network_size)),
        "by_portrait": bool(own.sizes),
        "framings": list(whole.framings),
        "chunks": [
            {"frames": frames, "new_s": whole.with_chunk(frames).geometry.new_s}
            for frames in chunks
        ],
    }
