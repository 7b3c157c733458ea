"""CUDA graphs: what a network starts on the GPU is recorded once for each shape, then replayed.

Starting kernels one by one takes the processor longer than the GPU needs for the small ones. A
graph starts all of them at once, and allocates nothing. Inputs are copied to where the recording
reads them, and the result is copied out, so callers see no difference.

Weights must not change or move afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from flashtalk.errors import FlashTalkError
from flashtalk.models.dit.elsewhere import PredictsElsewhere
from flashtalk.models.dit.transformer import VideoTransformer
from flashtalk.models.networks import Networks
from flashtalk.models.published.frames import FramesAreShown
from flashtalk.models.published.tiny_vae import TinyWanAutoencoder
from flashtalk.models.published.wan_vae import WanAutoencoder
from flashtalk.placement import Placement, streams

WARM_UPS = 3  # calls before recording: libraries choose and allocate in them
Run = Callable[[], Tensor]
Record = Callable[[Run], tuple[Tensor, Callable[[], None]]]
"""Records a run; its result, and what computes it again into the same memory."""


def check_cuda_graphs(
    device: torch.device, placement: Placement | None, *, gpu_is_lent: bool
) -> None:
    """Raises :class:`FlashTalkError`, saying why, where graphs cannot be recorded."""
    if device.type != "cuda":
        raise FlashTalkError(
            f"cuda-graphs need a CUDA GPU, and the device is {str(device)!r}. Leave the word out."
        )
    if gpu_is_lent:
        raise FlashTalkError(
            "cuda-graphs need a GPU for longer than ZeroGPU lends one: every call is a new "
            "process, which would record again. Leave the word out."
        )
    if streams(placement):
        raise FlashTalkError(
            f"cuda-graphs and the placement {placement.name} exclude each other: its blocks come "
            "and go, and a graph holds addresses. Leave the word out, or use --placement 48gb."
        )


def recorded_on_gpu(run: Run) -> tuple[Tensor, Callable[[], None]]:
    """Records ``run`` as a CUDA graph, after it was warmed up on a stream of its own."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UPS):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    # other threads encode and copy meanwhile
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        result = run()
    return result, graph.replay


@dataclass
class _Recording:
    inputs: list[Tensor | None]
    result: Tensor
    replay: Callable[[], None]
    held: Any
    """What the recording reads and nobody else might keep."""


class Recordings:
    """Calls of ``function``, recorded once for every set of shapes, types and settings."""

    def __init__(self, function: Callable[..., Tensor], record: Record = recorded_on_gpu) -> None:
        self._function, self._record = function, record
        self._made: dict[Any, _Recording] = {}

    def __call__(
        self, given: Sequence[Tensor | None], held: Callable[[], Any] = tuple, **settings: Any
    ) -> Tensor:
        """What ``function`` returns for ``given`` and ``settings``, in memory of its own."""
        kinds = tuple(None if x is None else (tuple(x.shape), x.dtype) for x in given)
        key = (kinds, tuple(sorted(settings.items())))
        recording = self._made.get(key)
        if recording is None:
            inputs = [None if x is None else x.clone() for x in given]
            result, replay = self._record(lambda: self._function(*inputs, **settings))
            recording = self._made[key] = _Recording(inputs, result, replay, held())
        for place, x in zip(recording.inputs, given, strict=True):
            if place is not None and x is not None:
                place.copy_(x, non_blocking=True)
        recording.replay()
        return recording.result.clone()


class RecordedDenoiser(PredictsElsewhere):
    """A :class:`flashtalk.models.contracts.Denoiser` whose predictions are replayed."""

    def __init__(self, transformer: VideoTransformer, record: Record = recorded_on_gpu) -> None:
        super().__init__(transformer)
        self._recordings = Recordings(transformer, record)

    def predict(self, given: list[Tensor | None]) -> Tensor:
        """Replays what was recorded for these shapes."""
        latents = given[0]
        assert latents is not None  # the call has them always
        patch = self.transformer.config.patch
        frames, rows, columns = (
            size // part for size, part in zip(latents.shape[2:], patch, strict=True)
        )

        def rotation() -> Tensor:  # the transformer keeps the last few grids only
            return self.transformer.rotary.of((frames, rows, columns), latents.device)

        return self._recordings(given, rotation)


class RecordedAutoencoder(FramesAreShown):
    """A :class:`flashtalk.models.contracts.Autoencoder` that is replayed both ways."""

    def __init__(
        self, autoencoder: WanAutoencoder | TinyWanAutoencoder, record: Record = recorded_on_gpu
    ) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self._encoded = Recordings(autoencoder.encode, record)
        self._decoded = Recordings(autoencoder.decode, record)
        self.graphs = autoencoder.graphs

    def encode(self, video: Tensor, guidance: None = None) -> Tensor:
        """As the autoencoder's."""
        return self._encoded([video])

    def decode(self, latents: Tensor, guidance: None = None, *, skip_frames: int = 0) -> Tensor:
        """As the autoencoder's."""
        return self._decoded([latents], skip_frames=skip_frames)


def recorded(networks: Networks, record: Record = recorded_on_gpu) -> Networks:
    """``networks`` whose transformer and autoencoder are replayed.

    Raises :class:`FlashTalkError` for networks of another kind than the published ones.
    """
    transformer, autoencoder = networks.transformer, networks.autoencoder
    coders = (WanAutoencoder, TinyWanAutoencoder)
    if type(transformer) is not VideoTransformer or not isinstance(autoencoder, coders):
        raise FlashTalkError(
            f"cuda-graphs are for flashtalk-14b and its kind, not for {networks.preset.name}. "
            "Leave the word out."
        )
    return replace(
        networks,
        transformer=RecordedDenoiser(transformer, record),
        autoencoder=RecordedAutoencoder(autoencoder, record),
    )


def unrecorded(networks: Networks) -> Networks:
    """``networks`` as they were before :func:`recorded`; recordings are let go."""
    transformer, autoencoder = networks.transformer, networks.autoencoder
    if isinstance(transformer, RecordedDenoiser):
        networks = replace(networks, transformer=transformer.transformer)
    if isinstance(autoencoder, RecordedAutoencoder):
        networks = replace(networks, autoencoder=autoencoder.autoencoder)
    return networks
