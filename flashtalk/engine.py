"""The engine: loads the networks once, owns them, opens sessions and lets them take turns.

::

    engine = Engine.from_pretrained("flashtalk-tiny")
    session = engine.open("portrait.png")
    for chunk in session.push(samples):  # mono float samples at 16 kHz
        show(chunk.frames)

Any number of sessions may be open. They share the weights and nothing else: a chunk step runs
under a first-in-first-out turn (:class:`flashtalk.stream.turns.Turns`), so two visitors alternate
chunk by chunk and each gets half of the speed. Sessions may be driven from different threads; one
session from one thread at a time.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flashtalk.conditions import gather_conditions
from flashtalk.config import FOURTEEN_B, PRESETS, Preset, SamplerConfig, preset_named
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.picture import PictureSource
from flashtalk.inputs.portrait import Portrait, load_portrait
from flashtalk.stream.chunk import Networks
from flashtalk.stream.session import Session
from flashtalk.stream.timing import NO_TIMER, StageTimer
from flashtalk.stream.turns import Turns
from flashtalk.weights import load_networks, modules_of, read_manifest

logger = logging.getLogger(__name__)

ASSETS = Path(__file__).resolve().parent.parent / "assets"


class Engine:
    """One set of weights on one device, and the sessions that use it."""

    def __init__(self, networks: Networks, *, device: str | torch.device = "cpu") -> None:
        self._device = checked_device(device)
        for module in modules_of(networks).values():
            module.eval().requires_grad_(False).to(self._device)
        # convolutions run about twice as fast in this layout on processors; results agree to 1e-5
        networks.autoencoder.to(memory_format=torch.channels_last)
        self._networks = networks
        self._turns = Turns()

    @classmethod
    def from_pretrained(
        cls,
        name_or_folder: str | Path = "flashtalk-tiny",
        *,
        device: str | torch.device = "cpu",
        threads: int | None = None,
    ) -> Engine:
        """The engine of a preset, from this repository's assets, or of a folder of weights.

        ``threads`` sets PyTorch's threads for the whole process. Raises :class:`FlashTalkError` for
        an unknown preset, a device that is not there, and weights that are missing or do not fit.
        """
        device = checked_device(device)
        preset, folder = _locate(name_or_folder)
        if threads is not None:
            if threads < 1:
                raise FlashTalkError(f"threads must be 1 or more, got {threads}.")
            torch.set_num_threads(threads)
        start_s = time.perf_counter()
        engine = cls(load_networks(folder, preset), device=device)
        logger.info("%s loaded in %.2f s", preset.name, time.perf_counter() - start_s)
        return engine

    @property
    def preset(self) -> Preset:
        """What is running: sizes, sampler defaults, name."""
        return self._networks.preset

    @property
    def device(self) -> torch.device:
        """Where the networks live."""
        return self._device

    def open(
        self,
        portrait: Portrait | PictureSource,
        *,
        seed: int = 0,
        steps: int | None = None,
        color_strength: float | None = None,
        prompt: str | None = None,
        first_fragment_frames: int = 0,
        timed: bool = False,
    ) -> Session:
        """A session in which the person of ``portrait`` talks.

        ``portrait`` is a picture (path, bytes, PIL image, array) or one that ``load_portrait``
        has framed for this preset.

        ``seed`` makes the same video again; ``steps`` and ``color_strength`` replace the preset's
        sampler settings; ``first_fragment_frames`` (a multiple of 4 below 28) delivers so many
        frames of the first chunk before the rest of it is decoded; ``timed`` measures seconds by
        stage. Raises :class:`FlashTalkError` for settings and pictures that cannot be used.
        """
        if not isinstance(portrait, Portrait):
            portrait = load_portrait(portrait, self.preset.geometry)
        return self._open(
            portrait.tensor,
            sampler=self._sampler(steps, color_strength),
            seed=_checked_seed(seed),
            prompt=prompt,
            first_fragment_frames=first_fragment_frames,
            timed=timed,
        )

    def warm_up(self) -> float:
        """Runs one silent chunk, so that the first visitor does not pay for it; seconds taken."""
        geometry = self.preset.geometry
        start_s = time.perf_counter()
        gray = torch.zeros(1, 3, geometry.height_px, geometry.width_px)
        with self._open(gray, sampler=self.preset.sampler, seed=0) as session:
            for _ in session.push(np.zeros(geometry.new_samples, np.float32)):
                pass
        return time.perf_counter() - start_s

    def _open(
        self,
        portrait: Tensor,
        *,
        sampler: SamplerConfig,
        seed: int,
        prompt: str | None = None,
        first_fragment_frames: int = 0,
        timed: bool = False,
    ) -> Session:
        if prompt:
            raise FlashTalkError(
                f"{self.preset.name} does not read a prompt: it follows portrait and speech only. "
                "Leave the prompt empty."
            )
        with self._turns.turn(), torch.inference_mode():
            conditions = gather_conditions(
                self._networks.autoencoder, self.preset, portrait.to(self._device)
            )
        return Session(
            self._networks,
            conditions,
            sampler=sampler,
            seed=seed,
            turns=self._turns,
            timer=StageTimer(self._device) if timed else NO_TIMER,
            first_fragment_frames=first_fragment_frames,
        )

    def _sampler(self, steps: int | None, color_strength: float | None) -> SamplerConfig:
        sampler = self.preset.with_sampler(steps=steps, color_strength=color_strength).sampler
        if sampler.steps not in self.preset.trained_steps:
            logger.warning(
                "%s was trained for %s steps; %d may look worse",
                self.preset.name,
                " or ".join(map(str, self.preset.trained_steps)),
                sampler.steps,
            )
        return sampler


def checked_device(device: str | torch.device) -> torch.device:
    """A device that exists; raises :class:`FlashTalkError` for any other."""
    try:
        checked = torch.device(device)
    except RuntimeError as error:
        raise FlashTalkError(f"Unknown device {device!r}. Use 'cpu' or 'cuda'.") from error
    if checked.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (checked.index or 0) >= count:
            raise FlashTalkError(
                f"Device {str(device)!r} was asked for, but PyTorch sees {count} CUDA GPUs here. "
                "Use device='cpu', or install a CUDA build of PyTorch on a machine with that GPU."
            )
    elif checked.type != "cpu":
        raise FlashTalkError(f"Device {str(device)!r} is not supported. Use 'cpu' or 'cuda'.")
    return checked


def _checked_seed(seed: int) -> int:
    if seed < 0 or seed != int(seed):
        raise FlashTalkError(f"The seed must be a whole number from 0 up, got {seed}.")
    return int(seed)


def _locate(name_or_folder: str | Path) -> tuple[Preset, Path]:
    """The preset and the folder of its weights."""
    name = str(name_or_folder)
    if name == FOURTEEN_B.name:
        raise FlashTalkError(
            f"{name} cannot be loaded yet: reading the published checkpoint "
            f"({FOURTEEN_B.weights}) is the next milestone, and it will need a GPU of the "
            "H100 class. Use flashtalk-tiny, which runs on any processor."
        )
    if name in PRESETS:
        return PRESETS[name], ASSETS / PRESETS[name].weights
    folder = Path(name_or_folder)
    if not folder.is_dir():
        raise FlashTalkError(
            f"{name!r} is neither a preset ({', '.join(PRESETS)}) nor a folder of weights."
        )
    return preset_named(read_manifest(folder).preset), folder
