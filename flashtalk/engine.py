"""The engine: loads the networks once, owns them, opens sessions and lets them take turns.

::

    engine = Engine.from_pretrained("flashtalk-tiny")  # or flashtalk-14b, a folder, a Hub id
    session = engine.open("portrait.png")
    for chunk in session.push(samples):  # mono float samples at 16 kHz
        show(chunk.frames)

Any number of sessions may be open. They share the weights and nothing else. One thread computes for
all, a step at a time (:class:`flashtalk.stream.compute.ComputeThread`). Two visitors alternate
chunk by chunk, and each gets half of the speed. Sessions may be driven from different threads; one
session from one thread at a time. The same seed gives the same video from every thread.
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from flashtalk.acceleration.apply import (
    apply_acceleration,
    check_acceleration,
    usual_acceleration,
)
from flashtalk.acceleration.graphs import recorded, unrecorded
from flashtalk.acceleration.settings import DEFAULT, Acceleration
from flashtalk.conditions.known import KnownConditions
from flashtalk.config import FramingWay, Preset, SamplerConfig, Size
from flashtalk.errors import FlashTalkError
from flashtalk.inputs.picture import PictureSource
from flashtalk.inputs.portrait import Portrait, gray_portrait, portrait_for
from flashtalk.models.networks import Networks
from flashtalk.models.pixels import to_pixels, to_pixels_pinned
from flashtalk.parallel.ranks import Ranks
from flashtalk.parallel.sharing import share_networks
from flashtalk.parallel.team import Team
from flashtalk.placement import Placement, apply_placement
from flashtalk.placement.device import checked_device, chosen_placement, default_device
from flashtalk.placement.pace import live_preset, warm_shapes
from flashtalk.stream import faults
from flashtalk.stream.chunk import Scene
from flashtalk.stream.contracts import EngineState
from flashtalk.stream.rehearsal import Shape, live_pace, rehearse
from flashtalk.stream.session import Session, Split
from flashtalk.stream.state import checked_seed, chosen_sampler
from flashtalk.stream.threads import Threads
from flashtalk.stream.timing import NO_TIMER, StageTimer
from flashtalk.weights import modules_of
from flashtalk.weights.checkpoint import find_checkpoint
from flashtalk.weights.tiny_vae import checked_part, with_tiny_vae

logger = logging.getLogger(__name__)

ALONE = "engine"
"""The name of an engine that nobody else works beside."""


class Engine:
    """One set of weights on one device, and the sessions that use it."""

    def __init__(
        self,
        networks: Networks,
        *,
        device: str | torch.device = "cpu",
        placement: Placement | None = None,
        acceleration: Acceleration | None = DEFAULT,
        size: Size = None,
        turn_threads: int | None = None,
        gpu_is_lent: bool = False,
    ) -> None:
        self._gpu_is_lent = gpu_is_lent
        self._device = checked_device(device)
        for module in modules_of(networks).values():
            module.eval().requires_grad_(False)
            if placement is None:
                module.to(self._device)
        if placement is not None:
            apply_placement(networks, placement, self._device)
        self._placement = placement
        self.any_size = networks.preset
        """The preset before a size was chosen."""
        self._networks = replace(networks, preset=networks.preset.with_size(size))
        self._known = KnownConditions()
        self.accelerate(acceleration or usual_acceleration(self._device, networks.preset))
        self._cost: float | None = None
        self._notices: dict[FramingWay, str] = {}
        # only processors gain by decoding side by side
        apart = networks.autoencoder.latents_independent and self._device.type == "cpu"
        self._threads = Threads.started(apart, turn_threads)

    @classmethod
    def from_pretrained(
        cls,
        name_or_folder: str | Path = "flashtalk-tiny",
        *,
        device: str | torch.device | None = None,
        placement: Placement | str | None = None,
        acceleration: Acceleration | None = DEFAULT,
        gpu_is_lent: bool = False,
        mode: str | None = None,
        tiny_vae: str | None = None,
        size: Size = None,
        threads: int | None = None,
        turn_threads: int | None = None,
    ) -> Engine:
        """The engine of a preset, of a local folder of weights, or of a repository on the Hub.

        ``name_or_folder`` is ``flashtalk-tiny`` (in this repository), ``flashtalk-14b`` (fetched
        from the Hub), a folder in either's layout, or ``owner/name[@revision]``. ``device`` is by
        default the processor for the embedded model. Published ones take the first GPU, if there is
        one. ``placement`` arranges large networks in the GPU's memory (a name such as ``"48gb"``);
        by default it follows from how much there is. ``acceleration`` switches techniques on that
        make the same networks faster; ``None`` are all that a processor gains from.
        ``gpu_is_lent`` refuses those that ZeroGPU cannot run.
        ``mode`` chooses sizes and steps of a published model (``"realtime"``), and no technique.
        ``tiny_vae``: a small autoencoder for motion frames (``"encode"``) or for all (``"both"``).
        ``size`` (height, width) replaces the choice by the portrait's aspect. ``threads`` sets
        PyTorch's threads for the process. A turn computes with as many, or with ``turn_threads``;
        decoding always uses all.

        Raises :class:`FlashTalkError` for a checkpoint that is not there, cannot be fetched or does
        not fit. Likewise for a device that is missing or too small, and for an impossible size. A
        technique that this machine cannot run is refused, too.
        """
        checkpoint = find_checkpoint(name_or_folder)
        device = checked_device(device or default_device(checkpoint.preset))
        preset = checkpoint.preset.with_mode(mode)
        placement = chosen_placement(preset.with_size(size), device, placement)
        if acceleration is not None:
            check_acceleration(acceleration, device, placement, gpu_is_lent=gpu_is_lent)
        if threads is not None:
            if threads < 1:
                raise FlashTalkError(f"threads must be 1 or more, got {threads}.")
            torch.set_num_threads(threads)
        part = None if tiny_vae is None else checked_part(tiny_vae)
        start_s = time.perf_counter()
        networks = replace(checkpoint.load(device), preset=preset)
        engine = cls(
            networks if part is None else with_tiny_vae(networks, part),
            device=device,
            placement=placement,
            acceleration=acceleration,
            size=size,
            turn_threads=turn_threads,
            gpu_is_lent=gpu_is_lent,
        )
        logger.info("%s loaded in %.2f s", preset.name, time.perf_counter() - start_s)
        return engine

    def accelerate(self, acceleration: Acceleration) -> None:
        """Switches techniques on, for sessions that are opened later.

        What changes networks for good (layout, 8 bits, compilation) is added, never taken back.
        Raises :class:`FlashTalkError` for a technique that this machine cannot run.
        """
        check_acceleration(acceleration, self._device, self._placement)
        plain = unrecorded(self._networks)
        self._frame_match = apply_acceleration(plain, acceleration, self._device)
        self._networks = recorded(plain) if acceleration.cuda_graphs else plain
        self._acceleration = acceleration
        self._known.clear()

    def share(self, ranks: Ranks, *, ulysses: int | None = None, autoencoder: bool = True) -> Team:
        """Shares transformer and ``autoencoder`` with the other processes of ``ranks``, for good.

        Rank 0 goes on as an engine; the others call ``follow()`` of what is returned. ``ulysses``
        is how many processes exchange heads; the others pass tokens around rings. Raises
        :class:`FlashTalkError` for networks that cannot be shared, and for techniques that exclude
        it.
        """
        self._networks, team = share_networks(
            self._networks,
            ranks,
            self._acceleration,
            self._placement,
            ulysses=ulysses,
            autoencoder=autoencoder,
        )
        self._known.clear()
        team.watch()
        return team

    def at_size(self, size: tuple[int, int] | None) -> Engine:
        """An engine of the same weights and threads for another ``size``; ``None``: this one.

        Raises :class:`FlashTalkError` for an impossible size.
        """
        if size is None:
            return self
        other = copy.copy(self)
        other._networks = replace(self._networks, preset=self.any_size.with_size(size))
        other._notices = {}
        return other

    @property
    def preset(self) -> Preset:
        """The running preset: sizes, sampler defaults, name."""
        return self._networks.preset

    @property
    def networks(self) -> Networks:
        """The weights, to be looked at; all sessions share them."""
        return self._networks

    @property
    def acceleration(self) -> Acceleration:
        """Which techniques are on."""
        return self._acceleration

    @property
    def device(self) -> torch.device:
        """Where the networks live."""
        return self._device

    @property
    def notices(self) -> Mapping[FramingWay, str]:
        """What sessions of each framing say of smaller pictures; see :meth:`keep_up`."""
        return self._notices

    @property
    def cost(self) -> float | None:
        """Seconds that a second of video took at the last warm-up; ``None`` before one."""
        return self._cost

    @property
    def encoder_thread(self) -> bool:
        """Whether whoever shows the video encodes it on a thread of its own."""
        return self._acceleration.encoder_thread

    @property
    def states(self) -> dict[str, EngineState]:
        """Itself alone: for a page, see :class:`flashtalk.stream.contracts.Engines`."""
        return {ALONE: EngineState(self._cost)}

    def at(self, name: str) -> Engine:
        """Itself; ``name`` is that of ``states``."""
        return self

    def open(
        self,
        portrait: Portrait | PictureSource,
        *,
        seed: int = 0,
        steps: int | None = None,
        color_strength: float | None = None,
        prompt: str | None = None,
        framing: FramingWay = "face",
        face: int | None = None,
        without_face: bool = False,
        chunk_frames: int | None = None,
        live: bool = False,
        first_fragment_frames: int = 0,
        timed: bool = False,
    ) -> Session:
        """A session in which the person of ``portrait`` talks.

        ``portrait`` is a picture (path, bytes, PIL image, array) or one that ``portrait_for`` has
        framed for this preset; its size is the video's. ``framing="picture"`` shows the whole
        picture, in which the person speaks, in place of head and shoulders. The largest of several
        faces speaks, or number ``face`` from the left. ``without_face`` accepts pictures in which
        none is found.

        ``prompt`` (models with a text encoder) says what is to be seen. ``None`` or an empty one is
        the preset's, and one that is too long is cut (see :meth:`prompt_notice`). ``seed`` makes
        the same video again. ``steps`` and ``color_strength`` replace the preset's sampler
        settings. ``chunk_frames`` replaces the length of a chunk; it is one of the preset's
        ``trained_chunk_frames``. ``live`` is for somebody who waits for an answer while speaking:
        the shortest chunks, each in two pieces. ``first_fragment_frames`` (a multiple of 4, fewer
        than a chunk adds) delivers so many frames of the first chunk, or of every live one, before
        its rest. ``timed`` measures seconds by stage.
        Raises :class:`FlashTalkError` for settings and pictures that cannot be used.
        """
        preset = self.preset.for_live_speech() if live else self.preset.with_chunk(chunk_frames)
        framed = portrait_for(
            portrait, preset, framing=framing, face=face, without_face=without_face
        )
        return self._open(
            framed,
            sampler=chosen_sampler(self.preset, steps, color_strength),
            seed=checked_seed(seed),
            prompt=prompt,
            preset=preset,
            first_fragment_frames=first_fragment_frames,
            split="every" if live else "first",
            timed=timed,
        )

    def prepare(self, portrait: Portrait) -> None:
        """Gets ready for sessions of a framed ``portrait``, behind what others have begun.

        What it finds is kept while the portrait is, and until a few others came. Where a GPU is
        lent nothing is done: it is there inside sessions alone.
        """
        if not self._gpu_is_lent:
            step = self._known.gathering(self._networks, portrait, None, self._device)
            self._threads.computer.begin(step)

    def prompt_notice(self, prompt: str | None) -> str | None:
        """A sentence for the visitor if ``prompt`` is longer than the model reads."""
        encoder = self._networks.text_encoder
        return encoder.notice(prompt) if encoder and prompt else None

    def warm_up(self) -> float:
        """Runs two silent chunks, so that the first visitor does not pay for it; seconds taken.

        Compiled networks do so in every shape that a visitor may ask for, and the log says which.
        ``cost`` is that of the usual shape.
        """
        start_s = time.perf_counter()
        self._cost = rehearse(self._open_nobody, self.preset, self.shapes)
        return time.perf_counter() - start_s

    @property
    def shapes(self) -> list[Shape]:
        """Sizes in pixels and frames of a chunk to warm up in, the usual ones first.

        One, unless networks are compiled: then a new shape costs seconds to minutes.
        """
        built = self._acceleration.compiled or self._acceleration.ahead
        return warm_shapes(self.preset)[: None if built else 1]

    def live_pace(self, enough: float, chunks: int = 8) -> float:
        """Seconds of video per second of work in chunks for live speech, of the quickest chunk.

        Measures ``chunks`` of them, or fewer once one is quick ``enough``.
        """
        return live_pace(self._open_nobody, self.preset.for_live_speech(), enough, chunks)

    def keep_up(self, cost: float | None = None) -> tuple[str, ...]:
        """Goes over to smaller pictures where large ones are too slow for a live page.

        Call it after :meth:`warm_up`, before any session. ``cost`` is that of the slowest engine of
        the page, by default its own. Returns sentences if it did, which every session of that
        framing repeats in its notices.
        """
        preset, cost = self.preset, cost or self._cost
        if cost is None:
            return ()
        smaller, notices = live_preset(preset, cost)
        self._notices |= notices
        self._networks = replace(self._networks, preset=smaller)
        if smaller.picture_size != preset.picture_size:
            self.warm_up()
        return tuple(notices.values())

    def _open_nobody(self, preset: Preset, size: tuple[int, int] | None = None) -> Session:
        """A session of a gray picture, at the ``size`` of networks or at that of the preset."""
        portrait = gray_portrait(self.preset, size)
        return self._open(portrait, preset=preset, sampler=preset.sampler, seed=0)

    def _open(
        self,
        portrait: Portrait,
        *,
        preset: Preset,
        sampler: SamplerConfig,
        seed: int,
        prompt: str | None = None,
        first_fragment_frames: int = 0,
        split: Split = "first",
        timed: bool = False,
    ) -> Session:
        networks = replace(self._networks, preset=preset)
        smaller = self._notices.get(portrait.framing)
        notices = () if smaller is None else (smaller,)
        preset.require_prompt(prompt)
        with faults.said():
            step = self._known.gathering(self._networks, portrait, prompt, self._device)
            conditions = self._threads.computer.run(step)
        scene = Scene(
            networks,
            conditions,
            sampler,
            workers=self._threads.workers,
            timer=StageTimer(self._device) if timed else NO_TIMER,
            frame_match=self._frame_match,
            to_pixels=to_pixels_pinned if self._acceleration.pinned_copies else to_pixels,
            still=portrait.still,
        )
        return Session(
            scene,
            seed=seed,
            computer=self._threads.computer,
            picture_thread=self._threads.pictures if self._acceleration.picture_thread else None,
            first_fragment_frames=first_fragment_frames,
            split=split,
            notices=notices + networks.autoencoder.notices(conditions.guidance),
        )
