"""What every chunk loop promises, held by both families at toy size.

A shrunken flashtalk-tiny with every setting that ships, and a shrunken 14B in the published layout.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from published_toy import build_published_toy, states
from scenes import scene_of
from torch import Tensor

from flashtalk.conditions import Conditions, gather_conditions
from flashtalk.models.networks import Networks
from flashtalk.models.pixels import to_pixels
from flashtalk.stream.chunk import Scene, advance, fragment_bounds, show
from flashtalk.stream.session import Session
from flashtalk.stream.state import opening_state
from lab.training.data.chunks import windowed_features
from lab.training.data.talks import leveled, session_windows
from lab.training.rollout import Draw, Talk, roll_out

CHUNKS = 3
SEED = 5


@dataclass(frozen=True)
class Family:
    """One model, a person, and speech of three chunks with what the last one hears ahead."""

    networks: Networks
    conditions: Conditions
    stranger: Conditions
    speech: np.ndarray

    @property
    def scene(self) -> Scene:
        return scene_of(self.networks, self.conditions)

    def session(self, seed: int = SEED, conditions: Conditions | None = None) -> Session:
        return Session(scene_of(self.networks, conditions or self.conditions), seed=seed)

    def windows(self) -> Tensor:
        """[1, K, F, window, layers, width] of the chunks, as a training makes them."""
        preset = self.networks.preset
        samples = torch.from_numpy(self.speech)[None]
        heard = leveled(session_windows(samples, preset.geometry), preset)
        encoder = self.networks.speech_encoder
        rows = [windowed_features(encoder, heard[:, index], preset) for index in range(CHUNKS)]
        return torch.stack(rows, dim=1)


@pytest.fixture(scope="module", params=["tiny", "14B"])
def family(request: pytest.FixtureRequest) -> Iterator[Family]:
    published = request.param == "14B"
    networks = build_published_toy() if published else request.getfixturevalue("toy_networks")
    geometry = networks.preset.geometry
    size = (geometry.height_px, geometry.width_px)
    coarse = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(2)) * 2 - 1
    portrait = torch.nn.functional.interpolate(coarse, size, mode="bilinear")
    given = states(0) if published else {}
    count = CHUNKS * geometry.new_samples + geometry.lookahead_samples
    time_s = np.arange(count) / geometry.sample_rate_hz
    speech = (0.3 * np.sin(2 * np.pi * (180 + 90 * time_s) * time_s)).astype(np.float32)
    with torch.inference_mode():
        people = [gather_conditions(networks, each, **given) for each in (portrait, -portrait)]
        yield Family(networks, people[0], people[1], speech)


@pytest.fixture(scope="module")
def whole(family: Family) -> np.ndarray:
    return frames_of(family.session().push(family.speech))


def frames_of(pieces) -> np.ndarray:
    return np.concatenate([piece.frames for piece in pieces])


def nearly_equal(one: np.ndarray, other: np.ndarray) -> bool:
    """Up to what decoding fewer frames at once rounds otherwise."""
    away = np.abs(one.astype(int) - other)
    return away.max() <= 8 and (away > 1).mean() < 1e-3


@pytest.mark.parametrize("size", [640, 1_000, 5_000])
def test_any_slicing_gives_the_same_frames(family: Family, whole: np.ndarray, size: int) -> None:
    session = family.session()
    slices = [family.speech[begin : begin + size] for begin in range(0, len(family.speech), size)]
    assert np.array_equal(
        frames_of(piece for each in slices for piece in session.push(each)), whole
    )


def test_two_interleaved_sessions_never_leak(family: Family, whole: np.ndarray) -> None:
    alone = frames_of(family.session(9, family.stranger).push(family.speech))
    ours, theirs = family.session(), family.session(9, family.stranger)
    step = family.networks.preset.geometry.new_samples
    made: list[list[np.ndarray]] = [[], []]
    for begin in range(0, len(family.speech), step):
        for frames, session in zip(made, (ours, theirs), strict=True):
            frames += [piece.frames for piece in session.push(family.speech[begin : begin + step])]
    assert np.array_equal(np.concatenate(made[0]), whole)
    assert np.array_equal(np.concatenate(made[1]), alone)
    assert not np.array_equal(whole, alone)


def test_skip_leaves_what_push_would(family: Family, whole: np.ndarray) -> None:
    geometry = family.networks.preset.geometry
    session = family.session()
    ahead = 2 * geometry.new_samples + geometry.lookahead_samples
    assert session.skip(family.speech[:ahead]) == 2 * geometry.new_frames
    shown = frames_of(session.push(family.speech[ahead:]))
    assert nearly_equal(shown, whole[2 * geometry.new_frames :])


def test_offline_is_live(family: Family, whole: np.ndarray) -> None:
    """Whole chunks over windows that were all computed beforehand."""
    state, frames = opening_state(family.conditions, SEED), []
    for speech in family.windows().unbind(1):
        video, state = advance(family.scene, state, speech)
        frames.append(to_pixels(video[0]))
    assert np.array_equal(np.concatenate(frames), whole)


@pytest.mark.parametrize("chunks", [1, 2, 3])
def test_a_roll_out_with_the_last_exit_step_is_a_session(
    family: Family, whole: np.ndarray, chunks: int
) -> None:
    """Blinks and flow prior included: seed 5 blinks within these chunks."""
    talk = Talk(family.conditions, family.windows())
    sampler = family.networks.preset.sampler
    last = roll_out(family.networks, talk, Draw(chunks, sampler.steps - 1), sampler, SEED)
    bounds = fragment_bounds(family.scene.geometry)
    (shown,) = show(family.scene, last.state, last.estimate, bounds)
    new = family.networks.preset.geometry.new_frames
    assert nearly_equal(to_pixels(shown.video[0]), whole[(chunks - 1) * new : chunks * new])


def test_the_tiny_one_blinks_here(family: Family) -> None:
    """So the promises above are held with lids that shut."""
    geometry, denoiser = family.networks.preset.geometry, family.networks.transformer
    controls = [denoiser.control(geometry, SEED, index, 1) for index in range(CHUNKS)]
    assert all(each is None for each in controls) or max(each.max() for each in controls) == 1.0
